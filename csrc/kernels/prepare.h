/* prepare.h: from the user's columns to features, by the numbers that were learned from the training data.
 *
 * Uses simd.h, transpose.h (transpose) and rows.h (EACH_SOURCE, which ends here). Gives prepare_panel to the table.
 *
 * A panel is made VL features of a run at a time: their numbers are read from each row, go through the steps side by
 * side, and are transposed. All steps compute in double, whatever the kernels' dtype, and only their result is rounded:
 * the difference of two times in seconds since 1970 is exact although float32 cannot hold either.
 */

/* Reads n <= VL elements, `stride` bytes apart, into VL numbers; those after them become zero. */
typedef void (*NAME(double_reader))(const char *from, ptrdiff_t stride, ptrdiff_t n, double *x);

/* A whole vector of adjacent elements takes a loop of constant length, which the compiler vectorises. */
#define DOUBLE_READER(constant, name, type, value)                                                          \
    static void NAME(PASTE(doubles_of_, name))(const char *from, ptrdiff_t stride, ptrdiff_t n, double *to) \
    {                                                                                                       \
        double lanes[VL];                                                                                   \
        type x;                                                                                             \
        if (n == VL && stride == (ptrdiff_t)sizeof(type)) {                                                 \
            for (size_t i = 0; i < VL; i++) {                                                               \
                memcpy(&x, from + i * sizeof x, sizeof x);                                                  \
                lanes[i] = (double)(value);                                                                 \
            }                                                                                               \
        } else {                                                                                            \
            memset(lanes, 0, sizeof lanes);                                                                 \
            for (ptrdiff_t i = 0; i < n; i++, from += stride) {                                             \
                memcpy(&x, from, sizeof x);                                                                 \
                lanes[i] = (double)(value);                                                                 \
            }                                                                                               \
        }                                                                                                   \
        memcpy(to, lanes, sizeof lanes);                                                                    \
    }

EACH_SOURCE(DOUBLE_READER)
#undef DOUBLE_READER

#define ENTRY(constant, name, type, value) [FBP_SRC_##constant] = NAME(PASTE(doubles_of_, name)),
static const NAME(double_reader) NAME(double_readers)[] = {EACH_SOURCE(ENTRY)};
#undef ENTRY
#undef EACH_SOURCE

/* x / sqrt(1 + (x / bound)^2); the bound where the square would overflow. Infinity and NaN stay. */
static INLINE double NAME(smooth_clip)(double x, double bound)
{
    const double largest = 1e100 * bound;
    const double y = x > largest ? largest : x < -largest ? -largest : x;
    const double ratio = y / bound;
    return x - x == 0 ? y / sqrt(1 + ratio * ratio) : x;
}

/* The place of x among n rising values, counted from 0; -1 where it is not among them, NaN where it is missing. */
static double NAME(code_of)(double x, const double *values, ptrdiff_t n)
{
    ptrdiff_t below = 0, end = n;
    while (below < end) {
        const ptrdiff_t middle = below + (end - below) / 2;
        if (values[middle] < x)
            below = middle + 1;
        else
            end = middle;
    }
    if (x != x)
        return x;
    return below < n && values[below] == x ? (double)below : -1;
}

/* One step of VL features, from the j-th of their run on, for n_rows samples. It computes in local arrays, which no
 * pointer can refer to: only then may a compiler compute several numbers at a time. */
static INLINE void NAME(take_step)(const fbp_step *step, ptrdiff_t j, ptrdiff_t n_rows, double (*x)[VL])
{
#define EACH_NUMBER(value)                     \
    for (ptrdiff_t r = 0; r < n_rows; r++) {   \
        double y[VL], result[VL];              \
        memcpy(y, x[r], sizeof y);             \
        for (int i = 0; i < VL; i++)           \
            result[i] = (value);               \
        memcpy(x[r], result, sizeof result);   \
    }                                          \
    break

    double a[VL], b[VL], c[VL];
    memcpy(a, step->a + j, sizeof a);
    memcpy(b, step->b + j, sizeof b);
    memcpy(c, step->c + j, sizeof c);
    switch (step->kind) {
    case FBP_STEP_FILL:
        EACH_NUMBER(y[i] != y[i] ? a[i] : y[i]);
    case FBP_STEP_AFFINE:
        EACH_NUMBER((y[i] - a[i]) * b[i] + c[i]);
    case FBP_STEP_CLIP:
        EACH_NUMBER(NAME(smooth_clip)(y[i], a[i]));
    case FBP_STEP_MISSING:
        EACH_NUMBER(y[i] != y[i] ? 1.0 : 0.0);
    case FBP_STEP_EQUALS:
        EACH_NUMBER(y[i] == a[i] ? 1.0 : 0.0);
    case FBP_STEP_CODE:
        EACH_NUMBER(NAME(code_of)(y[i], step->values[j + i], step->n_values[j + i]));
    }
#undef EACH_NUMBER
}

static int NAME(prepare_panel)(const fbp_source *X, const fbp_features *features, const int64_t *index, ptrdiff_t first,
                               ptrdiff_t n_rows, const int64_t *next, ptrdiff_t n_next, ptrdiff_t p, fbp_panels panels)
{
    const NAME(double_reader) read = NAME(double_readers)[X->type];
    const char *row_start[VL] = {0};
    for (ptrdiff_t r = 0; r < n_rows; r++)
        row_start[r] = (const char *)X->data + (index ? (ptrdiff_t)index[r] : first + r) * X->row_stride;

    real *to = (real *)panels.data + p * panels.stride;
    vec suspect = NAME(splat)(0);
    double x[VL][VL] = {{0}};
    for (const fbp_run *run = features->runs; run < features->runs + features->n_runs; run++) {
        const ptrdiff_t stride = run->column_step * X->column_stride;
        for (ptrdiff_t j = 0; j < run->n_features; j += VL) {
            const ptrdiff_t n = run->n_features - j < VL ? run->n_features - j : VL;
            const ptrdiff_t offset = run->column * X->column_stride + j * stride;
            vec rows[VL];
            for (ptrdiff_t r = 0; r < n_next; r++)
                PREFETCH((const char *)X->data + (ptrdiff_t)next[r] * X->row_stride + offset);
            for (ptrdiff_t r = 0; r < n_rows; r++)
                read(row_start[r] + offset, stride, n, x[r]);
            for (ptrdiff_t s = 0; s < run->n_steps; s++)
                NAME(take_step)(&run->steps[s], j, n_rows, x);
            for (ptrdiff_t r = 0; r < VL; r++) {
                double y[VL];
                real lanes[VL];
                memcpy(y, x[r], sizeof y);
                for (int i = 0; i < VL; i++)
                    lanes[i] = (real)y[i];
                memcpy(&rows[r], lanes, sizeof lanes);
                if (r >= n_rows)
                    rows[r] = NAME(splat)(0);
            }
            NAME(transpose)(rows);
            for (ptrdiff_t i = 0; i < n; i++, to += VL) {
                suspect += rows[i] - rows[i]; /* zero, or NaN where it is not finite */
                NAME(store)(to, rows[i]);
            }
        }
    }
    for (ptrdiff_t j = features->n_features; j % VL; j++, to += VL)
        NAME(store)(to, NAME(splat)(0));
    return NAME(all_zero)(suspect);
}
