/* panels.h of amx: weights times panels: the forward product and the gradient of the inputs.
 *
 * Uses tiles.h, finish.h. Gives dense_forward and input_gradient to the table.
 *
 * Rows are units in forward, and inputs in the other product; a column of tiles is a panel. All rows of a panel's last
 * tile are written, of which those beyond the layer's are zero: a panel has room for them.
 *
 * In .ci/coverage: no cover - CPUs with AMX.
 */

/* The panels of a group stay in L2, where all weights pass by. */
#define GROUP_BYTES (1024 * 1024)

typedef struct {
    const char *W;            /* tiles [row / 16][step] */
    ptrdiff_t n_steps;        /* of a sum, a tile each */
    fbp_panels streamed;      /* [panel][step][16 pairs][16 samples] */
    fbp_panels out;           /* [panel][row][16 samples] */
    /* Called with the complete sums of one panel's rows. */
    void (*finish)(const void *context, ptrdiff_t panel, ptrdiff_t row, ptrdiff_t n_rows);
    const void *context;
} NAME(panels_product);

static INLINE void NAME(block_of_panels)(const int mr, const int nv, const NAME(panels_product) *m, ptrdiff_t panel,
                                         ptrdiff_t row)
{
    real *out = (real *)m->out.data + panel * m->out.stride + row * VL;
    const NAME(sums) s = {{out, out + TILE * VL}, {64, 64}, m->out.stride};
    const ptrdiff_t next = m->n_steps * TILE_BYTES;
    NAME(start_sums)(mr, nv, 1, &s);
    NAME(multiply_tiles)(mr, nv, m->n_steps, m->W + row / TILE * next, next,
                         (const char *)m->streamed.data + panel * m->streamed.stride * 4, m->streamed.stride * 4);
    NAME(store_sums)(mr, nv, &s);
}

/* One or two rows of tiles, as many as n_rows rows take, times one or two panels. */
static INLINE void NAME(multiply_block)(const NAME(panels_product) *m, ptrdiff_t panel, ptrdiff_t n_panels,
                                        ptrdiff_t row, ptrdiff_t n_rows)
{
    if (n_rows > TILE && n_panels > 1)
        NAME(block_of_panels)(2, 2, m, panel, row);
    else if (n_rows > TILE)
        NAME(block_of_panels)(2, 1, m, panel, row);
    else if (n_panels > 1)
        NAME(block_of_panels)(1, 2, m, panel, row);
    else
        NAME(block_of_panels)(1, 1, m, panel, row);
}

/* Panels p0..p1 times rows first_row..end_row of W. Rows before the first one of its tile are made once more. A block is
 * finished after the next one has been made: its sums come out of the tiles late. */
static INLINE void NAME(multiply_panels)(const NAME(panels_product) *m, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t first_row,
                                         ptrdiff_t end_row)
{
    const ptrdiff_t most = GROUP_BYTES / (m->n_steps * TILE_BYTES) / 2 * 2, group = most > 2 ? most : 2;
    ptrdiff_t made = 0, made_end = 0, made_row = 0, n_made = 0; /* the block before: its panels and rows */
    NAME(begin_tiles)();
    for (ptrdiff_t p = p0, end; p < p1; p = end) {
        end = p + group < p1 ? p + group : p1;
        for (ptrdiff_t row = first_row / TILE * TILE; row < end_row; row += 2 * TILE) {
            const ptrdiff_t left = end_row - row, n_rows = left < 2 * TILE ? left : 2 * TILE;
            for (ptrdiff_t q = p; q < end; q += 2) {
                const ptrdiff_t n_panels = end - q > 1 ? 2 : 1;
                NAME(multiply_block)(m, q, n_panels, row, n_rows);
                for (; made < made_end; made++)
                    m->finish(m->context, made, made_row, n_made);
                made = q;
                made_end = q + n_panels;
                made_row = row;
                n_made = n_rows;
            }
        }
    }
    NAME(end_tiles)();
    for (; made < made_end; made++)
        m->finish(m->context, made, made_row, n_made);
}

/* ---- Z = A @ W.T + b, and its activation ---- */

static INLINE void NAME(finish_with_bias)(const void *context, ptrdiff_t panel, ptrdiff_t unit, ptrdiff_t n_units)
{
    const NAME(activation_of_layer) *x = context;
    const real *bias = (const real *)x->layer->bias + unit;
    real *rows = (real *)x->out.data + panel * x->out.stride + unit * VL;
    if (x->layer->activation == FBP_RELU) {
        for (ptrdiff_t i = 0; i < n_units; i++)
            NAME(store)(rows + i * VL, NAME(relu)(NAME(load)(rows + i * VL) + NAME(splat)(bias[i])));
        return;
    }
    for (ptrdiff_t i = 0; i < n_units; i++)
        NAME(store)(rows + i * VL, NAME(load)(rows + i * VL) + NAME(splat)(bias[i]));
    NAME(finish_forward)(context, panel, unit, n_units);
}

static void NAME(dense_forward)(const fbp_layer *layer, const void *rows, fbp_panels in, fbp_panels out,
                                fbp_panels slope, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t n0, ptrdiff_t n1)
{
    const NAME(activation_of_layer) context = {layer, out, slope};
    const NAME(panels_product) m = {
        .W = rows,
        .n_steps = NAME(steps_of)(layer->n_inputs),
        .streamed = in,
        .out = out,
        .finish = NAME(finish_with_bias),
        .context = &context,
    };
    NAME(multiply_panels)(&m, p0, p1, n0, n1);
}

/* ---- dZ_below = (dZ @ W) * act'(below) ---- */

static INLINE void NAME(finish_with_relu)(const void *context, ptrdiff_t panel, ptrdiff_t input, ptrdiff_t n_inputs)
{
    const NAME(layer_below) *x = context;
    const real *A = (const real *)x->A.data + panel * x->A.stride + input * VL;
    real *dZ = (real *)x->dZ.data + panel * x->dZ.stride + input * VL;
    if (x->below->activation != FBP_RELU) {
        NAME(finish_backward)(context, panel, input, n_inputs);
        return;
    }
    for (ptrdiff_t i = 0; i < n_inputs; i++)
        NAME(store)(dZ + i * VL, NAME(keep_positive)(NAME(load)(A + i * VL), NAME(load)(dZ + i * VL)));
}

static void NAME(input_gradient)(const fbp_layer *layer, const void *pairs, fbp_panels dZ, const fbp_layer *below,
                                 fbp_panels A_below, fbp_panels slope_below, fbp_panels dZ_below, ptrdiff_t p0,
                                 ptrdiff_t p1, ptrdiff_t k0, ptrdiff_t k1, void *scratch)
{
    const NAME(layer_below) context = {below, A_below, slope_below, dZ_below};
    const NAME(panels_product) m = {
        .W = pairs,
        .n_steps = NAME(steps_of)(layer->n_units),
        .streamed = dZ,
        .out = dZ_below,
        .finish = NAME(finish_with_relu),
        .context = &context,
    };
    (void)scratch; /* the weights lie as the tiles read them */
    NAME(multiply_panels)(&m, p0, p1, k0, k1);
}
