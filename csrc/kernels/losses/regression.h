/* losses/regression.h: distances of outputs from targets, and what describes their distribution.
 *
 * Uses losses/base.h, simd.h and vmath.h (vtanh, vlog1p_of_exp, vexp).
 */

/* ---- Of one output and its target ---- */

/* (o - t)^2 */
static INLINE vec NAME(mse)(vec o, vec t, const double *parameters, vec *slope)
{
    (void)parameters;
    const vec d = o - t;
    *slope = d + d;
    return d * d;
}

/* |o - t|; where they are equal, the subgradient 0 */
static INLINE vec NAME(mae)(vec o, vec t, const double *parameters, vec *slope)
{
    (void)parameters;
    const vec d = o - t;
    *slope = NAME(sign)(d);
    return NAME(absolute)(d);
}

/* (o - t)^2 / 2 up to |o - t| = delta, and beyond it the straight line that continues it (Huber 1964) */
static INLINE vec NAME(huber)(vec o, vec t, const double *parameters, vec *slope)
{
    const vec delta = NAME(splat)((real)parameters[0]), d = o - t, size = NAME(absolute)(d);
    *slope = NAME(maximum)(-delta, NAME(minimum)(delta, d));
    return NAME(select)(MASK(size <= delta), d * d * (real)0.5, delta * (size - delta * (real)0.5));
}

/* log(cosh(d)) = |d| + log(1 + exp(-2 |d|)) - log(2), d = o - t */
static INLINE vec NAME(log_cosh)(vec o, vec t, const double *parameters, vec *slope)
{
    (void)parameters;
    const vec d = o - t, size = NAME(absolute)(d);
    *slope = NAME(vtanh)(d);
    return NAME(relu)(size + (NAME(vlog1p_of_exp)(size * (real)-2) - (real)0.69314718055994530942));
}

/* ---- Of a whole panel ---- */

/* The pinball loss (Koenker & Bassett 1978) of each quantile q, outputs [quantile][target]: q (t - o) where the target
 * is above, (1 - q) (o - t) where it is below, sum over outputs */
static vec NAME(quantile)(const NAME(loss_input) *x)
{
    const ptrdiff_t n_targets = x->n_units / x->n_parameters;
    vec loss = NAME(splat)(0);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec q = NAME(splat)((real)x->parameters[n / n_targets]);
        const vec d = NAME(load)(x->o + n * VL) - NAME(load)(x->t + n % n_targets * VL);
        const vec slope = NAME(keep_positive)(d, (real)1 - q) - NAME(keep_positive)(-d, q);
        loss += d * slope;
        if (x->g)
            NAME(store)(x->g + n * VL, slope * x->scale);
    }
    return loss;
}

/* Twice the negative log-likelihood of a normal distribution, without its constant, outputs [mean or s][target]:
 * sum over targets of s + (o - t)^2 exp(-s), s the logarithm of the variance (Nix & Weigend 1994). The parameter
 * is a floor: an s below it counts as the floor, and a gradient that would lower s further becomes zero. */
static vec NAME(gaussian_nll)(const NAME(loss_input) *x)
{
    const ptrdiff_t n_targets = x->n_units / 2;
    const vec floor = NAME(splat)((real)x->parameters[0]), zero = NAME(splat)(0);
    vec loss = zero;
    for (ptrdiff_t i = 0; i < n_targets * VL; i += VL) {
        const ptrdiff_t j = i + n_targets * VL;
        const vec d = NAME(load)(x->o + i) - NAME(load)(x->t + i), raw = NAME(load)(x->o + j);
        const vec s = NAME(maximum)(floor, raw), precision = NAME(vexp)(-s), distance = d * d * precision;
        loss += s + distance;
        if (x->g) {
            const vec down = (real)1 - distance;
            NAME(store)(x->g + i, d * precision * (real)2 * x->scale);
            NAME(store)(x->g + j, NAME(select)(MASK(raw < floor), NAME(minimum)(zero, down), down) * x->scale);
        }
    }
    return loss;
}

/* 1 - o . t / (|o| |t|); a length below 1e-8 counts as 1e-8 */
static vec NAME(cosine)(const NAME(loss_input) *x)
{
    const ptrdiff_t n = x->n_units * VL;
    const vec least = NAME(splat)((real)1e-8), zero = NAME(splat)(0);
    vec dot = zero, o_square = zero, t_square = zero;
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec o = NAME(load)(x->o + i), t = NAME(load)(x->t + i);
        dot += o * t;
        o_square += o * o;
        t_square += t * t;
    }
    const vec o_length = NAME(maximum)(least, NAME(square_root)(o_square));
    const vec t_length = NAME(maximum)(least, NAME(square_root)(t_square));
    const vec similarity = dot / o_length / t_length;
    if (x->g) {
        const vec along = similarity / o_length / o_length * x->scale, across = x->scale / o_length / t_length;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(x->g + i, NAME(load)(x->o + i) * along - NAME(load)(x->t + i) * across);
    }
    return (real)1 - similarity;
}
