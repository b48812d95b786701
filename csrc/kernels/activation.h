/* activation.h: the element-wise activations and their slopes, over rows [n_rows][VL] of one panel.
 *
 * One row of each switch is one activation. Most slopes follow from the output; the two that do not (gelu, silu) are
 * written beside the output by the forward pass, which has the exponential at hand.
 */

/* z -> act(z), in place; slope (or NULL) receives act'(z) where the activation stores it. */
static void NAME(activate)(fbp_activation activation, real alpha, real *rows, real *slope, ptrdiff_t n_rows)
{
    const vec one = NAME(splat)(1);
    const ptrdiff_t n = n_rows * VL;
    switch (activation) {
    case FBP_LINEAR:
    case FBP_RELU:    /* applied in the tile */
    case FBP_SOFTMAX: /* not element-wise: softmax_forward follows */
        break;
    case FBP_LEAKY_RELU:
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec z = NAME(load)(rows + i);
            NAME(store)(rows + i, NAME(select)(MASK(z < NAME(splat)(0)), z * NAME(splat)(alpha), z));
        }
        break;
    case FBP_TANH:
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(rows + i, NAME(vtanh)(NAME(load)(rows + i)));
        break;
    case FBP_SIGMOID:
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(rows + i, NAME(vsigmoid)(NAME(load)(rows + i)));
        break;
    case FBP_GELU: /* z * P(z), P the normal distribution (Hendrycks & Gimpel 2016, the exact form) */
        for (ptrdiff_t i = 0; i < n; i += VL) {
            vec density;
            const vec z = NAME(load)(rows + i), P = NAME(vnormal)(z, &density);
            NAME(store)(rows + i, z * P);
            if (slope)
                NAME(store)(slope + i, P + z * density);
        }
        break;
    case FBP_SILU: /* z * sigmoid(z) */
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec z = NAME(load)(rows + i), s = NAME(vsigmoid)(z);
            NAME(store)(rows + i, z * s);
            if (slope)
                NAME(store)(slope + i, s + z * (s * (one - s)));
        }
        break;
    }
}

/* dA -> dZ = dA * act'(z), in place, from the outputs A or the stored slope. */
static void NAME(pass_back)(fbp_activation activation, real alpha, const real *A, const real *slope, real *dA,
                            ptrdiff_t n_rows)
{
    const vec zero = NAME(splat)(0), one = NAME(splat)(1);
    const ptrdiff_t n = n_rows * VL;
    switch (activation) {
    case FBP_LINEAR:
    case FBP_SOFTMAX: /* not element-wise: softmax_backward follows */
        break;
    case FBP_RELU:
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(dA + i, NAME(keep_positive)(NAME(load)(A + i), NAME(load)(dA + i)));
        break;
    case FBP_LEAKY_RELU: /* alpha >= 0, so that the output has the sign of z */
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec d = NAME(load)(dA + i);
            NAME(store)(dA + i, NAME(select)(MASK(NAME(load)(A + i) > zero), d, d * NAME(splat)(alpha)));
        }
        break;
    case FBP_TANH:
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec a = NAME(load)(A + i);
            NAME(store)(dA + i, NAME(load)(dA + i) * (one - a * a));
        }
        break;
    case FBP_SIGMOID:
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec a = NAME(load)(A + i);
            NAME(store)(dA + i, NAME(load)(dA + i) * (a * (one - a)));
        }
        break;
    case FBP_GELU:
    case FBP_SILU:
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(dA + i, NAME(load)(dA + i) * NAME(load)(slope + i));
        break;
    }
}

static void NAME(activation_backward)(const fbp_layer *layer, fbp_panels A, fbp_panels slope, fbp_panels dA,
                                      ptrdiff_t p0, ptrdiff_t p1)
{
    for (ptrdiff_t p = p0; p < p1; p++)
        NAME(pass_back)(layer->activation, (real)layer->alpha, (const real *)A.data + p * A.stride,
                        slope.data ? (const real *)slope.data + p * slope.stride : NULL,
                        (real *)dA.data + p * dA.stride, layer->n_units);
}

/* The samples are the lanes, so that maximum and sum over the units are plain loops over rows. */
static void NAME(softmax_forward)(fbp_panels Z, ptrdiff_t n_units, ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        real *z = (real *)Z.data + p * Z.stride;
        vec largest = NAME(load)(z), sum = NAME(splat)(0);
        for (ptrdiff_t i = VL; i < n; i += VL)
            largest = NAME(maximum)(NAME(load)(z + i), largest);
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec e = NAME(vexp)(NAME(load)(z + i) - largest);
            NAME(store)(z + i, e);
            sum += e;
        }
        const vec share = NAME(splat)(1) / sum;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(z + i, NAME(load)(z + i) * share);
    }
}

/* dZ[n] = A[n] * (dA[n] - sum over m of A[m] * dA[m]) */
static void NAME(softmax_backward)(fbp_panels A, fbp_panels dA, ptrdiff_t n_units, ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *a = (const real *)A.data + p * A.stride;
        real *d = (real *)dA.data + p * dA.stride;
        vec dot = NAME(splat)(0);
        for (ptrdiff_t i = 0; i < n; i += VL)
            dot += NAME(load)(a + i) * NAME(load)(d + i);
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(d + i, NAME(load)(a + i) * (NAME(load)(d + i) - dot));
    }
}
