/* instantiate.h: the kernels of one instruction set, float32 and float64, and their two tables.
 *
 * The including stub has set, with the target already switched:
 *   ISA            its name, an identifier
 *   VECTOR_BYTES   width of a vector register; 0: plain C
 *   MR, NV         the register tile: MR scalars times NV vectors. MR * NV + NV + 1 registers live (one more where
 *                  multiply and add are two instructions)
 *   KC             steps of a sum between two visits to memory: NV * KC vectors and an MR-row strip share the L1 cache
 *   SC             the same for the weight gradient, whose steps are samples: its scalars lie a panel apart, and fall
 *                  into few sets of the cache
 *   L2_BYTES       the block of weights that is kept in the L2 cache while the panels pass by
 */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define STRING_(x) #x
#define STRING(x) STRING_(x)

/* X(rows, vectors) for every register tile that may be asked for. */
#if NV == 3
#define TILES_OF_ROWS(X, mr) X(mr, 1) X(mr, 2) X(mr, 3)
#else
#define TILES_OF_ROWS(X, mr) X(mr, 1) X(mr, 2)
#endif
#define TILES_OF_4(X) TILES_OF_ROWS(X, 1) TILES_OF_ROWS(X, 2) TILES_OF_ROWS(X, 3) TILES_OF_ROWS(X, 4)
#define TILES_OF_6(X) TILES_OF_4(X) TILES_OF_ROWS(X, 5) TILES_OF_ROWS(X, 6)
#define TILES_OF_8(X) TILES_OF_6(X) TILES_OF_ROWS(X, 7) TILES_OF_ROWS(X, 8)
#define FOR_EACH_TILE(X) PASTE(TILES_OF_, MR)(X)

#define REAL_BITS 32
#define NAME(x) PASTE(x, _f32)
#include "../kernels/all.h"

#define REAL_BITS 64
#define NAME(x) PASTE(x, _f64)
#include "../kernels/all.h"

extern const fbp_kernels *const PASTE(fbp_kernels_, ISA)[2];
const fbp_kernels *const PASTE(fbp_kernels_, ISA)[2] = {[FBP_FLOAT32] = &table_f32, [FBP_FLOAT64] = &table_f64};
