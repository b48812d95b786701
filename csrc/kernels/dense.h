/* dense.h: the three products of a dense layer, on numbers of the dtype, and the gradient of its biases.
 *
 * Uses forward.h, input_gradient.h, weight_gradient.h and bias_gradient.h. Gives dense_forward, input_gradient and
 * weight_gradient to the table. narrow.h has the same on pairs of bfloat16.
 */

static void NAME(dense_forward)(const fbp_layer *layer, fbp_panels in, fbp_panels out, fbp_panels slope, ptrdiff_t p0,
                                ptrdiff_t p1, ptrdiff_t n0, ptrdiff_t n1, int half)
{
    NAME(forward_product)(layer, layer->weights, in, out, slope, p0, p1, n0, n1, half);
}

static void NAME(input_gradient)(const fbp_layer *layer, fbp_panels dZ, const fbp_layer *below, fbp_panels A_below,
                                 fbp_panels slope_below, fbp_panels dZ_below, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t k0,
                                 ptrdiff_t k1, int half, void *scratch)
{
    NAME(input_product)(layer, layer->weights, dZ, below, A_below, slope_below, dZ_below, p0, p1, k0, k1, half, scratch);
}

static void NAME(weight_gradient)(const fbp_layer *layer, fbp_panels dZ, const void *blocks, ptrdiff_t block_stride,
                                  ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW, void *db, int accumulate,
                                  const void *const *will_write)
{
    NAME(weight_product)(layer, dZ, blocks, block_stride, n_samples, n0, n1, dW, accumulate, will_write);
    if (db)
        NAME(bias_gradient)(dZ, n_samples, n0, n1, db, accumulate);
}
