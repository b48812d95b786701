/* narrow_copies.h: panels and weights of float32 -> the pairs of bfloat16 that narrow products read.
 *
 * Uses bfloat16.h. Gives round_panels and round_weights to the table; fastbp.h has the layouts.
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

/* The same where only the first n samples count: the others become zero. */
static INLINE void NAME(round_samples)(const real *panel, ptrdiff_t n, ivec x[VL / 2])
{
    for (int i = 0; i < VL / 2; i++)
        x[i] = (ivec)NAME(rounded_in_sequence)(NAME(first_lanes)(NAME(load)(panel + 2 * i * VL), n),
                                               NAME(first_lanes)(NAME(load)(panel + (2 * i + 1) * VL), n));
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
            if (n >= VL)
                NAME(round_features)(panel, x);
            else
                NAME(round_samples)(panel, n, x);
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
    }
}

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
