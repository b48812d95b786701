/* gemm.h: the three products of a dense layer, all from one micro-kernel.
 *
 *   forward          Z[n]   = b[n] + sum over k of W[n][k] * A[k]        scalars W, vectors: samples
 *   input gradient   dA[k]  =        sum over n of W[n][k] * dZ[n]       scalars W, vectors: samples
 *   weight gradient  dW[n]  =        sum over s of dZ[n][s] * A[s]       scalars dZ, vectors: inputs
 *
 * A register tile holds MR rows times NV vectors of sums. Each step of the sum loads NV vectors, broadcasts MR scalars,
 * and multiplies and adds MR * NV times. Every (rows, vectors) up to (MR, NV) has its own tile function, compiled with
 * both as constants, and rows are dealt out near-equally (10 units are 5 + 5, never 8 + 2).
 *
 * A sum longer than KC steps is cut into near-equal blocks; between them its value rests in the output, unrounded, so
 * that neither the blocks' order nor the tile's shape changes a bit.
 */

/* ---- Straight-line loops ---- */

/* Loops over a register tile, written out with i and j as constants. */
#define MOST_ROWS 8
#define MOST_VECTORS 3
#define EACH_VECTOR(...) \
    STEP_OF_LOOP(j, 0, nv, __VA_ARGS__) STEP_OF_LOOP(j, 1, nv, __VA_ARGS__) STEP_OF_LOOP(j, 2, nv, __VA_ARGS__)
#define EACH_ROW(...)                                                                     \
    STEP_OF_LOOP(i, 0, mr, __VA_ARGS__) STEP_OF_LOOP(i, 1, mr, __VA_ARGS__)               \
    STEP_OF_LOOP(i, 2, mr, __VA_ARGS__) STEP_OF_LOOP(i, 3, mr, __VA_ARGS__)               \
    STEP_OF_LOOP(i, 4, mr, __VA_ARGS__) STEP_OF_LOOP(i, 5, mr, __VA_ARGS__)               \
    STEP_OF_LOOP(i, 6, mr, __VA_ARGS__) STEP_OF_LOOP(i, 7, mr, __VA_ARGS__)
#define EACH_SUM(...) EACH_ROW(EACH_VECTOR(__VA_ARGS__))
/* Whether vector i of a row begins a cache line, if the row does: one fetch a line will do. */
#define BEGINS_LINE(i) ((i) * VL * sizeof(real) % FBP_ALIGN_BYTES == 0)
#if MR > MOST_ROWS || NV > MOST_VECTORS
#error "write out more rows or vectors above"
#endif

/* ---- The micro-kernel ---------------------------------------------------------------------------------------- */

/* sums[i][j] += sum over t < steps of scalars[i * row + t * step] * vectors[j * next + t * VL] */
static INLINE void NAME(multiply_add)(const int mr, const int nv, ptrdiff_t steps, const real *scalars, ptrdiff_t row,
                                      ptrdiff_t step, const real *vectors, ptrdiff_t next,
                                      vec sums[MOST_ROWS][MOST_VECTORS])
{
    for (ptrdiff_t t = 0; t < steps; t++) {
        vec x[MOST_VECTORS];
        EACH_VECTOR(x[j] = NAME(load)(vectors + j * next + t * VL);)
        EACH_ROW(const vec s = NAME(splat)(scalars[i * row + t * step]);
                 EACH_VECTOR(sums[i][j] += s * x[j];))
    }
}

/* The same for VL steps, written out. The loads of later steps must not be moved ahead, or sums leave their registers
 * for them; so all steps are kept apart, and at each of them every sum is asked for in a register. */
static INLINE void NAME(multiply_add_block)(const int mr, const int nv, const real *scalars, ptrdiff_t row,
                                            const real *vectors, ptrdiff_t next, vec sums[MOST_ROWS][MOST_VECTORS])
{
    UNROLL
    for (ptrdiff_t t = 0; t < VL; t++) {
        FENCE();
        EACH_SUM(IN_REGISTER(sums[i][j]);)
        NAME(multiply_add)(mr, nv, 1, scalars + t, row, 1, vectors + t * VL, next, sums);
    }
}

/* multiply_add, and meanwhile the next tile's scalars come nearer: they lie in rows of their own, too short for the
 * hardware to see the next ones coming, and are needed one tile later. `next_tile`: elements from this tile's scalars
 * to the next one's. */
static INLINE void NAME(multiply_add_ahead)(const int mr, const int nv, ptrdiff_t steps, const real *scalars,
                                            ptrdiff_t row, ptrdiff_t next_tile, const real *vectors, ptrdiff_t next,
                                            vec sums[MOST_ROWS][MOST_VECTORS])
{
    const ptrdiff_t line = FBP_ALIGN_BYTES / (ptrdiff_t)sizeof(real);
    for (; steps > 0; steps -= line, scalars += line, vectors += line * VL) {
        EACH_ROW(PREFETCH(scalars + next_tile + i * row);)
        NAME(multiply_add)(mr, nv, steps < line ? steps : line, scalars, row, 1, vectors, next, sums);
    }
}

/* What a strip of tiles works on. A tile function runs n_tiles tiles, one below the other, and leaves `scalars`, `out`,
 * `start` and `gate` behind its last row, ready for the tiles that follow. Who makes one names every member: else it is
 * cleared as a whole first, which shows on small layers. */
typedef struct {
    ptrdiff_t n_tiles;
    ptrdiff_t steps;           /* of the sum; weight gradient: the samples */
    const real *scalars;
    ptrdiff_t scalar_stride;   /* between rows of W (forward), steps (input gradient) or panels (weight gradient) */
    ptrdiff_t scalar_tile;     /* input gradient: from a packed tile to the next; 0 where W is read in place */
    const real *vectors;
    ptrdiff_t vector_next;     /* between panels; weight gradient: between vectors of inputs */
    real *out;
    ptrdiff_t out_stride;      /* between panels; weight gradient: between rows of dW */
    int first;                 /* the sum starts here (else it goes on from `out`) */
    int relu;                  /* the sum ends here, and a ReLU is to be applied (forward) or passed back */
    const real *start;         /* forward: the bias */
    const real *gate;          /* input gradient: the outputs of the ReLU below */
    ptrdiff_t gate_stride;
    int far;                   /* the layer's weights do not stay in L1 and L2 from step to step */
    const real *coming;        /* the vectors of the strip that follows, up to `coming_end`; so many elements of each */
    const real *coming_end;    /* are to come nearer every tile (weight gradient: every VL samples) */
    ptrdiff_t coming_pace;
    ptrdiff_t soon[FBP_SOON];  /* weight gradient: bytes from dW to arrays that are to come nearer; 0: none */
} NAME(strip_t);
#define strip NAME(strip_t)
#define NOTHING_AHEAD(is_far) .far = is_far, .coming = NULL, .coming_end = NULL, .coming_pace = 0, .soon = {0, 0, 0, 0}

/* Brings the next part of what is coming nearer; returns where the part after it begins. */
static INLINE const real *NAME(fetch_coming)(const int nv, const strip *s, const real *coming)
{
    const real *stop = coming + s->coming_pace < s->coming_end ? coming + s->coming_pace : s->coming_end;
    for (; coming < stop; coming += FBP_ALIGN_BYTES / (ptrdiff_t)sizeof(real)) {
        EACH_VECTOR(PREFETCH(coming + j * s->vector_next);)
    }
    return coming;
}

static INLINE void NAME(forward_tile)(const int mr, const int nv, strip *s)
{
    const real *W = s->scalars, *bias = s->start;
    real *out = s->out;
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        vec sums[MOST_ROWS][MOST_VECTORS];
        EACH_SUM(sums[i][j] = s->first ? NAME(splat)(bias[i]) : NAME(load)(out + j * s->out_stride + i * VL);)
        if (s->far) {
            /* What the next tile goes on from. */
            EACH_SUM(if (BEGINS_LINE(i)) PREFETCH(out + j * s->out_stride + (mr + i) * VL);)
            s->coming = NAME(fetch_coming)(nv, s, s->coming);
            NAME(multiply_add_ahead)(mr, nv, s->steps, W, s->scalar_stride, mr * s->scalar_stride, s->vectors,
                                     s->vector_next, sums);
        } else {
            NAME(multiply_add)(mr, nv, s->steps, W, s->scalar_stride, 1, s->vectors, s->vector_next, sums);
        }
        if (s->relu) {
            EACH_SUM(sums[i][j] = NAME(relu)(sums[i][j]);)
        }
        EACH_SUM(NAME(store)(out + j * s->out_stride + i * VL, sums[i][j]);)
        W += mr * s->scalar_stride;
        bias += mr;
        out += mr * VL;
    }
    s->scalars = W;
    s->start = bias;
    s->out = out;
}

static INLINE void NAME(input_gradient_tile)(const int mr, const int nv, strip *s)
{
    const real *W = s->scalars, *gate = s->gate;
    real *out = s->out;
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        vec sums[MOST_ROWS][MOST_VECTORS];
        EACH_SUM(sums[i][j] = s->first ? NAME(splat)(0) : NAME(load)(out + j * s->out_stride + i * VL);)
        if (s->far) {
            EACH_SUM(if (BEGINS_LINE(i)) PREFETCH_TO_WRITE(out + j * s->out_stride + (mr + i) * VL);)
            s->coming = NAME(fetch_coming)(nv, s, s->coming);
        }
        NAME(multiply_add)(mr, nv, s->steps, W, 1, s->scalar_stride, s->vectors, s->vector_next, sums);
        if (s->relu) {
            EACH_SUM(sums[i][j] = NAME(keep_positive)(NAME(load)(gate + j * s->gate_stride + i * VL), sums[i][j]);)
        }
        EACH_SUM(NAME(store)(out + j * s->out_stride + i * VL, sums[i][j]);)
        W += s->scalar_tile ? s->scalar_tile : mr;
        gate += mr * VL;
        out += mr * VL;
    }
    s->scalars = W;
    s->gate = gate;
    s->out = out;
}

/* nv vectors of dW a tile further on, or its stores would wait for them; and of each array of `soon`, beside dW. */
static INLINE void NAME(bring_nearer)(const int mr, const int nv, const strip *s, const real *dW)
{
    EACH_VECTOR(if (BEGINS_LINE(j)) PREFETCH(dW + mr * s->out_stride + j * VL);)
    for (int a = 0; a < FBP_SOON; a++)
        if (s->soon[a]) {
            EACH_VECTOR(if (BEGINS_LINE(j)) PREFETCH_TO_WRITE((const char *)(dW + j * VL) + s->soon[a]);)
        }
}

static INLINE void NAME(weight_gradient_tile)(const int mr, const int nv, strip *s)
{
    const real *dZ = s->scalars, *coming = s->coming;
    real *out = s->out;
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        vec sums[MOST_ROWS][MOST_VECTORS];
        EACH_SUM(sums[i][j] = s->first ? NAME(splat)(0) : NAME(load)(out + i * s->out_stride + j * VL);)
        const real *panel = dZ, *inputs = s->vectors;
        ptrdiff_t row = 0;
        for (ptrdiff_t left = s->steps; left > 0; left -= VL, panel += s->scalar_stride, inputs += VL * VL, row++) {
            if (s->far && row < mr) /* a row of the tile at a time, or the memory's queue would be full */
                NAME(bring_nearer)(mr, nv, s, out + row * s->out_stride);
            coming = NAME(fetch_coming)(nv, s, coming);
            if (left >= VL)
                NAME(multiply_add_block)(mr, nv, panel, VL, inputs, s->vector_next, sums);
            else
                NAME(multiply_add)(mr, nv, left, panel, VL, 1, inputs, s->vector_next, sums);
        }
        EACH_SUM(NAME(store)(out + i * s->out_stride + j * VL, sums[i][j]);)
        dZ += mr * VL;
        out += mr * s->out_stride;
    }
    s->scalars = dZ;
    s->coming = coming;
    s->out = out;
}

#define TILE_FUNCTIONS(mr, nv)                                                                                       \
    static void NAME(PASTE(forward_tile_, PASTE(mr, nv)))(strip *s) { NAME(forward_tile)(mr, nv, s); }         \
    static void NAME(PASTE(input_tile_, PASTE(mr, nv)))(strip *s) { NAME(input_gradient_tile)(mr, nv, s); }    \
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

/* ---- Dealing out rows, panels and steps ------------------------------------------------------------------------ */

/* From this size on, W read in place down its columns misses the caches (measured: 0.6-0.8 of the packed speed). */
#define PACK_FROM_BYTES (128 * 1024)

/* Inputs of a block in the input gradient, and the scratch that packing it takes (its last tile may be narrower). */
#define PACK_INPUTS (L2_BYTES / (ptrdiff_t)sizeof(real) / KC)
#define PACK_ELEMENTS ((PACK_INPUTS + MR) * KC)

/* Layers up to this size are near: what they read and write is still in the caches from one step to the next. */
#define NEAR_BYTES (48 * 1024)

static INLINE ptrdiff_t NAME(pieces)(ptrdiff_t total, ptrdiff_t most)
{
    return (total + most - 1) / most;
}

static INLINE int NAME(is_far)(const fbp_layer *layer)
{
    return layer->n_units * layer->ld * (ptrdiff_t)sizeof(real) > NEAR_BYTES;
}

/* A total in n near-equal parts: first `larger` parts of least + 1, then those of `least`. Divided once, outside the
 * loops: a division takes as long as a hundred multiply-adds. */
typedef struct {
    ptrdiff_t n, least, larger;
} NAME(parts_t);
#define parts NAME(parts_t)

static INLINE parts NAME(deal)(ptrdiff_t total, ptrdiff_t most)
{
    const ptrdiff_t n = NAME(pieces)(total, most);
    return (parts){n, total / n, total % n};
}

static INLINE ptrdiff_t NAME(part)(parts dealt, ptrdiff_t i)
{
    return dealt.least + (i < dealt.larger);
}

/* Runs the tiles of all rows, dealt out to tiles. */
static INLINE void NAME(run_tiles)(const NAME(tile_function) tiles[MR][NV], parts rows, ptrdiff_t nv, strip *s)
{
    if (rows.larger) {
        s->n_tiles = rows.larger;
        tiles[rows.least][nv - 1](s);
    }
    s->n_tiles = rows.n - rows.larger;
    tiles[rows.least - 1][nv - 1](s);
}

/* The strip that follows this one reads `length` elements of each vector from `coming` on; they are fetched in so many
 * turns, but not more of them at a time than the memory's queue takes. */
#define MOST_COMING (512 / (ptrdiff_t)sizeof(real))
static INLINE void NAME(expect)(strip *s, const real *coming, ptrdiff_t length, ptrdiff_t turns)
{
    const ptrdiff_t line = FBP_ALIGN_BYTES / (ptrdiff_t)sizeof(real);
    const ptrdiff_t pace = NAME(pieces)(length, turns * line) * line;
    s->coming = coming;
    s->coming_end = coming + length;
    s->coming_pace = pace < MOST_COMING ? pace : MOST_COMING;
}

/* ---- Forward --------------------------------------------------------------------------------------------------- */

/* Loops, outermost first: block of units (its weights stay in L2), block of inputs, group of panels (its inputs stay
 * in L1), tile of units (its weights pass through). */
static void NAME(dense_forward)(const fbp_layer *layer, fbp_panels in, fbp_panels out, fbp_panels slope, ptrdiff_t p0,
                                ptrdiff_t p1, ptrdiff_t first_unit, ptrdiff_t end_unit)
{
    const ptrdiff_t K = layer->n_inputs, N = end_unit - first_unit, n_panels = p1 - p0;
    const ptrdiff_t k_blocks = NAME(pieces)(K, KC);
    const parts groups = NAME(deal)(n_panels, NV);
    const ptrdiff_t block_units = L2_BYTES / (ptrdiff_t)sizeof(real) / NAME(pieces)(K, k_blocks);
    const ptrdiff_t n_blocks = NAME(pieces)(N, block_units > MR ? block_units : MR);
    const int far = NAME(is_far)(layer);
    const int in_tile = layer->activation == FBP_RELU; /* the others pass over the rows just written */
    const real *W = layer->weights, *bias = layer->bias;

    for (ptrdiff_t nb = 0; nb < n_blocks; nb++) {
        const ptrdiff_t n0 = first_unit + N * nb / n_blocks, n1 = first_unit + N * (nb + 1) / n_blocks;
        const parts tiles = NAME(deal)(n1 - n0, MR);
        for (ptrdiff_t kb = 0; kb < k_blocks; kb++) {
            const ptrdiff_t k0 = K * kb / k_blocks, k1 = K * (kb + 1) / k_blocks;
            const int last = kb == k_blocks - 1;
            for (ptrdiff_t g = 0, q0 = p0, q1; g < groups.n; g++, q0 = q1) {
                q1 = q0 + NAME(part)(groups, g);
                strip s = {
                    .n_tiles = 0,
                    .steps = k1 - k0,
                    .scalars = W + n0 * layer->ld + k0,
                    .scalar_stride = layer->ld,
                    .scalar_tile = 0,
                    .vectors = (const real *)in.data + q0 * in.stride + k0 * VL,
                    .vector_next = in.stride,
                    .out = (real *)out.data + q0 * out.stride + n0 * VL,
                    .out_stride = out.stride,
                    .start = bias + n0,
                    .first = kb == 0,
                    .gate = NULL,
                    .gate_stride = 0,
                    .relu = last && in_tile,
                    NOTHING_AHEAD(far),
                };
                const int next_group = g + 1 < groups.n;
                if (far && (next_group || !last))
                    NAME(expect)(&s, (const real *)in.data + (next_group ? q1 : p0) * in.stride
                                         + (next_group ? k0 : k1) * VL,
                                 (k1 - k0) * VL, tiles.n);
                NAME(run_tiles)(NAME(forward_tiles), tiles, q1 - q0, &s);
                if (last && !in_tile)
                    for (ptrdiff_t q = q0; q < q1; q++)
                        NAME(activate)(layer->activation, (real)layer->alpha,
                                       (real *)out.data + q * out.stride + n0 * VL,
                                       slope.data ? (real *)slope.data + q * slope.stride + n0 * VL : NULL, n1 - n0);
            }
        }
    }
}

/* ---- Input gradient -------------------------------------------------------------------------------------------- */

/* W[n0..n1)[k0..k1) -> packed[tile of inputs][n][MR]: the order in which the tiles want their scalars. Read in place,
 * rows lie a page apart and the L1 cache and the TLB lose them. */
static void NAME(pack_weights)(const fbp_layer *layer, ptrdiff_t n0, ptrdiff_t n1, ptrdiff_t k0, ptrdiff_t k1,
                               real *packed)
{
    const real *W = layer->weights;
    const parts tiles = NAME(deal)(k1 - k0, MR);
    for (ptrdiff_t tile = 0; tile < tiles.n;) {
        const ptrdiff_t width = NAME(part)(tiles, tile), next_width = NAME(part)(tiles, tile + 1);
        const real *from = W + n0 * layer->ld + k0;
        /* Whole tiles are copied, also narrower ones (who reads them knows), unless that would lead out of the row. Two
         * tiles at a time, as the rows lie far apart and one tile wants but half a cache line of each. */
        if (tile + 1 < tiles.n && k0 + width + MR <= layer->ld) {
            real *other = packed + (n1 - n0) * MR;
            for (ptrdiff_t n = n0; n < n1; n++, from += layer->ld, packed += MR, other += MR) {
                memcpy(packed, from, MR * sizeof(real)); /* of constant size: a few registers */
                memcpy(other, from + width, MR * sizeof(real));
                PREFETCH(from + 4 * MR); /* of the pair after the next one */
            }
            packed = other;
            k0 += width + next_width;
            tile += 2;
        } else {
            const size_t bytes = (size_t)(k0 + MR <= layer->ld ? MR : width) * sizeof(real);
            for (ptrdiff_t n = n0; n < n1; n++, from += layer->ld, packed += MR)
                memcpy(packed, from, bytes);
            k0 += width;
            tile++;
        }
    }
}

/* Loops as in forward, inputs and units exchanged. */
static void NAME(input_gradient)(const fbp_layer *layer, fbp_panels dZ, const fbp_layer *below, fbp_panels A_below,
                                 fbp_panels slope_below, fbp_panels dZ_below, ptrdiff_t p0, ptrdiff_t p1,
                                 ptrdiff_t first_input, ptrdiff_t end_input, void *scratch)
{
    const ptrdiff_t K = end_input - first_input, N = layer->n_units, n_panels = p1 - p0;
    const ptrdiff_t n_blocks = NAME(pieces)(N, KC);
    const parts groups = NAME(deal)(n_panels, NV);
    const ptrdiff_t k_blocks = NAME(pieces)(K, PACK_INPUTS);
    const int far = NAME(is_far)(layer), in_tile = below->activation == FBP_RELU;
    /* ... and packing pays where every packed number is used by several groups. */
    const int packed = N * layer->ld * (ptrdiff_t)sizeof(real) > PACK_FROM_BYTES && groups.n > 1;
    const real *W = layer->weights;

    for (ptrdiff_t kb = 0; kb < k_blocks; kb++) {
        const ptrdiff_t k0 = first_input + K * kb / k_blocks, k1 = first_input + K * (kb + 1) / k_blocks;
        const parts tiles = NAME(deal)(k1 - k0, MR);
        for (ptrdiff_t nb = 0; nb < n_blocks; nb++) {
            const ptrdiff_t n0 = N * nb / n_blocks, n1 = N * (nb + 1) / n_blocks;
            const int last = nb == n_blocks - 1;
            if (packed)
                NAME(pack_weights)(layer, n0, n1, k0, k1, scratch);
            for (ptrdiff_t g = 0, q0 = p0, q1; g < groups.n; g++, q0 = q1) {
                q1 = q0 + NAME(part)(groups, g);
                strip s = {
                    .n_tiles = 0,
                    .steps = n1 - n0,
                    .scalars = packed ? scratch : W + n0 * layer->ld + k0,
                    .scalar_stride = packed ? MR : layer->ld,
                    .scalar_tile = packed ? (n1 - n0) * MR : 0,
                    .vectors = (const real *)dZ.data + q0 * dZ.stride + n0 * VL,
                    .vector_next = dZ.stride,
                    .out = (real *)dZ_below.data + q0 * dZ_below.stride + k0 * VL,
                    .out_stride = dZ_below.stride,
                    .gate = (const real *)A_below.data + q0 * A_below.stride + k0 * VL,
                    .gate_stride = A_below.stride,
                    .first = nb == 0,
                    .start = NULL,
                    .relu = last && in_tile,
                    NOTHING_AHEAD(far),
                };
                const int next_group = g + 1 < groups.n;
                if (far && (next_group || !last))
                    NAME(expect)(&s, (const real *)dZ.data + (next_group ? q1 : p0) * dZ.stride
                                         + (next_group ? n0 : n1) * VL,
                                 (n1 - n0) * VL, tiles.n);
                NAME(run_tiles)(NAME(input_tiles), tiles, q1 - q0, &s);
                if (last && !in_tile)
                    for (ptrdiff_t q = q0; q < q1; q++)
                        NAME(pass_back)(below->activation, (real)below->alpha,
                                        (const real *)A_below.data + q * A_below.stride + k0 * VL,
                                        slope_below.data
                                            ? (const real *)slope_below.data + q * slope_below.stride + k0 * VL
                                            : NULL,
                                        (real *)dZ_below.data + q * dZ_below.stride + k0 * VL, k1 - k0);
            }
        }
    }
}

/* ---- Weight gradient ------------------------------------------------------------------------------------------- */

/* total -> out[0..n), added to what is there or not. */
static INLINE void NAME(leave)(vec total, real *out, ptrdiff_t n, int accumulate)
{
    if (accumulate) {
        vec before = NAME(splat)(0);
        memcpy(&before, out, (size_t)n * sizeof(real));
        total += before;
    }
    memcpy(out, &total, (size_t)n * sizeof(real));
}

/* db[n] (+)= sum over the samples of dZ[n]: unused lanes are zero, so whole panels are added, VL units side by side,
 * and then each unit's lanes. */
static void NAME(bias_gradient)(fbp_panels dZ, ptrdiff_t n_panels, ptrdiff_t n0, ptrdiff_t n1, real *db, int accumulate)
{
    for (ptrdiff_t n = n0; n < n1; n += VL) {
        const ptrdiff_t n_units = n1 - n < VL ? n1 - n : VL;
        const real *panel = (const real *)dZ.data + n * VL;
        vec sums[VL];
        UNROLL
        for (int i = 0; i < VL; i++)
            sums[i] = NAME(splat)(0);
        if (n_units == VL) {
            for (ptrdiff_t p = 0; p < n_panels; p++, panel += dZ.stride) {
                UNROLL
                for (int i = 0; i < VL; i++)
                    sums[i] += NAME(load)(panel + i * VL);
            }
        } else {
            for (ptrdiff_t p = 0; p < n_panels; p++, panel += dZ.stride)
                for (ptrdiff_t i = 0; i < n_units; i++)
                    sums[i] += NAME(load)(panel + i * VL);
        }
        NAME(leave)(NAME(sum_each)(sums), db + n, n_units, accumulate);
    }
}

/* Tiles of a block of units at least, or the inputs, which pass by once for each block, cost more than it gains. */
#define LEAST_TILES 6

/* Loops, outermost first: block of units (its dZ stays in L2), group of input vectors, block of samples (the group's
 * part stays in L1), tile of units. */
static void NAME(weight_gradient)(const fbp_layer *layer, fbp_panels dZ, const void *blocks, ptrdiff_t block_stride,
                                  ptrdiff_t n_samples, ptrdiff_t first_unit, ptrdiff_t end_unit, void *dW, void *db,
                                  int accumulate, const void *const *soon)
{
    const ptrdiff_t N = end_unit - first_unit;
    const ptrdiff_t n_panels = NAME(pieces)(n_samples, VL), n_vectors = NAME(pieces)(layer->n_inputs, VL);
    const parts groups = NAME(deal)(n_vectors, NV);
    const parts s_blocks = NAME(deal)(n_panels, n_samples <= KC ? n_panels : SC / VL > 0 ? SC / VL : 1);
    const ptrdiff_t block_units = L2_BYTES / (ptrdiff_t)sizeof(real) / n_samples;
    const ptrdiff_t n_blocks = NAME(pieces)(N, block_units > LEAST_TILES * MR ? block_units : LEAST_TILES * MR);

    for (ptrdiff_t nb = 0; nb < n_blocks; nb++) {
        const ptrdiff_t n0 = first_unit + N * nb / n_blocks, n1 = first_unit + N * (nb + 1) / n_blocks;
        const parts tiles = NAME(deal)(n1 - n0, MR);
        for (ptrdiff_t g = 0, v0 = 0, v1; g < groups.n; g++, v0 = v1) {
            v1 = v0 + NAME(part)(groups, g);
            for (ptrdiff_t sb = 0, q0 = 0, q1; sb < s_blocks.n; sb++, q0 = q1) {
                q1 = q0 + NAME(part)(s_blocks, sb);
                const ptrdiff_t end = q1 * VL < n_samples ? q1 * VL : n_samples;
                strip s = {
                    .n_tiles = 0,
                    .steps = end - q0 * VL,
                    .scalars = (const real *)dZ.data + q0 * dZ.stride + n0 * VL,
                    .scalar_stride = dZ.stride,
                    .vectors = (const real *)blocks + v0 * block_stride + q0 * VL * VL,
                    .vector_next = block_stride,
                    .out = (real *)dW + n0 * layer->ld + v0 * VL,
                    .out_stride = layer->ld,
                    .first = sb == 0 && !accumulate,
                    .scalar_tile = 0,
                    .start = NULL,
                    .gate = NULL,
                    .gate_stride = 0,
                    .relu = 0,
                    NOTHING_AHEAD(NAME(is_far)(layer)),
                };
                const int last = sb == s_blocks.n - 1;
                const ptrdiff_t next_v = last ? v1 : v0, next_q = last ? 0 : q1;
                if (s.far && next_v < n_vectors) {
                    const ptrdiff_t length = NAME(part)(s_blocks, last ? 0 : sb + 1);
                    NAME(expect)(&s, (const real *)blocks + next_v * block_stride + next_q * VL * VL,
                                 length * VL * VL, tiles.n * (q1 - q0));
                }
                for (int a = 0; a < FBP_SOON; a++)
                    if (soon && soon[a] && last)
                        s.soon[a] = (const char *)soon[a] - (const char *)dW;
                NAME(run_tiles)(NAME(weight_tiles), tiles, v1 - v0, &s);
            }
        }
    }
    if (db)
        NAME(bias_gradient)(dZ, n_panels, first_unit, end_unit, db, accumulate);
}
#undef strip
#undef parts
#undef NOTHING_AHEAD
#undef PACK_FROM_BYTES
#undef MOST_COMING
#undef NEAR_BYTES
#undef LEAST_TILES
#undef MOST_ROWS
#undef MOST_VECTORS
#undef EACH_VECTOR
#undef EACH_ROW
#undef EACH_SUM
#undef BEGINS_LINE
