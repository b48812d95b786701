/* prepare.h: from the user's columns to features, by what was learnt from the training data.
 *
 * Each feature takes one column, VL samples at a time, through its steps. All is computed in double, whatever the
 * kernels' dtype, and rounded at the end: seconds since 1970 lose nothing on the way to float32.
 */

/* Reads a column, `offset` bytes into each of n <= VL rows. */
typedef void (*NAME(column_reader))(const char *const *rows, ptrdiff_t offset, ptrdiff_t n, double *x);

#define COLUMN_READER(name, type, value)                                                                          \
    static void NAME(PASTE(column_of_, name))(const char *const *rows, ptrdiff_t offset, ptrdiff_t n, double *to) \
    {                                                                                                             \
        for (ptrdiff_t r = 0; r < n; r++) {                                                                       \
            type x;                                                                                               \
            memcpy(&x, rows[r] + offset, sizeof x);                                                               \
            to[r] = (double)(value);                                                                              \
        }                                                                                                         \
    }

COLUMN_READER(bool, uint8_t, x != 0)
COLUMN_READER(int8, int8_t, x)
COLUMN_READER(uint8, uint8_t, x)
COLUMN_READER(int16, int16_t, x)
COLUMN_READER(uint16, uint16_t, x)
COLUMN_READER(int32, int32_t, x)
COLUMN_READER(uint32, uint32_t, x)
COLUMN_READER(int64, int64_t, x)
COLUMN_READER(uint64, uint64_t, x)
COLUMN_READER(float16, uint16_t, fbp_half_to_float(x))
COLUMN_READER(float32, float, x)
COLUMN_READER(float64, double, x)
#undef COLUMN_READER

static const NAME(column_reader) NAME(column_readers)[] = {
    [FBP_SRC_BOOL] = NAME(column_of_bool),       [FBP_SRC_INT8] = NAME(column_of_int8),
    [FBP_SRC_UINT8] = NAME(column_of_uint8),     [FBP_SRC_INT16] = NAME(column_of_int16),
    [FBP_SRC_UINT16] = NAME(column_of_uint16),   [FBP_SRC_INT32] = NAME(column_of_int32),
    [FBP_SRC_UINT32] = NAME(column_of_uint32),   [FBP_SRC_INT64] = NAME(column_of_int64),
    [FBP_SRC_UINT64] = NAME(column_of_uint64),   [FBP_SRC_FLOAT16] = NAME(column_of_float16),
    [FBP_SRC_FLOAT32] = NAME(column_of_float32), [FBP_SRC_FLOAT64] = NAME(column_of_float64),
};

/* x / sqrt(1 + (x / bound)^2); where the square would overflow, the bound all the same. Infinity and NaN stay. */
static INLINE double NAME(smooth_clip)(double x, double bound)
{
    const double far = 1e100 * bound;
    const double y = x > far ? far : x < -far ? -far : x;
    const double share = y / bound;
    return x - x == 0 ? y / sqrt(1 + share * share) : x;
}

/* The place of x among n rising values; -1 where it is not among them, NaN where it is missing. */
static INLINE double NAME(code_of)(double x, const double *values, ptrdiff_t n)
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

static INLINE void NAME(take_step)(const fbp_step *step, double *x)
{
    const double a = step->a, b = step->b, c = step->c;
    switch (step->kind) {
    case FBP_STEP_FILL:
        for (int i = 0; i < VL; i++)
            x[i] = x[i] != x[i] ? a : x[i];
        break;
    case FBP_STEP_AFFINE:
        for (int i = 0; i < VL; i++)
            x[i] = (x[i] - a) * b + c;
        break;
    case FBP_STEP_CLIP:
        for (int i = 0; i < VL; i++)
            x[i] = NAME(smooth_clip)(x[i], a);
        break;
    case FBP_STEP_MISSING:
        for (int i = 0; i < VL; i++)
            x[i] = x[i] != x[i] ? 1 : 0;
        break;
    case FBP_STEP_EQUALS:
        for (int i = 0; i < VL; i++)
            x[i] = x[i] == a ? 1 : 0;
        break;
    case FBP_STEP_CODE:
        for (int i = 0; i < VL; i++)
            x[i] = NAME(code_of)(x[i], step->values, step->n_values);
        break;
    }
}

/* One feature of n_rows samples, the lanes behind them zero. */
static INLINE vec NAME(make_feature)(const fbp_feature *feature, const double *column, ptrdiff_t n_rows)
{
    double x[VL];
    real lanes[VL];
    memcpy(x, column, sizeof x);
    for (ptrdiff_t s = 0; s < feature->n_steps; s++)
        NAME(take_step)(&feature->steps[s], x);
    for (int i = 0; i < VL; i++)
        lanes[i] = (real)x[i];
    for (ptrdiff_t r = n_rows; r < VL; r++)
        lanes[r] = 0;
    vec result;
    memcpy(&result, lanes, sizeof result);
    return result;
}

static int NAME(prepare_panel)(const fbp_source *X, const fbp_features *features, const int64_t *index, ptrdiff_t first,
                               ptrdiff_t n_rows, const int64_t *next, ptrdiff_t n_next, ptrdiff_t p, fbp_panels panels)
{
    const NAME(column_reader) read = NAME(column_readers)[X->type];
    const char *row_start[VL] = {0};
    for (ptrdiff_t r = 0; r < n_rows; r++)
        row_start[r] = (const char *)X->data + (index ? (ptrdiff_t)index[r] : first + r) * X->row_stride;

    real *panel = (real *)panels.data + p * panels.stride;
    double column[VL] = {0};
    ptrdiff_t held = -1, line = -1; /* the column that was read last; the line of memory asked for last */
    vec suspect = NAME(splat)(0);
    for (ptrdiff_t j = 0; j < features->n_features; j++) {
        const fbp_feature *feature = &features->features[j];
        if (feature->column != held) {
            const ptrdiff_t offset = feature->column * X->column_stride;
            held = feature->column;
            if (n_next > 0 && offset / FBP_ALIGN_BYTES != line) {
                line = offset / FBP_ALIGN_BYTES;
                for (ptrdiff_t r = 0; r < n_next; r++)
                    PREFETCH((const char *)X->data + (ptrdiff_t)next[r] * X->row_stride + offset);
            }
            read(row_start, offset, n_rows, column);
        }
        const vec y = NAME(make_feature)(feature, column, n_rows);
        suspect += y - y; /* zero, or NaN where it is not finite */
        NAME(store)(panel + j * VL, y);
    }
    for (ptrdiff_t j = features->n_features; j % VL; j++)
        NAME(store)(panel + j * VL, NAME(splat)(0));
    return NAME(sum_lanes)(suspect) == 0;
}
