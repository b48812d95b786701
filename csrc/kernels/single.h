/* single.h: the forward pass of one sample alone.
 *
 * With one sample a panel would have one lane in use. Here the units are the lanes: VL rows of weights, VL inputs at a
 * time, are transposed in registers, and each input is multiplied into the sums of VL units. Who has many samples for
 * the same weights, one after the other, has all of them transposed once, to `turned`, and they stream through. Either
 * way every sum has the same terms in the same order as in a panel, so that a row's outputs have the same bits alone
 * and among others.
 *
 *   turned    [strip][input][SINGLE_VECTORS * VL units], the last strip of as many vectors as are left. Behind the
 *             last unit are numbers that are never looked at
 */

/* Vectors of a row of weights that are fetched ahead. */
#define SINGLE_AHEAD 8

/* Groups of VL units side by side: a group's sums wait for each other, and the others' fill that time. */
#define SINGLE_GROUPS 3

/* Vectors of units in a strip of turned weights: as many sums as two multiply-adds a cycle, of four cycles each, keep
 * under way. */
#define SINGLE_VECTORS 8

/* Inputs of a strip that are fetched ahead: where the weights come from further than L2, the hardware alone asks for
 * too few (784-1024-1024-10 on Zen 5: 76 us a row without, 61 with 4 to 16). */
#define STRIP_AHEAD 8

/* Row `row` of X -> out[0 .. n_columns, padded to whole vectors). 0 where a number is NaN or infinite, else 1. */
static int NAME(read_row)(const fbp_source *X, ptrdiff_t row, void *out)
{
    const NAME(reader) read = NAME(readers)[X->type];
    const char *from = (const char *)X->data + row * X->row_stride;
    vec suspect = NAME(splat)(0);
    for (ptrdiff_t column = 0; column < X->n_columns; column += VL) {
        const ptrdiff_t n = X->n_columns - column < VL ? X->n_columns - column : VL;
        const vec x = read(from + column * X->column_stride, X->column_stride, n);
        suspect += x - x; /* zero, or NaN where it is not finite */
        NAME(store)((real *)out + column, x);
    }
    return NAME(sum_lanes)(suspect) == 0;
}

/* As softmax_forward; a sum in the order of the units. */
static void NAME(softmax_single)(real *z, ptrdiff_t n_units)
{
    real largest = z[0], sum = 0;
    for (ptrdiff_t i = 1; i < n_units; i++)
        largest = z[i] > largest ? z[i] : largest;
    for (ptrdiff_t i = 0; i < n_units; i += VL)
        NAME(store)(z + i, NAME(vexp)(NAME(load)(z + i) - NAME(splat)(largest)));
    for (ptrdiff_t i = 0; i < n_units; i++)
        sum += z[i];
    const vec share = NAME(splat)(1) / NAME(splat)(sum);
    for (ptrdiff_t i = 0; i < n_units; i += VL)
        NAME(store)(z + i, NAME(load)(z + i) * share);
}

/* Adds to the sums of VL units their products with inputs k .. k + n, n <= VL, one after the other. */
static inline vec NAME(add_products)(const real *const *rows_of_units, const real *x, ptrdiff_t k, ptrdiff_t n,
                                     vec sums)
{
    vec W[VL];
    UNROLL
    for (int i = 0; i < VL; i++)
        PREFETCH(rows_of_units[i] + k + SINGLE_AHEAD * VL); /* more rows side by side than hardware follows */
    NAME(load_transposed)(rows_of_units, k, W);
    if (n == VL) {
        UNROLL
        for (int t = 0; t < VL; t++)
            sums += W[t] * NAME(splat)(x[k + t]);
    } else {
        for (ptrdiff_t t = 0; t < n; t++)
            sums += W[t] * NAME(splat)(x[k + t]);
    }
    return sums;
}

/* z = x @ W.T + b, and a ReLU, if that is the activation. */
static void NAME(multiply_single)(const fbp_layer *layer, const real *x, real *z)
{
    const ptrdiff_t K = layer->n_inputs, N = layer->n_units;
    const real *bias = layer->bias;
    for (ptrdiff_t n = 0; n < N; n += SINGLE_GROUPS * VL) {
        const real *rows_of_units[SINGLE_GROUPS * VL];
        vec sums[SINGLE_GROUPS];
        for (ptrdiff_t i = 0; i < SINGLE_GROUPS * VL; i++) /* lanes behind the last unit repeat it, never looked at */
            rows_of_units[i] = (const real *)layer->weights + (n + i < N ? n + i : N - 1) * layer->ld;
        const ptrdiff_t n_groups = (N - n + VL - 1) / VL < SINGLE_GROUPS ? (N - n + VL - 1) / VL : SINGLE_GROUPS;
        for (ptrdiff_t g = 0; g < n_groups; g++)
            sums[g] = NAME(load)(bias + n + g * VL);
        ptrdiff_t k = 0;
        if (n_groups == SINGLE_GROUPS) {
            for (; k + VL <= K; k += VL) {
                UNROLL
                for (int g = 0; g < SINGLE_GROUPS; g++)
                    sums[g] = NAME(add_products)(rows_of_units + g * VL, x, k, VL, sums[g]);
            }
        } else {
            for (ptrdiff_t g = 0; g < n_groups; g++) {
                vec alone = sums[g];
                for (k = 0; k + VL <= K; k += VL)
                    alone = NAME(add_products)(rows_of_units + g * VL, x, k, VL, alone);
                sums[g] = alone;
            }
            k = K / VL * VL;
        }
        for (ptrdiff_t g = 0; g < n_groups; g++) {
            if (k < K)
                sums[g] = NAME(add_products)(rows_of_units + g * VL, x, k, K - k, sums[g]);
            if (layer->activation == FBP_RELU)
                sums[g] = NAME(relu)(sums[g]);
            NAME(store)(z + n + g * VL, sums[g]);
        }
    }
}

/* W -> turned. */
static void NAME(turn_weights)(const fbp_layer *layer, void *turned)
{
    const ptrdiff_t K = layer->n_inputs, N = layer->n_units;
    real *to = turned;
    for (ptrdiff_t n = 0; n < N; n += SINGLE_VECTORS * VL) {
        const ptrdiff_t left = NAME(pieces)(N - n, VL) * VL, most = SINGLE_VECTORS * VL;
        const ptrdiff_t width = left < most ? left : most;
        for (ptrdiff_t v = 0; v < width; v += VL) {
            const real *rows_of_units[VL];
            for (ptrdiff_t i = 0; i < VL; i++) /* lanes behind the last unit repeat it, never looked at */
                rows_of_units[i] = (const real *)layer->weights + (n + v + i < N ? n + v + i : N - 1) * layer->ld;
            for (ptrdiff_t k = 0; k < K; k += VL) {
                vec W[VL];
                NAME(load_transposed)(rows_of_units, k, W);
                for (ptrdiff_t t = 0; t < VL && k + t < K; t++)
                    NAME(store)(to + (k + t) * width + v, W[t]);
            }
        }
        to += K * width;
    }
}

/* nv vectors of units of a strip, which starts at W. */
static INLINE void NAME(multiply_strip)(const int nv, const fbp_layer *layer, const real *W, const real *x,
                                        const real *bias, real *z)
{
    const ptrdiff_t K = layer->n_inputs;
    vec sums[SINGLE_VECTORS];
    UNROLL
    for (int j = 0; j < nv; j++)
        sums[j] = NAME(load)(bias + j * VL);
    for (ptrdiff_t k = 0; k < K; k++, W += nv * VL) {
        const vec input = NAME(splat)(x[k]);
        UNROLL
        for (int j = 0; j < nv; j++) {
            if (j * VL * sizeof(real) % FBP_ALIGN_BYTES == 0)
                PREFETCH(W + (STRIP_AHEAD * nv + j) * VL);
            sums[j] += NAME(load)(W + j * VL) * input;
        }
    }
    UNROLL
    for (int j = 0; j < nv; j++)
        NAME(store)(z + j * VL, layer->activation == FBP_RELU ? NAME(relu)(sums[j]) : sums[j]);
}

/* The same as multiply_single. */
static void NAME(multiply_turned)(const fbp_layer *layer, const real *turned, const real *x, real *z)
{
    const ptrdiff_t K = layer->n_inputs;
    const real *bias = layer->bias;
    ptrdiff_t left = NAME(pieces)(layer->n_units, VL);
    for (; left > 0; left -= SINGLE_VECTORS, bias += SINGLE_VECTORS * VL, z += SINGLE_VECTORS * VL) {
        switch (left) {
        case 1: NAME(multiply_strip)(1, layer, turned, x, bias, z); break;
        case 2: NAME(multiply_strip)(2, layer, turned, x, bias, z); break;
        case 3: NAME(multiply_strip)(3, layer, turned, x, bias, z); break;
        case 4: NAME(multiply_strip)(4, layer, turned, x, bias, z); break;
        case 5: NAME(multiply_strip)(5, layer, turned, x, bias, z); break;
        case 6: NAME(multiply_strip)(6, layer, turned, x, bias, z); break;
        case 7: NAME(multiply_strip)(7, layer, turned, x, bias, z); break;
        default: NAME(multiply_strip)(SINGLE_VECTORS, layer, turned, x, bias, z);
        }
        turned += K * SINGLE_VECTORS * VL;
    }
}

static void NAME(forward_single)(const fbp_layer *layer, const void *turned, const void *in, void *out)
{
    const ptrdiff_t N = layer->n_units;
    real *z = out;
    if (turned)
        NAME(multiply_turned)(layer, turned, in, z);
    else
        NAME(multiply_single)(layer, in, z);
    if (layer->activation == FBP_SOFTMAX)
        NAME(softmax_single)(z, N);
    else
        NAME(activate)(layer->activation, (real)layer->alpha, z, NULL, (N + VL - 1) / VL);
}
#undef STRIP_AHEAD
#undef SINGLE_VECTORS
#undef SINGLE_GROUPS
#undef SINGLE_AHEAD
