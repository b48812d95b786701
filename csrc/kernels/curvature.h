/* curvature.h: second derivatives of activations, the softmax and the layer normalisation, for Hessians by the inputs.
 *
 * Uses simd.h, vmath.h and activation.h. Gives its five kernels to the table.
 *
 * With t a direction of a stage's inputs z, forward curvature is the second derivative of the outputs along t, and
 * backward curvature what dZ = J(z).T dA changes along t while dA stays the same (Pearlmutter, Fast exact multiplication
 * by the Hessian, 1994).
 */

/* act''(z); the kinks of piecewise linear functions are left out. */
static INLINE vec NAME(curvature)(fbp_activation activation, vec z, real alpha)
{
    const vec zero = NAME(splat)(0), one = NAME(splat)(1);
    vec slope;
    switch (activation) {
    case FBP_TANH: {
        const vec t = NAME(vtanh)(z);
        return t * (real)-2 * (one - t * t);
    }
    case FBP_SIGMOID:
    case FBP_SOFTPLUS: {
        const vec s = NAME(vsigmoid)(z), first = s * (one - s);
        return activation == FBP_SOFTPLUS ? first : first * (one - s - s);
    }
    case FBP_GELU: {
        vec density; /* 0 beyond 40, where z^2 may overflow */
        const vec x = NAME(maximum)(NAME(splat)(-40), NAME(minimum)(NAME(splat)(40), z));
        (void)NAME(vnormal)(x, &density);
        return density * (NAME(splat)(2) - x * x);
    }
    case FBP_GELU_TANH: { /* as in gelu_tanh: h = (1 + tanh u) / 2, (z h)'' = 2 h' + z h'' */
        const real root = (real)0.79788456080286535588, cubic = (real)0.044715;
        const vec x = NAME(maximum)(NAME(splat)(-30), NAME(minimum)(NAME(splat)(30), z));
        const vec square = x * x, t = NAME(vtanh)(x * root * (square * cubic + (real)1));
        const vec u = (square * (3 * cubic) + (real)1) * root, u_slope = x * (6 * cubic * root);
        const vec t_slope = one - t * t;
        return t_slope * (u + x * (u_slope * (real)0.5 - t * u * u));
    }
    case FBP_SILU: {
        const vec s = NAME(vsigmoid)(z), first = s * (one - s);
        return first * (z * (one - s - s) + (real)2);
    }
    case FBP_ELU:
        (void)NAME(elu)(z, alpha, &slope);
        return NAME(keep)(MASK(z <= zero), slope);
    case FBP_SELU:
        (void)NAME(selu)(z, alpha, &slope);
        return NAME(keep)(MASK(z <= zero), slope);
    case FBP_EXP:
        return NAME(vexp)(z);
    case FBP_SOFTSIGN: {
        const vec inverse = one / (NAME(absolute)(z) + (real)1), cube = inverse * inverse * inverse * (real)2;
        return NAME(keep)(MASK(z < zero), cube) - NAME(keep)(MASK(z > zero), cube);
    }
    case FBP_MISH: { /* t = tanh(softplus z), s = sigmoid z: t' = (1 - t^2) s, (z t)'' = 2 t' + z t'' */
        const vec t = NAME(vtanh)(NAME(vlog1p_of_exp)(z)), s = NAME(vsigmoid)(z), first = (one - t * t) * s;
        return first * (z * (one - s - t * s * (real)2) + (real)2);
    }
    case FBP_HARD_SWISH:
        return NAME(keep)(MASK(NAME(absolute)(z) < NAME(splat)(3)), NAME(splat)((real)(1.0 / 3)));
    default: /* piecewise linear; the softmax has kernels of its own */
        return zero;
    }
}

/* out = act''(Z) */
static void NAME(activation_curvature)(const fbp_layer *layer, fbp_panels Z, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = layer->n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *z = (const real *)Z.data + p * Z.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(to + i, NAME(curvature)(layer->activation, NAME(load)(z + i), (real)layer->alpha));
    }
}

/* out += factor * a * b: both curvatures of an elementwise activation, with act''(Z) for the factor. */
static void NAME(add_curved)(fbp_panels factor, fbp_panels a, fbp_panels b, fbp_panels out, ptrdiff_t n_features,
                               ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = n_features * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *f = (const real *)factor.data + p * factor.stride;
        const real *x = (const real *)a.data + p * a.stride, *y = (const real *)b.data + p * b.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(to + i, NAME(load)(to + i) + NAME(load)(f + i) * NAME(load)(x + i) * NAME(load)(y + i));
    }
}

/* Of the softmax A: out += A * (u * v - <A, u v>), u = t - <A, t>, v = dA - <A, dA>. It is the backward curvature, and with
 * dA = t the forward one. */
static void NAME(softmax_curvature)(fbp_panels A, fbp_panels t, fbp_panels dA, fbp_panels out, ptrdiff_t n_units,
                                    ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *a = (const real *)A.data + p * A.stride, *x = (const real *)t.data + p * t.stride;
        const real *d = (const real *)dA.data + p * dA.stride;
        real *to = (real *)out.data + p * out.stride;
        vec mean = NAME(splat)(0), mean_d = mean, product = mean;
        for (ptrdiff_t i = 0; i < n; i += VL) {
            mean += NAME(load)(a + i) * NAME(load)(x + i);
            mean_d += NAME(load)(a + i) * NAME(load)(d + i);
        }
        for (ptrdiff_t i = 0; i < n; i += VL)
            product += NAME(load)(a + i) * (NAME(load)(x + i) - mean) * (NAME(load)(d + i) - mean_d);
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec both = (NAME(load)(x + i) - mean) * (NAME(load)(d + i) - mean_d);
            NAME(store)(to + i, NAME(load)(to + i) + NAME(load)(a + i) * (both - product));
        }
    }
}

/* Of a layer normalisation, whose forward pass kept h and r = 1 / deviation: with s = mean of h * t and w = r * (t -
 * mean of t - h * s), the derivative of h along t, out += gain * -r * (2 s w + h * mean of w * t). */
static void NAME(layer_norm_curvature)(const fbp_layer *layer, fbp_panels kept, fbp_panels t, fbp_panels out,
                                       ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t N = layer->n_units;
    const real *gain = layer->weights;
    const vec n = NAME(splat)((real)N);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *h = (const real *)kept.data + p * kept.stride, *x = (const real *)t.data + p * t.stride;
        real *to = (real *)out.data + p * out.stride;
        const vec r = NAME(load)(h + N * VL);
        vec mean = NAME(splat)(0), s = mean, product = mean;
        for (ptrdiff_t i = 0; i < N; i++) {
            mean += NAME(load)(x + i * VL);
            s += NAME(load)(x + i * VL) * NAME(load)(h + i * VL);
        }
        mean /= n;
        s /= n;
        for (ptrdiff_t i = 0; i < N; i++)
            product += (NAME(load)(x + i * VL) - mean - NAME(load)(h + i * VL) * s) * r * NAME(load)(x + i * VL);
        product /= n;
        for (ptrdiff_t i = 0; i < N; i++) {
            const vec of_h = NAME(load)(h + i * VL), w = (NAME(load)(x + i * VL) - mean - of_h * s) * r;
            NAME(store)(to + i * VL,
                        NAME(load)(to + i * VL) - r * NAME(splat)(gain[i]) * (s * w * (real)2 + of_h * product));
        }
    }
}

/* The same backward: with dh = dZ * gain, m = mean of dh * h, and dX = r * (dh - mean of dh - h * m), out += -r * (s * dX
 * + w * m + h * mean of dh * w). */
static void NAME(layer_norm_curvature_backward)(const fbp_layer *layer, fbp_panels kept, fbp_panels t, fbp_panels dZ,
                                                fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t N = layer->n_units;
    const real *gain = layer->weights;
    const vec n = NAME(splat)((real)N);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *h = (const real *)kept.data + p * kept.stride, *x = (const real *)t.data + p * t.stride;
        const real *d = (const real *)dZ.data + p * dZ.stride;
        real *to = (real *)out.data + p * out.stride;
        const vec r = NAME(load)(h + N * VL);
        vec mean = NAME(splat)(0), s = mean, mean_d = mean, m = mean, product = mean;
        for (ptrdiff_t i = 0; i < N; i++) {
            const vec of_h = NAME(load)(h + i * VL), dh = NAME(load)(d + i * VL) * NAME(splat)(gain[i]);
            mean += NAME(load)(x + i * VL);
            s += NAME(load)(x + i * VL) * of_h;
            mean_d += dh;
            m += dh * of_h;
        }
        mean /= n;
        s /= n;
        mean_d /= n;
        m /= n;
        for (ptrdiff_t i = 0; i < N; i++)
            product += (NAME(load)(x + i * VL) - mean - NAME(load)(h + i * VL) * s) * r
                       * (NAME(load)(d + i * VL) * NAME(splat)(gain[i]));
        product /= n;
        for (ptrdiff_t i = 0; i < N; i++) {
            const vec of_h = NAME(load)(h + i * VL), dh = NAME(load)(d + i * VL) * NAME(splat)(gain[i]);
            const vec w = (NAME(load)(x + i * VL) - mean - of_h * s) * r, dX = (dh - mean_d - of_h * m) * r;
            NAME(store)(to + i * VL, NAME(load)(to + i * VL) - r * (s * dX + w * m + of_h * product));
        }
    }
}
