/* platform.h: what the templates need from the compiler, before any target is switched (a header's inline functions
 * take the target that is in force where it is included).
 */
#include "../fastbp.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* GCC and clang have vector extensions. Other compilers get plain C, whose vectors have one lane. */
#if FBP_GNU_C && !defined(FASTBP_PLAIN_C)
#define HAS_VECTORS 1
#else
#define HAS_VECTORS 0
#endif

/* Lanes of two vectors in an order given by constants. GCC before 12 has a name of its own for it. */
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#endif
#endif
#ifndef SHUFFLE
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif

#if HAS_VECTORS && (defined(__x86_64__) || defined(__i386__))
#include <immintrin.h>
#if defined(_MSC_VER) /* where clang's header leaves out what the whole file is not compiled for */
#include <smmintrin.h>
#include <avxintrin.h>
#include <avx2intrin.h>
#include <avx512fintrin.h>
#include <avx512bwintrin.h>
#include <avx512bf16intrin.h>
#endif
#elif HAS_VECTORS && defined(__aarch64__)
#include <arm_neon.h>
#endif

/* AMX needs a compiler that knows its instructions, and an operating system that fbp_may_use_amx knows how to ask. */
#if HAS_VECTORS && defined(__x86_64__) && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 11)
#define HAS_AMX 1
#else
#define HAS_AMX 0
#endif

#if FBP_GNU_C
#define INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#elif defined(_MSC_VER)
#define INLINE __forceinline
#define NOINLINE __declspec(noinline)
#else
#define INLINE inline
#define NOINLINE
#endif

/* Fetches a cache line that will be read soon. Any address is allowed, also one after the end of the array. */
#if FBP_GNU_C
#define PREFETCH(p) __builtin_prefetch(p)
/* Fetches one that will be written soon: other cores lose their copies of it, and the later store need not wait for
 * that. */
#define PREFETCH_TO_WRITE(p) __builtin_prefetch(p, 1)
#else
#define PREFETCH(p) ((void)(p))
#define PREFETCH_TO_WRITE(p) ((void)(p))
#endif

/* The compiler moves no load or store across it, neither up nor down. */
#if FBP_GNU_C
#define FENCE() __asm__ volatile("" : : : "memory")
#else
#define FENCE() ((void)0)
#endif

/* The compiler has to hold this vector in a register at this point. */
#if HAS_VECTORS && defined(__x86_64__) && defined(__clang__)
#define IN_REGISTER(x) __asm__ volatile("" : "+v"(x)) /* "x": 16 of the 32 of AVX-512 */
#elif HAS_VECTORS && defined(__x86_64__)
#define IN_REGISTER(x) __asm__ volatile("" : "+x"(x))
#elif HAS_VECTORS && defined(__aarch64__)
#define IN_REGISTER(x) __asm__ volatile("" : "+w"(x))
#else
#define IN_REGISTER(x) ((void)(x))
#endif

/* For loops with constant bounds over an array of vectors: it stays in registers only if the loop is unrolled. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

/* One round of a loop that is written out, in which `variable` is a constant. Clang 14 keeps an array of sums in memory
 * where a loop indexes it, even a loop that it unrolls later. */
#define STEP_OF_LOOP(variable, value, end, ...) \
    if (value < end) {                          \
        enum { variable = value };              \
        __VA_ARGS__                             \
    }

/* IEEE binary16, as NumPy stores float16. Exact. */
static inline float fbp_half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 0x1Fu, fraction = half & 0x3FFu;
    uint32_t bits;
    float value;
    if (exponent == 0) { /* zero or denormal: fraction * 2^-24 */
        value = (float)fraction * (1.0f / 16777216.0f);
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}
