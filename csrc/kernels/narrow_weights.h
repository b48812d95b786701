/* narrow_weights.h: weights of float32 -> the pairs of bfloat16 that narrow products read.
 *
 * Uses bfloat16.h. Gives round_weights to the table; fastbp_bf16.h has the layouts.
 */

/* Rows of ld numbers are whole vectors. The last unit of an odd number is paired with zeros. */
static void NAME(round_weights)(const fbp_layer *layer, ptrdiff_t n0, ptrdiff_t n1, void *rows, void *pairs)
{
    const ptrdiff_t ld = layer->ld;
    for (ptrdiff_t n = n0; n < n1; n += 2) {
        const real *W = (const real *)layer->weights + n * ld;
        char *row = (char *)rows + n * ld * 2;
        for (ptrdiff_t k = 0; k < ld; k += VL) {
            const vec second = n + 1 < n1 ? NAME(load)(W + ld + k) : NAME(splat)(0);
            const pair_vec both = NAME(rounded_in_sequence)(NAME(load)(W + k), second);
            memcpy(row + k * 2, &both, VL * 2);
            if (n + 1 < n1)
                memcpy(row + (ld + k) * 2, (const char *)&both + VL * 2, VL * 2);
            if (pairs)
                NAME(store_pairs)((pair *)pairs + n / 2 * ld + k, NAME(interleave)(both));
        }
    }
}
