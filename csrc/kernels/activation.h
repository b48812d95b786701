/* activation.h: the activations and their slopes, over rows [n_rows][VL] of one panel.
 *
 * Uses simd.h and vmath.h. Gives activate and pass_back to the products and to pointwise.h.
 *
 * Where fastbp.h lists an activation with 0, its slope follows from its output. Every other activation is a function
 * below, of the name in that list, that returns act(z) and stores act'(z) in *slope, because both are made of the same
 * terms; forward stores both.
 */

/* z * P(z), P the normal distribution function (Hendrycks & Gimpel 2016, the exact form) */
static INLINE vec NAME(gelu)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    vec density;
    const vec P = NAME(vnormal)(z, &density);
    *slope = P + z * density;
    return z * P;
}

/* z (1 + tanh u) / 2, u = sqrt(2 / pi) (z + 0.044715 z^3) (Hendrycks & Gimpel 2016, the approximation) */
static INLINE vec NAME(gelu_tanh)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    const real root = (real)0.79788456080286535588, cubic = (real)0.044715;
    /* Beyond 30 the tanh rounds to 1 and its slope to 0, while z^3 may overflow. */
    const vec x = NAME(maximum)(NAME(splat)(-30), NAME(minimum)(NAME(splat)(30), z));
    const vec square = x * x, t = NAME(vtanh)(x * root * (square * cubic + (real)1));
    const vec u_slope = (square * (3 * cubic) + (real)1) * root;
    const vec half = (t + (real)1) * (real)0.5;
    *slope = half + x * (real)0.5 * ((real)1 - t * t) * u_slope;
    return z * half;
}

/* z * sigmoid(z), also called swish (Ramachandran et al. 2017) */
static INLINE vec NAME(silu)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    const vec s = NAME(vsigmoid)(z);
    *slope = s + z * (s * ((real)1 - s));
    return z * s;
}

/* z above 0, alpha (exp(z) - 1) below (Clevert et al. 2016) */
static INLINE vec NAME(elu)(vec z, real alpha, vec *slope)
{
    const ivec above = MASK(z > NAME(splat)(0));
    const vec below = NAME(vexpm1)(NAME(minimum)(NAME(splat)(0), z)) * alpha;
    *slope = NAME(select)(above, NAME(splat)(1), below + alpha);
    return NAME(select)(above, z, below);
}

/* scale * elu, with the two constants for which zero mean and unit variance are a fixed point
 * (Klambauer et al. 2017) */
static INLINE vec NAME(selu)(vec z, real alpha, vec *slope)
{
    const real scale = (real)1.0507009873554804934;
    (void)alpha;
    const vec y = NAME(elu)(z, (real)1.6732632423543772848, slope);
    *slope *= scale;
    return y * scale;
}

/* log(1 + exp(z)) (Dugas et al. 2001) */
static INLINE vec NAME(softplus)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    *slope = NAME(vsigmoid)(z);
    return NAME(vlog1p_of_exp)(z);
}

/* exp(z) */
static INLINE vec NAME(exp)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    return *slope = NAME(vexp)(z);
}

/* z / (1 + |z|) (Bergstra et al. 2009) */
static INLINE vec NAME(softsign)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    const vec inverse = NAME(splat)(1) / (NAME(absolute)(z) + (real)1);
    *slope = inverse * inverse;
    return z * inverse;
}

/* z * tanh(softplus(z)) (Misra 2020) */
static INLINE vec NAME(mish)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    const vec t = NAME(vtanh)(NAME(vlog1p_of_exp)(z));
    *slope = t + z * (((real)1 - t * t) * NAME(vsigmoid)(z));
    return z * t;
}

/* min(max(z + 3, 0), 6) / 6 (Howard et al. 2019) */
static INLINE vec NAME(hard_sigmoid)(vec z, real alpha, vec *slope)
{
    (void)alpha;
    const vec y = NAME(minimum)(NAME(splat)(1), NAME(relu)((z + (real)3) * (real)(1.0 / 6)));
    *slope = NAME(keep)(MASK(NAME(absolute)(z) < NAME(splat)(3)), NAME(splat)((real)(1.0 / 6)));
    return y;
}

/* z * hard_sigmoid(z) (Howard et al. 2019) */
static INLINE vec NAME(hard_swish)(vec z, real alpha, vec *slope)
{
    vec s_slope;
    const vec s = NAME(hard_sigmoid)(z, alpha, &s_slope);
    *slope = s + z * s_slope;
    return z * s;
}

/* z -> act(z), in place; slope (or NULL) receives act'(z) where the activation stores it. */
static void NAME(activate)(fbp_activation activation, real alpha, real *rows, real *slope, ptrdiff_t n_rows)
{
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
#define CASE_0(constant, name)
#define CASE_1(constant, name)                                                \
    case constant:                                                            \
        for (ptrdiff_t i = 0; i < n; i += VL) {                               \
            vec d;                                                            \
            NAME(store)(rows + i, NAME(name)(NAME(load)(rows + i), alpha, &d)); \
            if (slope)                                                        \
                NAME(store)(slope + i, d);                                    \
        }                                                                     \
        break;
#define CASE(constant, name, stores) CASE_##stores(constant, name)
        FBP_EACH_ACTIVATION(CASE)
#undef CASE_1
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
#define CASE_1(constant, name) case constant:
        FBP_EACH_ACTIVATION(CASE)
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(dA + i, NAME(load)(dA + i) * NAME(load)(slope + i));
        break;
    }
#undef CASE_0
#undef CASE_1
#undef CASE
}
