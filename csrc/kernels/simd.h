/* simd.h: the vector type of one instruction set and one dtype, and the few operations that C lacks on it.
 *
 * Template parameters, set by the including file:
 *   REAL_BITS   32 or 64: the dtype
 *   VECTOR_BYTES  the register's width: 16, 32 or 64; 0 makes `vec` a plain scalar for compilers without vectors
 *   NAME(x)     decorates every function with the dtype
 *
 * Uses platform.h. Gives real, vec (VL of them), integer and ivec of the same width, masks (an ivec of 0 or -1 a lane).
 */
#if REAL_BITS == 32
typedef float NAME(real_t);
typedef int32_t NAME(integer_t);
#define real float
#define integer int32_t
#else
typedef double NAME(real_t);
typedef int64_t NAME(integer_t);
#define real double
#define integer int64_t
#endif

#if VECTOR_BYTES
#define VL (VECTOR_BYTES * 8 / REAL_BITS)
typedef real NAME(vec_t) __attribute__((vector_size(VECTOR_BYTES)));
typedef integer NAME(ivec_t) __attribute__((vector_size(VECTOR_BYTES)));
#else
#define VL 1
typedef real NAME(vec_t);
typedef integer NAME(ivec_t);
#endif
#define vec NAME(vec_t)
#define ivec NAME(ivec_t)

/* x in every lane. Subtracting zero, which is exact for every x (even -0.0), compiles to the broadcast alone. */
static INLINE vec NAME(splat)(real x)
{
#if VECTOR_BYTES
    return x - (vec){0};
#else
    return x;
#endif
}

static INLINE ivec NAME(isplat)(integer x)
{
#if VECTOR_BYTES
    return x - (ivec){0};
#else
    return x;
#endif
}

/* load and store need an address that is aligned to the vector; load_any and store_any take any address. */
static INLINE vec NAME(load_any)(const real *p)
{
    vec x;
    memcpy(&x, p, sizeof x);
    return x;
}

static INLINE void NAME(store_any)(real *p, vec x)
{
    memcpy(p, &x, sizeof x);
}

static INLINE vec NAME(load)(const real *p)
{
    return *(const vec *)p;
}

static INLINE void NAME(store)(real *p, vec x)
{
    *(vec *)p = x;
}

/* The same bits under the other type. */
static INLINE ivec NAME(bits)(vec x)
{
    ivec i;
    memcpy(&i, &x, sizeof i);
    return i;
}

static INLINE vec NAME(from_bits)(ivec i)
{
    vec x;
    memcpy(&x, &i, sizeof x);
    return x;
}

/* A comparison as a mask: all bits 1 in the lanes where it is true. Comparisons with a NaN are false. */
#if VECTOR_BYTES
#define MASK(condition) ((ivec)(condition))
#else
#define MASK(condition) ((ivec) - (integer)(condition))
#endif

/* mask ? x : y, lane by lane. */
static INLINE vec NAME(select)(ivec mask, vec x, vec y)
{
    return NAME(from_bits)((mask & NAME(bits)(x)) | (~mask & NAME(bits)(y)));
}

/* mask ? x : 0 */
static INLINE vec NAME(keep)(ivec mask, vec x)
{
    return NAME(from_bits)(mask & NAME(bits)(x));
}

/* |x| */
static INLINE vec NAME(absolute)(vec x)
{
    return NAME(from_bits)(NAME(bits)(x) & NAME(isplat)((integer)(((uint64_t)1 << (REAL_BITS - 1)) - 1)));
}

/* What the tiles do for every complete sum, in x86's intrinsics: from the portable form GCC 12 makes two instructions
 * of a maximum, and converts AVX-512's mask registers to a mask of lanes and back. */
#if VECTOR_BYTES == 64 && REAL_BITS == 32
#define OWN_MAXIMUM(x, y) ((vec)_mm512_max_ps((__m512)(x), (__m512)(y)))
#define OWN_KEEP_POSITIVE(gate, x) \
    ((vec)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)(gate), _mm512_setzero_ps(), _CMP_GT_OQ), (__m512)(x)))
#elif VECTOR_BYTES == 64
#define OWN_MAXIMUM(x, y) ((vec)_mm512_max_pd((__m512d)(x), (__m512d)(y)))
#define OWN_KEEP_POSITIVE(gate, x) \
    ((vec)_mm512_maskz_mov_pd(_mm512_cmp_pd_mask((__m512d)(gate), _mm512_setzero_pd(), _CMP_GT_OQ), (__m512d)(x)))
#elif VECTOR_BYTES == 32 && REAL_BITS == 32
#define OWN_MAXIMUM(x, y) ((vec)_mm256_max_ps((__m256)(x), (__m256)(y)))
#elif VECTOR_BYTES == 32
#define OWN_MAXIMUM(x, y) ((vec)_mm256_max_pd((__m256d)(x), (__m256d)(y)))
#endif

/* max(x, y); y where either is a NaN (x86's rule). */
static INLINE vec NAME(maximum)(vec x, vec y)
{
#ifdef OWN_MAXIMUM
    return OWN_MAXIMUM(x, y);
#else
    return NAME(select)(MASK(x > y), x, y);
#endif
}

/* max(z, 0); a NaN stays NaN. */
static INLINE vec NAME(relu)(vec z)
{
#ifdef OWN_MAXIMUM
    return OWN_MAXIMUM((vec){0}, z);
#else
    return NAME(from_bits)(NAME(bits)(z) & ~MASK(z < NAME(splat)(0)));
#endif
}

/* gate > 0 ? x : 0 */
static INLINE vec NAME(keep_positive)(vec gate, vec x)
{
#ifdef OWN_KEEP_POSITIVE
    return OWN_KEEP_POSITIVE(gate, x);
#else
    return NAME(keep)(MASK(gate > NAME(splat)(0)), x);
#endif
}
#undef OWN_MAXIMUM
#undef OWN_KEEP_POSITIVE

/* 1, 0 or -1; a NaN stays NaN. */
static INLINE vec NAME(sign)(vec x)
{
    const vec below = NAME(select)(MASK(x < NAME(splat)(0)), NAME(splat)(-1), x);
    return NAME(select)(MASK(x > NAME(splat)(0)), NAME(splat)(1), below);
}

/* Square root, correctly rounded. The vector extensions have no operator for it. */
static INLINE vec NAME(square_root)(vec x)
{
#if VECTOR_BYTES == 64 && REAL_BITS == 32
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif VECTOR_BYTES == 64
    return (vec)_mm512_sqrt_pd((__m512d)x);
#elif VECTOR_BYTES == 32 && REAL_BITS == 32
    return (vec)_mm256_sqrt_ps((__m256)x);
#elif VECTOR_BYTES == 32
    return (vec)_mm256_sqrt_pd((__m256d)x);
#elif VECTOR_BYTES == 16 && defined(__SSE2__) && REAL_BITS == 32
    return (vec)_mm_sqrt_ps((__m128)x);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
    return (vec)_mm_sqrt_pd((__m128d)x);
#elif VECTOR_BYTES == 16 && defined(__aarch64__) && REAL_BITS == 32
    return (vec)vsqrtq_f32((float32x4_t)x);
#elif VECTOR_BYTES == 16 && defined(__aarch64__)
    return (vec)vsqrtq_f64((float64x2_t)x);
#else
    real lanes[VL];
    memcpy(lanes, &x, sizeof x);
    for (int i = 0; i < VL; i++)
        lanes[i] = (real)sqrt((double)lanes[i]);
    memcpy(&x, lanes, sizeof x);
    return x;
#endif
}

/* x / (sqrt(y) * scale + shift), y >= 0: the quotient of Adam. Each operation is correctly rounded, except for float32
 * on AVX-512: there root and division share one unit (17 to 22 cycles a vector together), so that the division is a
 * 14-bit estimate and a Newton step, on units that are idle at that time. Its error is at most 3 ulp. */
static INLINE vec NAME(over_root)(vec x, vec y, vec scale, vec shift)
{
#if VECTOR_BYTES == 64 && REAL_BITS == 32
    /* Limited to finite numbers: the Newton step from the estimate for infinity gives NaN. */
    y = (vec)_mm512_min_ps((__m512)y, (__m512)NAME(splat)(FLT_MAX));
    const vec divisor = NAME(square_root)(y) * scale + shift;
    vec inverse = (vec)_mm512_rcp14_ps((__m512)divisor);
    inverse += inverse * (NAME(splat)(1) - divisor * inverse);
    return x * inverse;
#else
    return x / (NAME(square_root)(y) * scale + shift);
#endif
}

/* The sum of the lanes, added in the order of their index. */
static INLINE double NAME(sum_lanes)(vec x)
{
    real lanes[VL];
    memcpy(lanes, &x, sizeof x);
    double sum = 0;
    for (int i = 0; i < VL; i++)
        sum += (double)lanes[i];
    return sum;
}

/* Whether all lanes are zero; a NaN is not. */
static INLINE int NAME(all_zero)(vec x)
{
    integer lanes[VL], others = 0;
    const ivec differs = ~MASK(x == NAME(splat)(0));
    memcpy(lanes, &differs, sizeof lanes);
    for (int i = 0; i < VL; i++)
        others |= lanes[i];
    return others == 0;
}

/* load_first: the first n lanes, n <= VL, from there; zero in the others, whose memory is not touched. A vector that is
 * put together from single numbers waits for all of their stores. */
#if VECTOR_BYTES == 64 && REAL_BITS == 32
#define OWN_LOAD_FIRST(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), (p))
#elif VECTOR_BYTES == 64
#define OWN_LOAD_FIRST(p, n) _mm512_maskz_loadu_pd((__mmask8)((1u << (n)) - 1), (p))
#elif VECTOR_BYTES == 32 && REAL_BITS == 32
#define OWN_LOAD_FIRST(p, n)                                                                       \
    _mm256_maskload_ps((p), _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)),                        \
                                               _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)))
#elif VECTOR_BYTES == 32
#define OWN_LOAD_FIRST(p, n) \
    _mm256_maskload_pd((p), _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)))
#endif
static INLINE vec NAME(load_first)(const real *p, ptrdiff_t n)
{
#ifdef OWN_LOAD_FIRST
    return (vec)OWN_LOAD_FIRST(p, n);
#else
    real lanes[VL] = {0};
    for (ptrdiff_t i = 0; i < n; i++)
        lanes[i] = p[i];
    vec x;
    memcpy(&x, lanes, sizeof x);
    return x;
#endif
}
#undef OWN_LOAD_FIRST

/* A mask of the first n lanes; of all where n is larger. */
static INLINE ivec NAME(first_lanes_mask)(ptrdiff_t n)
{
    integer lanes[VL];
    ivec mask;
    for (int i = 0; i < VL; i++)
        lanes[i] = i < n ? -1 : 0;
    memcpy(&mask, lanes, sizeof mask);
    return mask;
}

/* The first n lanes of x, zero in the others. */
static INLINE vec NAME(first_lanes)(vec x, ptrdiff_t n)
{
    real lanes[VL];
    memcpy(lanes, &x, sizeof x);
    for (ptrdiff_t i = n; i < VL; i++)
        lanes[i] = 0;
    memcpy(&x, lanes, sizeof x);
    return x;
}
