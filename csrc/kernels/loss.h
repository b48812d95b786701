/* loss.h: the losses, their gradients, and the sums that metrics need, one panel at a time.
 *
 * The samples are the lanes: every formula below reads as if for one sample. A loss is a function of the name that
 * fastbp.h lists. Most are sums over the outputs: their function returns one output's loss, for the output o (or z,
 * with the activation built in) and the target t, and leaves its slope in *slope. The others see a panel whole.
 */

/* ---- Losses of one output and its target ------------------------------------------------------------------------- */

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

/* sigmoid and binary cross-entropy from Z: max(z, 0) - z t + log(1 + exp(-|z|)); slope sigmoid(z) - t. The share of
 * each target that `smoothing` names is spread evenly over no and yes. */
static INLINE vec NAME(binary_cross_entropy)(vec z, vec t, const double *parameters, vec *slope)
{
    const real smoothing = (real)parameters[0];
    const vec target = t * ((real)1 - smoothing) + smoothing * (real)0.5;
    const vec tail = NAME(vlog1p_of_exp)(-NAME(absolute)(z));
    *slope = NAME(vsigmoid)(z) - target;
    return (NAME(relu)(z) - z * target) + tail;
}

/* (o - t)^2 / 2 up to |o - t| = delta, from there on the straight line that continues it (Huber 1964) */
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

/* A positive output for a quotient and a logarithm: one that has come down to nothing counts as this. */
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

/* ---- Losses of a whole panel ------------------------------------------------------------------------------------- */

/* What a loss sees of a panel. The gradient g (NULL where only the value is wanted) is already multiplied by `scale`
 * (one over the number of terms of the mean; zero in unused lanes), the value is not. */
typedef struct {
    const real *o;            /* outputs, or Z: [n_units][VL] */
    const real *t;            /* targets [n_units, or fewer][VL] */
    const int32_t *labels;    /* or labels [n_rows] */
    ptrdiff_t n_units, n_rows;
    const double *parameters;
    int n_parameters;
    vec scale;
    real *g;                  /* [n_units][VL] */
} NAME(judged);

/* The softmax's parts, stable for every z: the largest z, and sum over units of exp(z - largest); the exponentials go
 * to g (unless NULL). */
static vec NAME(exponentials)(const real *z, ptrdiff_t n_units, vec *largest, real *g)
{
    vec top = NAME(load)(z), sum = NAME(splat)(0);
    for (ptrdiff_t i = VL; i < n_units * VL; i += VL)
        top = NAME(maximum)(NAME(load)(z + i), top);
    for (ptrdiff_t i = 0; i < n_units * VL; i += VL) {
        const vec e = NAME(vexp)(NAME(load)(z + i) - top);
        sum += e;
        if (g)
            NAME(store)(g + i, e);
    }
    *largest = top;
    return sum;
}

/* sum over units of largest - z */
static vec NAME(distance_from)(vec largest, const real *z, ptrdiff_t n_units)
{
    vec sum = NAME(splat)(0);
    for (ptrdiff_t i = 0; i < n_units * VL; i += VL)
        sum += largest - NAME(load)(z + i);
    return sum;
}

/* softmax and cross-entropy from Z, one label a sample: log(sum of exp) - z[label]; gradient p - (unit == label). The
 * share of the label that `smoothing` names is spread evenly over all units. */
static vec NAME(cross_entropy_labels)(const NAME(judged) *x)
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
        const vec share = x->scale / sum;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(x->g + i, NAME(load)(x->g + i) * share);
        if (smoothing != 0)
            for (ptrdiff_t i = 0; i < n; i += VL)
                NAME(store)(x->g + i, NAME(load)(x->g + i) - x->scale * spread);
        for (ptrdiff_t r = 0; r < x->n_rows; r++)
            x->g[x->labels[r] * VL + r] -= scales[r] * sure;
    }
    vec loss = NAME(vlog)(sum) + (top - NAME(load_any)(z_label)) * sure;
    if (smoothing != 0)
        loss += NAME(distance_from)(top, x->o, x->n_units) * spread;
    return loss;
}

/* The same for a distribution t over the units: sum of t * (log(sum of exp) - z); gradient p * sum(t) - t */
static vec NAME(cross_entropy)(const NAME(judged) *x)
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
        const vec share = total / sum;
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec target = NAME(load)(x->t + i) * sure + spread;
            NAME(store)(x->g + i, (NAME(load)(x->g + i) * share - target) * x->scale);
        }
    }
    return loss;
}

/* The pinball loss (Koenker & Bassett 1978) of each quantile q, outputs [quantile][target]: q (t - o) where the target
 * is above, (1 - q) (o - t) where it is below, sum over outputs */
static vec NAME(quantile)(const NAME(judged) *x)
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
 * sum over targets of s + (o - t)^2 exp(-s), s the logarithm of the variance (Nix & Weigend 1994). Below its floor, the
 * parameter, s counts as the floor, and what would push it further down is dropped. */
static vec NAME(gaussian_nll)(const NAME(judged) *x)
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
static vec NAME(cosine)(const NAME(judged) *x)
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

static vec NAME(losses_of)(fbp_loss loss, const NAME(judged) *x)
{
    const real *o = x->o, *t = x->t;
    real *g = x->g;
    const ptrdiff_t n = x->n_units * VL;
    vec sum = NAME(splat)(0), slope;
    switch (loss) {
#define CASE_0(constant, name) \
    case constant:             \
        sum = NAME(name)(x);   \
        break;
#define CASE_1(constant, name)                                                                \
    case constant:                                                                            \
        for (ptrdiff_t i = 0; i < n; i += VL) {                                               \
            sum += NAME(name)(NAME(load)(o + i), NAME(load)(t + i), x->parameters, &slope);   \
            if (g)                                                                            \
                NAME(store)(g + i, slope * x->scale);                                         \
        }                                                                                     \
        break;
#define CASE(constant, name, elementwise, takes_Z, over_outputs) CASE_##elementwise(constant, name)
        FBP_EACH_LOSS(CASE)
#undef CASE
#undef CASE_0
#undef CASE_1
    }
    return sum;
}

/* The sum over the samples of x, each times its weight unless `weights` is NULL. What stands in unused lanes, or for a
 * sample that weighs nothing, may be no number. Inline: GCC lets a function that is handed vectors and returns none leave
 * without vzeroupper, and the scalar code that follows pays for it. */
static INLINE double NAME(total)(vec x, const double *weights, ptrdiff_t n_rows)
{
    if (!weights)
        return NAME(sum_lanes)(NAME(first_lanes)(x, n_rows));
    real lanes[VL];
    double sum = 0;
    memcpy(lanes, &x, sizeof lanes);
    for (ptrdiff_t r = 0; r < n_rows; r++)
        if (weights[r] != 0)
            sum += weights[r] * (double)lanes[r];
    return sum;
}

/* What each sample's gradient is multiplied by: `scale`, times its weight; zero in unused lanes. */
static INLINE vec NAME(scale_of_samples)(const double *weights, ptrdiff_t n_rows, double scale)
{
    if (!weights)
        return NAME(first_lanes)(NAME(splat)((real)scale), n_rows);
    real lanes[VL] = {0};
    for (ptrdiff_t r = 0; r < n_rows; r++)
        lanes[r] = (real)(scale * weights[r]);
    return NAME(load_any)(lanes);
}

static double NAME(loss_panel)(const fbp_objective *objective, fbp_panels output, fbp_panels targets,
                               const int32_t *labels, const double *weights, ptrdiff_t n_units, ptrdiff_t p,
                               ptrdiff_t n_rows, double scale, fbp_panels gradient)
{
    const NAME(judged) panel = {
        .o = (const real *)output.data + p * output.stride,
        .t = targets.data ? (const real *)targets.data + p * targets.stride : NULL,
        .labels = labels,
        .n_units = n_units,
        .n_rows = n_rows,
        .parameters = objective->parameters,
        .n_parameters = objective->n_parameters,
        .scale = NAME(scale_of_samples)(weights, n_rows, scale),
        .g = gradient.data ? (real *)gradient.data + p * gradient.stride : NULL,
    };
    return NAME(total)(NAME(losses_of)(objective->loss, &panel), weights, n_rows);
}

/* ---- Metrics ----------------------------------------------------------------------------------------------------- */

/* A real for every lane: the first unit with the largest value. */
static vec NAME(index_of_largest)(const real *x, ptrdiff_t n_units)
{
    vec top = NAME(load)(x), best = NAME(splat)(0);
    for (ptrdiff_t n = 1; n < n_units; n++) {
        const vec value = NAME(load)(x + n * VL);
        const ivec larger = MASK(value > top);
        top = NAME(select)(larger, value, top);
        best = NAME(select)(larger, NAME(splat)((real)n), best);
    }
    return best;
}

static vec NAME(ones_where)(ivec mask)
{
    return NAME(keep)(mask, NAME(splat)(1));
}

/* What a metric sees of a panel. */
typedef struct {
    fbp_answer answer;
    const real *o, *t; /* as in a loss */
    const int32_t *labels;
    const double *weights;
    ptrdiff_t n_units, n_rows;
} NAME(answered);

static INLINE double NAME(total_where)(ivec mask, const NAME(answered) *x)
{
    return NAME(total)(NAME(ones_where)(mask), x->weights, x->n_rows);
}

/* A real for every lane: the class that is right. */
static vec NAME(right_class)(const NAME(answered) *x)
{
    real lanes[VL] = {0};
    if (x->answer == FBP_ANSWER_DISTRIBUTION)
        return NAME(index_of_largest)(x->t, x->n_units);
    for (ptrdiff_t r = 0; r < x->n_rows; r++)
        lanes[r] = (real)x->labels[r];
    return NAME(load_any)(lanes);
}

/* The target of class n: a probability. */
static INLINE vec NAME(class_target)(const NAME(answered) *x, vec right, ptrdiff_t n)
{
    if (x->answer == FBP_ANSWER_DISTRIBUTION)
        return NAME(load)(x->t + n * VL);
    return NAME(ones_where)(MASK(right == NAME(splat)((real)n)));
}

static INLINE ivec NAME(says_yes)(const NAME(answered) *x, ptrdiff_t n)
{
    return MASK(NAME(load)(x->o + n * VL) > NAME(splat)(0));
}

static INLINE ivec NAME(yes_is_right)(const NAME(answered) *x, ptrdiff_t n)
{
    return MASK(NAME(load)(x->t + n * VL) > NAME(splat)((real)0.5));
}

static double NAME(count_correct)(const NAME(answered) *x)
{
    double sum = 0;
    if (x->answer != FBP_ANSWER_BINARY)
        return NAME(total_where)(MASK(NAME(index_of_largest)(x->o, x->n_units) == NAME(right_class)(x)), x);
    for (ptrdiff_t n = 0; n < x->n_units; n++)
        sum += NAME(total_where)(~(NAME(says_yes)(x, n) ^ NAME(yes_is_right)(x, n)), x);
    return sum;
}

/* sums: [said rightly, wrongly, not said wrongly, (rightly)][class] */
static void NAME(count_answers)(const NAME(answered) *x, double *sums)
{
    const ptrdiff_t n_units = x->n_units;
    if (x->answer == FBP_ANSWER_BINARY) {
        for (ptrdiff_t n = 0; n < n_units; n++) {
            const ivec said = NAME(says_yes)(x, n), right = NAME(yes_is_right)(x, n);
            sums[n] += NAME(total_where)(said & right, x);
            sums[n_units + n] += NAME(total_where)(said & ~right, x);
            sums[2 * n_units + n] += NAME(total_where)(~said & right, x);
            sums[3 * n_units + n] += NAME(total_where)(~said & ~right, x);
        }
        return;
    }
    real said[VL], right[VL];
    NAME(store_any)(said, NAME(index_of_largest)(x->o, n_units));
    NAME(store_any)(right, NAME(right_class)(x));
    for (ptrdiff_t r = 0; r < x->n_rows; r++) {
        const double weight = x->weights ? x->weights[r] : 1;
        if (said[r] == right[r]) {
            sums[(ptrdiff_t)right[r]] += weight;
        } else {
            sums[n_units + (ptrdiff_t)said[r]] += weight;
            sums[2 * n_units + (ptrdiff_t)right[r]] += weight;
        }
    }
}

/* sums[k]: samples whose right class has k classes before it */
static void NAME(count_ranks)(const NAME(answered) *x, double *sums)
{
    const vec right = NAME(right_class)(x);
    real classes[VL], lanes[VL] = {0};
    NAME(store_any)(classes, right);
    for (ptrdiff_t r = 0; r < x->n_rows; r++)
        lanes[r] = x->o[(ptrdiff_t)classes[r] * VL + r];
    const vec output = NAME(load_any)(lanes);
    vec rank = NAME(splat)(0);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec other = NAME(load)(x->o + n * VL);
        rank += NAME(ones_where)(MASK(other > output)
                                 | (MASK(other == output) & MASK(NAME(splat)((real)n) > right)));
    }
    NAME(store_any)(lanes, rank);
    for (ptrdiff_t r = 0; r < x->n_rows; r++)
        sums[(ptrdiff_t)lanes[r]] += x->weights ? x->weights[r] : 1;
}

/* -log(p) where p counts as within epsilon .. 1 - epsilon of the dtype. p is rounded first, as an output is: of answers
 * that are surely wrong the formulas from Z would know more than scikit-learn, which is given 1 and takes it from 1. */
static INLINE vec NAME(bounded_log)(vec p)
{
    const real epsilon = (real)(sizeof(real) == sizeof(double) ? 0x1p-52 : 0x1p-23);
    return -NAME(vlog)(NAME(minimum)(NAME(splat)((real)1 - epsilon), NAME(maximum)(NAME(splat)(epsilon), p)));
}

static double NAME(sum_log_losses)(const NAME(answered) *x)
{
    vec sum = NAME(splat)(0), top;
    if (x->answer == FBP_ANSWER_BINARY) {
        for (ptrdiff_t i = 0; i < x->n_units * VL; i += VL) {
            const vec p = NAME(vsigmoid)(NAME(load)(x->o + i)), t = NAME(load)(x->t + i);
            sum += NAME(bounded_log)(p) * t + NAME(bounded_log)((real)1 - p) * ((real)1 - t);
        }
        return NAME(total)(sum, x->weights, x->n_rows);
    }
    const vec share = NAME(splat)(1) / NAME(exponentials)(x->o, x->n_units, &top, NULL), right = NAME(right_class)(x);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec p = NAME(vexp)(NAME(load)(x->o + n * VL) - top) * share;
        sum += NAME(class_target)(x, right, n) * NAME(bounded_log)(p);
    }
    return NAME(total)(sum, x->weights, x->n_rows);
}

static double NAME(sum_squared_probabilities)(const NAME(answered) *x)
{
    vec sum = NAME(splat)(0), top;
    if (x->answer == FBP_ANSWER_BINARY) {
        for (ptrdiff_t i = 0; i < x->n_units * VL; i += VL) {
            const vec d = NAME(vsigmoid)(NAME(load)(x->o + i)) - NAME(load)(x->t + i);
            sum += d * d;
        }
        return NAME(total)(sum, x->weights, x->n_rows);
    }
    const vec share = NAME(splat)(1) / NAME(exponentials)(x->o, x->n_units, &top, NULL), right = NAME(right_class)(x);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec d = NAME(vexp)(NAME(load)(x->o + n * VL) - top) * share - NAME(class_target)(x, right, n);
        sum += d * d;
    }
    return NAME(total)(sum, x->weights, x->n_rows);
}

/* sums[n]: what the error of output n amounts to */
static void NAME(sum_errors)(fbp_metric metric, const NAME(answered) *x, double *sums)
{
    const vec least = NAME(splat)((real)0x1p-52);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec t = NAME(load)(x->t + n * VL), d = NAME(load)(x->o + n * VL) - t;
        vec error = NAME(absolute)(d);
        if (metric == FBP_METRIC_SQUARED_ERROR)
            error = d * d;
        else if (metric == FBP_METRIC_PERCENTAGE_ERROR)
            error /= NAME(maximum)(least, NAME(absolute)(t));
        sums[n] += NAME(total)(error, x->weights, x->n_rows);
    }
}

static void NAME(metric_panel)(fbp_metric metric, fbp_answer answer, fbp_panels output, fbp_panels targets,
                               const int32_t *labels, const double *weights, ptrdiff_t n_units, ptrdiff_t p,
                               ptrdiff_t n_rows, double *sums)
{
    const NAME(answered) panel = {
        .answer = answer,
        .o = (const real *)output.data + p * output.stride,
        .t = targets.data ? (const real *)targets.data + p * targets.stride : NULL,
        .labels = labels,
        .weights = weights,
        .n_units = n_units,
        .n_rows = n_rows,
    };
    switch (metric) {
    case FBP_METRIC_CORRECT:
        sums[0] += NAME(count_correct)(&panel);
        break;
    case FBP_METRIC_COUNTS:
        NAME(count_answers)(&panel, sums);
        break;
    case FBP_METRIC_LOG_LOSS:
        sums[0] += NAME(sum_log_losses)(&panel);
        break;
    case FBP_METRIC_SQUARED_PROBABILITY:
        sums[0] += NAME(sum_squared_probabilities)(&panel);
        break;
    case FBP_METRIC_RANKS:
        NAME(count_ranks)(&panel, sums);
        break;
    case FBP_METRIC_ABSOLUTE_ERROR:
    case FBP_METRIC_SQUARED_ERROR:
    case FBP_METRIC_PERCENTAGE_ERROR:
        NAME(sum_errors)(metric, &panel, sums);
        break;
    }
}
