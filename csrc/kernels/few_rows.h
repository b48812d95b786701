/* few_rows.h: the forward pass of one sample alone, or of a few, with the bits that they have in a panel.
 *
 * Uses microkernel.h (operands, add_product), blocking.h (split_evenly, ceil_divide), rows.h (readers), activation.h
 * (activate), transpose.h (load_transposed) and vmath.h. Gives read_row, pack_for_rows and forward_rows to the table.
 *
 * With one sample a panel would have one lane in use, so that here the lanes are units. Either VL rows of weights are
 * read in place, VL inputs at a time, and transposed in registers; or, for a caller that has many such samples for the
 * same weights, one after the other, all weights are packed once, and pass by a few samples at a time. Both ways, every
 * sum has the same terms in the same order as in a panel.
 *
 *   packed_for_rows   [unit group][input][PACKED_VECTORS * VL units], the last group of as many vectors as are left;
 *                     the numbers after the last unit are never used
 */

/* ---- Sizes ---- */

/* Weights in place: how many vectors of a row of weights a prefetch is ahead. */
#define ROW_AHEAD 8

/* Weights in place: vectors of units whose sums are made side by side. The multiply-adds of one of them wait for each
 * other, those of the others fill that time. */
#define UNIT_VECTORS 3

/* Packed weights: vectors of units in a group, which is how many sums two multiply-adds a cycle, of four cycles each,
 * keep under way. */
#define PACKED_VECTORS 8

/* Packed weights: how many samples read a group together, and how many of its vectors they then take at a time: their
 * sums fill the registers as a tile's do. */
#define SHARED_VECTORS 4
#define MAX_SAMPLES 6
#if MR * NV >= 24
#define SAMPLES_TOGETHER 6
#elif MR * NV >= 12
#define SAMPLES_TOGETHER 3
#else
#define SAMPLES_TOGETHER 2
#endif

/* Packed weights: how many inputs a prefetch is ahead. Where the weights come from beyond L2, the hardware prefetcher
 * alone is too late (784-1024-1024-10 on Zen 5: 76 us a row without, 61 us with 4 to 16). */
#define INPUTS_AHEAD 8

/* ---- Rows of X ---- */

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
    return NAME(all_zero)(suspect);
}

/* ---- Weights in place ---- */

/* Adds to the sums of VL units their products with inputs k .. k + n, n <= VL, one after the other. */
static inline sum_vec NAME(add_products)(const operand *const *rows_of_units, const operand *x, ptrdiff_t k,
                                         ptrdiff_t n, sum_vec sums)
{
    operand_vec W[VL];
    UNROLL
    for (int i = 0; i < VL; i++)
        PREFETCH(rows_of_units[i] + k + ROW_AHEAD * VL); /* more rows at once than the hardware prefetcher follows */
    NAME(load_transposed)(rows_of_units, k, W);
    if (n == VL) {
        UNROLL
        for (int t = 0; t < VL; t++)
            sums = NAME(add_product)(sums, W[t], NAME(broadcast_operand)(x + k + t));
    } else {
        for (ptrdiff_t t = 0; t < n; t++)
            sums = NAME(add_product)(sums, W[t], NAME(broadcast_operand)(x + k + t));
    }
    return sums;
}

/* Where the weights of n units begin, from unit `first` on. After the layer's last unit its row is repeated; the
 * results of such lanes are never used. */
static INLINE void NAME(find_rows)(const fbp_layer *layer, ptrdiff_t first, int n, const operand **rows_of_units)
{
    const ptrdiff_t last = layer->n_units - 1;
    for (int i = 0; i < n; i++)
        rows_of_units[i] = (const operand *)layer->weights + (first + i < last ? first + i : last) * layer->ld;
}

/* z = x @ W.T + b of one sample, and a ReLU, if that is the activation. */
static void NAME(multiply_in_place)(const fbp_layer *layer, const operand *x, accumulator *z)
{
    const ptrdiff_t K = layer->n_inputs, N = layer->n_units;
    const accumulator *bias = layer->bias;
    for (ptrdiff_t n = 0; n < N; n += UNIT_VECTORS * VL) {
        const operand *rows_of_units[UNIT_VECTORS * VL];
        sum_vec sums[UNIT_VECTORS];
        NAME(find_rows)(layer, n, UNIT_VECTORS * VL, rows_of_units);
        const ptrdiff_t left = NAME(ceil_divide)(N - n, VL), n_vectors = left < UNIT_VECTORS ? left : UNIT_VECTORS;
        for (ptrdiff_t v = 0; v < n_vectors; v++)
            sums[v] = NAME(load)(bias + n + v * VL);
        ptrdiff_t k = 0;
        if (n_vectors == UNIT_VECTORS) {
            for (; k + VL <= K; k += VL) {
                UNROLL
                for (int v = 0; v < UNIT_VECTORS; v++)
                    sums[v] = NAME(add_products)(rows_of_units + v * VL, x, k, VL, sums[v]);
            }
        } else {
            for (ptrdiff_t v = 0; v < n_vectors; v++) {
                sum_vec alone = sums[v];
                for (k = 0; k + VL <= K; k += VL)
                    alone = NAME(add_products)(rows_of_units + v * VL, x, k, VL, alone);
                sums[v] = alone;
            }
            k = K / VL * VL;
        }
        for (ptrdiff_t v = 0; v < n_vectors; v++) {
            if (k < K)
                sums[v] = NAME(add_products)(rows_of_units + v * VL, x, k, K - k, sums[v]);
            if (layer->activation == FBP_RELU)
                sums[v] = NAME(relu)(sums[v]);
            NAME(store)(z + n + v * VL, sums[v]);
        }
    }
}

/* ---- Packed weights ---- */

/* Vectors of units in the group that begins with this unit. */
static INLINE ptrdiff_t NAME(vectors_of_group)(const fbp_layer *layer, ptrdiff_t first_unit)
{
    const ptrdiff_t left = NAME(ceil_divide)(layer->n_units - first_unit, VL);
    return left < PACKED_VECTORS ? left : PACKED_VECTORS;
}

/* W -> packed_for_rows. */
static void NAME(pack_for_rows)(const fbp_layer *layer, void *packed_for_rows)
{
    const ptrdiff_t K = layer->n_inputs;
    operand *to = packed_for_rows;
    for (ptrdiff_t n = 0; n < layer->n_units; n += PACKED_VECTORS * VL) {
        const ptrdiff_t width = NAME(vectors_of_group)(layer, n) * VL;
        for (ptrdiff_t v = 0; v < width; v += VL) {
            const operand *rows_of_units[VL];
            NAME(find_rows)(layer, n + v, VL, rows_of_units);
            for (ptrdiff_t k = 0; k < K; k += VL) {
                operand_vec W[VL];
                NAME(load_transposed)(rows_of_units, k, W);
                for (ptrdiff_t t = 0; t < VL && k + t < K; t++)
                    NAME(store)(to + (k + t) * width + v, W[t]);
            }
        }
        to += K * width;
    }
}

/* Some vectors of units of a group, and the samples that read them together. */
typedef struct {
    ptrdiff_t n_inputs;
    const operand *W;
    ptrdiff_t width;       /* elements from one input's weights to the next one's */
    const operand *x;
    ptrdiff_t x_stride;    /* from one sample to the next */
    const accumulator *bias;
    accumulator *z;
    ptrdiff_t z_stride;
    int relu;
} NAME(few_rows_t);
#define few_rows_product NAME(few_rows_t)

/* Loops over the sums, written out with the vector of units v and the sample r as constants. */
#define EACH_UNIT_VECTOR(...)                                                             \
    STEP_OF_LOOP(v, 0, nv, __VA_ARGS__) STEP_OF_LOOP(v, 1, nv, __VA_ARGS__)               \
    STEP_OF_LOOP(v, 2, nv, __VA_ARGS__) STEP_OF_LOOP(v, 3, nv, __VA_ARGS__)               \
    STEP_OF_LOOP(v, 4, nv, __VA_ARGS__) STEP_OF_LOOP(v, 5, nv, __VA_ARGS__)               \
    STEP_OF_LOOP(v, 6, nv, __VA_ARGS__) STEP_OF_LOOP(v, 7, nv, __VA_ARGS__)
#define EACH_SAMPLE(...)                                                    \
    STEP_OF_LOOP(r, 0, nr, __VA_ARGS__) STEP_OF_LOOP(r, 1, nr, __VA_ARGS__) \
    STEP_OF_LOOP(r, 2, nr, __VA_ARGS__) STEP_OF_LOOP(r, 3, nr, __VA_ARGS__) \
    STEP_OF_LOOP(r, 4, nr, __VA_ARGS__) STEP_OF_LOOP(r, 5, nr, __VA_ARGS__)
#define EACH_OUTPUT(...) EACH_UNIT_VECTOR(EACH_SAMPLE(__VA_ARGS__))
#if PACKED_VECTORS > 8 || SAMPLES_TOGETHER > MAX_SAMPLES
#error "write out more vectors or samples above"
#endif

/* The outputs of nv vectors of units for nr samples. */
static INLINE void NAME(multiply_few_rows)(const int nr, const int nv, const few_rows_product *p)
{
    const ptrdiff_t K = p->n_inputs, width = p->width, x_stride = p->x_stride;
    const operand *W = p->W, *x = p->x;
    sum_vec sums[PACKED_VECTORS][MAX_SAMPLES];
    EACH_OUTPUT(sums[v][r] = NAME(load)(p->bias + v * VL);)
    for (ptrdiff_t k = 0; k < K; k++, W += width) {
        operand_vec inputs[MAX_SAMPLES];
        EACH_SAMPLE(inputs[r] = NAME(broadcast_operand)(x + r * x_stride + k);)
        EACH_UNIT_VECTOR(if (BEGINS_LINE(v)) PREFETCH(W + INPUTS_AHEAD * width + v * VL);
                         const operand_vec w = NAME(load_operands)(W + v * VL);
                         EACH_SAMPLE(sums[v][r] = NAME(add_product)(sums[v][r], w, inputs[r]);))
    }
    EACH_OUTPUT(NAME(store)(p->z + r * p->z_stride + v * VL, p->relu ? NAME(relu)(sums[v][r]) : sums[v][r]);)
}

/* X(samples, vectors) for every multiply_few_rows that may be asked for. */
#define VECTORS_FOR(X, nr) X(nr, 1) X(nr, 2) X(nr, 3) X(nr, 4)
#define FOR_SAMPLES_1(X) VECTORS_FOR(X, 1) X(1, 5) X(1, 6) X(1, 7) X(1, 8)
#define FOR_SAMPLES_2(X) FOR_SAMPLES_1(X) VECTORS_FOR(X, 2)
#define FOR_SAMPLES_3(X) FOR_SAMPLES_2(X) VECTORS_FOR(X, 3)
#define FOR_SAMPLES_6(X) FOR_SAMPLES_3(X) VECTORS_FOR(X, 4) VECTORS_FOR(X, 5) VECTORS_FOR(X, 6)
#define FOR_SAMPLES(n, X) PASTE(FOR_SAMPLES_, n)(X)
#define PRODUCT_FUNCTION(nr, nv)                                                        \
    static void NAME(PASTE(few_rows_product_, PASTE(nr, nv)))(const few_rows_product *p) \
    {                                                                                   \
        NAME(multiply_few_rows)(nr, nv, p);                                             \
    }
#define PRODUCT_ENTRY(nr, nv) [nr - 1][nv - 1] = NAME(PASTE(few_rows_product_, PASTE(nr, nv))),
FOR_SAMPLES(SAMPLES_TOGETHER, PRODUCT_FUNCTION)
static void (*const NAME(few_rows_products)[SAMPLES_TOGETHER][PACKED_VECTORS])(const few_rows_product *) = {
    FOR_SAMPLES(SAMPLES_TOGETHER, PRODUCT_ENTRY)};
#undef VECTORS_FOR
#undef FOR_SAMPLES_1
#undef FOR_SAMPLES_2
#undef FOR_SAMPLES_3
#undef FOR_SAMPLES_6
#undef FOR_SAMPLES
#undef PRODUCT_FUNCTION
#undef PRODUCT_ENTRY

/* z = x @ W.T + b for n_rows <= SAMPLES_TOGETHER samples, and a ReLU, if that is the activation. */
static void NAME(multiply_packed)(const fbp_layer *layer, const operand *packed, ptrdiff_t n_rows, const operand *x,
                                  ptrdiff_t x_stride, accumulator *z, ptrdiff_t z_stride)
{
    const ptrdiff_t most = n_rows == 1 ? PACKED_VECTORS : SHARED_VECTORS;
    for (ptrdiff_t n = 0; n < layer->n_units; n += PACKED_VECTORS * VL) {
        const ptrdiff_t n_vectors = NAME(vectors_of_group)(layer, n);
        for (ptrdiff_t v = 0; v < n_vectors; v += most) {
            const few_rows_product p = {
                .n_inputs = layer->n_inputs,
                .W = packed + v * VL,
                .width = n_vectors * VL,
                .x = x,
                .x_stride = x_stride,
                .bias = (const accumulator *)layer->bias + n + v * VL,
                .z = z + n + v * VL,
                .z_stride = z_stride,
                .relu = layer->activation == FBP_RELU,
            };
            NAME(few_rows_products)[n_rows - 1][(n_vectors - v < most ? n_vectors - v : most) - 1](&p);
        }
        packed += layer->n_inputs * n_vectors * VL;
    }
}

/* ---- A layer ---- */

/* softmax_forward for one sample; the sum adds the units in their order. */
static void NAME(softmax_of_row)(real *z, ptrdiff_t n_units)
{
    real largest = z[0], sum = 0;
    for (ptrdiff_t i = 1; i < n_units; i++)
        largest = z[i] > largest ? z[i] : largest;
    for (ptrdiff_t i = 0; i < n_units; i += VL)
        NAME(store)(z + i, NAME(vexp)(NAME(load)(z + i) - NAME(splat)(largest)));
    for (ptrdiff_t i = 0; i < n_units; i++)
        sum += z[i];
    const vec scale = NAME(splat)(1) / NAME(splat)(sum);
    for (ptrdiff_t i = 0; i < n_units; i += VL)
        NAME(store)(z + i, NAME(load)(z + i) * scale);
}

static void NAME(forward_rows)(const fbp_layer *layer, const void *packed_for_rows, ptrdiff_t n_rows, const void *in,
                               ptrdiff_t in_stride, void *out, ptrdiff_t out_stride)
{
    const ptrdiff_t N = layer->n_units;
    if (packed_for_rows) {
        const split pieces = NAME(split_evenly)(n_rows, SAMPLES_TOGETHER);
        for (ptrdiff_t i = 0, r = 0; i < pieces.n; r += NAME(size_of_piece)(pieces, i), i++)
            NAME(multiply_packed)(layer, packed_for_rows, NAME(size_of_piece)(pieces, i),
                                  (const operand *)in + r * in_stride, in_stride, (accumulator *)out + r * out_stride,
                                  out_stride);
    } else {
        for (ptrdiff_t r = 0; r < n_rows; r++)
            NAME(multiply_in_place)(layer, (const operand *)in + r * in_stride, (accumulator *)out + r * out_stride);
    }
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        real *z = (real *)out + r * out_stride;
        if (layer->activation == FBP_SOFTMAX)
            NAME(softmax_of_row)(z, N);
        else
            NAME(activate)(layer->activation, (real)layer->alpha, z, NULL, NAME(ceil_divide)(N, VL));
    }
}
#undef few_rows_product
#undef EACH_UNIT_VECTOR
#undef EACH_SAMPLE
#undef EACH_OUTPUT
#undef ROW_AHEAD
#undef UNIT_VECTORS
#undef PACKED_VECTORS
#undef SHARED_VECTORS
#undef MAX_SAMPLES
#undef SAMPLES_TOGETHER
#undef INPUTS_AHEAD
