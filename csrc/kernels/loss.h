/* loss.h: the losses, their gradients, and the sums that metrics need, one panel at a time.
 *
 * The samples are the lanes: every formula below reads as if for one sample. `o` are the outputs [n_units][VL], `t` the
 * targets, `g` the gradient (NULL where only the value is wanted). The gradient is already multiplied by `scale` (one
 * over the number of terms of the mean; zero in unused lanes), the value is not.
 */

/* sum over units of (o - t)^2 */
static vec NAME(squared_error)(const real *o, const real *t, ptrdiff_t n_units, vec scale, real *g)
{
    const vec twice = scale + scale;
    vec loss = NAME(splat)(0);
    for (ptrdiff_t i = 0; i < n_units * VL; i += VL) {
        const vec d = NAME(load)(o + i) - NAME(load)(t + i);
        loss += d * d;
        if (g)
            NAME(store)(g + i, d * twice);
    }
    return loss;
}

/* sum over units of |o - t|; where they are equal, the subgradient 0 */
static vec NAME(absolute_error)(const real *o, const real *t, ptrdiff_t n_units, vec scale, real *g)
{
    const vec zero = NAME(splat)(0);
    vec loss = zero;
    for (ptrdiff_t i = 0; i < n_units * VL; i += VL) {
        const vec d = NAME(load)(o + i) - NAME(load)(t + i);
        loss += NAME(absolute)(d);
        if (g)
            NAME(store)(g + i, NAME(keep)(MASK(d > zero), scale) - NAME(keep)(MASK(d < zero), scale));
    }
    return loss;
}

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

/* softmax and cross-entropy from Z, one label a sample: log(sum of exp) - z[label]; gradient p - (unit == label) */
static vec NAME(cross_entropy_labels)(const real *z, const int32_t *labels, ptrdiff_t n_units, ptrdiff_t n_rows,
                                      vec scale, real *g)
{
    vec top;
    const vec sum = NAME(exponentials)(z, n_units, &top, g);
    real z_label[VL] = {0}, scales[VL];
    memcpy(scales, &scale, sizeof scales);
    for (ptrdiff_t r = 0; r < n_rows; r++)
        z_label[r] = z[labels[r] * VL + r];
    if (g) {
        const vec share = scale / sum;
        for (ptrdiff_t i = 0; i < n_units * VL; i += VL)
            NAME(store)(g + i, NAME(load)(g + i) * share);
        for (ptrdiff_t r = 0; r < n_rows; r++)
            g[labels[r] * VL + r] -= scales[r];
    }
    return NAME(vlog)(sum) + (top - NAME(load_any)(z_label));
}

/* The same for a distribution t over the units: sum of t * (log(sum of exp) - z); gradient p * sum(t) - t */
static vec NAME(cross_entropy_distribution)(const real *z, const real *t, ptrdiff_t n_units, vec scale, real *g)
{
    vec top, total = NAME(splat)(0), loss = NAME(splat)(0);
    const vec sum = NAME(exponentials)(z, n_units, &top, g);
    const vec log_sum = NAME(vlog)(sum);
    for (ptrdiff_t i = 0; i < n_units * VL; i += VL) {
        const vec target = NAME(load)(t + i);
        total += target;
        loss += target * (log_sum + (top - NAME(load)(z + i)));
    }
    if (g) {
        const vec share = total / sum;
        for (ptrdiff_t i = 0; i < n_units * VL; i += VL)
            NAME(store)(g + i, (NAME(load)(g + i) * share - NAME(load)(t + i)) * scale);
    }
    return loss;
}

/* sigmoid and binary cross-entropy from Z: max(z, 0) - z t + log(1 + exp(-|z|)); gradient sigmoid(z) - t */
static vec NAME(binary_cross_entropy)(const real *z, const real *t, ptrdiff_t n_units, vec scale, real *g)
{
    const vec zero = NAME(splat)(0);
    vec loss = zero;
    for (ptrdiff_t i = 0; i < n_units * VL; i += VL) {
        const vec x = NAME(load)(z + i), target = NAME(load)(t + i);
        const vec positive = NAME(relu)(x), tail = NAME(vlog1p_of_exp)(zero - NAME(absolute)(x));
        loss += (positive - x * target) + tail;
        if (g)
            NAME(store)(g + i, (NAME(vsigmoid)(x) - target) * scale);
    }
    return loss;
}

static double NAME(loss_panel)(fbp_loss loss, fbp_panels output, fbp_panels targets, const int32_t *labels,
                               ptrdiff_t n_units, ptrdiff_t p, ptrdiff_t n_rows, double scale, fbp_panels gradient)
{
    const real *o = (const real *)output.data + p * output.stride;
    const real *t = targets.data ? (const real *)targets.data + p * targets.stride : NULL;
    real *g = gradient.data ? (real *)gradient.data + p * gradient.stride : NULL;
    const vec scales = NAME(first_lanes)(NAME(splat)((real)scale), n_rows);
    vec losses = NAME(splat)(0);
    switch (loss) {
    case FBP_MSE:
        losses = NAME(squared_error)(o, t, n_units, scales, g);
        break;
    case FBP_MAE:
        losses = NAME(absolute_error)(o, t, n_units, scales, g);
        break;
    case FBP_CROSS_ENTROPY_LABELS:
        losses = NAME(cross_entropy_labels)(o, labels, n_units, n_rows, scales, g);
        break;
    case FBP_CROSS_ENTROPY_DISTRIBUTION:
        losses = NAME(cross_entropy_distribution)(o, t, n_units, scales, g);
        break;
    case FBP_BINARY_CROSS_ENTROPY:
        losses = NAME(binary_cross_entropy)(o, t, n_units, scales, g);
        break;
    }
    return NAME(sum_lanes)(NAME(first_lanes)(losses, n_rows));
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

static void NAME(metric_panel)(fbp_metric metric, fbp_panels output, fbp_panels targets, const int32_t *labels,
                               ptrdiff_t n_units, ptrdiff_t p, ptrdiff_t n_rows, double *sums)
{
    const real *o = (const real *)output.data + p * output.stride;
    const real *t = targets.data ? (const real *)targets.data + p * targets.stride : NULL;
    switch (metric) {
    case FBP_METRIC_NONE:
        break;
    case FBP_METRIC_CORRECT_LABEL: {
        real wanted[VL] = {0};
        for (ptrdiff_t r = 0; r < n_rows; r++)
            wanted[r] = (real)labels[r];
        const vec hit = NAME(ones_where)(MASK(NAME(index_of_largest)(o, n_units) == NAME(load_any)(wanted)));
        sums[0] += NAME(sum_lanes)(NAME(first_lanes)(hit, n_rows));
        break;
    }
    case FBP_METRIC_CORRECT_DISTRIBUTION: {
        const ivec same = MASK(NAME(index_of_largest)(o, n_units) == NAME(index_of_largest)(t, n_units));
        sums[0] += NAME(sum_lanes)(NAME(first_lanes)(NAME(ones_where)(same), n_rows));
        break;
    }
    case FBP_METRIC_CORRECT_BINARY:
        for (ptrdiff_t i = 0; i < n_units * VL; i += VL) {
            const vec z = NAME(ones_where)(MASK(NAME(load)(o + i) > NAME(splat)(0)));
            const vec wanted = NAME(ones_where)(MASK(NAME(load)(t + i) > NAME(splat)((real)0.5)));
            sums[0] += NAME(sum_lanes)(NAME(first_lanes)(NAME(ones_where)(MASK(z == wanted)), n_rows));
        }
        break;
    case FBP_METRIC_ABSOLUTE_ERROR:
        for (ptrdiff_t n = 0; n < n_units; n++) {
            const vec d = NAME(load)(o + n * VL) - NAME(load)(t + n * VL);
            sums[n] += NAME(sum_lanes)(NAME(first_lanes)(NAME(absolute)(d), n_rows));
        }
        break;
    case FBP_METRIC_SQUARED_ERROR:
        for (ptrdiff_t n = 0; n < n_units; n++) {
            const vec d = NAME(load)(o + n * VL) - NAME(load)(t + n * VL);
            sums[n] += NAME(sum_lanes)(NAME(first_lanes)(d * d, n_rows));
        }
        break;
    }
}
