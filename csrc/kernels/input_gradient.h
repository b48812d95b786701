/* input_gradient.h: dZ_below = (dZ @ W) * act'(below) of a dense layer.
 *
 * Uses panels_product.h and blocking.h, finish.h. Rows are inputs, steps are units: forward with W's sides exchanged.
 */

/* W [n_units / TERMS][ld], an operand being the weights of TERMS adjacent units; dZ [panel][n_units / TERMS][VL] */
static INLINE void NAME(input_product)(const fbp_layer *layer, const operand *W, fbp_panels dZ, const fbp_layer *below,
                                       fbp_panels A_below, fbp_panels slope_below, fbp_panels dZ_below, ptrdiff_t p0,
                                       ptrdiff_t p1, ptrdiff_t k0, ptrdiff_t k1, int half, void *scratch)
{
    const int in_tiles = below->activation == FBP_RELU;
    /* Packing pays where W is large and several groups of panels read each packed number. */
    const int packs = NAME(weight_bytes)(layer) > PACK_FROM_BYTES && p1 - p0 > NV;
    const NAME(layer_below) context = {below, A_below, slope_below, dZ_below};
    const panels_product m = {
        .p = {
            .streamed = dZ.data,
            .streamed_stride = dZ.stride,
            .broadcast_stride = packs ? MR : layer->ld,
            .out = dZ_below.data,
            .out_vector = dZ_below.stride,
            .out_row = VL,
            .out_stride = dZ_below.stride,
            .bias = NULL,
            .gate = A_below.data,
            .gate_stride = A_below.stride,
            .prefetches = NAME(needs_prefetch)(layer),
        },
        .tiles = NAME(input_tiles),
        .half_tiles = HALF_TILES(input, half),
        .W = W,
        .row_stride = 1,
        .step_stride = layer->ld,
        .n_steps = NAME(ceil_divide)(layer->n_units, TERMS),
        .most_rows = PACK_INPUTS,
        .packed = packs ? scratch : NULL,
        .relu = in_tiles,
        .finish = in_tiles ? NULL : NAME(finish_backward),
        .context = &context,
    };
    NAME(multiply_panels)(&m, p0, p1, k0, k1);
}
