/* pointwise.h: stages whose outputs depend on one number each, or on two numbers at the same place of two panels.
 *
 * Uses simd.h, vmath.h (minimum) and activation.h. Gives activation_forward, activation_backward, add_panels,
 * scale_panels, prelu_forward, prelu_backward, parametric_forward and parametric_backward to the table.
 */

/* in -> act(in), in place or not; slope (or NULL) receives act'(in) where the activation stores it. */
static void NAME(activation_forward)(const fbp_layer *layer, fbp_panels in, fbp_panels out, fbp_panels slope,
                                     ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = layer->n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        if (layer->activation == FBP_RELU) { /* activate leaves it to the tiles of a dense layer */
            for (ptrdiff_t i = 0; i < n; i += VL)
                NAME(store)(to + i, NAME(relu)(NAME(load)(from + i)));
            continue;
        }
        if (from != to)
            memcpy(to, from, (size_t)n * sizeof(real));
        NAME(activate)(layer->activation, (real)layer->alpha, to,
                       slope.data ? (real *)slope.data + p * slope.stride : NULL, layer->n_units);
    }
}

/* dA -> dZ, in place. */
static void NAME(activation_backward)(const fbp_layer *layer, fbp_panels A, fbp_panels slope, fbp_panels dA,
                                      ptrdiff_t p0, ptrdiff_t p1)
{
    for (ptrdiff_t p = p0; p < p1; p++)
        NAME(pass_back)(layer->activation, (real)layer->alpha, (const real *)A.data + p * A.stride,
                        slope.data ? (const real *)slope.data + p * slope.stride : NULL,
                        (real *)dA.data + p * dA.stride, layer->n_units);
}

/* out = a + b; b.data NULL: out = a. */
static void NAME(add_panels)(fbp_panels a, fbp_panels b, fbp_panels out, ptrdiff_t n_features, ptrdiff_t p0,
                             ptrdiff_t p1)
{
    const ptrdiff_t n = n_features * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *x = (const real *)a.data + p * a.stride;
        real *to = (real *)out.data + p * out.stride;
        if (!b.data) {
            memcpy(to, x, (size_t)n * sizeof(real));
            continue;
        }
        const real *y = (const real *)b.data + p * b.stride;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(to + i, NAME(load)(x + i) + NAME(load)(y + i));
    }
}

/* in -> the unit's factor times in, in place or not. */
static void NAME(scale_panels)(const fbp_layer *layer, fbp_panels in, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *factor = layer->weights;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t i = 0; i < layer->n_units; i++)
            NAME(store)(to + i * VL, NAME(load)(from + i * VL) * NAME(splat)(factor[i]));
    }
}

/* x above 0, else the unit's slope times x (He et al. 2015, delving deep into rectifiers). */
static void NAME(prelu_forward)(const fbp_layer *layer, fbp_panels in, fbp_panels out, fbp_panels kept, ptrdiff_t p0,
                                ptrdiff_t p1)
{
    const real *slope = layer->weights;
    const vec zero = NAME(splat)(0);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        real *keep = kept.data ? (real *)kept.data + p * kept.stride : NULL;
        for (ptrdiff_t i = 0; i < layer->n_units; i++) {
            const vec x = NAME(load)(from + i * VL);
            if (keep)
                NAME(store)(keep + i * VL, NAME(minimum)(x, zero));
            NAME(store)(to + i * VL, NAME(select)(MASK(x > zero), x, x * NAME(splat)(slope[i])));
        }
    }
}

static void NAME(prelu_backward)(const fbp_layer *layer, fbp_panels in, fbp_panels dZ, fbp_panels dX, ptrdiff_t p0,
                                 ptrdiff_t p1)
{
    const real *slope = layer->weights;
    const vec zero = NAME(splat)(0);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *x = (const real *)in.data + p * in.stride, *d = (const real *)dZ.data + p * dZ.stride;
        real *to = (real *)dX.data + p * dX.stride;
        for (ptrdiff_t i = 0; i < layer->n_units; i++) {
            const vec z = NAME(load)(d + i * VL);
            NAME(store)(to + i * VL,
                        NAME(select)(MASK(NAME(load)(x + i * VL) > zero), z, z * NAME(splat)(slope[i])));
        }
    }
}

/* alpha f(z) + (1 - alpha) z, f the activation of `function` (Holzmueller et al. 2024), of one panel. */
static void NAME(mix)(fbp_activation function, const real *alpha, const real *in, real *out, real *keep, ptrdiff_t n)
{
    const vec zero = NAME(splat)(0), one = NAME(splat)(1);
    switch (function) {
#define CASE(constant, value, its_slope)                                         \
    case constant:                                                               \
        for (ptrdiff_t i = 0; i < n; i++) {                                      \
            vec d = zero;                                                        \
            const vec z = NAME(load)(in + i * VL), f = value;                    \
            const vec a = NAME(splat)(alpha[i]), rest = one - a;                 \
            NAME(store)(out + i * VL, a * f + rest * z);                         \
            if (keep) {                                                          \
                NAME(store)(keep + i * VL, f - z);                               \
                NAME(store)(keep + (n + i) * VL, a * (its_slope) + rest);        \
            }                                                                    \
        }                                                                        \
        break;
        CASE(FBP_MISH, NAME(mish)(z, 0, &d), d)
        CASE(FBP_SELU, NAME(selu)(z, 0, &d), d)
        CASE(FBP_SILU, NAME(silu)(z, 0, &d), d)
        CASE(FBP_RELU, NAME(relu)(z), d + NAME(keep)(MASK(z > zero), one))
#undef CASE
    default:   /* no branch - the layer takes no other; C wants to be told */
        break; /* no cover - the same */
    }
}

static void NAME(parametric_forward)(const fbp_layer *layer, fbp_activation function, fbp_panels in, fbp_panels out,
                                     fbp_panels kept, ptrdiff_t p0, ptrdiff_t p1)
{
    for (ptrdiff_t p = p0; p < p1; p++)
        NAME(mix)(function, layer->weights, (const real *)in.data + p * in.stride, (real *)out.data + p * out.stride,
                  kept.data ? (real *)kept.data + p * kept.stride : NULL, layer->n_units);
}

static void NAME(parametric_backward)(const fbp_layer *layer, fbp_panels kept, fbp_panels dZ, fbp_panels dX,
                                      ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = layer->n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *slope = (const real *)kept.data + p * kept.stride + n;
        const real *d = (const real *)dZ.data + p * dZ.stride;
        real *to = (real *)dX.data + p * dX.stride;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(to + i, NAME(load)(d + i) * NAME(load)(slope + i));
    }
}
