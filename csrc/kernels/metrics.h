/* metrics.h: the sums that metrics need, over one panel at a time.
 *
 * Uses losses/base.h (exponentials, total), simd.h and vmath.h (vexp, vlog, vsigmoid). Gives metric_panel to the table.
 */

/* In every lane, as a real: the first unit with the largest value. */
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

/* What a metric reads of a panel. */
typedef struct {
    fbp_answer answer;
    const real *o, *t; /* as in a loss */
    const int32_t *labels;
    const double *sample_weights;
    ptrdiff_t n_units, n_rows;
} NAME(metric_input);

static INLINE double NAME(total_where)(ivec mask, const NAME(metric_input) *x)
{
    return NAME(total)(NAME(ones_where)(mask), x->sample_weights, x->n_rows);
}

/* In every lane, as a real: the right class. */
static vec NAME(right_class)(const NAME(metric_input) *x)
{
    real lanes[VL] = {0};
    if (x->answer == FBP_ANSWER_DISTRIBUTION)
        return NAME(index_of_largest)(x->t, x->n_units);
    for (ptrdiff_t r = 0; r < x->n_rows; r++)
        lanes[r] = (real)x->labels[r];
    return NAME(load_any)(lanes);
}

/* The target of class n, a probability. */
static INLINE vec NAME(class_target)(const NAME(metric_input) *x, vec right, ptrdiff_t n)
{
    if (x->answer == FBP_ANSWER_DISTRIBUTION)
        return NAME(load)(x->t + n * VL);
    return NAME(ones_where)(MASK(right == NAME(splat)((real)n)));
}

static INLINE ivec NAME(says_yes)(const NAME(metric_input) *x, ptrdiff_t n)
{
    return MASK(NAME(load)(x->o + n * VL) > NAME(splat)(0));
}

static INLINE ivec NAME(yes_is_right)(const NAME(metric_input) *x, ptrdiff_t n)
{
    return MASK(NAME(load)(x->t + n * VL) > NAME(splat)((real)0.5));
}

static double NAME(count_correct)(const NAME(metric_input) *x)
{
    double sum = 0;
    if (x->answer != FBP_ANSWER_BINARY)
        return NAME(total_where)(MASK(NAME(index_of_largest)(x->o, x->n_units) == NAME(right_class)(x)), x);
    for (ptrdiff_t n = 0; n < x->n_units; n++)
        sum += NAME(total_where)(~(NAME(says_yes)(x, n) ^ NAME(yes_is_right)(x, n)), x);
    return sum;
}

/* sums: [true positives, false positives, false negatives, (true negatives)][class] */
static void NAME(count_answers)(const NAME(metric_input) *x, double *sums)
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
        const double weight = x->sample_weights ? x->sample_weights[r] : 1;
        if (said[r] == right[r]) {
            sums[(ptrdiff_t)right[r]] += weight;
        } else {
            sums[n_units + (ptrdiff_t)said[r]] += weight;
            sums[2 * n_units + (ptrdiff_t)right[r]] += weight;
        }
    }
}

/* sums[k]: samples with k classes ranked above the right one */
static void NAME(count_ranks)(const NAME(metric_input) *x, double *sums)
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
        sums[(ptrdiff_t)lanes[r]] += x->sample_weights ? x->sample_weights[r] : 1;
}

/* -log(p), p limited to epsilon .. 1 - epsilon of the dtype. It is computed from the rounded probability, as
 * scikit-learn does it from the model's output, and not from Z, whose formulas would give other values for answers that
 * are certain and wrong. */
static INLINE vec NAME(bounded_log)(vec p)
{
    const real epsilon = (real)(sizeof(real) == sizeof(double) ? 0x1p-52 : 0x1p-23);
    return -NAME(vlog)(NAME(minimum)(NAME(splat)((real)1 - epsilon), NAME(maximum)(NAME(splat)(epsilon), p)));
}

static double NAME(sum_log_losses)(const NAME(metric_input) *x)
{
    vec sum = NAME(splat)(0), top;
    if (x->answer == FBP_ANSWER_BINARY) {
        for (ptrdiff_t i = 0; i < x->n_units * VL; i += VL) {
            const vec p = NAME(vsigmoid)(NAME(load)(x->o + i)), t = NAME(load)(x->t + i);
            sum += NAME(bounded_log)(p) * t + NAME(bounded_log)((real)1 - p) * ((real)1 - t);
        }
        return NAME(total)(sum, x->sample_weights, x->n_rows);
    }
    const vec inverse_sum = NAME(splat)(1) / NAME(exponentials)(x->o, x->n_units, &top, NULL);
    const vec right = NAME(right_class)(x);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec p = NAME(vexp)(NAME(load)(x->o + n * VL) - top) * inverse_sum;
        sum += NAME(class_target)(x, right, n) * NAME(bounded_log)(p);
    }
    return NAME(total)(sum, x->sample_weights, x->n_rows);
}

static double NAME(sum_squared_probabilities)(const NAME(metric_input) *x)
{
    vec sum = NAME(splat)(0), top;
    if (x->answer == FBP_ANSWER_BINARY) {
        for (ptrdiff_t i = 0; i < x->n_units * VL; i += VL) {
            const vec d = NAME(vsigmoid)(NAME(load)(x->o + i)) - NAME(load)(x->t + i);
            sum += d * d;
        }
        return NAME(total)(sum, x->sample_weights, x->n_rows);
    }
    const vec inverse_sum = NAME(splat)(1) / NAME(exponentials)(x->o, x->n_units, &top, NULL);
    const vec right = NAME(right_class)(x);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec d = NAME(vexp)(NAME(load)(x->o + n * VL) - top) * inverse_sum - NAME(class_target)(x, right, n);
        sum += d * d;
    }
    return NAME(total)(sum, x->sample_weights, x->n_rows);
}

/* sums[n]: the error of output n */
static void NAME(sum_errors)(fbp_metric metric, const NAME(metric_input) *x, double *sums)
{
    const vec least = NAME(splat)((real)0x1p-52);
    for (ptrdiff_t n = 0; n < x->n_units; n++) {
        const vec t = NAME(load)(x->t + n * VL), d = NAME(load)(x->o + n * VL) - t;
        vec error = NAME(absolute)(d);
        if (metric == FBP_METRIC_SQUARED_ERROR)
            error = d * d;
        else if (metric == FBP_METRIC_PERCENTAGE_ERROR)
            error /= NAME(maximum)(least, NAME(absolute)(t));
        sums[n] += NAME(total)(error, x->sample_weights, x->n_rows);
    }
}

static void NAME(metric_panel)(fbp_metric metric, fbp_answer answer, fbp_panels output, fbp_panels targets,
                               const int32_t *labels, const double *sample_weights, ptrdiff_t n_units, ptrdiff_t p,
                               ptrdiff_t n_rows, double *sums)
{
    const NAME(metric_input) panel = {
        .answer = answer,
        .o = (const real *)output.data + p * output.stride,
        .t = targets.data ? (const real *)targets.data + p * targets.stride : NULL, /* no branch - as in loss_panel */
        .labels = labels,
        .sample_weights = sample_weights,
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
