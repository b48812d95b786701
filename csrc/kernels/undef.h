/* undef.h: ends one instantiation, so that the templates can be included again for the next dtype. Macros that one
 * header alone uses end there; here are those that others use too. */

/* simd.h */
#undef real
#undef integer
#undef vec
#undef ivec
#undef VL
#undef MASK

/* random.h, wide.h */
#undef WORDS
#undef words
#undef COUNTERS
#undef DRAWS
#undef WIDE_LANES
#undef WIDE_PARTS

/* blocking.h */
#undef split
#undef L2_OPERANDS
#undef MIN_TILES
#undef PACK_FROM_BYTES
#undef PACK_INPUTS
#undef PACK_ELEMENTS
#undef NEAR_BYTES
#undef MAX_PREFETCH

/* operand.h */
#undef operand
#undef operand_vec
#undef accumulator
#undef sum_vec
#undef TERMS
#undef PANEL_STEPS

/* microkernel.h */
#undef MAX_ROWS
#undef MAX_VECTORS
#undef EACH_VECTOR
#undef EACH_ROW
#undef EACH_SUM
#undef BEGINS_LINE

/* tiles.h, half_panels.h, product.h, panels_product.h */
#undef HALF_PANELS
#undef HALF_TILES
#undef strip
#undef product
#undef panels_product

/* The parameters that instantiate.h sets for each dtype. */
#undef NAME
#undef REAL_BITS
