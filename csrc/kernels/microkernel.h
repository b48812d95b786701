/* microkernel.h: the innermost loop of every product of a dense layer: a register tile of sums += broadcast * streamed.
 *
 * Uses operand.h, platform.h (STEP_OF_LOOP, FENCE, IN_REGISTER, PREFETCH), and MR, NV of the stub. Gives the loops over a
 * register tile, and multiply_add in three forms; all end in undef.h.
 *
 * A register tile is up to MR rows times NV vectors of sums. Each step of the sum loads NV streamed vectors, broadcasts
 * MR operands, one a row, and does MR * NV multiply-adds.
 */

/* ---- Loops over a register tile, written out with the row i and the vector j as constants ---- */

#define MAX_ROWS 8
#define MAX_VECTORS 3
#define EACH_VECTOR(...) \
    STEP_OF_LOOP(j, 0, nv, __VA_ARGS__) STEP_OF_LOOP(j, 1, nv, __VA_ARGS__) STEP_OF_LOOP(j, 2, nv, __VA_ARGS__)
#define EACH_ROW(...)                                                                     \
    STEP_OF_LOOP(i, 0, mr, __VA_ARGS__) STEP_OF_LOOP(i, 1, mr, __VA_ARGS__)               \
    STEP_OF_LOOP(i, 2, mr, __VA_ARGS__) STEP_OF_LOOP(i, 3, mr, __VA_ARGS__)               \
    STEP_OF_LOOP(i, 4, mr, __VA_ARGS__) STEP_OF_LOOP(i, 5, mr, __VA_ARGS__)               \
    STEP_OF_LOOP(i, 6, mr, __VA_ARGS__) STEP_OF_LOOP(i, 7, mr, __VA_ARGS__)
#define EACH_SUM(...) EACH_ROW(EACH_VECTOR(__VA_ARGS__))
/* Whether vector i of a row of vectors begins a cache line, if the row does: one prefetch a line is enough. */
#define BEGINS_LINE(i) ((i) * VL * sizeof(accumulator) % FBP_ALIGN_BYTES == 0)
#if MR > MAX_ROWS || NV > MAX_VECTORS
#error "write out more rows or vectors above"
#endif

/* ---- multiply_add ---- */

/* sums[i][j] += the sum over t < steps of
 *   broadcast[i * row_stride + t * step_stride] * streamed[j * vector_stride + t * VL] */
static INLINE void NAME(multiply_add)(const int mr, const int nv, ptrdiff_t steps, const operand *broadcast,
                                      ptrdiff_t row_stride, ptrdiff_t step_stride, const operand *streamed,
                                      ptrdiff_t vector_stride, sum_vec sums[MAX_ROWS][MAX_VECTORS])
{
    for (ptrdiff_t t = 0; t < steps; t++) {
        operand_vec x[MAX_VECTORS];
        EACH_VECTOR(x[j] = NAME(load_operands)(streamed + j * vector_stride + t * VL);)
        EACH_ROW(const operand_vec b = NAME(broadcast_operand)(broadcast + i * row_stride + t * step_stride);
                 EACH_VECTOR(sums[i][j] = NAME(add_product)(sums[i][j], b, x[j]);))
    }
}

/* multiply_add of a panel's steps, whose operands of a row are adjacent, written out. Compilers move the loads of later steps
 * ahead and then spill sums to make room for them: FENCE keeps the steps apart, and IN_REGISTER requires each sum to be
 * in a register at the start of each step. */
static INLINE void NAME(multiply_add_panel)(const int mr, const int nv, const operand *broadcast, ptrdiff_t row_stride,
                                            const operand *streamed, ptrdiff_t vector_stride,
                                            sum_vec sums[MAX_ROWS][MAX_VECTORS])
{
    UNROLL
    for (ptrdiff_t t = 0; t < PANEL_STEPS; t++) {
        FENCE();
        EACH_SUM(IN_REGISTER(sums[i][j]);)
        NAME(multiply_add)(mr, nv, 1, broadcast + t, row_stride, 1, streamed + t * VL, vector_stride, sums);
    }
}

/* multiply_add of operands that are adjacent along each row, which also prefetches the operands of the next tile,
 * `next_tile` elements further on, a cache line of each row at a time. A row of a tile is too short for the hardware
 * prefetcher to notice that another follows. */
static INLINE void NAME(multiply_add_prefetching)(const int mr, const int nv, ptrdiff_t steps, const operand *broadcast,
                                                  ptrdiff_t row_stride, ptrdiff_t next_tile, const operand *streamed,
                                                  ptrdiff_t vector_stride, sum_vec sums[MAX_ROWS][MAX_VECTORS])
{
    const ptrdiff_t line = FBP_ALIGN_BYTES / (ptrdiff_t)sizeof(operand);
    for (; steps > 0; steps -= line, broadcast += line, streamed += line * VL) {
        EACH_ROW(PREFETCH(broadcast + next_tile + i * row_stride);)
        NAME(multiply_add)(mr, nv, steps < line ? steps : line, broadcast, row_stride, 1, streamed, vector_stride,
                           sums);
    }
}
