/* weight_gradient.h: dW[n] = sum over s of dZ[n][s] * A[s], of a dense layer.
 *
 * Uses product.h and blocking.h, where the loops are numbered. Rows are units, vectors are VL inputs each, steps are
 * samples.
 */

/* dZ [panel][n_units][PANEL_STEPS]; blocks [n_inputs / VL][n_samples / TERMS][VL] */
static INLINE void NAME(weight_product)(const fbp_layer *layer, fbp_panels dZ, const operand *blocks,
                                        ptrdiff_t block_stride, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1,
                                        void *dW, int accumulate, const void *const *will_write)
{
    const ptrdiff_t n_panels = NAME(ceil_divide)(n_samples, VL), n_vectors = NAME(ceil_divide)(layer->n_inputs, VL);
    const ptrdiff_t n_steps = NAME(ceil_divide)(n_samples, TERMS);
    const ptrdiff_t most_units = L2_OPERANDS / n_steps, most_panels = SC / PANEL_STEPS > 0 ? SC / PANEL_STEPS : 1;
    const split unit_blocks =
        NAME(split_evenly)(n1 - n0, most_units > MIN_TILES * MR ? most_units : MIN_TILES * MR);
    const split sample_blocks = NAME(split_evenly)(n_panels, n_steps <= KC ? n_panels : most_panels);
    const split groups = NAME(split_evenly)(n_vectors, NV);
    const product p = {
        .streamed = blocks,
        .streamed_stride = block_stride,
        .broadcast_stride = dZ.stride,
        .out = dW,
        .out_vector = VL,
        .out_row = layer->ld,
        .out_stride = layer->ld,
        .bias = NULL,
        .gate = NULL,
        .gate_stride = 0,
        .prefetches = NAME(needs_prefetch)(layer),
    };

    for (ptrdiff_t ub = 0, unit = n0, n_units; ub < unit_blocks.n; ub++, unit += n_units) { /* loop 3 */
        n_units = NAME(size_of_piece)(unit_blocks, ub);
        const split tiles = NAME(split_evenly)(n_units, MR);
        for (ptrdiff_t g = 0, vector = 0, end; g < groups.n; g++, vector = end) { /* loop 2 */
            end = vector + NAME(size_of_piece)(groups, g);
            for (ptrdiff_t sb = 0, panel = 0, next; sb < sample_blocks.n; sb++, panel = next) { /* loop 4 */
                next = panel + NAME(size_of_piece)(sample_blocks, sb);
                const ptrdiff_t step = panel * PANEL_STEPS, next_step = next * PANEL_STEPS;
                const int last = sb == sample_blocks.n - 1;
                strip s = NAME(begin_strip)(&p, (const operand *)dZ.data + panel * dZ.stride + unit * PANEL_STEPS, unit,
                                            vector, step, (next_step < n_steps ? next_step : n_steps) - step,
                                            sb == 0 && !accumulate, 0);
                const ptrdiff_t next_vector = last ? end : vector;
                if (p.prefetches && next_vector < n_vectors) {
                    const ptrdiff_t length = NAME(size_of_piece)(sample_blocks, last ? 0 : sb + 1);
                    NAME(plan_prefetch)(&s, NAME(streamed_at)(&p, next_vector, last ? 0 : next_step),
                                        length * PANEL_STEPS * VL, tiles.n * (next - panel));
                }
                for (int a = 0; a < FBP_WILL_WRITE; a++)
                    if (will_write && will_write[a] && last)
                        s.will_write[a] = (const char *)will_write[a] - (const char *)dW;
                NAME(tiles_of_strip)(NAME(weight_tiles), tiles, end - vector, &s);
            }
        }
    }
}
