/* rows.h: from the user's rows to the kernels' panels and blocks, and back.
 *
 * Uses simd.h and transpose.h (transpose, store_block). Gives the readers, and gather_panel, scatter_panel and
 * transpose_panels to the table.
 *
 * A panel is gathered a block of VL rows times VL columns at a time. The VL numbers of each row are read into one
 * vector, whatever their type and stride; the block is stored as it is for the weight gradient, and transposed for the
 * forward pass.
 */

/* X(constant, name, C type, value of an x of that type as a number): one row an element type of fbp_source. */
#define EACH_SOURCE(X)                                   \
    X(BOOL, bool, uint8_t, x != 0)                       \
    X(INT8, int8, int8_t, x)                             \
    X(UINT8, uint8, uint8_t, x)                          \
    X(INT16, int16, int16_t, x)                          \
    X(UINT16, uint16, uint16_t, x)                       \
    X(INT32, int32, int32_t, x)                          \
    X(UINT32, uint32, uint32_t, x)                       \
    X(INT64, int64, int64_t, x)                          \
    X(UINT64, uint64, uint64_t, x)                       \
    X(FLOAT16, float16, uint16_t, fbp_half_to_float(x))  \
    X(FLOAT32, float32, float, x)                        \
    X(FLOAT64, float64, double, x)

/* Reads n <= VL elements of one row, `stride` bytes apart; the lanes after them become zero. */
typedef vec (*NAME(reader))(const char *from, ptrdiff_t stride, ptrdiff_t n);

/* A whole vector of adjacent elements takes a loop of constant length, which the compiler vectorises. */
#define READER(constant, name, type, value)                                                      \
    static vec NAME(PASTE(read_, name))(const char *from, ptrdiff_t stride, ptrdiff_t n)         \
    {                                                                                            \
        real lanes[VL] = {0};                                                                    \
        type x;                                                                                  \
        if (n == VL && stride == (ptrdiff_t)sizeof(type)) {                                      \
            type whole[VL];                                                                      \
            memcpy(whole, from, sizeof whole);                                                   \
            for (int i = 0; i < VL; i++) {                                                       \
                x = whole[i];                                                                    \
                lanes[i] = (real)(value);                                                        \
            }                                                                                    \
        } else {                                                                                 \
            for (ptrdiff_t i = 0; i < n; i++, from += stride) {                                  \
                memcpy(&x, from, sizeof x);                                                      \
                lanes[i] = (real)(value);                                                        \
            }                                                                                    \
        }                                                                                        \
        vec result;                                                                              \
        memcpy(&result, lanes, sizeof result);                                                   \
        return result;                                                                           \
    }

EACH_SOURCE(READER)
#undef READER

#define ENTRY(constant, name, type, value) [FBP_SRC_##constant] = NAME(PASTE(read_, name)),
static const NAME(reader) NAME(readers)[] = {EACH_SOURCE(ENTRY)};
#undef ENTRY

#define OWN_SOURCE_TYPE (REAL_BITS == 32 ? FBP_SRC_FLOAT32 : FBP_SRC_FLOAT64)

/* gather_panel of a sparse X: everything is 0 except its elements. Also 0 where a column is none of X's. */
static int NAME(gather_sparse)(const fbp_source *X, const int64_t *index, ptrdiff_t first, ptrdiff_t n_rows,
                               ptrdiff_t p, fbp_panels panels, void *blocks, ptrdiff_t block_stride)
{
    const NAME(reader) read = NAME(readers)[X->type];
    const ptrdiff_t width = (X->n_columns + VL - 1) / VL * VL;
    real *panel = (real *)panels.data + p * panels.stride;
    memset(panel, 0, (size_t)(width * VL) * sizeof(real));
    for (ptrdiff_t column = 0; blocks && column < width; column += VL)
        memset((real *)blocks + column / VL * block_stride + p * VL * VL, 0, VL * VL * sizeof(real));
    vec suspect = NAME(splat)(0);
    int fits = 1;
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        const int64_t row = index ? index[r] : first + r;
        for (int64_t e = X->starts[row]; e < X->starts[row + 1]; e += VL) {
            const ptrdiff_t n = X->starts[row + 1] - e < VL ? X->starts[row + 1] - e : VL;
            const vec values = read((const char *)X->data + e * X->column_stride, X->column_stride, n);
            real lanes[VL];
            memcpy(lanes, &values, sizeof lanes);
            suspect += values - values; /* zero, or NaN where one is not finite */
            for (ptrdiff_t i = 0; i < n; i++) {
                const ptrdiff_t column = fbp_read_once(X->columns + e + i);
                if ((size_t)column >= (size_t)X->n_columns) { /* a negative one too */
                    fits = 0;
                    continue;
                }
                panel[column * VL + r] = lanes[i];
                if (blocks)
                    ((real *)blocks)[column / VL * block_stride + (p * VL + r) * VL + column % VL] = lanes[i];
            }
        }
    }
    return fits && NAME(all_zero)(suspect);
}

/* How many vectors of columns a prefetch is ahead, because no hardware prefetcher foresees shuffled rows. Near the end
 * of a row the next panel's rows are prefetched. Eight vectors take about as long as a load from memory. */
#define GATHER_AHEAD 8

static int NAME(gather_panel)(const fbp_source *X, const int64_t *index, ptrdiff_t first, ptrdiff_t n_rows,
                              const int64_t *next, ptrdiff_t n_next, ptrdiff_t p, fbp_panels panels, void *blocks,
                              ptrdiff_t block_stride)
{
    if (X->starts)
        return NAME(gather_sparse)(X, index, first, n_rows, p, panels, blocks, block_stride);
    const NAME(reader) read = NAME(readers)[X->type];
    const int plain = X->type == OWN_SOURCE_TYPE && X->column_stride == (ptrdiff_t)sizeof(real);
    const char *row_start[VL]; /* where there is no row, nothing is read */
    for (ptrdiff_t r = 0; r < VL; r++)
        row_start[r] = r < n_rows ? (const char *)X->data + (index ? (ptrdiff_t)index[r] : first + r) * X->row_stride
                                  : (const char *)X->data;
    const ptrdiff_t width = (X->n_columns + VL - 1) / VL * VL;
    const ptrdiff_t ahead = width < GATHER_AHEAD * VL ? width : GATHER_AHEAD * VL;

    const ptrdiff_t stride = X->column_stride < 0 ? -X->column_stride : X->column_stride;
    const ptrdiff_t vectors_a_line = stride > 0 && VL * stride < FBP_ALIGN_BYTES ? FBP_ALIGN_BYTES / (VL * stride) : 1;

    real *panel = (real *)panels.data + p * panels.stride;
    /* Four sums, so that no addition waits for the one before it. */
    vec suspect[4] = {NAME(splat)(0), NAME(splat)(0), NAME(splat)(0), NAME(splat)(0)};
    for (ptrdiff_t column = 0; column < X->n_columns; column += VL) {
        const ptrdiff_t n = X->n_columns - column < VL ? X->n_columns - column : VL;
        const ptrdiff_t offset = column * X->column_stride;
        vec rows[VL];
        if (column / VL % vectors_a_line == 0) {
            if (column + ahead < width) {
                for (ptrdiff_t r = 0; r < n_rows; r++)
                    PREFETCH(row_start[r] + offset + ahead * X->column_stride);
            } else {
                const ptrdiff_t ahead_of_next = (column + ahead - width) * X->column_stride;
                for (ptrdiff_t r = 0; r < n_next; r++)
                    PREFETCH((const char *)X->data + (ptrdiff_t)next[r] * X->row_stride + ahead_of_next);
            }
        }
        if (plain && n == VL && n_rows == VL) {
            UNROLL
            for (int r = 0; r < VL; r++)
                rows[r] = NAME(load_any)((const real *)(const void *)(row_start[r] + offset));
        } else if (plain) {
            UNROLL
            for (int r = 0; r < VL; r++)
                rows[r] = NAME(load_first)((const real *)(const void *)(row_start[r] + offset), r < n_rows ? n : 0);
        } else {
            for (ptrdiff_t r = 0; r < VL; r++)
                rows[r] = r < n_rows ? read(row_start[r] + offset, X->column_stride, n) : NAME(splat)(0);
        }
        UNROLL
        for (int r = 0; r < VL; r++)
            suspect[r % 4] += rows[r] - rows[r]; /* zero, or NaN where it is not finite */
        if (blocks)
            NAME(store_block)(rows, (real *)blocks + column / VL * block_stride + p * VL * VL,
                              column + VL < width ? block_stride : 0);
        NAME(transpose)(rows);
        UNROLL
        for (int i = 0; i < VL; i++)
            NAME(store)(panel + (column + i) * VL, rows[i]);
    }
    return NAME(all_zero)((suspect[0] + suspect[1]) + (suspect[2] + suspect[3]));
}

static void NAME(scatter_panel)(fbp_panels panels, ptrdiff_t p, ptrdiff_t n_columns, ptrdiff_t n_rows, void *out,
                                ptrdiff_t out_stride)
{
    const real *panel = (const real *)panels.data + p * panels.stride;
    for (ptrdiff_t column = 0; column < n_columns; column += VL) {
        const ptrdiff_t n = n_columns - column < VL ? n_columns - column : VL;
        const real *columns[VL];
        vec rows[VL];
        UNROLL
        for (int i = 0; i < VL; i++)
            columns[i] = panel + (column + i) * VL;
        NAME(load_transposed)(columns, 0, rows);
        for (ptrdiff_t r = 0; r < n_rows; r++)
            memcpy((real *)out + r * out_stride + column, &rows[r], (size_t)n * sizeof(real));
    }
}

/* panels p0..p1 -> blocks. The panels' padded features are zero, so that all blocks are whole. */
static void NAME(transpose_panels)(fbp_panels panels, ptrdiff_t n_features, ptrdiff_t p0, ptrdiff_t p1, void *blocks,
                                   ptrdiff_t block_stride)
{
    const ptrdiff_t n_vectors = (n_features + VL - 1) / VL;
    for (ptrdiff_t p = p0; p < p1; p++)
        for (ptrdiff_t v = 0; v < n_vectors; v++) {
            const real *features[VL];
            real *to = (real *)blocks + v * block_stride + p * VL * VL;
            vec rows[VL];
            UNROLL
            for (int i = 0; i < VL; i++)
                features[i] = (const real *)panels.data + p * panels.stride + (v * VL + i) * VL;
            NAME(load_transposed)(features, 0, rows);
            NAME(store_block)(rows, to, v + 1 < n_vectors ? block_stride : 0);
        }
}
#undef OWN_SOURCE_TYPE
#undef GATHER_AHEAD
