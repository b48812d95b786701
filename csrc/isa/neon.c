/* neon.c: 64-bit Arm. 32 registers of 128 bits: 8 x 3 sums, 3 streamed vectors, 1 broadcast operand.
 * kernels/blocking.h derives the sizes. */
#include "platform.h"

#if HAS_VECTORS && defined(__aarch64__)
#define ISA neon
#define VECTOR_BYTES 16
#define MR 8
#define NV 3
#define KC 448
#define SC 448
#define L2_BYTES (200 * 1024)
#include "instantiate.h"
#endif
