/* narrow_panels.h: panels of float32 -> the pairs of bfloat16 that narrow products read.
 *
 * Uses bfloat16.h, and WHOLE_STEPS of the table: 1 where pairs of features are filled up with zeros to an even number of
 * vectors. Gives round_panels to the table; fastbp_bf16.h has the layouts.
 *
 * VL features of a panel are rounded at a time. Two features in sequence, VL numbers each, are a vector of VL pairs of
 * samples. Interleaved they are VL pairs of features. And VL / 2 such vectors, transposed, are a block.
 */

/* VL / 2 vectors, each VL / 2 pairs of samples of feature 2 i and as many of feature 2 i + 1 -> VL / 2 vectors, one for
 * each pair of samples, with a lane a feature. */
#if VECTOR_BYTES == 64

/* Round of distance d: vectors i and i + d (bit d of i is 0) exchange lanes. Bits of a place, from the top: before,
 * vector f3 f2 f1 and lane f0 s2 s1 s0; after the round of d = 4, 2, 1 one bit of s has become one of the vector's and
 * one of f a bit of the lane. The last round also puts the lanes in order: f3 f2 f1 f0. */
#define EXCHANGE(d, low, high)                                \
    UNROLL                                                    \
    for (int i = 0; i < VL / 2; i++)                          \
        if (!(i & (d))) {                                     \
            const ivec a = x[i], b = x[(i + (d)) % (VL / 2)]; \
            x[i] = low;                                       \
            x[(i + (d)) % (VL / 2)] = high;                   \
        }

static INLINE void NAME(transpose_pairs)(ivec x[VL / 2])
{
    EXCHANGE(4, SHUFFLE(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27),
             SHUFFLE(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
    EXCHANGE(2, SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
             SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
    EXCHANGE(1, SHUFFLE(a, b, 0, 8, 16, 24, 2, 10, 18, 26, 4, 12, 20, 28, 6, 14, 22, 30),
             SHUFFLE(a, b, 1, 9, 17, 25, 3, 11, 19, 27, 5, 13, 21, 29, 7, 15, 23, 31))
}
#undef EXCHANGE

#else

static INLINE void NAME(transpose_pairs)(ivec x[VL / 2])
{
    integer from[VL / 2][VL], to[VL / 2][VL];
    memcpy(from, x, sizeof from);
    for (int s = 0; s < VL / 2; s++)
        for (int f = 0; f < VL; f++)
            to[s][f] = from[f / 2][f % 2 * (VL / 2) + s];
    memcpy(x, to, sizeof to);
}

#endif

/* Features first .. first + VL of a panel, [feature][VL], in sequence two by two. */
static INLINE void NAME(round_features)(const real *panel, ivec x[VL / 2])
{
    UNROLL
    for (int i = 0; i < VL / 2; i++)
        x[i] = (ivec)NAME(rounded_in_sequence)(NAME(load)(panel + 2 * i * VL), NAME(load)(panel + (2 * i + 1) * VL));
}

/* The same where only the first n samples and the first n_features features count: the others become zero. */
static INLINE void NAME(round_some)(const real *panel, ptrdiff_t n, ptrdiff_t n_features, ivec x[VL / 2])
{
    for (int i = 0; i < VL / 2; i++) {
        vec first = NAME(splat)(0), second = first;
        if (2 * i < n_features)
            first = NAME(load)(panel + 2 * i * VL);
        if (2 * i + 1 < n_features)
            second = NAME(load)(panel + (2 * i + 1) * VL);
        if (n < VL) {
            first = NAME(first_lanes)(first, n);
            second = NAME(first_lanes)(second, n);
        }
        x[i] = (ivec)NAME(rounded_in_sequence)(first, second);
    }
}

static void NAME(round_panels)(fbp_panels from, ptrdiff_t n_features, ptrdiff_t n_samples, ptrdiff_t p0, ptrdiff_t p1,
                               fbp_panels pairs, fbp_panels rows, void *blocks, ptrdiff_t block_stride)
{
    const ptrdiff_t n_vectors = (n_features + VL - 1) / VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *panel = (const real *)from.data + p * from.stride;
        const ptrdiff_t n = n_samples - p * VL;
        for (ptrdiff_t v = 0; v < n_vectors; v++, panel += VL * VL) {
            ivec x[VL / 2];
            if (n >= VL && n_features - v * VL >= VL)
                NAME(round_features)(panel, x);
            else
                NAME(round_some)(panel, n, n_features - v * VL, x);
            const ptrdiff_t place = v * (VL / 2) * VL;
            if (rows.data) {
                UNROLL
                for (int i = 0; i < VL / 2; i++)
                    NAME(store_pairs)((pair *)rows.data + p * rows.stride + place + i * VL, (pair_vec)x[i]);
            }
            if (pairs.data) {
                UNROLL
                for (int i = 0; i < VL / 2; i++)
                    NAME(store_pairs)((pair *)pairs.data + p * pairs.stride + place + i * VL,
                                      NAME(interleave)((pair_vec)x[i]));
            }
            if (blocks) {
                pair *to = (pair *)blocks + v * block_stride + p * (VL / 2) * VL;
                NAME(transpose_pairs)(x);
                if (v + 1 < n_vectors) { /* all threads read blocks: it may be in the caches of other cores */
                    UNROLL
                    for (int i = 0; i < VL / 2; i++)
                        PREFETCH_TO_WRITE(to + block_stride + i * VL);
                }
                UNROLL
                for (int i = 0; i < VL / 2; i++)
                    NAME(store_pairs)(to + i * VL, (pair_vec)x[i]);
            }
        }
        if (WHOLE_STEPS && pairs.data && n_vectors % 2) { /* no branch - CPUs with AMX */
            pair *rest = (pair *)pairs.data + p * pairs.stride + n_vectors * (VL / 2) * VL; /* no cover - the same */
            for (int i = 0; i < VL / 2; i++) /* no cover - the same */
                NAME(store_pairs)(rest + i * VL, (pair_vec){0}); /* no cover - the same */
        }
    }
}
