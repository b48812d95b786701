/* operand.h: what a product multiplies, and what it sums in.
 *
 * Uses simd.h. Gives the operand and accumulator types, TERMS and PANEL_STEPS, and the three operations of the innermost
 * loop; all end in undef.h.
 *
 * An operand is what is broadcast or streamed at one step of a sum: TERMS numbers, side by side, that are multiplied by
 * as many others. An accumulator is a number that sums are made in and stored as. With NARROW an operand is a pair of
 * bfloat16 (bfloat16.h) and an accumulator a float32; without, both are one number of the dtype. A row of n numbers has
 * ceil(n / TERMS) operands; where the last one is not full, its rest is zero.
 */
#define accumulator real
#define sum_vec vec /* VL accumulators */

#ifdef NARROW

#define TERMS 2
#define operand pair
#define operand_vec pair_vec

#else

#define TERMS 1
#define operand real
#define operand_vec vec /* a register of operands, one a lane of the sum that it goes into */

static INLINE operand_vec NAME(broadcast_operand)(const operand *p)
{
    return NAME(splat)(*p);
}

static INLINE operand_vec NAME(load_operands)(const operand *p)
{
    return NAME(load)(p);
}

/* sum + x * y, which -ffp-contract=fast makes one instruction of where the instruction set has it */
static INLINE sum_vec NAME(add_product)(sum_vec sum, operand_vec x, operand_vec y)
{
    return sum + x * y;
}

#endif

/* The steps of a sum over the samples of one panel. */
#define PANEL_STEPS (VL / TERMS)
