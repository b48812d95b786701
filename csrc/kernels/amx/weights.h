/* weights.h of amx: weights of float32 -> the tiles of bfloat16 that the products read.
 *
 * Uses tiles.h, bfloat16.h and transpose.h. Gives round_weights to the table; fastbp_bf16.h has the layouts.
 *
 * In .ci/coverage: no cover - CPUs with AMX.
 */

static INLINE ptrdiff_t NAME(steps_of)(ptrdiff_t n)
{
    return (n + STEP - 1) / STEP;
}

/* Units n0..n1 times 32 inputs from k on -> a tile of [16 units][32 inputs] of each 16 units. */
static INLINE void NAME(round_rows)(const fbp_layer *layer, ptrdiff_t n0, ptrdiff_t n1, ptrdiff_t k, char *rows)
{
    const ptrdiff_t ld = layer->ld, n_steps = NAME(steps_of)(layer->n_inputs);
    for (ptrdiff_t n = n0; n < n1; n++) {
        const real *W = (const real *)layer->weights + n * ld + k;
        const vec second = k + VL < ld ? NAME(load)(W + VL) : NAME(splat)(0);
        NAME(store_pairs)((pair *)(rows + (n / TILE * n_steps + k / STEP) * TILE_BYTES + n % TILE * 64),
                          NAME(rounded_in_sequence)(NAME(load)(W), second));
    }
}

/* Units n0..n1 of the 32 that begin with `first`, times 16 inputs from k on -> a tile of [16 inputs][32 units]; what the
 * tile has of other units stays. */
static INLINE void NAME(round_tile)(const fbp_layer *layer, ptrdiff_t first, ptrdiff_t n0, ptrdiff_t n1, ptrdiff_t k,
                                    char *tile)
{
    const ptrdiff_t ld = layer->ld;
    const real *W = (const real *)layer->weights + first * ld + k;
    vec x[VL];
    if (n0 == first && n1 == first + STEP) {
        UNROLL
        for (int i = 0; i < VL; i++)
            x[i] = (vec)NAME(interleave)(NAME(rounded_in_sequence)(NAME(load)(W + 2 * i * ld),
                                                                   NAME(load)(W + (2 * i + 1) * ld)));
        NAME(transpose)(x);
        UNROLL
        for (int i = 0; i < VL; i++)
            NAME(store)((real *)tile + i * VL, x[i]);
        return;
    }
    for (int i = 0; i < VL; i++) {
        vec pairs[2] = {NAME(splat)(0), NAME(splat)(0)};
        for (int j = 0; j < 2; j++)
            if (first + 2 * i + j >= n0 && first + 2 * i + j < n1)
                pairs[j] = NAME(load)(W + (2 * i + j) * ld);
        x[i] = (vec)NAME(interleave)(NAME(rounded_in_sequence)(pairs[0], pairs[1]));
    }
    NAME(transpose)(x);
    const unsigned from = (unsigned)(n0 - first) / 2, to = (unsigned)(n1 - first + 1) / 2;
    const __mmask16 own = (__mmask16)((1u << to) - (1u << from));
    for (int i = 0; i < VL; i++)
        _mm512_mask_store_ps(tile + i * 64, own, (__m512)x[i]);
}

/* 32 units times 32 inputs at a time: rows from both halves, columns from each. */
static void NAME(round_weights)(const fbp_layer *layer, ptrdiff_t n0, ptrdiff_t n1, void *rows, void *pairs)
{
    const ptrdiff_t n_steps = NAME(steps_of)(layer->n_units);
    for (ptrdiff_t first = n0 / STEP * STEP; first < n1; first += STEP) {
        const ptrdiff_t from = first < n0 ? n0 : first, to = first + STEP < n1 ? first + STEP : n1;
        for (ptrdiff_t k = 0; k < layer->n_inputs; k += STEP) {
            NAME(round_rows)(layer, from, to, k, rows);
            for (ptrdiff_t half = k; pairs && half < k + STEP && half < layer->n_inputs; half += TILE)
                NAME(round_tile)(layer, first, from, to, half,
                                 (char *)pairs + (half / TILE * n_steps + first / STEP) * TILE_BYTES);
        }
    }
}
