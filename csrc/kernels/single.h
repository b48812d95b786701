/* single.h: the forward pass of one sample alone, or of a few.
 *
 * With one sample a panel would have one lane in use. Here the units are the lanes: VL rows of weights, VL inputs at a
 * time, are transposed in registers, and each input is multiplied into the sums of VL units. Who has many such samples
 * for the same weights, one after the other, has all weights transposed once, to `turned`, and they stream through, for
 * a few samples at a time. Either way every sum has the same terms in the same order as in a panel, so that a row's
 * outputs have the same bits alone and among others.
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

/* Rows that pass a strip together, and vectors of units that they then take at a time: their sums fill the registers as
 * a tile's do. */
#define FEW_VECTORS 4
#if MR * NV >= 24
#define FEW_ROWS 6
#elif MR * NV >= 12
#define FEW_ROWS 3
#else
#define FEW_ROWS 2
#endif

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

/* Where the weights of n units begin, from unit `first` on; behind the layer's last unit that one is repeated, as such
 * lanes are never looked at. */
static INLINE void NAME(find_rows)(const fbp_layer *layer, ptrdiff_t first, int n, const real **rows_of_units)
{
    const ptrdiff_t last = layer->n_units - 1;
    for (int i = 0; i < n; i++)
        rows_of_units[i] = (const real *)layer->weights + (first + i < last ? first + i : last) * layer->ld;
}

/* z = x @ W.T + b, and a ReLU, if that is the activation. */
static void NAME(multiply_single)(const fbp_layer *layer, const real *x, real *z)
{
    const ptrdiff_t K = layer->n_inputs, N = layer->n_units;
    const real *bias = layer->bias;
    for (ptrdiff_t n = 0; n < N; n += SINGLE_GROUPS * VL) {
        const real *rows_of_units[SINGLE_GROUPS * VL];
        vec sums[SINGLE_GROUPS];
        NAME(find_rows)(layer, n, SINGLE_GROUPS * VL, rows_of_units);
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

/* Vectors of units in the strip that begins with this one. */
static INLINE ptrdiff_t NAME(strip_vectors)(const fbp_layer *layer, ptrdiff_t first_unit)
{
    const ptrdiff_t left = NAME(pieces)(layer->n_units - first_unit, VL);
    return left < SINGLE_VECTORS ? left : SINGLE_VECTORS;
}

/* W -> turned. */
static void NAME(turn_weights)(const fbp_layer *layer, void *turned)
{
    const ptrdiff_t K = layer->n_inputs;
    real *to = turned;
    for (ptrdiff_t n = 0; n < layer->n_units; n += SINGLE_VECTORS * VL) {
        const ptrdiff_t width = NAME(strip_vectors)(layer, n) * VL;
        for (ptrdiff_t v = 0; v < width; v += VL) {
            const real *rows_of_units[VL];
            NAME(find_rows)(layer, n + v, VL, rows_of_units);
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

/* One pass over nv vectors of units of a strip: their outputs for nr rows of x. `width`: elements from one input's
 * weights to the next one's. */
typedef struct {
    ptrdiff_t n_inputs;
    const real *W;
    ptrdiff_t width;
    const real *x;
    ptrdiff_t x_stride; /* between rows */
    const real *bias;
    real *z;
    ptrdiff_t z_stride;
    int relu;
} NAME(pass_t);
#define pass NAME(pass_t)

/* Written out, with j and r as constants. */
#define MOST_FEW 6
#define EACH_VECTOR(...)                                                                  \
    STEP_OF_LOOP(j, 0, nv, __VA_ARGS__) STEP_OF_LOOP(j, 1, nv, __VA_ARGS__)               \
    STEP_OF_LOOP(j, 2, nv, __VA_ARGS__) STEP_OF_LOOP(j, 3, nv, __VA_ARGS__)               \
    STEP_OF_LOOP(j, 4, nv, __VA_ARGS__) STEP_OF_LOOP(j, 5, nv, __VA_ARGS__)               \
    STEP_OF_LOOP(j, 6, nv, __VA_ARGS__) STEP_OF_LOOP(j, 7, nv, __VA_ARGS__)
#define EACH_ROW(...)                                                       \
    STEP_OF_LOOP(r, 0, nr, __VA_ARGS__) STEP_OF_LOOP(r, 1, nr, __VA_ARGS__) \
    STEP_OF_LOOP(r, 2, nr, __VA_ARGS__) STEP_OF_LOOP(r, 3, nr, __VA_ARGS__) \
    STEP_OF_LOOP(r, 4, nr, __VA_ARGS__) STEP_OF_LOOP(r, 5, nr, __VA_ARGS__)
#define EACH_SUM(...) EACH_VECTOR(EACH_ROW(__VA_ARGS__))
#if SINGLE_VECTORS > 8 || FEW_ROWS > MOST_FEW
#error "write out more vectors or rows above"
#endif

static INLINE void NAME(multiply_strip)(const int nr, const int nv, const pass *p)
{
    const ptrdiff_t K = p->n_inputs, width = p->width, x_stride = p->x_stride;
    const real *W = p->W, *x = p->x;
    vec sums[SINGLE_VECTORS][MOST_FEW];
    EACH_SUM(sums[j][r] = NAME(load)(p->bias + j * VL);)
    for (ptrdiff_t k = 0; k < K; k++, W += width) {
        vec inputs[MOST_FEW];
        EACH_ROW(inputs[r] = NAME(splat)(x[r * x_stride + k]);)
        EACH_VECTOR(if (j * VL * sizeof(real) % FBP_ALIGN_BYTES == 0) PREFETCH(W + STRIP_AHEAD * width + j * VL);
                    const vec w = NAME(load)(W + j * VL);
                    EACH_ROW(sums[j][r] += w * inputs[r];))
    }
    EACH_SUM(NAME(store)(p->z + r * p->z_stride + j * VL, p->relu ? NAME(relu)(sums[j][r]) : sums[j][r]);)
}

/* X(rows, vectors) for every pass that may be asked for. */
#define PASSES_OF_ROWS(X, nr) X(nr, 1) X(nr, 2) X(nr, 3) X(nr, 4)
#define PASSES_OF_1(X) PASSES_OF_ROWS(X, 1) X(1, 5) X(1, 6) X(1, 7) X(1, 8)
#define PASSES_OF_2(X) PASSES_OF_1(X) PASSES_OF_ROWS(X, 2)
#define PASSES_OF_3(X) PASSES_OF_2(X) PASSES_OF_ROWS(X, 3)
#define PASSES_OF_6(X) PASSES_OF_3(X) PASSES_OF_ROWS(X, 4) PASSES_OF_ROWS(X, 5) PASSES_OF_ROWS(X, 6)
#define EACH_PASS_OF(n, X) PASTE(PASSES_OF_, n)(X)
#define PASS_FUNCTION(nr, nv) \
    static void NAME(PASTE(pass_, PASTE(nr, nv)))(const pass *p) { NAME(multiply_strip)(nr, nv, p); }
#define PASS_ENTRY(nr, nv) [nr - 1][nv - 1] = NAME(PASTE(pass_, PASTE(nr, nv))),
EACH_PASS_OF(FEW_ROWS, PASS_FUNCTION)
static void (*const NAME(passes)[FEW_ROWS][SINGLE_VECTORS])(const pass *) = {EACH_PASS_OF(FEW_ROWS, PASS_ENTRY)};
#undef PASSES_OF_ROWS
#undef PASSES_OF_1
#undef PASSES_OF_2
#undef PASSES_OF_3
#undef PASSES_OF_6
#undef EACH_PASS_OF
#undef PASS_FUNCTION
#undef PASS_ENTRY

/* z = x @ W.T + b for n_rows <= FEW_ROWS rows, and a ReLU, if that is the activation. */
static void NAME(multiply_turned)(const fbp_layer *layer, const real *turned, ptrdiff_t n_rows, const real *x,
                                  ptrdiff_t x_stride, real *z, ptrdiff_t z_stride)
{
    const ptrdiff_t most = n_rows == 1 ? SINGLE_VECTORS : FEW_VECTORS;
    for (ptrdiff_t n = 0; n < layer->n_units; n += SINGLE_VECTORS * VL) {
        const ptrdiff_t n_vectors = NAME(strip_vectors)(layer, n);
        for (ptrdiff_t v = 0; v < n_vectors; v += most) {
            const pass p = {
                .n_inputs = layer->n_inputs,
                .W = turned + v * VL,
                .width = n_vectors * VL,
                .x = x,
                .x_stride = x_stride,
                .bias = (const real *)layer->bias + n + v * VL,
                .z = z + n + v * VL,
                .z_stride = z_stride,
                .relu = layer->activation == FBP_RELU,
            };
            NAME(passes)[n_rows - 1][(n_vectors - v < most ? n_vectors - v : most) - 1](&p);
        }
        turned += layer->n_inputs * n_vectors * VL;
    }
}

static void NAME(forward_rows)(const fbp_layer *layer, const void *turned, ptrdiff_t n_rows, const void *in,
                               ptrdiff_t in_stride, void *out, ptrdiff_t out_stride)
{
    const ptrdiff_t N = layer->n_units;
    if (turned) {
        const NAME(parts_t) groups = NAME(deal)(n_rows, FEW_ROWS);
        for (ptrdiff_t g = 0, r = 0; g < groups.n; r += NAME(part)(groups, g), g++)
            NAME(multiply_turned)(layer, turned, NAME(part)(groups, g), (const real *)in + r * in_stride, in_stride,
                                  (real *)out + r * out_stride, out_stride);
    } else {
        for (ptrdiff_t r = 0; r < n_rows; r++)
            NAME(multiply_single)(layer, (const real *)in + r * in_stride, (real *)out + r * out_stride);
    }
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        real *z = (real *)out + r * out_stride;
        if (layer->activation == FBP_SOFTMAX)
            NAME(softmax_single)(z, N);
        else
            NAME(activate)(layer->activation, (real)layer->alpha, z, NULL, NAME(pieces)(N, VL));
    }
}
#undef pass
#undef MOST_FEW
#undef EACH_VECTOR
#undef EACH_ROW
#undef EACH_SUM
#undef STRIP_AHEAD
#undef FEW_ROWS
#undef FEW_VECTORS
#undef SINGLE_VECTORS
#undef SINGLE_GROUPS
#undef SINGLE_AHEAD
