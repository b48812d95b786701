/* transpose.h: a VL x VL block of numbers, rows to columns, in registers.
 *
 * log2(VL) rounds. In the round of distance d, rows i and i + d (bit d of i is 0) exchange the lanes whose bit d
 * differs from the row's: after all rounds, lane and row have changed places.
 */
#if VL > 1

/* Lane j of the two results of one exchange, as an index into (a, b): b's lanes are VL .. 2 VL - 1. */
#define FROM_A(d, j) ((j) & (d) ? VL + ((j) ^ (d)) : (j))
#define FROM_B(d, j) ((j) & (d) ? VL + (j) : ((j) ^ (d)))
#define LANES_2(f, d) f(d, 0), f(d, 1)
#define LANES_4(f, d) LANES_2(f, d), f(d, 2), f(d, 3)
#define LANES_8(f, d) LANES_4(f, d), f(d, 4), f(d, 5), f(d, 6), f(d, 7)
#define LANES_16(f, d) \
    LANES_8(f, d), f(d, 8), f(d, 9), f(d, 10), f(d, 11), f(d, 12), f(d, 13), f(d, 14), f(d, 15)
#if VECTOR_BYTES * 8 / REAL_BITS == 16
#define LANES LANES_16
#elif VECTOR_BYTES * 8 / REAL_BITS == 8
#define LANES LANES_8
#elif VECTOR_BYTES * 8 / REAL_BITS == 4
#define LANES LANES_4
#else
#define LANES LANES_2
#endif

#define EXCHANGE(d)                                                                 \
    UNROLL                                                                          \
    for (int i = 0; i < VL; i++)                                                    \
        if (!(i & (d))) {                                                           \
            const vec a = rows[i], b = rows[(i + (d)) % VL];                        \
            rows[i] = SHUFFLE(a, b, LANES(FROM_A, d));              \
            rows[(i + (d)) % VL] = SHUFFLE(a, b, LANES(FROM_B, d)); \
        }

static INLINE void NAME(transpose)(vec rows[VL])
{
#if VECTOR_BYTES * 8 / REAL_BITS > 8
    EXCHANGE(8)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS > 4
    EXCHANGE(4)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS > 2
    EXCHANGE(2)
#endif
    EXCHANGE(1)
}

/* Lane i: the sum of the lanes of rows[i]. Half a transposition: rows i and i + d become one, whose lanes hold the
 * sums of two lanes each. The order of a sum is the same for every row. */
#define FOLD(d)                                                                  \
    UNROLL                                                                       \
    for (int i = 0; i < (d); i++) {                                              \
        const vec a = rows[i], b = rows[i + (d)];                                \
        rows[i] = SHUFFLE(a, b, LANES(FROM_A, d)) + SHUFFLE(a, b, LANES(FROM_B, d)); \
    }

static INLINE vec NAME(sum_each)(vec rows[VL])
{
#if VECTOR_BYTES * 8 / REAL_BITS > 8
    FOLD(8)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS > 4
    FOLD(4)
#endif
#if VECTOR_BYTES * 8 / REAL_BITS > 2
    FOLD(2)
#endif
    FOLD(1)
    return rows[0];
}

#undef EXCHANGE
#undef FOLD
#undef FROM_A
#undef FROM_B
#undef LANES
#undef LANES_2
#undef LANES_4
#undef LANES_8
#undef LANES_16

#else

static INLINE void NAME(transpose)(vec rows[VL])
{
    (void)rows; /* one by one: itself */
}

static INLINE vec NAME(sum_each)(vec rows[VL])
{
    return rows[0];
}

#endif

/* panels p0..p1 -> blocks. The panels' padded features are zero, so that every block is whole. */
static void NAME(transpose_panels)(fbp_panels panels, ptrdiff_t n_features, ptrdiff_t p0, ptrdiff_t p1, void *blocks,
                                   ptrdiff_t block_stride)
{
    const ptrdiff_t n_vectors = (n_features + VL - 1) / VL;
    for (ptrdiff_t p = p0; p < p1; p++)
        for (ptrdiff_t v = 0; v < n_vectors; v++) {
            const real *from = (const real *)panels.data + p * panels.stride + v * VL * VL;
            real *to = (real *)blocks + v * block_stride + p * VL * VL;
            vec rows[VL];
            UNROLL
            for (int i = 0; i < VL; i++)
                rows[i] = NAME(load)(from + i * VL);
            NAME(transpose)(rows);
            UNROLL
            for (int i = 0; i < VL; i++)
                NAME(store)(to + i * VL, rows[i]);
        }
}
