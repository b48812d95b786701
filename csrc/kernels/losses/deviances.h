/* losses/deviances.h: losses for targets that are counts or positive amounts, all of one output and its target.
 *
 * Uses simd.h and vmath.h (vlog, vexp).
 */

/* An output that may be divided by and whose logarithm is finite: below 1e-8 it counts as 1e-8. */
static INLINE vec NAME(above_zero)(vec o)
{
    return NAME(maximum)(NAME(splat)((real)1e-8), o);
}

/* o - t log(o) */
static INLINE vec NAME(poisson)(vec o, vec t, const double *parameters, vec *slope)
{
    (void)parameters;
    const vec a = NAME(above_zero)(o);
    *slope = (real)1 - t / a;
    return a - t * NAME(vlog)(a);
}

/* 2 (t / o - 1 - log(t / o)), t > 0 */
static INLINE vec NAME(gamma)(vec o, vec t, const double *parameters, vec *slope)
{
    (void)parameters;
    const vec a = NAME(above_zero)(o), ratio = t / a, excess = ratio - (real)1;
    *slope = excess * (real)-2 / a;
    return (excess - NAME(vlog)(ratio)) * (real)2;
}

/* The deviance whose variance is the mean to the power p >= 1 (Tweedie 1984; Jorgensen 1987):
 *   2 (t^(2 - p) / ((1 - p) (2 - p)) - t o^(1 - p) / (1 - p) + o^(2 - p) / (2 - p)), slope 2 o^(-p) (o - t),
 * which for p = 1 and p = 2 are the limits, Poisson's and the gamma distribution's. */
static INLINE vec NAME(tweedie)(vec o, vec t, const double *parameters, vec *slope)
{
    const double p = parameters[0];
    if (p == 2)
        return NAME(gamma)(o, t, parameters, slope);
    const vec a = NAME(above_zero)(o), ratio = t / a, excess = (real)1 - ratio;
    if (p == 1) {
        *slope = excess * (real)2;
        return NAME(keep)(MASK(t > 0), t * NAME(vlog)(ratio)) * (real)2 - (t - a) * (real)2;
    }
    const vec rest = NAME(vexp)(NAME(vlog)(a) * (real)(1 - p)), whole = NAME(vexp)(NAME(vlog)(t) * (real)(2 - p));
    *slope = rest * excess * (real)2;
    return whole * (real)(2 / ((1 - p) * (2 - p))) + rest * (a * (real)(2 / (2 - p)) - t * (real)(2 / (1 - p)));
}
