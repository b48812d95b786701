/* transpose.h: a VL x VL block of numbers, rows to columns, in registers.
 *
 * Uses simd.h and platform.h (SHUFFLE, UNROLL, PREFETCH_TO_WRITE). Gives transpose, load_transposed, sum_each and
 * store_block.
 *
 * A transposition takes log2(VL) rounds. In the round of distance d, rows i and i + d (bit d of i is 0) exchange the
 * lanes whose bit d differs from the row's: after all rounds, lane and row have changed places.
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

/* load_transposed: a block that lies in memory, rows[r][i] = from[i][offset + r]. */
#if VECTOR_BYTES == 32
/* The lanes of half a vector, 16 bytes. A load can put them in either half of a register at no cost, so that rows in
 * memory need only the rounds within a half (16 shuffles instead of 24 for a block of 8 x 8). AVX-512 gains nothing:
 * there such loads occupy the ports of the shuffles. */
#define HALF (16 / (int)sizeof(real))
#if REAL_BITS == 32
#define TWO_HALVES(p, q) \
    ((vec)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(q), 1))
#else
#define TWO_HALVES(p, q) \
    ((vec)_mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(p)), _mm_loadu_pd(q), 1))
#endif

/* Within each half register: the low (d = 0) or high (d = 1) parts of a and b, their lanes alternating; and one after
 * the other. */
#define ALTERNATING(d, j) (((j) & ~(HALF - 1)) + (d) * HALF / 2 + ((j) & (HALF - 1)) / 2 + ((j) & 1 ? VL : 0))
#define IN_SEQUENCE(d, j) (((j) & ~3) + (d) * 2 + ((j) & 1) + ((j) & 2 ? VL : 0))

static INLINE void NAME(load_transposed)(const real *const *from, ptrdiff_t offset, vec rows[VL])
{
    UNROLL
    for (int i = 0; i < VL; i++) {
        const ptrdiff_t column = offset + i / HALF * HALF;
        rows[i] = TWO_HALVES(from[i % HALF] + column, from[i % HALF + HALF] + column);
    }
#if REAL_BITS == 32
    UNROLL
    for (int i = 0; i < VL; i += 4) {
        const vec a = SHUFFLE(rows[i], rows[i + 1], LANES(ALTERNATING, 0));
        const vec b = SHUFFLE(rows[i], rows[i + 1], LANES(ALTERNATING, 1));
        const vec c = SHUFFLE(rows[i + 2], rows[i + 3], LANES(ALTERNATING, 0));
        const vec d = SHUFFLE(rows[i + 2], rows[i + 3], LANES(ALTERNATING, 1));
        rows[i] = SHUFFLE(a, c, LANES(IN_SEQUENCE, 0));
        rows[i + 1] = SHUFFLE(a, c, LANES(IN_SEQUENCE, 1));
        rows[i + 2] = SHUFFLE(b, d, LANES(IN_SEQUENCE, 0));
        rows[i + 3] = SHUFFLE(b, d, LANES(IN_SEQUENCE, 1));
    }
#else
    UNROLL
    for (int i = 0; i < VL; i += 2) {
        const vec a = rows[i], b = rows[i + 1];
        rows[i] = SHUFFLE(a, b, LANES(ALTERNATING, 0));
        rows[i + 1] = SHUFFLE(a, b, LANES(ALTERNATING, 1));
    }
#endif
}
#undef HALF
#undef TWO_HALVES
#undef ALTERNATING
#undef IN_SEQUENCE
#endif

/* Lane i of the result: the sum of the lanes of rows[i]. It is half a transposition: rows i and i + d become one row,
 * each of whose lanes is the sum of two. The order of a sum is the same for every row. */
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
    (void)rows; /* a block of one number is its own transpose */
}

static INLINE vec NAME(sum_each)(vec rows[VL])
{
    return rows[0];
}

#endif

#if VECTOR_BYTES != 32
static INLINE void NAME(load_transposed)(const real *const *from, ptrdiff_t offset, vec rows[VL])
{
    UNROLL
    for (int i = 0; i < VL; i++)
        rows[i] = NAME(load_any)(from[i] + offset);
    NAME(transpose)(rows);
}
#endif

/* rows -> a block. The block of the next VL features, `next` elements further on (0: there is none), is prefetched for
 * writing: all threads read blocks, so that it may be in the caches of other cores. */
static INLINE void NAME(store_block)(const vec rows[VL], real *to, ptrdiff_t next)
{
    if (next) {
        UNROLL
        for (int i = 0; i < VL; i++)
            if (i * VL * sizeof(real) % FBP_ALIGN_BYTES == 0)
                PREFETCH_TO_WRITE(to + next + i * VL);
    }
    UNROLL
    for (int i = 0; i < VL; i++)
        NAME(store)(to + i * VL, rows[i]);
}
