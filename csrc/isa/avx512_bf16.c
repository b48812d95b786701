/* avx512_bf16.c: narrow products on CPUs with AVX-512 BF16 (Intel since Cooper Lake, AMD since Zen 4). The sizes are those
 * of avx512.c: an operand takes 32 bits in both.
 */
#include "platform.h"

#if HAS_VECTORS && defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma,prfchw"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma,prfchw,prefer-vector-width=512")
#endif

#define ISA avx512
#define VECTOR_BYTES 64
#define MR 8
#define NV 3
#define KC 144
#define SC 144
#define L2_BYTES (400 * 1024)
#define NATIVE_BF16 1
#include "instantiate.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
