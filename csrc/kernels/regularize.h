/* regularize.h: penalties on the weights of a dense layer, and the limit of their norm.
 *
 * Uses simd.h (sign) and wide.h. Gives unit_penalties, add_penalty_slopes and limit_norms to the table. The padding of
 * a row of weights is zero, and stays zero.
 */

/* The sums of |w| and of w * w over one unit's row. */
static void NAME(sizes_of_row)(const fbp_layer *layer, ptrdiff_t n, double *absolute, double *square)
{
    const real *row = (const real *)layer->weights + n * layer->ld;
    NAME(wide_t) sizes[WIDE_PARTS] = {0}, squares[WIDE_PARTS] = {0};
    for (ptrdiff_t i = 0; i < layer->ld; i += VL)
        for (int part = 0; part < WIDE_PARTS; part++) {
            const NAME(wide_t) w = NAME(widen)(row + i + part * WIDE_LANES);
            sizes[part] += NAME(wide_absolute)(w);
            squares[part] += w * w;
        }
    *absolute = NAME(sum_of_wide)(sizes);
    *square = NAME(sum_of_wide)(squares);
}

static void NAME(unit_penalties)(const fbp_layer *layer, double l1, double l2, ptrdiff_t n0, ptrdiff_t n1,
                                 double *penalties)
{
    for (ptrdiff_t n = n0; n < n1; n++) {
        double absolute, square;
        NAME(sizes_of_row)(layer, n, &absolute, &square);
        penalties[n] = l1 * absolute + l2 * square;
    }
}

/* dW += l1 * sign(W) + 2 * l2 * W */
static void NAME(add_penalty_slopes)(const fbp_layer *layer, double l1, double l2, ptrdiff_t n0, ptrdiff_t n1, void *dW)
{
    const vec of_sign = NAME(splat)((real)l1), of_weight = NAME(splat)((real)(2 * l2));
    const real *W = layer->weights;
    real *gradient = dW;
    for (ptrdiff_t i = n0 * layer->ld; i < n1 * layer->ld; i += VL) {
        const vec w = NAME(load)(W + i);
        NAME(store)(gradient + i, NAME(load)(gradient + i) + of_sign * NAME(sign)(w) + of_weight * w);
    }
}

/* A row with a NaN does not change, so that the check for NaNs finds it. */
static void NAME(limit_norms)(const fbp_layer *layer, double most, ptrdiff_t n0, ptrdiff_t n1)
{
    for (ptrdiff_t n = n0; n < n1; n++) {
        double absolute, square;
        NAME(sizes_of_row)(layer, n, &absolute, &square);
        if (square > most * most) {
            const vec factor = NAME(splat)((real)(most / sqrt(square)));
            real *row = (real *)layer->weights + n * layer->ld;
            for (ptrdiff_t i = 0; i < layer->ld; i += VL)
                NAME(store)(row + i, NAME(load)(row + i) * factor);
        }
    }
}
