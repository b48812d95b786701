/* losses/base.h: what losses and metrics have in common: a panel's outputs and targets, the softmax's parts, sums over
 * the samples.
 *
 * Uses simd.h and vmath.h (vexp). Gives loss_input, exponentials, total and scale_of_samples.
 *
 * The samples are the lanes: every formula reads as if for one sample. A loss is a function of the name that fastbp.h
 * lists. Most are sums over the outputs: such a function returns one output's loss, for the output o (or z, with the
 * activation built in) and the target t, and stores its slope in *slope. The others get a whole panel.
 */

/* What a loss reads of a panel, and the gradient g that it stores (NULL where only the value is wanted). A loss
 * multiplies its gradient by `scale` (1 over the number of terms of the mean; zero in unused lanes), and not its
 * value. */
typedef struct {
    const real *o;            /* outputs, or Z: [n_units][VL] */
    const real *t;            /* targets [n_units, or fewer][VL] */
    const int32_t *labels;    /* or labels [n_rows] */
    ptrdiff_t n_units, n_rows;
    const double *parameters;
    int n_parameters;
    vec scale;
    real *g;                  /* [n_units][VL] */
} NAME(loss_input);

/* The terms of a softmax, stable for every z: stores the largest z and, unless g is NULL, all exp(z - largest) in g;
 * returns the sum over the units of exp(z - largest). */
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

/* The sum over the samples of x, each times its sample weight unless those are NULL. Unused lanes, and samples whose
 * weight is 0, may be NaN. Inline, because GCC ends a function that takes vectors and returns none without vzeroupper,
 * which slows down the scalar code that follows. */
static INLINE double NAME(total)(vec x, const double *sample_weights, ptrdiff_t n_rows)
{
    if (!sample_weights)
        return NAME(sum_lanes)(NAME(first_lanes)(x, n_rows));
    real lanes[VL];
    double sum = 0;
    memcpy(lanes, &x, sizeof lanes);
    for (ptrdiff_t r = 0; r < n_rows; r++)
        if (sample_weights[r] != 0)
            sum += sample_weights[r] * (double)lanes[r];
    return sum;
}

/* The factor of each sample's gradient: `scale` times its sample weight; zero in unused lanes. */
static INLINE vec NAME(scale_of_samples)(const double *sample_weights, ptrdiff_t n_rows, double scale)
{
    if (!sample_weights)
        return NAME(first_lanes)(NAME(splat)((real)scale), n_rows);
    real lanes[VL] = {0};
    for (ptrdiff_t r = 0; r < n_rows; r++)
        lanes[r] = (real)(scale * sample_weights[r]);
    return NAME(load_any)(lanes);
}
