/* avx512_amx.c: narrow products on CPUs with AMX (Intel since Sapphire Rapids), under Linux, which asks for permission. All
 * these CPUs have AVX512-BF16, which rounds for them.
 */
#include "platform.h"

#if HAS_AMX
#if defined(__clang__)
#pragma clang attribute push(                                                                             \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma,prfchw,amx-tile,amx-bf16"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx512bf16,avx2,fma,prfchw,prefer-vector-width=512")
#pragma GCC target("amx-tile,amx-bf16")
#endif

#define ISA avx512
#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define VECTOR_BYTES 64
#define NATIVE_BF16 1
#define NARROW
#define REAL_BITS 32
#define NAME(x) x##_amx
#include "../kernels/amx/table.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
