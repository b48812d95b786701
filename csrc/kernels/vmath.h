/* vmath.h: exponentials, logarithm, tanh, sigmoid, sine, cosine and the normal distribution, a vector at a time, without
 * a branch.
 *
 * Uses simd.h. A NaN gives NaN everywhere; overflow, gradual underflow and infinities give the same as C's functions.
 * The error bounds below are for both dtypes, with and without fused multiply-add, in units in the last place (ulp) of
 * the result; tests/test_vmath.py asserts them.
 *
 * Requires rounding to nearest, NaNs and signed zeros as they are (no -ffast-math), denormals kept, and sums of floats
 * rounded to float (not x87). Steps that have to be exact are exact whether or not the compiler fuses a product into
 * the sum that it is a term of.
 */

/* The same bits as ivec, for shifts and for sums that wrap. */
#if VECTOR_BYTES && REAL_BITS == 32
typedef uint32_t NAME(uvec_t) __attribute__((vector_size(VECTOR_BYTES)));
#elif VECTOR_BYTES
typedef uint64_t NAME(uvec_t) __attribute__((vector_size(VECTOR_BYTES)));
#elif REAL_BITS == 32
typedef uint32_t NAME(uvec_t);
#else
typedef uint64_t NAME(uvec_t);
#endif
#define uvec NAME(uvec_t)

/* The number format, and the bounds beyond which a result is 0, infinite or 1.
 * MAGIC: added to a number of less than FRACTION_BITS - 1 bits, it rounds it to an integer and leaves that integer in
 * the low bits of the sum.
 * LOW_HALF: the low half of the fraction; a number without it has an exact square. */
#if REAL_BITS == 32
#define FRACTION_BITS 23
#define BIAS 127
#define EXPONENT_MASK 0x7f800000u
#define FRACTION_MASK 0x7fffffu
#define LOW_HALF 0xfffu
#define MAGIC 0x1.8p23f
#define SMALLEST_NORMAL 0x1p-126f
#define ALL_WHOLE 0x1p23f /* numbers from here on are integers */
#define EXP_LOW -104.0f /* exp is less than half the smallest denormal */
#define EXP_HIGH 89.0f  /* exp overflows */
#define TANH_HIGH 10.0f /* tanh rounds to 1 */
#define CDF_FAR 14.5f   /* the normal distribution's tail is less than half the smallest denormal */
#else
#define FRACTION_BITS 52
#define BIAS 1023
#define EXPONENT_MASK UINT64_C(0x7ff0000000000000)
#define FRACTION_MASK UINT64_C(0xfffffffffffff)
#define LOW_HALF UINT64_C(0x7ffffff)
#define MAGIC 0x1.8p52
#define SMALLEST_NORMAL 0x1p-1022
#define ALL_WHOLE 0x1p52
#define EXP_LOW -746.0
#define EXP_HIGH 710.0
#define TANH_HIGH 22.0
#define CDF_FAR 39.0
#endif

/* Printed by fit_vmath.py. Above each array is the relative error of the fit itself. */
#if REAL_BITS == 32
static const real NAME(log2_e) = 1.442695f;
static const real NAME(ln2_high) = 0.69314575f;
static const real NAME(ln2_low) = 1.4286068e-6f;
static const real NAME(sqrt_half) = 0.70710677f;
static const real NAME(density_at_0) = 0.3989423f;
/* 2^-32.2 */
static const real NAME(exp_rest)[] = {
    1.989108e-4f, 0.0013933731f, 0.0083333105f, 0.041666463f, 0.16666667f, 0.5f,
};
/* 2^-28.5 */
static const real NAME(log_rest)[] = {
    0.2957995f, 0.3998878f, 0.66666687f,
};
/* 2^-31.3 */
static const real NAME(log1p_rest)[] = {
    1.1340005e-4f, 4.2395655e-4f, 0.002233778f, 0.012499908f, 0.083333336f,
};
/* 2^-37.6 */
static const real NAME(tanh_top)[] = {
    -0.0147729935f, -0.33333334f,
};
static const real NAME(tanh_bottom)[] = {
    0.015822887f, 0.44431898f, 1.f,
};
/* 2^-27.0 */
static const real NAME(mills_top)[] = {
    0.0040823584f, 0.040429607f, 0.18267022f, 0.4375937f, 0.5f,
};
static const real NAME(mills_bottom)[] = {
    0.010232835f, 0.10134849f, 0.46796805f, 1.200255f, 1.6730723f, 1.f,
};
static const real NAME(tau_high) = 6.283185f;
static const real NAME(tau_low) = 3.019916e-7f;
/* 2^-35.8 */
static const real NAME(sine_rest)[] = {
    4.1589542e+1f, -7.670129e+1f, 8.160523e+1f, -4.13417e+1f,
};
/* 2^-32.3 */
static const real NAME(cosine_rest)[] = {
    5.9424107e+1f, -8.544882e+1f, 6.493937e+1f, -1.9739208e+1f,
};
#else
static const real NAME(log2_e) = 1.4426950408889634;
static const real NAME(ln2_high) = 0.6931471805598903;
static const real NAME(ln2_low) = 5.497923018708371e-14;
static const real NAME(sqrt_half) = 0.7071067811865476;
static const real NAME(density_at_0) = 0.3989422804014327;
/* 2^-62.1 */
static const real NAME(exp_rest)[] = {
    2.09147553258932e-9, 2.5105312729622103e-8, 2.755727347871858e-7, 2.755725517000089e-6, 2.480158732567746e-5,
    1.984126987500228e-4, 0.0013888888888883711, 0.008333333333326084, 0.04166666666666667, 0.1666666666666667, 0.5,
};
/* 2^-57.7 */
static const real NAME(log_rest)[] = {
    0.14616449685043406, 0.15331721600556042, 0.18182889125261723, 0.2222221113479508, 0.28571428625975487,
    0.39999999999899505, 0.666666666666667,
};
/* 2^-57.5 */
static const real NAME(log1p_rest)[] = {
    7.707617574664846e-8, 1.6786076519288395e-7, 9.156091926262446e-7, 4.063154360856609e-6, 1.8781213458201444e-5,
    8.877826873111747e-5, 4.3402778744976297e-4, 0.0022321428568053718, 0.012500000000004558, 0.08333333333333333,
};
/* 2^-59.1 */
static const real NAME(tanh_top)[] = {
    -1.991780435861287e-4, -0.020498799708498872, -0.3333333333333333,
};
static const real NAME(tanh_bottom)[] = {
    2.065337374875025e-4, 0.02329133187629886, 0.4614963991254931, 1.,
};
/* 2^-59.0 */
static const real NAME(mills_top)[] = {
    2.1841939157224647e-7, 6.8301227250702235e-6, 1.0474310614534726e-4, 0.001025071569350438, 0.007041273528835195,
    0.03534107463999677, 0.1311071375110668, 0.3554710849740133, 0.677233305206694, 0.8264390116762824, 0.5,
};
static const real NAME(mills_bottom)[] = {
    5.474962226425645e-7, 1.7120578741890866e-5, 2.630995276560322e-4, 0.00258659395820462, 0.017911312346517043,
    0.09112216947098654, 0.3457670766572471, 0.97465321348953, 1.9934920327604, 2.8098922385043354,
    2.4507625841554304, 1.,
};
static const real NAME(tau_high) = 6.283185307179586;
static const real NAME(tau_low) = 2.4492935982947064e-16;
/* 2^-67.0 */
static const real NAME(sine_rest)[] = {
    -0.7124440626783193, 3.8198307439800163, -1.5094641279579799e+1, 4.20586939378057e+1, -7.670585975304292e+1,
    8.160524927607504e+1, -4.134170224039976e+1,
};
/* 2^-62.9 */
static const real NAME(cosine_rest)[] = {
    -1.6990343940660637, 7.903206911569678, -2.6426253275854723e+1, 6.024464135270201e+1, -8.54568172066438e+1,
    6.493939402266824e+1, -1.9739208802178716e+1,
};
#endif

/* min(x, y); y where either is a NaN. */
static INLINE vec NAME(minimum)(vec x, vec y)
{
    return NAME(select)(MASK(x < y), x, y);
}

static INLINE uvec NAME(to_unsigned)(vec x)
{
    return (uvec)NAME(bits)(x);
}

static INLINE vec NAME(from_unsigned)(uvec bits)
{
    return NAME(from_bits)((ivec)bits);
}

/* c[0] x^(n - 1) + ... + c[n - 1], by Horner's rule. */
static INLINE vec NAME(horner)(const real *c, int n, vec x)
{
    vec y = NAME(splat)(c[0]);
    for (int i = 1; i < n; i++)
        y = y * x + c[i];
    return y;
}
#define LENGTH(c) ((int)(sizeof NAME(c) / sizeof NAME(c)[0]))
#define POLYNOMIAL(c, x) NAME(horner)(NAME(c), LENGTH(c), x)

/* The same as the sum of its even and its odd powers, which halves the roundings in a row where x is large. */
static INLINE vec NAME(even_and_odd)(const real *c, int n, vec x)
{
    vec z = x * x;
    vec y[2] = {NAME(splat)(c[0]), NAME(splat)(c[1])};
    for (int i = 2; i < n; i++)
        y[i % 2] = y[i % 2] * z + c[i];
    return y[n % 2] * x + y[(n + 1) % 2];
}

/* x / log(2) rounded to an integer n. The low bits of `steps` become n + 2 BIAS, the sum of two factors' exponents. */
static INLINE vec NAME(exp_steps)(vec x, uvec *steps)
{
    vec shifted = x * NAME(log2_e) + (MAGIC + 2 * BIAS);
    *steps = NAME(to_unsigned)(shifted);
    return shifted - (MAGIC + 2 * BIAS);
}

/* exp(r) - 1 for |r| <= log(2) / 2 and a little more. */
static INLINE vec NAME(expm1_fraction)(vec r)
{
    return r * r * POLYNOMIAL(exp_rest, r) + r;
}

/* y * 2^n for the n of exp_steps, by two factors of half of n each: overflow and the rounding to a denormal both happen
 * in the last product. */
static INLINE vec NAME(exp_scale)(vec y, uvec steps)
{
    vec first = NAME(from_unsigned)((steps << (FRACTION_BITS - 1)) & EXPONENT_MASK);
    vec second = NAME(from_unsigned)(((steps + 1) << (FRACTION_BITS - 1)) & EXPONENT_MASK);
    return y * first * second;
}

/* exp(x) for EXP_LOW <= x <= EXP_HIGH or NaN. */
static INLINE vec NAME(exp_bounded)(vec x)
{
    uvec steps;
    vec n = NAME(exp_steps)(x, &steps);
    vec r = (x - n * NAME(ln2_high)) - n * NAME(ln2_low);
    return NAME(exp_scale)(NAME(expm1_fraction)(r) + (real)1, steps);
}

/* exp(x). Error at most 1 ulp.
 * Cody and Waite's reduction: 2^n exp(x - n log(2)), with log(2) in two parts. */
static INLINE vec NAME(vexp)(vec x)
{
    return NAME(exp_bounded)(NAME(maximum)(NAME(splat)(EXP_LOW), NAME(minimum)(NAME(splat)(EXP_HIGH), x)));
}

/* exp(x) - 1 for x <= 0, without the cancellation near zero. Error at most 1.5 ulp.
 * 2^n (exp(r) - 1) + (2^n - 1), with the reduction of exp. */
static INLINE vec NAME(vexpm1)(vec x)
{
    uvec steps;
    x = NAME(maximum)(NAME(splat)(EXP_LOW), x);
    vec n = NAME(exp_steps)(x, &steps);
    vec r = (x - n * NAME(ln2_high)) - n * NAME(ln2_low);
    return NAME(exp_scale)(NAME(expm1_fraction)(r), steps) + (NAME(exp_scale)(NAME(splat)(1), steps) - (real)1);
}

/* log(2^-less x) of a positive normal number. Error at most 0.9 ulp.
 * Arranged as in fdlibm: x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), s = f / (2 + f), and
 * log(1 + f) = 2 atanh(s) = f - (h - s (h + s^2 P(s^2))), h = f^2 / 2: only small terms are rounded. */
static INLINE vec NAME(log_of_normal)(vec x, vec less)
{
    uvec one = NAME(to_unsigned)(NAME(splat)(1));
    uvec sqrt_half = NAME(to_unsigned)(NAME(splat)(NAME(sqrt_half)));
    uvec bits = NAME(to_unsigned)(x);
    bits += one - sqrt_half; /* the exponent is k + BIAS, the fraction counts from sqrt(1/2) */
    vec f = NAME(from_unsigned)((bits & FRACTION_MASK) + sqrt_half) - (real)1;
    vec k = NAME(from_unsigned)((bits >> FRACTION_BITS) + NAME(to_unsigned)(NAME(splat)(MAGIC))) - (MAGIC + BIAS) - less;
    vec s = f / (f + (real)2);
    vec h = f * f * (real)0.5;
    vec z = s * s;
    vec rest = s * (h + z * POLYNOMIAL(log_rest, z)) + k * NAME(ln2_low);
    return k * NAME(ln2_high) - ((h - rest) - f);
}

/* log(x) of any x. */
static INLINE vec NAME(vlog)(vec x)
{
    ivec denormal = MASK(x < SMALLEST_NORMAL);
    vec y = NAME(log_of_normal)(NAME(select)(denormal, x * (MAGIC / (real)1.5), x),
                                NAME(keep)(denormal, NAME(splat)(FRACTION_BITS)));
    vec infinity = NAME(splat)((real)INFINITY);
    vec edge = NAME(select)(MASK(x < 0), NAME(splat)((real)NAN), x) - NAME(keep)(MASK(x == 0), infinity);
    return NAME(select)(MASK(x > 0) & MASK(x < infinity), y, edge);
}

/* log(1 + exp(x)). Error at most 3 ulp.
 * max(x, 0) + log(1 + e) with e = exp(-|x|) and log(1 + e) = 2 atanh(t / 2),
 * t = 2 e / (2 + e) = e - e^2 / (2 + e), as t + t^3 P(t^2). */
static INLINE vec NAME(vlog1p_of_exp)(vec x)
{
    vec e = NAME(exp_bounded)(NAME(maximum)(NAME(splat)(EXP_LOW), -NAME(absolute)(x)));
    vec t = e - e * (e / (e + (real)2));
    vec v = t * t;
    return NAME(maximum)(NAME(splat)(0), x) + (t * (v * POLYNOMIAL(log1p_rest, v)) + t);
}

/* tanh(x). Error at most 1.5 ulp.
 * For a = |x| below 0.625, a + a^3 P(a^2) / Q(a^2); above, 1 - 2 / (exp(2 a) + 1). One division serves both. */
static INLINE vec NAME(vtanh)(vec x)
{
    vec magnitude = NAME(absolute)(x);
    ivec sign = NAME(bits)(x) ^ NAME(bits)(magnitude);
    vec a = NAME(minimum)(NAME(splat)(TANH_HIGH), magnitude);
    ivec near_zero = MASK(a < (real)0.625);
    vec z = a * a;
    vec e = NAME(exp_bounded)(a + a);
    vec top = NAME(select)(near_zero, a * (z * POLYNOMIAL(tanh_top, z)), NAME(splat)(-2));
    vec bottom = NAME(select)(near_zero, POLYNOMIAL(tanh_bottom, z), e + (real)1);
    vec y = NAME(select)(near_zero, a, NAME(splat)(1)) + top / bottom;
    return NAME(from_bits)(NAME(bits)(y) | sign);
}

/* 1 / (1 + exp(-x)). Error at most 2 ulp.
 * With e = exp(-|x|): e / (1 + e) = e - e q or 1 / (1 + e) = 1 - q, q = e / (1 + e). The difference hides most of the
 * quotient's error, and small results keep their digits. */
static INLINE vec NAME(vsigmoid)(vec x)
{
    vec e = NAME(exp_bounded)(NAME(maximum)(NAME(splat)(EXP_LOW), -NAME(absolute)(x)));
    vec q = e / (e + (real)1);
    vec y = NAME(select)(MASK(x >= 0), NAME(splat)(1), e);
    return y - y * q;
}

/* sin(2 pi x) and, in *cosine, cos(2 pi x): x counts turns. Errors at most 1.6 ulp, for every finite x.
 * Whole turns are taken off exactly, however many, and so are quarters: what is left is r, |r| <= 1 / 8. The sine is
 * 2 pi r + r^3 P(r^2), with 2 pi in two parts; the cosine 1 + r^2 Q(r^2). */
static INLINE vec NAME(vsine_of_turns)(vec x, vec *cosine)
{
    vec pairs = (x * (real)0.5 + MAGIC) - MAGIC;
    vec rest = NAME(select)(MASK(NAME(absolute)(x) >= ALL_WHOLE), x - x, x - (pairs + pairs)); /* -1 .. 1 */
    vec shifted = rest * 4 + MAGIC;
    uvec quarters = NAME(to_unsigned)(shifted); /* their number in the low bits */
    vec r = rest - (shifted - MAGIC) * (real)0.25;
    vec z = r * r;
    vec s = r * NAME(tau_high) + r * (z * POLYNOMIAL(sine_rest, z) + NAME(tau_low));
    vec c = z * POLYNOMIAL(cosine_rest, z) + (real)1;
    ivec odd = (ivec)(0 - (quarters & 1));
    vec sine = NAME(select)(odd, c, s), other = NAME(select)(odd, s, c);
    *cosine = NAME(from_unsigned)(NAME(to_unsigned)(other) ^ ((quarters + 1) >> 1 << (REAL_BITS - 1)));
    return NAME(from_unsigned)(NAME(to_unsigned)(sine) ^ (quarters >> 1 << (REAL_BITS - 1)));
}

static INLINE vec NAME(vcosine_of_turns)(vec x)
{
    vec cosine;
    (void)NAME(vsine_of_turns)(x, &cosine);
    return cosine;
}

static INLINE vec NAME(vsine_of_turns_alone)(vec x)
{
    vec cosine;
    return NAME(vsine_of_turns)(x, &cosine);
}

/* The standard normal distribution function of x, and its density in *density.
 * Errors at most 5 ulp (x < -1: 8 ulp, down to the last denormal) and 2 ulp.
 * The tail below -a, a = |x|, is exp(-a^2 / 2) M(a), where Mills' ratio M (over the root of 2 pi) is a quotient of
 * polynomials whose terms are all positive. a^2 is split into an exact square and a remainder that enters the reduced
 * argument of exp: the error does not grow with a^2. */
static INLINE vec NAME(vnormal)(vec x, vec *density)
{
    vec a = NAME(minimum)(NAME(splat)(CDF_FAR), NAME(absolute)(x));
    vec head = NAME(from_unsigned)(NAME(to_unsigned)(a) & ~LOW_HALF);
    vec square = head * head * (real)-0.5;
    vec remainder = (a - head) * (a + head) * (real)-0.5;
    uvec steps;
    vec n = NAME(exp_steps)(square, &steps);
    vec r = (square - n * NAME(ln2_high)) + (remainder - n * NAME(ln2_low));
    vec e = NAME(expm1_fraction)(r);
    vec top = NAME(even_and_odd)(NAME(mills_top), LENGTH(mills_top), a);
    vec bottom = NAME(even_and_odd)(NAME(mills_bottom), LENGTH(mills_bottom), a);
    vec mills = top / bottom;
    vec tail = NAME(exp_scale)(mills + mills * e, steps);
    *density = NAME(exp_scale)(e * NAME(density_at_0) + NAME(density_at_0), steps);
    return NAME(select)(MASK(x > 0), (real)1 - tail, tail);
}

/* The standard normal distribution function. Error at most 5 ulp; x < -1: 8 ulp. */
static INLINE vec NAME(vnormal_cdf)(vec x)
{
    vec density;
    return NAME(vnormal)(x, &density);
}

#undef uvec
#undef FRACTION_BITS
#undef BIAS
#undef EXPONENT_MASK
#undef FRACTION_MASK
#undef LOW_HALF
#undef MAGIC
#undef SMALLEST_NORMAL
#undef ALL_WHOLE
#undef EXP_LOW
#undef EXP_HIGH
#undef TANH_HIGH
#undef CDF_FAR
#undef LENGTH
#undef POLYNOMIAL
