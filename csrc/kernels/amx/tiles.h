/* tiles.h of amx: the tile registers, and a block of sums made in them.
 *
 * Uses platform.h. Gives begin_tiles, end_tiles, start_sums, store_sums and multiply_tiles to panels.h and
 * weight_gradient.h.
 *
 * All tiles are whole: 16 rows of 64 bytes. A tile of sums has 16 rows of 16 float32. tdpbf16ps adds to it the product of
 * a tile of 16 rows with 32 numbers each (A: weights, or dZ) and one of 16 rows with 16 pairs each (B: panels, or blocks).
 * In its words: it sums the products of the first numbers of all pairs, from zero, and those of the second numbers, adds
 * the two sums, and adds that to the tile; each addition is rounded, and denormals are zero. So a step of a sum is a tile
 * of 32 numbers, and a sum has the same bits wherever its steps begin at multiples of 32.
 *
 * A block of sums is up to 2 x 2 tiles, 0 to 3, each row of them made from A in tile 4 or 5 and each column from B in
 * tile 6 or 7. The compiler does not know that the statements below share tiles; it keeps them in order because they are
 * volatile.
 *
 * In .ci/coverage: no cover - CPUs with AMX.
 */
#define TILE 16         /* rows of a tile, and sums of a row */
#define TILE_BYTES 1024
#define STEP 32         /* numbers that a step of a sum adds up */

typedef struct {
    uint8_t palette, start_row, unused[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} NAME(configuration);

static const NAME(configuration) NAME(whole_tiles) = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

/* Until end_tiles this thread has tiles: the system saves and restores them with its other registers. */
static INLINE void NAME(begin_tiles)(void)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(NAME(whole_tiles)));
}

static INLINE void NAME(end_tiles)(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

#define CLEAR_TILE(t) __asm__ volatile("tilezero %%tmm" #t : :)
#define LOAD_TILE(t, from, row_bytes) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(from), "r"((ptrdiff_t)(row_bytes)) : "memory")
#define STORE_TILE(t, to, row_bytes) \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(to), "r"((ptrdiff_t)(row_bytes)) : "memory")
#define ADD_PRODUCT(sums, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sums : :)

/* Where a block of sums lies: rows of 16 numbers, whose distance each of the two rows of tiles has for itself. */
typedef struct {
    real *row[2];             /* of tiles */
    ptrdiff_t row_bytes[2];   /* from one row of numbers to the next */
    ptrdiff_t column;         /* numbers from one column of tiles to the next */
} NAME(sums);

/* X(tile, row, column) for each tile of a block of mr x nv. */
#define EACH_TILE(mr, nv, X)                                            \
    X(0, 0, 0)                                                          \
    if (nv > 1) { X(1, 0, 1) }                                          \
    if (mr > 1) { X(2, 1, 0) }                                          \
    if (mr > 1 && nv > 1) { X(3, 1, 1) }

/* Sums start from zero, or go on from what is there. */
static INLINE void NAME(start_sums)(const int mr, const int nv, int first, const NAME(sums) *s)
{
#define CLEAR(t, i, j) CLEAR_TILE(t);
#define CONTINUE(t, i, j) LOAD_TILE(t, s->row[i] + j * s->column, s->row_bytes[i]);
    if (first) {
        EACH_TILE(mr, nv, CLEAR)
    } else {
        EACH_TILE(mr, nv, CONTINUE)
    }
#undef CLEAR
#undef CONTINUE
}

static INLINE void NAME(store_sums)(const int mr, const int nv, const NAME(sums) *s)
{
#define PUT(t, i, j) STORE_TILE(t, s->row[i] + j * s->column, s->row_bytes[i]);
    EACH_TILE(mr, nv, PUT)
#undef PUT
}

/* sums += A * B, n_steps steps. The tiles of a row of A and of a column of B follow each other; next_A and next_B are the
 * bytes from one row, or column, to the next. */
static INLINE void NAME(multiply_tiles)(const int mr, const int nv, ptrdiff_t n_steps, const char *A, ptrdiff_t next_A,
                                        const char *B, ptrdiff_t next_B)
{
    for (ptrdiff_t t = 0; t < n_steps; t++, A += TILE_BYTES, B += TILE_BYTES) {
        LOAD_TILE(4, A, 64);
        LOAD_TILE(6, B, 64);
        ADD_PRODUCT(0, 4, 6);
        if (nv > 1) {
            LOAD_TILE(7, B + next_B, 64);
            ADD_PRODUCT(1, 4, 7);
        }
        if (mr > 1) {
            LOAD_TILE(5, A + next_A, 64);
            ADD_PRODUCT(2, 5, 6);
            if (nv > 1)
                ADD_PRODUCT(3, 5, 7);
        }
    }
}
