/* forward.h: Z = A @ W.T + b of a dense layer, and its activation.
 *
 * Uses panels_product.h and blocking.h, finish.h. Rows are units, steps are inputs.
 */

/* W [n_units][ld / TERMS]; `in` [panel][n_inputs / TERMS][VL] */
static INLINE void NAME(forward_product)(const fbp_layer *layer, const operand *W, fbp_panels in, fbp_panels out,
                                         fbp_panels slope, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t n0, ptrdiff_t n1,
                                         int half)
{
    const ptrdiff_t K = NAME(ceil_divide)(layer->n_inputs, TERMS), row_stride = layer->ld / TERMS;
    const ptrdiff_t most_units = L2_OPERANDS / NAME(ceil_divide)(K, NAME(ceil_divide)(K, KC));
    const int in_tiles = layer->activation == FBP_RELU; /* the others pass over the rows just written */
    const NAME(activation_of_layer) context = {layer, out, slope};
    const panels_product m = {
        .p = {
            .streamed = in.data,
            .streamed_stride = in.stride,
            .broadcast_stride = row_stride,
            .out = out.data,
            .out_vector = out.stride,
            .out_row = VL,
            .out_stride = out.stride,
            .bias = layer->bias,
            .gate = NULL,
            .gate_stride = 0,
            .prefetches = NAME(needs_prefetch)(layer),
        },
        .tiles = NAME(forward_tiles),
        .half_tiles = HALF_TILES(forward, half),
        .W = W,
        .row_stride = row_stride,
        .step_stride = 1,
        .n_steps = K,
        .most_rows = most_units > MR ? most_units : MR, /* no branch - no set has an L2 so small for its KC */
        .packed = NULL,
        .relu = in_tiles,
        .finish = in_tiles ? NULL : NAME(finish_forward),
        .context = &context,
    };
    NAME(multiply_panels)(&m, p0, p1, n0, n1);
}
