/* half_panels.h: strips of tiles for a panel whose samples take half of its lanes or fewer, with vectors of half the size.
 *
 * Uses tiles.h (strip, tile_function) and microkernel.h. Gives HALF_PANELS, 1 where there are such tiles, and
 * HALF_TILES(forward, half) and HALF_TILES(input, half): the table of them, or NULL where none are wanted or there.
 *
 * Zen 4 computes a vector of 64 bytes in two halves, one after the other, so that half vectors take half the time. Where
 * a vector is computed at once nothing is gained: fbp_gains_by_half_panels. A lane has the same bits in either, and the
 * lanes of the other half become zero.
 */
#if VECTOR_BYTES == 64 && !defined(NARROW)
#define HALF_PANELS 1
#define HALF_TILES(product, half) ((half) ? NAME(PASTE(PASTE(half_, product), _tiles)) : NULL)

typedef real NAME(half_vec_t) __attribute__((vector_size(VECTOR_BYTES / 2)));
#define half_vec NAME(half_vec_t)
#if REAL_BITS == 32
#define HALF_RELU(z) ((half_vec)_mm256_max_ps(_mm256_setzero_ps(), (__m256)(z)))
#define HALF_KEEP_POSITIVE(gate, x) \
    ((half_vec)_mm256_and_ps(_mm256_cmp_ps((__m256)(gate), _mm256_setzero_ps(), _CMP_GT_OQ), (__m256)(x)))
#else
#define HALF_RELU(z) ((half_vec)_mm256_max_pd(_mm256_setzero_pd(), (__m256d)(z)))
#define HALF_KEEP_POSITIVE(gate, x) \
    ((half_vec)_mm256_and_pd(_mm256_cmp_pd((__m256d)(gate), _mm256_setzero_pd(), _CMP_GT_OQ), (__m256d)(x)))
#endif

static INLINE half_vec NAME(half_splat)(real x)
{
    return x - (half_vec){0};
}

static INLINE half_vec NAME(load_half)(const real *p)
{
    return *(const half_vec *)p;
}

/* A row of the panel: x in its first lanes, and zeros. */
static INLINE void NAME(store_half)(real *p, half_vec x)
{
    *(half_vec *)p = x;
    *(half_vec *)(p + VL / 2) = (half_vec){0};
}

/* As multiply_add (microkernel.h), for the first lanes of one panel. */
static INLINE void NAME(half_multiply_add)(const int mr, ptrdiff_t steps, const real *broadcast, ptrdiff_t row_stride,
                                           ptrdiff_t step_stride, const real *streamed, half_vec sums[MAX_ROWS])
{
    for (ptrdiff_t t = 0; t < steps; t++) {
        const half_vec x = NAME(load_half)(streamed + t * VL);
        EACH_ROW(sums[i] += NAME(half_splat)(broadcast[i * row_stride + t * step_stride]) * x;)
    }
}

/* As forward_tile (tiles.h). The next tile's weights are prefetched as multiply_add_prefetching does it. */
static INLINE void NAME(half_forward_tile)(const int mr, strip *s)
{
    const ptrdiff_t line = FBP_ALIGN_BYTES / (ptrdiff_t)sizeof(real), row_stride = s->broadcast_stride;
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        half_vec sums[MAX_ROWS];
        EACH_ROW(sums[i] = s->first ? NAME(half_splat)(s->bias[i]) : NAME(load_half)(s->out + i * VL);)
        const ptrdiff_t length = s->prefetches ? line : s->steps;
        for (ptrdiff_t t = 0; t < s->steps; t += length) {
            if (s->prefetches) {
                EACH_ROW(PREFETCH(s->broadcast + (mr + i) * row_stride + t);)
            }
            NAME(half_multiply_add)(mr, s->steps - t < length ? s->steps - t : length, s->broadcast + t, row_stride, 1,
                                    s->streamed + t * VL, sums);
        }
        if (s->relu) {
            EACH_ROW(sums[i] = HALF_RELU(sums[i]);)
        }
        EACH_ROW(NAME(store_half)(s->out + i * VL, sums[i]);)
        s->broadcast += mr * row_stride;
        s->bias += mr;
        s->out += mr * VL;
    }
}

/* As input_gradient_tile (tiles.h). */
static INLINE void NAME(half_input_tile)(const int mr, strip *s)
{
    for (ptrdiff_t tile = 0; tile < s->n_tiles; tile++) {
        half_vec sums[MAX_ROWS];
        EACH_ROW(sums[i] = s->first ? NAME(half_splat)(0) : NAME(load_half)(s->out + i * VL);)
        NAME(half_multiply_add)(mr, s->steps, s->broadcast, 1, s->broadcast_stride, s->streamed, sums);
        if (s->relu) {
            EACH_ROW(sums[i] = HALF_KEEP_POSITIVE(NAME(load_half)(s->gate + i * VL), sums[i]);)
        }
        EACH_ROW(NAME(store_half)(s->out + i * VL, sums[i]);)
        s->broadcast += s->packed_tile_stride ? s->packed_tile_stride : mr;
        s->gate += mr * VL;
        s->out += mr * VL;
    }
}

/* X(rows) for every height of a tile. */
#define EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#if MR != 8
#error "write out the heights up to MR"
#endif
#define HALF_TILE_FUNCTIONS(mr)                                                                       \
    static void NAME(PASTE(half_forward_tile_, mr))(strip *s) { NAME(half_forward_tile)(mr, s); } \
    static void NAME(PASTE(half_input_tile_, mr))(strip *s) { NAME(half_input_tile)(mr, s); }
EACH_HEIGHT(HALF_TILE_FUNCTIONS)
#define HALF_FORWARD_ENTRY(mr) [mr - 1][0] = NAME(PASTE(half_forward_tile_, mr)),
#define HALF_INPUT_ENTRY(mr) [mr - 1][0] = NAME(PASTE(half_input_tile_, mr)),
static const NAME(tile_function) NAME(half_forward_tiles)[MR][NV] = {EACH_HEIGHT(HALF_FORWARD_ENTRY)};
static const NAME(tile_function) NAME(half_input_tiles)[MR][NV] = {EACH_HEIGHT(HALF_INPUT_ENTRY)};
#undef HALF_FORWARD_ENTRY
#undef HALF_INPUT_ENTRY
#undef HALF_TILE_FUNCTIONS
#undef EACH_HEIGHT
#undef HALF_RELU
#undef HALF_KEEP_POSITIVE
#undef half_vec

#else
#define HALF_PANELS 0
#define HALF_TILES(product, half) ((void)(half), NULL)
#endif
