/* neon_bf16.c: narrow products on 64-bit Arm with the BF16 extension (Armv8.6; Neoverse V1 and N2, Apple since M2). The
 * sizes are those of neon.c: an operand takes 32 bits in both.
 */
#include "platform.h"

#if HAS_VECTORS && defined(__aarch64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+bf16")
#endif

#define ISA neon
#define VECTOR_BYTES 16
#define MR 8
#define NV 3
#define KC 448
#define SC 448
#define L2_BYTES (200 * 1024)
#define NATIVE_BF16 1
#include "instantiate.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
