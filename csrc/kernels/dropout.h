/* dropout.h: which numbers a step leaves out, as a function of the seed, the step's stream and their place.
 *
 * Uses simd.h and random.h (words, philox, draw). Gives dropout and dropout_by_lane to the table.
 *
 * The mask of the forward pass is not stored: the backward pass computes it again.
 */

/* Counters of one vector of samples: a lane of words has a whole one, so in float32 it takes two vectors of words. */
#if VECTOR_BYTES && REAL_BITS == 32
#define SPLIT_LANES 2
#else
#define SPLIT_LANES 1
#endif

/* Units of a sample that share the four words of one counter. */
#define GROUP_UNITS 4

/* The integers of all lanes, in the lower halves of words: in float32 first those of the words' lower halves. */
static INLINE void NAME(as_words)(ivec x, words w[SPLIT_LANES])
{
#if SPLIT_LANES == 2
    memcpy(&w[0], &x, sizeof x);
    w[1] = w[0] >> 32;
#else
    w[0] = (words)x;
#endif
}

/* The lower halves of words, as the upper 32 bits of the integers of all lanes. */
static INLINE ivec NAME(as_integers)(words first, words second)
{
#if SPLIT_LANES == 2
    const words both = (second << 32) | (first & NAME(every_word)(0xFFFFFFFFu));
    ivec x;
    memcpy(&x, &both, sizeof x);
    return x;
#else
    (void)second;
    return (ivec)(first << 32 >> (64 - REAL_BITS));
#endif
}

/* panels p0..p1 -> the same with each number zero with probability `rate`, else divided by 1 - rate. In place or not.
 * (N. Srivastava et al. 2014; the division here makes prediction need no factor.)
 *
 * Unit u of sample s is zero where word u % 4 of the counter (s, u / 4, stream), a signed integer as vectors compare
 * them, is below rate * 2^32 - 2^31: the same on every instruction set and in both dtypes. */
static void NAME(dropout)(fbp_panels in, fbp_panels out, ptrdiff_t n_features, ptrdiff_t first_sample, ptrdiff_t p0,
                          ptrdiff_t p1, double rate, uint64_t seed, uint64_t stream)
{
    const vec scale = NAME(splat)((real)(1 / (1 - rate)));
    const int64_t limit = (int64_t)(rate * 4294967296.0) - 2147483648;
    const ivec threshold = NAME(isplat)((integer)(limit * ((int64_t)1 << (REAL_BITS - 32)))); /* in the upper 32 bits */
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        integer places[VL];
        ivec place;
        words samples[SPLIT_LANES];
        for (int i = 0; i < VL; i++)
            places[i] = (integer)(first_sample + p * VL + i);
        memcpy(&place, places, sizeof place);
        NAME(as_words)(place, samples);
        for (ptrdiff_t first = 0; first < n_features; first += GROUP_UNITS) {
            words w[SPLIT_LANES][4];
            for (int i = 0; i < SPLIT_LANES; i++) {
                w[i][0] = samples[i];
                w[i][1] = NAME(every_word)((uint64_t)(first / GROUP_UNITS));
                w[i][2] = NAME(every_word)(stream);
                w[i][3] = NAME(every_word)(stream >> 32);
            }
            NAME(philox)(w, SPLIT_LANES, seed);
            for (int i = 0; i < GROUP_UNITS && first + i < n_features; i++) {
                const ivec bits = NAME(as_integers)(w[0][i], w[SPLIT_LANES - 1][i]);
                const ptrdiff_t at = (first + i) * VL;
                NAME(store)(to + at, NAME(keep)(MASK(bits >= threshold), NAME(load)(from + at) * scale));
            }
        }
    }
}

/* Random words of this dtype's size in one round of draws. */
#define ROUND_ELEMENTS (DRAWS * 64 / REAL_BITS)

/* The same with another mask, that of version 0.1, which depends on the instruction set: trainers saved by it go on with
 * it. The elements of a layer's panels are numbered, each panel beginning with a whole round of draws. Element e uses
 * draw e of the step's stream, in float32 half of one. */
static void NAME(dropout_by_lane)(fbp_panels in, fbp_panels out, ptrdiff_t n_features, ptrdiff_t first_panel,
                                  ptrdiff_t p0, ptrdiff_t p1, double rate, uint64_t seed, uint64_t stream)
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
#undef SPLIT_LANES
#undef GROUP_UNITS
