/* narrow.h: every template of narrow products, each after those that it uses, and their table.
 *
 * Parameters: those of instantiate.h, REAL_BITS 32, NARROW, NATIVE_BF16.
 */
#include "simd.h"

#include "vmath.h"

#include "transpose.h"
#if NATIVE_BF16
#include "activation.h"
#else /* those of float32, in the same file */
static INLINE void NAME(activate)(fbp_activation activation, real alpha, real *rows, real *slope, ptrdiff_t n_rows)
{
    activate_f32(activation, alpha, rows, slope, n_rows);
}

static INLINE void NAME(pass_back)(fbp_activation activation, real alpha, const real *A, const real *slope, real *dA,
                                   ptrdiff_t n_rows)
{
    pass_back_f32(activation, alpha, A, slope, dA, n_rows);
}
#endif
#include "bfloat16.h"
#include "operand.h"
#include "blocking.h"
#include "microkernel.h"
#include "tiles.h"
#include "half_panels.h"
#include "product.h"
#include "panels_product.h"
#include "finish.h"
#include "forward.h"
#include "input_gradient.h"
#include "weight_gradient.h"
#include "bias_gradient.h"
#define WHOLE_STEPS 0
#include "narrow_panels.h"
#include "narrow_weights.h"

static void NAME(dense_forward)(const fbp_layer *layer, const void *rows, fbp_panels in, fbp_panels out,
                                fbp_panels slope, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t n0, ptrdiff_t n1)
{
    NAME(forward_product)(layer, rows, in, out, slope, p0, p1, n0, n1, 0);
}

static void NAME(input_gradient)(const fbp_layer *layer, const void *pairs, fbp_panels dZ, const fbp_layer *below,
                                 fbp_panels A_below, fbp_panels slope_below, fbp_panels dZ_below, ptrdiff_t p0,
                                 ptrdiff_t p1, ptrdiff_t k0, ptrdiff_t k1, void *scratch)
{
    NAME(input_product)(layer, pairs, dZ, below, A_below, slope_below, dZ_below, p0, p1, k0, k1, 0, scratch);
}

static void NAME(weight_gradient)(const fbp_layer *layer, fbp_panels dZ, fbp_panels dZ_rows, const void *blocks,
                                  ptrdiff_t block_stride, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW,
                                  void *db, int accumulate, const void *const *will_write)
{
    NAME(weight_product)(layer, dZ_rows, blocks, block_stride, n_samples, n0, n1, dW, accumulate, will_write);
    if (db)
        NAME(bias_gradient)(dZ, n_samples, n0, n1, db, accumulate);
}

static const fbp_narrow_kernels NAME(table) = {
    .isa = STRING(ISA),
    .kind = NATIVE_BF16 ? FBP_BF16_NATIVE : FBP_BF16_EMULATED,
    .lanes = VL,
    .tile_rows = MR,
    .scratch_elements = PACK_ELEMENTS,
    .round_panels = NAME(round_panels),
    .round_weights = NAME(round_weights),
    .dense_forward = NAME(dense_forward),
    .input_gradient = NAME(input_gradient),
    .weight_gradient = NAME(weight_gradient),
};

#undef WHOLE_STEPS
#undef pair
#undef pair_vec
#include "undef.h"
