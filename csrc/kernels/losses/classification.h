/* losses/classification.h: cross-entropies, the focal loss and the hinges.
 *
 * Uses losses/base.h, simd.h and vmath.h (vlog, vlog1p_of_exp, vsigmoid, vexp).
 */

/* ---- Of one output and its target ---- */

/* sigmoid and binary cross-entropy from Z: max(z, 0) - z t + log(1 + exp(-|z|)); slope sigmoid(z) - t.
 * The fraction `smoothing` of each target is spread evenly over no and yes. */
static INLINE vec NAME(binary_cross_entropy)(vec z, vec t, const double *parameters, vec *slope)
{
    const real smoothing = (real)parameters[0];
    const vec target = t * ((real)1 - smoothing) + smoothing * (real)0.5;
    const vec tail = NAME(vlog1p_of_exp)(-NAME(absolute)(z));
    *slope = NAME(vsigmoid)(z) - target;
    return (NAME(relu)(z) - z * target) + tail;
}

/* sigmoid and the focal loss from Z (Lin et al. 2017): w u^gamma (-log(1 - u)), where u is the probability of the wrong
 * answer, sigmoid(x) for x = z (t = 0) or -z (t = 1), so that -log(1 - u) = log(1 + exp(x)) and log(u) = -log(1 +
 * exp(-x)). Parameters: gamma, the weight w of t = 0, that of t = 1. */
static INLINE vec NAME(focal)(vec z, vec t, const double *parameters, vec *slope)
{
    const real power = (real)parameters[0];
    const ivec yes = MASK(t > (real)0.5);
    const vec side = NAME(select)(yes, NAME(splat)(-1), NAME(splat)(1)), x = z * side;
    const vec u = NAME(vsigmoid)(x), entropy = NAME(vlog1p_of_exp)(x);
    const vec weight = NAME(select)(yes, NAME(splat)((real)parameters[2]), NAME(splat)((real)parameters[1]))
                       * NAME(vexp)(NAME(vlog1p_of_exp)(-x) * -power);
    *slope = side * weight * (u + entropy * NAME(vsigmoid)(-x) * power);
    return weight * entropy;
}

/* max(0, 1 - t o), t = -1 or 1; the slope at the corner is 0 */
static INLINE vec NAME(hinge)(vec o, vec t, const double *parameters, vec *slope)
{
    (void)parameters;
    const vec missing = (real)1 - t * o;
    *slope = NAME(keep_positive)(missing, -t);
    return NAME(relu)(missing);
}

/* max(0, 1 - t o)^2 */
static INLINE vec NAME(squared_hinge)(vec o, vec t, const double *parameters, vec *slope)
{
    (void)parameters;
    const vec missing = NAME(relu)((real)1 - t * o);
    *slope = t * missing * (real)-2;
    return missing * missing;
}

/* ---- Of a whole panel ---- */

/* sum over units of largest - z */
static vec NAME(sum_of_distances)(vec largest, const real *z, ptrdiff_t n_units)
{
    vec sum = NAME(splat)(0);
    for (ptrdiff_t i = 0; i < n_units * VL; i += VL)
        sum += largest - NAME(load)(z + i);
    return sum;
}

/* softmax and cross-entropy from Z, one label a sample: log(sum of exp) - z[label]; gradient p - (unit == label). The
 * fraction `smoothing` of the label is spread evenly over all units. */
static vec NAME(cross_entropy_labels)(const NAME(loss_input) *x)
{
    const real smoothing = (real)x->parameters[0], sure = (real)1 - smoothing, spread = smoothing / (real)x->n_units;
    const ptrdiff_t n = x->n_units * VL;
    vec top;
    const vec sum = NAME(exponentials)(x->o, x->n_units, &top, x->g);
    real z_label[VL] = {0}, scales[VL];
    memcpy(scales, &x->scale, sizeof scales);
    for (ptrdiff_t r = 0; r < x->n_rows; r++)
        z_label[r] = x->o[x->labels[r] * VL + r];
    if (x->g) {
        const vec factor = x->scale / sum;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(x->g + i, NAME(load)(x->g + i) * factor);
        if (smoothing != 0)
            for (ptrdiff_t i = 0; i < n; i += VL)
                NAME(store)(x->g + i, NAME(load)(x->g + i) - x->scale * spread);
        for (ptrdiff_t r = 0; r < x->n_rows; r++)
            x->g[x->labels[r] * VL + r] -= scales[r] * sure;
    }
    vec loss = NAME(vlog)(sum) + (top - NAME(load_any)(z_label)) * sure;
    if (smoothing != 0)
        loss += NAME(sum_of_distances)(top, x->o, x->n_units) * spread;
    return loss;
}

/* The same for a distribution t over the units: sum of t * (log(sum of exp) - z); gradient p * sum(t) - t */
static vec NAME(cross_entropy)(const NAME(loss_input) *x)
{
    const real smoothing = (real)x->parameters[0], sure = (real)1 - smoothing, spread = smoothing / (real)x->n_units;
    const ptrdiff_t n = x->n_units * VL;
    vec top, total = NAME(splat)(0), loss = NAME(splat)(0);
    const vec sum = NAME(exponentials)(x->o, x->n_units, &top, x->g);
    const vec log_sum = NAME(vlog)(sum);
    for (ptrdiff_t i = 0; i < n; i += VL) {
        const vec target = NAME(load)(x->t + i) * sure + spread;
        total += target;
        loss += target * (log_sum + (top - NAME(load)(x->o + i)));
    }
    if (x->g) {
        const vec factor = total / sum;
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec target = NAME(load)(x->t + i) * sure + spread;
            NAME(store)(x->g + i, (NAME(load)(x->g + i) * factor - target) * x->scale);
        }
    }
    return loss;
}
