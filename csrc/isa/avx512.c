/* avx512.c: AVX-512 F, DQ, BW, VL (Intel since Skylake-SP, AMD since Zen 4). 32 registers: 8 x 3 sums, 3 streamed
 * vectors, 1 broadcast operand. kernels/blocking.h derives the sizes.
 */
#include "platform.h"

#if HAS_VECTORS && defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,prfchw"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,prfchw,prefer-vector-width=512")
#endif

#define ISA avx512
#define VECTOR_BYTES 64
#define MR 8
#define NV 3
#define KC (REAL_BITS == 32 ? 144 : 120)
#define SC 144
#define L2_BYTES (400 * 1024)
#define NATIVE_BF16 0
#include "instantiate.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
