/* wide.h: sums in double precision, whatever the dtype: in float32 the square of a very large or small weight or
 * gradient would be infinite or zero.
 *
 * Uses real and VL. Gives wide_t, widen and sum_of_wide to clip.h and regularize.h. A vector of numbers is widened into
 * WIDE_PARTS registers: compilers spill vectors that are wider than a register.
 */

#if VECTOR_BYTES
typedef double NAME(wide_t) __attribute__((vector_size(VECTOR_BYTES)));
#define WIDE_LANES (VECTOR_BYTES / 8)
#else
typedef double NAME(wide_t);
#define WIDE_LANES 1
#endif
#define WIDE_PARTS (VL / WIDE_LANES)

/* WIDE_LANES numbers from p on. */
static INLINE NAME(wide_t) NAME(widen)(const real *p)
{
#if VECTOR_BYTES
    typedef real narrow_t __attribute__((vector_size(WIDE_LANES * sizeof(real))));
    narrow_t x;
    memcpy(&x, p, sizeof x);
    return __builtin_convertvector(x, NAME(wide_t));
#else
    return *p;
#endif
}

static INLINE NAME(wide_t) NAME(wide_absolute)(NAME(wide_t) x)
{
#if VECTOR_BYTES
    typedef int64_t bits_t __attribute__((vector_size(VECTOR_BYTES)));
    return (NAME(wide_t))((bits_t)x & INT64_MAX);
#else
    return fabs(x);
#endif
}

/* The sum of all lanes of the parts, one after the other. */
static INLINE double NAME(sum_of_wide)(const NAME(wide_t) *parts)
{
    double lanes[VL], sum = 0;
    memcpy(lanes, parts, sizeof lanes);
    for (int lane = 0; lane < VL; lane++)
        sum += lanes[lane];
    return sum;
}
