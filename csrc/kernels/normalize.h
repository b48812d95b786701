/* normalize.h: stages that bring numbers to mean 0 and variance 1, and then apply a gain and a shift of each unit.
 *
 * Uses simd.h, transpose.h (sum_each), blocking.h (ceil_divide) and bias_gradient.h (store_or_add).
 *
 * The gain is the stage's weights, the shift its bias. With h the normalised numbers, forward is A = gain * h + shift,
 * so that dgain = sum of dZ * h and dshift = sum of dZ, over all samples.
 */

/* Whole panels are added, in their order; then the lanes of each unit. Lanes without a sample are left out: they are
 * not zero where an output of theirs is infinite. */
static void NAME(vector_gradient)(fbp_panels dZ, fbp_panels factor, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1,
                                  void *dW, void *db, int accumulate)
{
    const ptrdiff_t n_panels = NAME(ceil_divide)(n_samples, VL);
    for (ptrdiff_t n = n0; n < n1; n += VL) {
        const ptrdiff_t n_units = n1 - n < VL ? n1 - n : VL;
        const real *d = (const real *)dZ.data + n * VL, *f = (const real *)factor.data + n * VL;
        vec products[VL] = {0}, sums[VL] = {0};
        for (ptrdiff_t p = 0; p < n_panels; p++, d += dZ.stride, f += factor.stride) {
            const ivec used = NAME(first_lanes_mask)(n_samples - p * VL);
            for (ptrdiff_t i = 0; i < n_units; i++) {
                const vec gradient = NAME(keep)(used, NAME(load)(d + i * VL));
                products[i] += gradient * NAME(keep)(used, NAME(load)(f + i * VL));
                sums[i] += gradient;
            }
        }
        NAME(store_or_add)(NAME(sum_each)(products), (real *)dW + n, n_units, accumulate);
        if (db)
            NAME(store_or_add)(NAME(sum_each)(sums), (real *)db + n, n_units, accumulate);
    }
}

/* Over the features of a sample (Ba, Kiros and Hinton 2016). Samples are lanes, and sums are loops over rows. */
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

/* The sum over all samples of each unit's x - mean, or of its square, panels in their order. Unused lanes become zero
 * before the square is taken, so that product and sum are always adjacent: if the compiler made one multiply-add of
 * them in one place and not in another, the bits would depend on how the units are divided among threads. */
static INLINE vec NAME(sum_units)(fbp_panels in, ptrdiff_t n_samples, ptrdiff_t n, ptrdiff_t n_units, vec mean,
                                  int squared)
{
    real means[VL];
    memcpy(means, &mean, sizeof mean);
    const real *x = (const real *)in.data + n * VL;
    vec sums[VL] = {0};
    for (ptrdiff_t left = n_samples; left > 0; left -= VL, x += in.stride)
        for (ptrdiff_t i = 0; i < n_units; i++) {
            vec d = NAME(load)(x + i * VL) - means[i];
            if (left < VL)
                d = NAME(first_lanes)(d, left);
            sums[i] += squared ? d * d : d;
        }
    return NAME(sum_each)(sums);
}

/* The mean first, then the squares of the differences from it: precise also where the mean is far from zero. */
static void NAME(batch_statistics)(fbp_panels in, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, double epsilon,
                                   void *mean, void *variance, void *inverse)
{
    const vec count = NAME(splat)((real)n_samples), one = NAME(splat)(1);
    for (ptrdiff_t n = n0; n < n1; n += VL) {
        const ptrdiff_t n_units = n1 - n < VL ? n1 - n : VL;
        const vec m = NAME(sum_units)(in, n_samples, n, n_units, NAME(splat)(0), 0) / count;
        const vec squares = NAME(sum_units)(in, n_samples, n, n_units, m, 1);
        NAME(store_or_add)(m, (real *)mean + n, n_units, 0);
        NAME(store_or_add)(squares / (count - one), (real *)variance + n, n_units, 0);
        NAME(store_or_add)(one / NAME(square_root)(squares / count + (real)epsilon), (real *)inverse + n, n_units, 0);
    }
}

/* Over the samples of a batch (Ioffe and Szegedy 2015), or with the averages of many batches. */
static void NAME(batch_norm_forward)(const fbp_layer *layer, const void *mean, const void *inverse, fbp_panels in,
                                     fbp_panels out, fbp_panels kept, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *gain = layer->weights, *shift = layer->bias, *m = mean, *r = inverse;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *x = (const real *)in.data + p * in.stride;
        real *a = (real *)out.data + p * out.stride;
        real *keep = kept.data ? (real *)kept.data + p * kept.stride : NULL;
        for (ptrdiff_t i = 0; i < layer->n_units; i++) {
            const vec h = (NAME(load)(x + i * VL) - NAME(splat)(m[i])) * NAME(splat)(r[i]);
            if (keep)
                NAME(store)(keep + i * VL, h);
            NAME(store)(a + i * VL, h * NAME(splat)(gain[i]) + NAME(splat)(shift[i]));
        }
    }
}

/* dX = gain * inverse * (dZ - mean of dZ - h * mean of dZ * h), means over the samples: db / n and dW / n. Unused lanes
 * become zero. */
static void NAME(batch_norm_backward)(const fbp_layer *layer, const void *inverse, const void *dW, const void *db,
                                      ptrdiff_t n_samples, fbp_panels dZ, fbp_panels kept, fbp_panels dX, ptrdiff_t p0,
                                      ptrdiff_t p1)
{
    const real *gain = layer->weights, *r = inverse, *dgain = dW, *dshift = db, n = (real)n_samples;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *d = (const real *)dZ.data + p * dZ.stride, *h = (const real *)kept.data + p * kept.stride;
        real *to = (real *)dX.data + p * dX.stride;
        for (ptrdiff_t i = 0; i < layer->n_units; i++) {
            const vec mean = NAME(splat)(dgain ? dshift[i] / n : 0), slope = NAME(splat)(dgain ? dgain[i] / n : 0);
            vec x = NAME(load)(d + i * VL) - mean - NAME(load)(h + i * VL) * slope;
            x *= NAME(splat)(gain[i] * r[i]);
            NAME(store)(to + i * VL, n_samples - p * VL >= VL ? x : NAME(first_lanes)(x, n_samples - p * VL));
        }
    }
}
