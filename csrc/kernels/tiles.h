/* tiles.h: one strip of register tiles, for each of the three products of a dense layer.
 *
 * Uses microkernel.h, simd.h (relu, keep_positive) and FOR_EACH_TILE of instantiate.h. Gives the strip and three tables
 * of functions, forward_tiles, input_tiles and weight_tiles, indexed by [rows - 1][vectors - 1].
 *
 *   forward          Z[n]   = b[n] + sum over k of W[n][k] * A[k]        broadcast W, streamed: samples
 *   input gradient   dA[k]  =        sum over n of W[n][k] * dZ[n]       broadcast W, streamed: samples
 *   weight gradient  dW[n]  =        sum over s of dZ[n][s] * A[s]       broadcast dZ, streamed: inputs
 *
 * Every (rows, vectors) up to (MR, NV) has a function of its own, compiled with both as constants.
 */

/* What a strip of tiles works on: n_tiles tiles, one below the other, which share their streamed vectors. A tile
 * function leaves `broadcast`, `out`, `bias` and `gate` after its last row, ready for the tiles that follow. */
typedef struct {
    ptrdiff_t n_tiles;
    ptrdiff_t steps;                 /* of the sum; weight gradient: of the samples */
    const operand *broadcast;
    ptrdiff_t broadcast_stride;      /* from one row of W to the next (forward), one step (input gradient) or one panel
                                        (weight gradient) */
    ptrdiff_t packed_tile_stride;    /* input gradient: from a packed tile to the next; 0 where W is read in place */
    const operand *streamed;
    ptrdiff_t streamed_stride;       /* from one panel to the next; weight gradient: from one vector of inputs */
    accumulator *out;
    ptrdiff_t out_stride;            /* from one panel to the next; weight gradient: from one row of dW */
    int first;                       /* the sum starts here; 0: it continues from `out` */
    int relu;                        /* the sum ends here and a ReLU is applied (forward) or passed back */
    const accumulator *bias;         /* forward: what the sum starts from */
    const accumulator *gate;         /* input gradient: the outputs of the ReLU below */
    ptrdiff_t gate_stride;
    int prefetches;                  /* whether to prefetch: the layer's weights do not stay in L1 and L2 */
    const operand *next_streamed;    /* the first streamed vector of the strip that follows, ... */
    const operand *next_streamed_end;
    ptrdiff_t next_streamed_rate;    /* ... and how many elements of each vector to prefetch a tile (weight gradient:
                                        a panel) */
    ptrdiff_t will_write[FBP_WILL_WRITE];  /* weight gradient: bytes from dW to the arrays that the update writes; 0: none */
} NAME(strip_t);
#define strip NAME(strip_t)

/* Prefetches the next part of the following strip's vectors, from `next` on; returns where the part after it begins. */
static INLINE const operand *NAME(prefetch_streamed)(const int nv, const strip *s, const operand *next)
{
    const operand *stop =
        next + s->next_streamed_rate < s->next_streamed_end ? next + s->next_streamed_rate : s->next_streamed_end;
    for (; next < stop; next += FBP_ALIGN_BYTES / (ptrdiff_t)sizeof(operand)) {
        EACH_VECTOR(PREFETCH(next + j * s->streamed_stride);)
    }
    return next;
}

static INLINE void NAME(forward_tile)(const int mr, const int nv, strip *s)
{
    const operand *W = s->broadcast;
    const accumulator *bias = s->bias;
    accumulator *out = s->out;
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        sum_vec sums[MAX_ROWS][MAX_VECTORS];
        EACH_SUM(sums[i][j] = s->first ? NAME(splat)(bias[i]) : NAME(load)(out + j * s->out_stride + i * VL);)
        if (s->prefetches) {
            /* What the next tile continues from. */
            EACH_SUM(if (BEGINS_LINE(i)) PREFETCH(out + j * s->out_stride + (mr + i) * VL);)
            s->next_streamed = NAME(prefetch_streamed)(nv, s, s->next_streamed);
            NAME(multiply_add_prefetching)(mr, nv, s->steps, W, s->broadcast_stride, mr * s->broadcast_stride,
                                           s->streamed, s->streamed_stride, sums);
        } else {
            NAME(multiply_add)(mr, nv, s->steps, W, s->broadcast_stride, 1, s->streamed, s->streamed_stride, sums);
        }
        if (s->relu) {
            EACH_SUM(sums[i][j] = NAME(relu)(sums[i][j]);)
        }
        EACH_SUM(NAME(store)(out + j * s->out_stride + i * VL, sums[i][j]);)
        W += mr * s->broadcast_stride;
        bias += mr;
        out += mr * VL;
    }
    s->broadcast = W;
    s->bias = bias;
    s->out = out;
}

static INLINE void NAME(input_gradient_tile)(const int mr, const int nv, strip *s)
{
    const operand *W = s->broadcast;
    const accumulator *gate = s->gate;
    accumulator *out = s->out;
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        sum_vec sums[MAX_ROWS][MAX_VECTORS];
        EACH_SUM(sums[i][j] = s->first ? NAME(splat)(0) : NAME(load)(out + j * s->out_stride + i * VL);)
        if (s->prefetches) {
            EACH_SUM(if (BEGINS_LINE(i)) PREFETCH_TO_WRITE(out + j * s->out_stride + (mr + i) * VL);)
            s->next_streamed = NAME(prefetch_streamed)(nv, s, s->next_streamed);
        }
        NAME(multiply_add)(mr, nv, s->steps, W, 1, s->broadcast_stride, s->streamed, s->streamed_stride, sums);
        if (s->relu) {
            EACH_SUM(sums[i][j] = NAME(keep_positive)(NAME(load)(gate + j * s->gate_stride + i * VL), sums[i][j]);)
        }
        EACH_SUM(NAME(store)(out + j * s->out_stride + i * VL, sums[i][j]);)
        W += s->packed_tile_stride ? s->packed_tile_stride : mr;
        gate += mr * VL;
        out += mr * VL;
    }
    s->broadcast = W;
    s->gate = gate;
    s->out = out;
}

/* Prefetches one row of nv vectors of the next tile of dW, for whose lines its stores would wait; and the same row of
 * each array that the update will write, in this tile. */
static INLINE void NAME(prefetch_row)(const int mr, const int nv, const strip *s, const accumulator *dW)
{
    EACH_VECTOR(if (BEGINS_LINE(j)) PREFETCH(dW + mr * s->out_stride + j * VL);)
    for (int a = 0; a < FBP_WILL_WRITE; a++)
        if (s->will_write[a]) {
            EACH_VECTOR(if (BEGINS_LINE(j)) PREFETCH_TO_WRITE((const char *)(dW + j * VL) + s->will_write[a]);)
        }
}

static INLINE void NAME(weight_gradient_tile)(const int mr, const int nv, strip *s)
{
    const operand *dZ = s->broadcast, *next_streamed = s->next_streamed;
    accumulator *out = s->out;
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        sum_vec sums[MAX_ROWS][MAX_VECTORS];
        EACH_SUM(sums[i][j] = s->first ? NAME(splat)(0) : NAME(load)(out + i * s->out_stride + j * VL);)
        const operand *panel = dZ, *inputs = s->streamed;
        ptrdiff_t row = 0;
        for (ptrdiff_t left = s->steps; left > 0;
             left -= PANEL_STEPS, panel += s->broadcast_stride, inputs += PANEL_STEPS * VL, row++) {
            if (s->prefetches && row < mr) /* one row a panel: the CPU has few prefetches under way at a time */
                NAME(prefetch_row)(mr, nv, s, out + row * s->out_stride);
            next_streamed = NAME(prefetch_streamed)(nv, s, next_streamed);
            if (left >= PANEL_STEPS)
                NAME(multiply_add_panel)(mr, nv, panel, PANEL_STEPS, inputs, s->streamed_stride, sums);
            else
                NAME(multiply_add)(mr, nv, left, panel, PANEL_STEPS, 1, inputs, s->streamed_stride, sums);
        }
        EACH_SUM(NAME(store)(out + i * s->out_stride + j * VL, sums[i][j]);)
        dZ += mr * PANEL_STEPS;
        out += mr * s->out_stride;
    }
    s->broadcast = dZ;
    s->next_streamed = next_streamed;
    s->out = out;
}

#define TILE_FUNCTIONS(mr, nv)                                                                              \
    static void NAME(PASTE(forward_tile_, PASTE(mr, nv)))(strip *s) { NAME(forward_tile)(mr, nv, s); }      \
    static void NAME(PASTE(input_tile_, PASTE(mr, nv)))(strip *s) { NAME(input_gradient_tile)(mr, nv, s); } \
    static void NAME(PASTE(weight_tile_, PASTE(mr, nv)))(strip *s) { NAME(weight_gradient_tile)(mr, nv, s); }
FOR_EACH_TILE(TILE_FUNCTIONS)
#undef TILE_FUNCTIONS

typedef void (*NAME(tile_function))(strip *);
#define FORWARD_ENTRY(mr, nv) [mr - 1][nv - 1] = NAME(PASTE(forward_tile_, PASTE(mr, nv))),
#define INPUT_ENTRY(mr, nv) [mr - 1][nv - 1] = NAME(PASTE(input_tile_, PASTE(mr, nv))),
#define WEIGHT_ENTRY(mr, nv) [mr - 1][nv - 1] = NAME(PASTE(weight_tile_, PASTE(mr, nv))),
static const NAME(tile_function) NAME(forward_tiles)[MR][NV] = {FOR_EACH_TILE(FORWARD_ENTRY)};
static const NAME(tile_function) NAME(input_tiles)[MR][NV] = {FOR_EACH_TILE(INPUT_ENTRY)};
static const NAME(tile_function) NAME(weight_tiles)[MR][NV] = {FOR_EACH_TILE(WEIGHT_ENTRY)};
#undef FORWARD_ENTRY
#undef INPUT_ENTRY
#undef WEIGHT_ENTRY
