/* fastbp_groups.h: the kernels of features of single numbers, and of products of groups of features; fastbp.h includes
 * it.
 *
 * Both stages put out n_groups groups of `size` features and after them, as they are, numbers that they only pass on: a
 * basis all of its inputs, a product of groups the inputs behind its groups. The units of these have no parameters: their
 * rows of weights are never read, and have a gradient of zero.
 *
 * A basis makes the features of group g from the input x that columns[g] names; unit u has w = weights[u], b = bias[u].
 * Waves are A = cos(2 pi w x + b) (Gorishniy, Rubachev and Babenko 2022), ramps A = w x + b, limited to 0 .. 1. Unit u of
 * a product of groups is the sum of weights[u] times the layer's n_inputs numbers of its group, + bias[u].
 */
#ifndef FASTBP_GROUPS_H
#define FASTBP_GROUPS_H

#include "fastbp.h"

typedef struct {
    ptrdiff_t n_groups;
    ptrdiff_t size;
    const int32_t *columns;    /* basis: [n_groups]; product: NULL */
    int waves;                 /* basis: 1: waves, 0: ramps */
} fbp_groups;

/* Each for panels p0..p1, but for the gradients: these are of units n0..n1, over n_samples samples, dW rows layer->ld
 * apart with their padding zero, and accumulate = 0 does not read dW and db. */
typedef struct fbp_group_kernels {
    /* `kept` (data NULL: not wanted) receives act'(Z) of the units of all groups, [panel][n_groups * size][VL], from which
     * the next three are made: dX from dZ, what becomes of a direction t of the inputs, and dW and db. */
    void (*basis_forward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels in, fbp_panels out,
                          fbp_panels kept, ptrdiff_t p0, ptrdiff_t p1);
    void (*basis_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels dZ,
                           fbp_panels dX, ptrdiff_t p0, ptrdiff_t p1);
    void (*basis_tangent)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels t,
                          fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);
    void (*basis_gradient)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels in,
                           fbp_panels dZ, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW, void *db,
                           int accumulate);
    /* Second derivatives, given the outputs A: out += that along a direction t; and out, a gradient of the inputs, += what
     * that of the outputs, dA, bends along t. Ramps have none but at their kinks, which are left out. */
    void (*basis_curvature)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels A, fbp_panels t,
                            fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);
    void (*basis_curvature_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels A, fbp_panels t,
                                     fbp_panels dA, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);

    void (*product_forward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels in, fbp_panels out,
                            ptrdiff_t p0, ptrdiff_t p1);
    void (*product_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels dZ, fbp_panels dX,
                             ptrdiff_t p0, ptrdiff_t p1);
    void (*product_gradient)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels in, fbp_panels dZ,
                             ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW, void *db, int accumulate);
} fbp_group_kernels;

#endif
