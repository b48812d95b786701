/* weight_gradient.h of amx: dW[n] = sum over s of dZ[n][s] * A[s] of a dense layer.
 *
 * Uses tiles.h, bias_gradient.h. Gives weight_gradient to the table. Rows are units, a column of tiles is a vector of 16
 * inputs, a step is 32 samples.
 *
 * In .ci/coverage: no cover - CPUs with AMX.
 */

/* Units and samples of dZ that are packed at a time: in L1, while all inputs pass by. */
#define PACKED_UNITS 64
#define PACKED_SAMPLES 256
#define PANEL_PAIRS 128 /* of a vector of inputs, in one panel */

typedef struct {
    const fbp_layer *layer;
    fbp_panels dZ;             /* [panel][unit][16 samples] */
    const pair *blocks;        /* [input / 16][sample / 2][16 inputs] */
    ptrdiff_t block_stride;
    ptrdiff_t n_samples;
    real *dW;
    ptrdiff_t unit, n_units;   /* those that are packed */
    ptrdiff_t panel, n_panels; /* those that are packed; panels of the last step may be one */
    int first;                 /* sums start here; 0: they go on from dW */
    char *packed;              /* dZ in tiles [unit / 16][step] */
} NAME(gradient_product);

/* dZ of the units and panels to be packed -> tiles of [16 units][32 samples]; zeros where there is no unit or sample. */
static INLINE void NAME(pack_gradient)(const NAME(gradient_product) *m)
{
    const ptrdiff_t n_tiles = (m->n_units + TILE - 1) / TILE, n_steps = (m->n_panels + 1) / 2;
    for (ptrdiff_t half = 0; half < 2 * n_steps; half++) {
        const ptrdiff_t samples = half < m->n_panels ? m->n_samples - (m->panel + half) * VL : 0;
        const size_t bytes = samples >= VL ? VL * 2 : samples > 0 ? (size_t)samples * 2 : 0;
        const char *from = (const char *)m->dZ.data + ((m->panel + half) * m->dZ.stride + m->unit * VL / 2) * 4;
        for (ptrdiff_t n = 0; n < n_tiles * TILE; n++) {
            char *to = m->packed + (n / TILE * n_steps + half / 2) * TILE_BYTES + n % TILE * 64 + half % 2 * 32;
            if (n < m->n_units && bytes == VL * 2) {
                memcpy(to, from + n * VL * 2, VL * 2);
            } else {
                memset(to, 0, VL * 2);
                if (n < m->n_units)
                    memcpy(to, from + n * VL * 2, bytes);
            }
        }
    }
}

/* The n_rows rows of tiles from unit `n` on of those packed, two at most, times nv vectors of inputs from `vector` on.
 * `last` has the last step of B, where its second half is not the batch's. A row of tiles of fewer than 16 units has
 * its sums in memory of its own, because the rows after them are others'. */
static INLINE void NAME(block_of_gradient)(const int mr, const int nv, const NAME(gradient_product) *m, ptrdiff_t n,
                                           ptrdiff_t vector, const char *last)
{
    const ptrdiff_t ld = m->layer->ld, n_steps = (m->n_panels + 1) / 2, whole = m->n_panels / 2;
    const ptrdiff_t next = n_steps * TILE_BYTES, n_own = m->n_units - n - (mr - 1) * TILE;
    const char *A = m->packed + n / TILE * next;
    const char *B = (const char *)(m->blocks + vector * m->block_stride + m->panel * PANEL_PAIRS);
    real *dW = m->dW + (m->unit + n) * ld + vector * VL, *end = dW + (mr - 1) * TILE * ld;
    real edge[TILE][2 * VL] __attribute__((aligned(64)));
    NAME(sums) s = {{dW, end}, {ld * 4, ld * 4}, VL};
    if (n_own < TILE) {
        s.row[mr - 1] = edge[0];
        s.row_bytes[mr - 1] = sizeof edge[0];
        if (!m->first)
            for (ptrdiff_t i = 0; i < n_own; i++)
                memcpy(edge[i], end + i * ld, nv * VL * sizeof(real));
    }
    NAME(start_sums)(mr, nv, m->first, &s);
    NAME(multiply_tiles)(mr, nv, whole, A, next, B, m->block_stride * 4);
    if (whole < n_steps)
        NAME(multiply_tiles)(mr, nv, 1, A + whole * TILE_BYTES, next, last, TILE_BYTES);
    NAME(store_sums)(mr, nv, &s);
    if (n_own < TILE)
        for (ptrdiff_t i = 0; i < n_own; i++)
            memcpy(end + i * ld, edge[i], nv * VL * sizeof(real));
}

/* All inputs times what is packed. */
static INLINE void NAME(multiply_gradient)(const NAME(gradient_product) *m)
{
    const ptrdiff_t n_vectors = (m->layer->n_inputs + VL - 1) / VL;
    char last[2][TILE_BYTES] __attribute__((aligned(64)));
    memset(last, 0, sizeof last);
    for (ptrdiff_t vector = 0; vector < n_vectors; vector += 2) {
        const int two_vectors = n_vectors - vector > 1;
        if (m->n_panels % 2)
            for (ptrdiff_t j = 0; j <= two_vectors; j++)
                memcpy(last[j],
                       m->blocks + (vector + j) * m->block_stride + (m->panel + m->n_panels - 1) * PANEL_PAIRS,
                       TILE_BYTES / 2);
        for (ptrdiff_t n = 0; n < m->n_units; n += 2 * TILE) {
            const int two_rows = m->n_units - n > TILE;
            if (two_rows && two_vectors)
                NAME(block_of_gradient)(2, 2, m, n, vector, last[0]);
            else if (two_rows)
                NAME(block_of_gradient)(2, 1, m, n, vector, last[0]);
            else if (two_vectors)
                NAME(block_of_gradient)(1, 2, m, n, vector, last[0]);
            else
                NAME(block_of_gradient)(1, 1, m, n, vector, last[0]);
        }
    }
}

/* A float32 copy of the weights that other threads' caches hold is read by nobody here: `will_write` gains nothing. */
static void NAME(weight_gradient)(const fbp_layer *layer, fbp_panels dZ, fbp_panels dZ_rows, const void *blocks,
                                  ptrdiff_t block_stride, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW,
                                  void *db, int accumulate, const void *const *will_write)
{
    const ptrdiff_t n_panels = (n_samples + VL - 1) / VL, most = PACKED_SAMPLES / VL;
    char packed[PACKED_UNITS / TILE * PACKED_SAMPLES / STEP * TILE_BYTES] __attribute__((aligned(64)));
    NAME(gradient_product) m = {
        .layer = layer, .dZ = dZ_rows, .blocks = blocks, .block_stride = block_stride, .n_samples = n_samples, .dW = dW,
        .packed = packed,
    };
    (void)will_write;
    NAME(begin_tiles)();
    for (m.unit = n0; m.unit < n1; m.unit += m.n_units) {
        m.n_units = n1 - m.unit < PACKED_UNITS ? n1 - m.unit : PACKED_UNITS;
        for (m.panel = 0; m.panel < n_panels; m.panel += m.n_panels) {
            m.n_panels = n_panels - m.panel < most ? n_panels - m.panel : most;
            m.first = m.panel == 0 && !accumulate;
            NAME(pack_gradient)(&m);
            NAME(multiply_gradient)(&m);
        }
    }
    NAME(end_tiles)();
    if (db)
        NAME(bias_gradient)(dZ, n_samples, n0, n1, db, accumulate);
}
