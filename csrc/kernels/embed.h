/* embed.h: embedding tables, with a row for each category: from codes to rows, from rows into the panels, and the
 * gradient back.
 *
 * Uses simd.h, transpose.h (transpose, load_transposed) and rows.h (readers). Gives read_codes, embed_forward and
 * embed_gradient to the table.
 *
 * In the panels the numbers of a row are features like any others. Rows begin at whole cache lines and are padded with
 * zeros, so that a block of VL samples times VL features is loaded, transposed in registers, and stored.
 */

/* The row of a code. The last row where it is no code of the table: too small or large, not an integer, or NaN. */
static INLINE int32_t NAME(row_of_code)(real code, ptrdiff_t n_rows)
{
    const real last = (real)(n_rows - 1);
    if (!(code >= 0 && code < last))
        return (int32_t)(n_rows - 1);
    const int32_t row = (int32_t)code;
    return (real)row == code ? row : (int32_t)(n_rows - 1);
}

static void NAME(read_codes)(const fbp_source *codes, const int64_t *index, ptrdiff_t first, ptrdiff_t n_rows,
                             const fbp_table *tables, int32_t *rows)
{
    const NAME(reader) read = NAME(readers)[codes->type];
    for (ptrdiff_t t = 0; t < codes->n_columns; t++)
        for (ptrdiff_t r = n_rows; r < VL; r++)
            rows[t * VL + r] = (int32_t)(tables[t].n_rows - 1);
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        const char *row = (const char *)codes->data + (index ? (ptrdiff_t)index[r] : first + r) * codes->row_stride;
        for (ptrdiff_t t = 0; t < codes->n_columns; t += VL) {
            const ptrdiff_t n = codes->n_columns - t < VL ? codes->n_columns - t : VL;
            const vec x = read(row + t * codes->column_stride, codes->column_stride, n);
            real lanes[VL];
            memcpy(lanes, &x, sizeof lanes);
            for (ptrdiff_t i = 0; i < n; i++)
                rows[(t + i) * VL + r] = NAME(row_of_code)(lanes[i], tables[t + i].n_rows);
        }
    }
}

static void NAME(embed_forward)(const fbp_table *tables, ptrdiff_t n_tables, const int32_t *rows, fbp_panels out,
                                ptrdiff_t p0, ptrdiff_t p1)
{
    for (ptrdiff_t p = p0; p < p1; p++)
        for (ptrdiff_t t = 0; t < n_tables; t++) {
            const fbp_table *table = &tables[t];
            const int32_t *row = rows + (p * n_tables + t) * VL;
            real *to = (real *)out.data + p * out.stride + table->first_feature * VL;
            const real *weights[VL];
            for (int r = 0; r < VL; r++)
                weights[r] = (const real *)table->weights + row[r] * table->ld;
            for (ptrdiff_t j = 0; j < table->n_features; j += VL) {
                const ptrdiff_t n = table->n_features - j < VL ? table->n_features - j : VL;
                vec block[VL];
                NAME(load_transposed)(weights, j, block);
                for (ptrdiff_t i = 0; i < n; i++)
                    NAME(store)(to + (j + i) * VL, block[i]);
            }
        }
}

/* The gradient of a row. Where this training step has not touched the row yet, it is set to zero, and the row
 * is added to its share's list. */
static INLINE real *NAME(touch)(const fbp_table *table, int32_t row, int64_t step)
{
    real *gradient = (real *)table->gradient + row * table->ld;
    if (table->touched_in_step[row] != step) {
        const ptrdiff_t share = row % FBP_TABLE_SHARES;
        table->touched_in_step[row] = step;
        memset(gradient, 0, (size_t)table->ld * sizeof(real));
        table->touched[share * table->share_rows + table->n_touched[share]++] = row;
    }
    return gradient;
}

static void NAME(embed_gradient)(const fbp_table *table, const int32_t *rows, ptrdiff_t rows_stride, fbp_panels dZ,
                                 ptrdiff_t n_samples, ptrdiff_t s0, ptrdiff_t s1, int64_t step, int accumulate)
{
    if (!accumulate)
        for (ptrdiff_t s = s0; s < s1; s++)
            table->n_touched[s] = 0;
    for (ptrdiff_t p = 0; p * VL < n_samples; p++) {
        const ptrdiff_t n = n_samples - p * VL < VL ? n_samples - p * VL : VL;
        const int32_t *row = rows + p * rows_stride;
        const real *from = (const real *)dZ.data + p * dZ.stride + table->first_feature * VL;
        real *sums[VL];
        ptrdiff_t n_in_shares = 0;
        for (ptrdiff_t r = 0; r < n; r++) {
            const ptrdiff_t share = row[r] % FBP_TABLE_SHARES;
            const int in_shares = share >= s0 && share < s1;
            sums[r] = in_shares ? NAME(touch)(table, row[r], step) : NULL;
            n_in_shares += in_shares;
        }
        for (ptrdiff_t j = 0; n_in_shares > 0 && j < table->n_features; j += VL) {
            vec block[VL];
            for (ptrdiff_t i = 0; i < VL; i++)
                block[i] = j + i < table->n_features ? NAME(load)(from + (j + i) * VL) : NAME(splat)(0);
            NAME(transpose)(block);
            for (ptrdiff_t r = 0; r < n; r++)
                if (sums[r])
                    NAME(store)(sums[r] + j, NAME(load)(sums[r] + j) + block[r]);
        }
    }
}
