/* single.h: the forward pass of one sample alone.
 *
 * With one sample a panel would have one lane in use. Here the units are the lanes: VL rows of weights, VL inputs at a
 * time, are transposed in registers, and each input is multiplied into the sums of VL units. Every sum has the same
 * terms in the same order as in a panel, so that a row's outputs have the same bits alone and among others.
 */

/* Vectors of a row of weights that are fetched ahead. */
#define SINGLE_AHEAD 8

/* Groups of VL units side by side: a group's sums wait for each other, and the others' fill that time. */
#define SINGLE_GROUPS 3

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

static void NAME(forward_single)(const fbp_layer *layer, const void *in, void *out)
{
    const ptrdiff_t K = layer->n_inputs, N = layer->n_units;
    const real *x = in, *bias = layer->bias;
    real *z = out;
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
    if (layer->activation == FBP_SOFTMAX)
        NAME(softmax_single)(z, N);
    else
        NAME(activate)(layer->activation, (real)layer->alpha, z, NULL, (N + VL - 1) / VL);
}
#undef SINGLE_GROUPS
#undef SINGLE_AHEAD
