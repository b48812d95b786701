/* clip.h: the squares that the norm of a gradient is made of, and the clipping of gradients.
 *
 * Uses simd.h, vmath.h (minimum) and wide.h. Gives unit_squares and clip to the table.
 */

/* squares[n] = the sum over unit n's weights of the gradient's square, bias_squares[n] = that of its bias. */
static void NAME(unit_squares)(const fbp_layer *layer, const void *dW, const void *db, ptrdiff_t n0, ptrdiff_t n1,
                               double *squares, double *bias_squares)
{
    for (ptrdiff_t n = n0; n < n1; n++) {
        const real *row = (const real *)dW + n * layer->ld, bias = db ? ((const real *)db)[n] : 0;
        NAME(wide_t) sums[WIDE_PARTS] = {0};
        ptrdiff_t i = 0;
        for (; i + VL <= layer->ld; i += VL)
            for (int part = 0; part < WIDE_PARTS; part++) {
                const NAME(wide_t) x = NAME(widen)(row + i + part * WIDE_LANES);
                sums[part] += x * x;
            }
        double sum = NAME(sum_of_wide)(sums);
        for (; i < layer->ld; i++) /* a stage with one number a unit */
            sum += (double)row[i] * (double)row[i];
        squares[n] = sum;
        bias_squares[n] = (double)bias * (double)bias;
    }
}

/* A NaN stays NaN. */
static INLINE vec NAME(clipped)(vec x, vec times, vec most)
{
    return NAME(minimum)(most, NAME(maximum)(-most, times * x));
}

/* g <- factor * g, limited to -bound .. bound. */
static void NAME(clip)(void *g, ptrdiff_t n, double factor, double bound)
{
    real *gradient = g;
    const vec times = NAME(splat)((real)factor), most = NAME(splat)((real)bound);
    ptrdiff_t i = 0;
    for (; i + VL <= n; i += VL)
        NAME(store_any)(gradient + i, NAME(clipped)(NAME(load_any)(gradient + i), times, most));
    if (i < n) {
        const size_t rest = (size_t)(n - i) * sizeof(real);
        vec x = NAME(splat)(0);
        memcpy(&x, gradient + i, rest);
        x = NAME(clipped)(x, times, most);
        memcpy(gradient + i, &x, rest);
    }
}
