/* avx2.c: AVX2 with FMA (Intel since Haswell, AMD since Excavator). 16 registers: 6 x 2 sums, 2 streamed
 * vectors, 1 broadcast operand. kernels/blocking.h derives the sizes. */
#include "platform.h"

#if HAS_VECTORS && defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,prfchw"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,prfchw")
#endif

#define ISA avx2
#define VECTOR_BYTES 32
#define MR 6
#define NV 2
#define KC 224
#define SC 128
#define L2_BYTES (200 * 1024)
#define NATIVE_BF16 0
#include "instantiate.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
