/* lanes.h: the norm of each sample's gradient, and its clipping. Samples are lanes: a norm is a sum over rows.
 *
 * Uses simd.h. Gives dense_squares, vector_squares, row_squares, clip_factors, scale_lanes and clear_lanes to the table.
 *
 * The gradient of a dense layer by one sample is the outer product of dZ and A: its norm is the product of theirs
 * (Goodfellow 2015). So no gradient of a single sample is ever made.
 */

/* Rows whose squares are added up on their own: a sum of thousands in float32 then keeps its digits. */
#define PART_ROWS 64
/* A factor is by this much below what brings the norm to C. */
#define CLIP_MARGIN (1.0 / 1024)

/* The sum over n rows of (x unit f)^2, f a factor for each number, or NULL: 1. */
static INLINE vec NAME(sum_of_squares)(const real *x, const real *f, ptrdiff_t n, vec unit)
{
    vec total = NAME(splat)(0);
    for (ptrdiff_t first = 0; first < n; first += PART_ROWS) {
        const ptrdiff_t end = n - first < PART_ROWS ? n : first + PART_ROWS;
        vec part = NAME(splat)(0);
        for (ptrdiff_t i = first; i < end; i++) {
            vec y = NAME(load)(x + i * VL) * unit;
            if (f)
                y *= NAME(load)(f + i * VL);
            part += y * y;
        }
        total += part;
    }
    return total;
}

static void NAME(dense_squares)(const fbp_layer *layer, fbp_panels source, fbp_panels dZ, int with_bias, double unit,
                                ptrdiff_t p, void *squares)
{
    const real *a = (const real *)source.data + p * source.stride, *d = (const real *)dZ.data + p * dZ.stride;
    const vec A = NAME(sum_of_squares)(a, NULL, layer->n_inputs, NAME(splat)(1)) + (with_bias ? (real)1 : (real)0);
    const vec D = NAME(sum_of_squares)(d, NULL, layer->n_units, NAME(splat)((real)unit));
    NAME(store_any)(squares, NAME(load_any)(squares) + A * D);
}

static void NAME(vector_squares)(const fbp_layer *layer, fbp_panels factor, fbp_panels dZ, int with_bias, double unit,
                                 ptrdiff_t p, void *squares)
{
    const real *f = (const real *)factor.data + p * factor.stride, *d = (const real *)dZ.data + p * dZ.stride;
    vec sum = NAME(sum_of_squares)(d, f, layer->n_units, NAME(splat)((real)unit));
    if (with_bias)
        sum += NAME(sum_of_squares)(d, NULL, layer->n_units, NAME(splat)((real)unit));
    NAME(store_any)(squares, NAME(load_any)(squares) + sum);
}

static void NAME(row_squares)(fbp_panels dZ, ptrdiff_t first, ptrdiff_t n_features, double unit, ptrdiff_t p,
                              void *squares)
{
    const real *d = (const real *)dZ.data + p * dZ.stride + first * VL;
    NAME(store_any)(squares,
                    NAME(load_any)(squares) + NAME(sum_of_squares)(d, NULL, n_features, NAME(splat)((real)unit)));
}

static int NAME(clip_factors)(fbp_clipping rule, double stability, const void *squares, ptrdiff_t n_samples,
                              void *factors)
{
    const vec square = NAME(load_any)(squares), one = NAME(splat)(1);
    const vec most = NAME(splat)((real)(1 - CLIP_MARGIN));
    const ivec finite = MASK(NAME(absolute)(square) < NAME(splat)((real)INFINITY));
    const vec s = NAME(square_root)(square);
    vec factor = most / (s + (real)stability);
    if (rule == FBP_CLIP)
        factor = NAME(select)(MASK(s <= most), one, most / s);
    factor = NAME(keep)(finite, factor);
    NAME(store_any)(factors, factor);
    real lanes[VL];
    memcpy(lanes, &factor, sizeof lanes);
    int some = 0;
    for (ptrdiff_t i = 0; i < VL && i < n_samples; i++)
        some |= lanes[i] == 0;
    return some;
}

static void NAME(scale_lanes)(fbp_panels x, ptrdiff_t n_features, ptrdiff_t p, const void *factors)
{
    real *panel = (real *)x.data + p * x.stride;
    const vec factor = NAME(load_any)(factors);
    for (ptrdiff_t i = 0; i < n_features; i++)
        NAME(store)(panel + i * VL, NAME(load)(panel + i * VL) * factor);
}

static void NAME(clear_lanes)(fbp_panels x, ptrdiff_t n_features, ptrdiff_t p, const void *factors)
{
    real *panel = (real *)x.data + p * x.stride;
    const vec factor = NAME(load_any)(factors);
    const ivec kept = ~MASK(factor == NAME(splat)(0));
    for (ptrdiff_t i = 0; i < n_features; i++)
        NAME(store)(panel + i * VL, NAME(keep)(kept, NAME(load)(panel + i * VL)));
}
#undef PART_ROWS
#undef CLIP_MARGIN
