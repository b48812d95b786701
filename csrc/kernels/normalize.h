/* normalize.h: stages that bring numbers to mean 0 and variance 1, and then to a gain and a shift of each unit.
 *
 * The gain is the stage's weights, the shift its bias. With h the normalised numbers, forward is A = gain * h + shift, so
 * that dgain = sum of dZ * h and dshift = sum of dZ, over all samples.
 */

/* total -> out[0..n), added to what is there or not. */
static INLINE void NAME(leave)(vec total, real *out, ptrdiff_t n, int accumulate)
{
    if (accumulate) {
        vec before = NAME(splat)(0);
        memcpy(&before, out, (size_t)n * sizeof(real));
        total += before;
    }
    memcpy(out, &total, (size_t)n * sizeof(real));
}

/* Unused lanes of dZ are zero, so whole panels are added, in their order; then each unit's lanes. */
static void NAME(vector_gradient)(fbp_panels dZ, fbp_panels factor, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1,
                                  void *dW, void *db, int accumulate)
{
    const ptrdiff_t n_panels = NAME(pieces)(n_samples, VL);
    for (ptrdiff_t n = n0; n < n1; n += VL) {
        const ptrdiff_t n_units = n1 - n < VL ? n1 - n : VL;
        const real *d = (const real *)dZ.data + n * VL, *f = (const real *)factor.data + n * VL;
        vec products[VL] = {0}, sums[VL] = {0};
        for (ptrdiff_t p = 0; p < n_panels; p++, d += dZ.stride, f += factor.stride)
            for (ptrdiff_t i = 0; i < n_units; i++) {
                products[i] += NAME(load)(d + i * VL) * NAME(load)(f + i * VL);
                sums[i] += NAME(load)(d + i * VL);
            }
        NAME(leave)(NAME(sum_each)(products), (real *)dW + n, n_units, accumulate);
        if (db)
            NAME(leave)(NAME(sum_each)(sums), (real *)db + n, n_units, accumulate);
    }
}

/* Over the features of a sample (Ba, Kiros and Hinton 2016). The samples are the lanes: plain loops over rows. */
static void NAME(layer_norm_forward)(const fbp_layer *layer, double epsilon, fbp_panels in, fbp_panels out,
                                     fbp_panels kept, ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t N = layer->n_units;
    const real *gain = layer->weights, *shift = layer->bias;
    const vec one = NAME(splat)(1), n = NAME(splat)((real)N);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *x = (const real *)in.data + p * in.stride;
        real *a = (real *)out.data + p * out.stride;
        real *keep = kept.data ? (real *)kept.data + p * kept.stride : NULL;
        vec sum = NAME(splat)(0), squares = NAME(splat)(0);
        for (ptrdiff_t i = 0; i < N; i++)
            sum += NAME(load)(x + i * VL);
        const vec mean = sum / n;
        for (ptrdiff_t i = 0; i < N; i++) {
            const vec d = NAME(load)(x + i * VL) - mean;
            squares += d * d;
        }
        const vec inverse = one / NAME(square_root)(squares / n + (real)epsilon);
        for (ptrdiff_t i = 0; i < N; i++) {
            const vec h = (NAME(load)(x + i * VL) - mean) * inverse;
            if (keep)
                NAME(store)(keep + i * VL, h);
            NAME(store)(a + i * VL, h * NAME(splat)(gain[i]) + NAME(splat)(shift[i]));
        }
        if (keep)
            NAME(store)(keep + N * VL, inverse);
    }
}

/* With dh = dZ * gain: dX = (dh - mean of dh - h * mean of dh * h) / deviation, means over the features. */
static void NAME(layer_norm_backward)(const fbp_layer *layer, fbp_panels dZ, fbp_panels kept, fbp_panels dX,
                                      ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t N = layer->n_units;
    const real *gain = layer->weights;
    const vec n = NAME(splat)((real)N);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *d = (const real *)dZ.data + p * dZ.stride, *h = (const real *)kept.data + p * kept.stride;
        real *to = (real *)dX.data + p * dX.stride;
        vec mean = NAME(splat)(0), slope = NAME(splat)(0);
        for (ptrdiff_t i = 0; i < N; i++) {
            const vec dh = NAME(load)(d + i * VL) * NAME(splat)(gain[i]);
            mean += dh;
            slope += dh * NAME(load)(h + i * VL);
        }
        mean /= n;
        slope /= n;
        const vec inverse = NAME(load)(h + N * VL);
        for (ptrdiff_t i = 0; i < N; i++) {
            const vec dh = NAME(load)(d + i * VL) * NAME(splat)(gain[i]);
            NAME(store)(to + i * VL, (dh - mean - NAME(load)(h + i * VL) * slope) * inverse);
        }
    }
}
