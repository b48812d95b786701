/* elementwise.h: loops over whole arrays: vmath.h's functions for the tests, the check for NaN and infinity, running
 * averages, and burn, which measures the peak of a core.
 *
 * Uses simd.h, vmath.h and ways.h. Gives all its functions to the table.
 */

#define ARRAY_FUNCTION(name, function)                                    \
    static void NAME(name)(const void *from, void *to, ptrdiff_t n)       \
    {                                                                     \
        const real *x = from;                                             \
        real *y = to;                                                     \
        for (ptrdiff_t i = 0; i < n; i += VL) {                           \
            const size_t bytes = (size_t)(n - i < VL ? n - i : VL) * sizeof(real); \
            vec v = NAME(splat)(0);                                       \
            memcpy(&v, x + i, bytes);                                     \
            v = NAME(function)(v);                                        \
            memcpy(y + i, &v, bytes);                                     \
        }                                                                 \
    }
ARRAY_FUNCTION(array_exp, vexp)
ARRAY_FUNCTION(array_expm1, vexpm1)
ARRAY_FUNCTION(array_log, vlog)
ARRAY_FUNCTION(array_tanh, vtanh)
ARRAY_FUNCTION(array_sigmoid, vsigmoid)
ARRAY_FUNCTION(array_normal_cdf, vnormal_cdf)
ARRAY_FUNCTION(array_sine_of_turns, vsine_of_turns_alone)
ARRAY_FUNCTION(array_cosine_of_turns, vcosine_of_turns)
#undef ARRAY_FUNCTION

/* x - x is zero, or NaN where x is not finite; so is the sum over all x. */
static int NAME(all_finite)(const void *from, ptrdiff_t n)
{
    const real *x = from;
    vec suspect = NAME(splat)(0);
    ptrdiff_t i = 0;
    for (; i + VL <= n; i += VL) {
        const vec v = NAME(load_any)(x + i);
        suspect += v - v;
    }
    double rest = 0;
    for (; i < n; i++)
        rest += (double)(x[i] - x[i]);
    return NAME(sum_lanes)(suspect) + rest == 0;
}

/* average += share * (w - average): share 1 - decay is an exponential average, 1 / (n + 1) the mean of n + 1 (Izmailov
 * et al. 2018). The bits of an element do not depend on where a share of the weights begins or ends. */
static void NAME(average)(void *averages, const void *weights, ptrdiff_t n, double share)
{
    if (share == 1)
        memcpy(averages, weights, (size_t)n * sizeof(real));
    else
        NAME(point_of_way)(averages, weights, share, n, averages);
}

/* Nothing but multiply-adds, at the rate that the core can start them: 12 sums that do not wait for each other. They
 * start from different numbers, or the compiler would compute only one. */
static double NAME(burn)(ptrdiff_t n, volatile double *sink)
{
    const vec scale = NAME(splat)((real)0.999), shift = NAME(splat)((real)0.001);
    vec a = shift, b = a + shift, c = b + shift, d = c + shift, e = d + shift, f = e + shift;
    vec g = f + shift, h = g + shift, i = h + shift, j = i + shift, k = j + shift, l = k + shift;
    for (ptrdiff_t round = 0; round < n; round++) {
        a = a * scale + shift;
        b = b * scale + shift;
        c = c * scale + shift;
        d = d * scale + shift;
        e = e * scale + shift;
        f = f * scale + shift;
        g = g * scale + shift;
        h = h * scale + shift;
        i = i * scale + shift;
        j = j * scale + shift;
        k = k * scale + shift;
        l = l * scale + shift;
    }
    *sink = NAME(sum_lanes)(a + b + c + d + e + f + g + h + i + j + k + l);
    return 2.0 * 12 * VL * (double)n;
}
