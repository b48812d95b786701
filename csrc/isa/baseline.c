/* baseline.c: what every CPU of this architecture has: SSE2 on x86-64, 128-bit vectors elsewhere, plain C where the
 * compiler knows no vectors. 16 registers, one of them for the product of a multiply and an add: 4 x 2 sums.
 * kernels/blocking.h derives the sizes.
 */
#include "platform.h"

#define ISA baseline
#define VECTOR_BYTES (16 * HAS_VECTORS)
#define MR 4
#define NV 2
#define KC 448
#define SC 448
#define L2_BYTES (200 * 1024)
#if HAS_VECTORS && defined(__x86_64__)
#define NATIVE_BF16 0
#endif
#include "instantiate.h"
