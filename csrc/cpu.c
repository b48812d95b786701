/* cpu.c: which instruction sets this CPU and OS offer, whether it multiplies bfloat16, and gains by it, whether it gains
 * by prefetching what the update will write or by half panels, and how it treats denormal numbers.
 *
 * The compiler's run-time support asks CPUID and, for the wide registers, XGETBV: an instruction set whose registers
 * the OS does not save is not available.
 */
#include "fastbp.h"

#include <string.h>
#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

int fbp_isa_available(const char *isa)
{
    if (strcmp(isa, "baseline") == 0)
        return 1;
#if defined(__x86_64__) && FBP_GNU_C
    __builtin_cpu_init();
    if (strcmp(isa, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (strcmp(isa, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#elif defined(__aarch64__)
    if (strcmp(isa, "neon") == 0)
        return 1; /* part of the architecture */
#endif
    return 0;
}

int fbp_has_bf16(void)
{
#if defined(__x86_64__) && FBP_GNU_C
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") != 0;
#elif defined(__aarch64__) && defined(__linux__)
    return (getauxval(AT_HWCAP2) & 1UL << 14) != 0; /* HWCAP2_BF16 */
#elif defined(__aarch64__) && defined(__APPLE__)
    int found = 0;
    size_t size = sizeof found;
    return sysctlbyname("hw.optional.arm.FEAT_BF16", &found, &size, NULL, 0) == 0 && found;
#else
    return 0;
#endif
}

int fbp_gains_by_bf16(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    return !__builtin_cpu_is("intel");
#else
    return 1;
#endif
}

int fbp_prefetches_writes(void)
{
#if defined(__x86_64__) && FBP_GNU_C
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") && !__builtin_cpu_supports("avx512f");
#else
    return 0;
#endif
}

int fbp_gains_by_half_panels(void)
{
#if defined(__x86_64__) && FBP_GNU_C
    __builtin_cpu_init();
    return __builtin_cpu_is("amdfam19h") && __builtin_cpu_supports("avx512f"); /* Zen 4; Zen 3 has no AVX-512 */
#else
    return 0;
#endif
}

#if defined(__SSE2__) || defined(_M_X64)
enum { FLUSH_RESULTS = 1 << 15, FLUSH_OPERANDS = 1 << 6 };

unsigned long fbp_flush_denormals(void)
{
    const unsigned former = _mm_getcsr();
    _mm_setcsr(former | FLUSH_RESULTS | FLUSH_OPERANDS);
    return former;
}

void fbp_restore_denormals(unsigned long former)
{
    _mm_setcsr((unsigned)former);
}
#elif defined(__aarch64__) && FBP_GNU_C
enum { FLUSH_TO_ZERO = 1 << 24 };

unsigned long fbp_flush_denormals(void)
{
    unsigned long former;
    __asm__ volatile("mrs %0, fpcr" : "=r"(former));
    __asm__ volatile("msr fpcr, %0" : : "r"(former | FLUSH_TO_ZERO));
    return former;
}

void fbp_restore_denormals(unsigned long former)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(former));
}
#else
unsigned long fbp_flush_denormals(void)
{
    return 0; /* slower, but as correct */
}

void fbp_restore_denormals(unsigned long former)
{
    (void)former;
}
#endif
