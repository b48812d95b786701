/* product.h: what the strips of one product have in common: where its numbers lie, the start of a strip, the
 * prefetching of the strip that follows, and loop 1.
 *
 * Uses tiles.h and blocking.h, where the loops are numbered. Gives product, begin_strip, plan_prefetch and
 * tiles_of_strip to panels_product.h and weight_gradient.h.
 */

/* Where the numbers of one product lie. Both `streamed` and `out` are counted in vectors, that is panels in forward and
 * in the input gradient, and vectors of VL inputs in the weight gradient. */
typedef struct {
    const operand *streamed;     /* [vector][step][VL] */
    ptrdiff_t streamed_stride;   /* from one vector to the next */
    ptrdiff_t broadcast_stride;  /* as in the strip */
    accumulator *out;
    ptrdiff_t out_vector;        /* from one vector to the next */
    ptrdiff_t out_row;           /* from one row to the next */
    ptrdiff_t out_stride;        /* that of the two which the strip needs */
    const accumulator *bias;     /* [row], or NULL */
    const accumulator *gate;     /* [vector][row][VL], or NULL */
    ptrdiff_t gate_stride;
    int prefetches;
} NAME(product_t);
#define product NAME(product_t)

static INLINE const operand *NAME(streamed_at)(const product *p, ptrdiff_t vector, ptrdiff_t step)
{
    return p->streamed + vector * p->streamed_stride + step * VL;
}

/* The strip whose first row, first vector and first step these are, without a tile yet. Every member is named: a
 * compiler clears the whole structure first where one is not, which costs time in small layers. */
static INLINE strip NAME(begin_strip)(const product *p, const operand *broadcast, ptrdiff_t row, ptrdiff_t vector,
                                      ptrdiff_t step, ptrdiff_t n_steps, int first, int relu)
{
    return (strip){
        .n_tiles = 0,
        .steps = n_steps,
        .broadcast = broadcast,
        .broadcast_stride = p->broadcast_stride,
        .packed_tile_stride = 0,
        .streamed = NAME(streamed_at)(p, vector, step),
        .streamed_stride = p->streamed_stride,
        .out = p->out + vector * p->out_vector + row * p->out_row,
        .out_stride = p->out_stride,
        .first = first,
        .relu = relu,
        .bias = p->bias ? p->bias + row : NULL,
        .gate = p->gate ? p->gate + vector * p->gate_stride + row * VL : NULL,
        .gate_stride = p->gate_stride,
        .prefetches = p->prefetches,
        .next_streamed = NULL,
        .next_streamed_end = NULL,
        .next_streamed_rate = 0,
        .will_write = {0},
    };
}

/* The strip that follows this one reads `length` elements of each vector from `next` on: this one prefetches them, in
 * `turns` parts of whole cache lines, or as many as MAX_PREFETCH lets it. */
static INLINE void NAME(plan_prefetch)(strip *s, const operand *next, ptrdiff_t length, ptrdiff_t turns)
{
    const ptrdiff_t line = FBP_ALIGN_BYTES / (ptrdiff_t)sizeof(operand);
    const ptrdiff_t rate = NAME(ceil_divide)(length, turns * line) * line;
    s->next_streamed = next;
    s->next_streamed_end = next + length;
    s->next_streamed_rate = rate < MAX_PREFETCH ? rate : MAX_PREFETCH;
}

/* Loop 1: all tiles of a strip of nv vectors, whose rows are split into tiles: the higher ones first. */
static INLINE void NAME(tiles_of_strip)(const NAME(tile_function) tiles[MR][NV], split rows, ptrdiff_t nv, strip *s)
{
    if (rows.larger) {
        s->n_tiles = rows.larger;
        tiles[rows.least][nv - 1](s);
    }
    s->n_tiles = rows.n - rows.larger;
    tiles[rows.least - 1][nv - 1](s);
}
