/* instantiate.h: the kernels of one instruction set, float32 and float64, and their two tables; and narrow products.
 *
 * The including stub has set, with the target already switched:
 *   ISA            its name, an identifier
 *   VECTOR_BYTES   bytes of a vector register; 0: plain C
 * and the sizes that kernels/blocking.h derives from the registers and caches (they may depend on REAL_BITS, 32 or 64):
 *   MR, NV         the register tile: MR rows times NV vectors of sums
 *   KC             steps of a sum in one cache block, between two visits of the sum to memory
 *   SC             the same in the weight gradient, whose steps are samples
 *   L2_BYTES       bytes of the broadcast operands of one cache block of rows
 *   NATIVE_BF16    1: only the narrow products, for CPUs that multiply pairs of bfloat16; 0: everything, the narrow
 *                  products emulated; not set: without narrow products
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

#if !defined(NATIVE_BF16) || !NATIVE_BF16
#define REAL_BITS 32
#define NAME(x) PASTE(x, _f32)
#include "../kernels/all.h"

#define REAL_BITS 64
#define NAME(x) PASTE(x, _f64)
#include "../kernels/all.h"

extern const fbp_kernels *const PASTE(fbp_kernels_, ISA)[2];
const fbp_kernels *const PASTE(fbp_kernels_, ISA)[2] = {[FBP_FLOAT32] = &table_f32, [FBP_FLOAT64] = &table_f64};
#endif

#ifdef NATIVE_BF16
#if !NATIVE_BF16 /* an emulation need not be fast: few register tiles, which compile to little code */
#undef MR
#undef NV
#undef TILES_OF_ROWS
#define MR 4
#define NV 2
#define TILES_OF_ROWS(X, mr) X(mr, 1) X(mr, 2)
#endif
#define NARROW
#define REAL_BITS 32
#define NAME(x) PASTE(x, _bf16)
#include "../kernels/narrow.h"
#if NATIVE_BF16
extern const fbp_narrow_kernels *const PASTE(fbp_bf16_, ISA);
const fbp_narrow_kernels *const PASTE(fbp_bf16_, ISA) = &table_bf16;
#else
extern const fbp_narrow_kernels *const PASTE(fbp_emulated_bf16_, ISA);
const fbp_narrow_kernels *const PASTE(fbp_emulated_bf16_, ISA) = &table_bf16;
#endif
#endif
