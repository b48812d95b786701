/* dropout.h: which numbers a step leaves out, as a function of the seed, the step's stream and their place.
 *
 * Uses simd.h and random.h (draw). Gives dropout to the table.
 *
 * The elements of a layer's panels are numbered, each panel beginning with a whole round of draws. Element e uses draw
 * e of the step's stream, in float32 half of one. So the mask of the forward pass is not stored: the backward pass
 * computes it again.
 */

/* Random words of this dtype's size in one round. */
#define ROUND_ELEMENTS (DRAWS * 64 / REAL_BITS)

/* panels p0..p1 -> the same with each number zero with probability `rate`, else divided by 1 - rate. In place or not.
 * (N. Srivastava et al. 2014; the division here makes prediction need no factor.) */
static void NAME(dropout)(fbp_panels in, fbp_panels out, ptrdiff_t n_features, ptrdiff_t first_panel, ptrdiff_t p0,
                          ptrdiff_t p1, double rate, uint64_t seed, uint64_t stream)
{
    const ptrdiff_t n = n_features * VL, rounds = (n + ROUND_ELEMENTS - 1) / ROUND_ELEMENTS;
    const vec scale = NAME(splat)((real)(1 / (1 - rate)));
    const ivec threshold = NAME(isplat)((integer)(rate * (double)((uint64_t)1 << (REAL_BITS - 1))));
    union {
        uint64_t draws[2][COUNTERS];
        integer words[ROUND_ELEMENTS];
    } bits;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t round = 0; round < rounds; round++) {
            const ptrdiff_t begin = round * ROUND_ELEMENTS;
            const ptrdiff_t end = n < begin + ROUND_ELEMENTS ? n : begin + ROUND_ELEMENTS;
            NAME(draw)(seed, stream, (uint64_t)((first_panel + p) * rounds + round) * DRAWS, bits.draws);
            for (ptrdiff_t i = begin; i < end; i += VL) {
                ivec word;
                memcpy(&word, bits.words + (i - begin), sizeof word);
                word &= NAME(isplat)((integer)(((uint64_t)1 << (REAL_BITS - 1)) - 1)); /* not negative */
                NAME(store)(to + i, NAME(keep)(MASK(word >= threshold), NAME(load)(from + i) * scale));
            }
        }
    }
}
#undef ROUND_ELEMENTS
