/* panels_product.h: the product of weights with panels: loops 3, 4 and 2 of forward and of the input gradient.
 *
 * Uses product.h and blocking.h, where the loops are numbered. Gives multiply_panels to forward.h and input_gradient.h,
 * which say which side of W are the rows, and what is done with complete sums.
 */

/* What multiply_panels multiplies. It is inlined with a constant `finish`, which costs no indirect call. */
typedef struct {
    product p;
    const NAME(tile_function) (*tiles)[NV];
    const NAME(tile_function) (*half_tiles)[NV]; /* for the last panel, where half of it is enough; else NULL */
    const operand *W;
    ptrdiff_t row_stride, step_stride; /* of W */
    ptrdiff_t n_steps;
    ptrdiff_t most_rows;               /* of a cache block */
    operand *packed;                   /* NULL, or where the weights of a cache block are packed: [tile][step][MR] */
    int relu;                          /* whether the tiles apply a ReLU, or pass back through it */
    /* Called with the complete sums of one panel's rows; NULL where the tiles have done all. */
    void (*finish)(const void *context, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t n_rows);
    const void *context;
} NAME(panels_product_t);
#define panels_product NAME(panels_product_t)

/* Tiles of rows times n_steps steps of W, from `from` on -> packed[tile][step][MR], the order in which the tiles read
 * them. It is for a W whose rows are adjacent in memory and whose steps lie step_stride elements apart: read in place,
 * each step is on another page, and the L1 cache and the TLB do not keep them. At each step, `room` elements may be
 * read, counted from the first row. */
static INLINE void NAME(pack_weights)(const operand *from, ptrdiff_t step_stride, split tiles, ptrdiff_t room,
                                      ptrdiff_t n_steps, operand *packed)
{
    for (ptrdiff_t tile = 0; tile < tiles.n;) {
        const ptrdiff_t width = NAME(size_of_piece)(tiles, tile), next_width = NAME(size_of_piece)(tiles, tile + 1);
        const operand *row = from;
        /* Whole tiles are copied, of narrower ones too (their readers skip the rest), unless that would read past the
         * row's end. Two tiles at a time, because one tile takes half a cache line of each row, or less. */
        if (tile + 1 < tiles.n && width + MR <= room) {
            operand *other = packed + n_steps * MR;
            for (ptrdiff_t t = 0; t < n_steps; t++, row += step_stride, packed += MR, other += MR) {
                memcpy(packed, row, MR * sizeof(operand)); /* of constant size: a few registers */
                memcpy(other, row + width, MR * sizeof(operand));
                PREFETCH(row + 4 * MR); /* of the pair after the next one */
            }
            packed = other;
            from += width + next_width;
            room -= width + next_width;
            tile += 2;
        } else {
            const size_t bytes = (size_t)(room >= MR ? MR : width) * sizeof(operand);
            for (ptrdiff_t t = 0; t < n_steps; t++, row += step_stride, packed += MR)
                memcpy(packed, row, bytes);
            from += width;
            room -= width;
            tile++;
        }
    }
}

/* Panels p0..p1 times rows first_row..end_row of W. */
static INLINE void NAME(multiply_panels)(const panels_product *m, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t first_row,
                                         ptrdiff_t end_row)
{
    const split row_blocks = NAME(split_evenly)(end_row - first_row, m->most_rows);
    const split step_blocks = NAME(split_evenly)(m->n_steps, KC);
    const int half = HALF_PANELS && m->half_tiles;
    const split groups = NAME(split_evenly)(p1 - p0 - half, NV);
    const ptrdiff_t n_groups = groups.n + half; /* the half panel is a group of its own, the last one */

    for (ptrdiff_t rb = 0, row = first_row, n_rows; rb < row_blocks.n; rb++, row += n_rows) { /* loop 3 */
        n_rows = NAME(size_of_piece)(row_blocks, rb);
        const split tiles = NAME(split_evenly)(n_rows, MR);
        for (ptrdiff_t sb = 0, step = 0, n_steps; sb < step_blocks.n; sb++, step += n_steps) { /* loop 4 */
            n_steps = NAME(size_of_piece)(step_blocks, sb);
            const int last = sb == step_blocks.n - 1;
            const operand *broadcast = m->W + row * m->row_stride + step * m->step_stride;
            if (m->packed) {
                NAME(pack_weights)(broadcast, m->step_stride, tiles, m->step_stride - row, n_steps, m->packed);
                broadcast = m->packed;
            }
            for (ptrdiff_t g = 0, panel = p0, end; g < n_groups; g++, panel = end) { /* loop 2 */
                const int whole = g < groups.n;
                end = whole ? panel + NAME(size_of_piece)(groups, g) : p1;
                strip s = NAME(begin_strip)(&m->p, broadcast, row, panel, step, n_steps, sb == 0, last && m->relu);
                s.packed_tile_stride = m->packed ? n_steps * MR : 0;
                const int next_group = g + 1 < n_groups;
                if (m->p.prefetches && (next_group || !last))
                    NAME(plan_prefetch)(&s, NAME(streamed_at)(&m->p, next_group ? end : p0,
                                                              next_group ? step : step + n_steps),
                                        n_steps * VL, tiles.n);
                NAME(tiles_of_strip)(whole ? m->tiles : m->half_tiles, tiles, end - panel, &s);
                if (last && m->finish)
                    for (ptrdiff_t q = panel; q < end; q++)
                        m->finish(m->context, q, row, n_rows);
            }
        }
    }
}
