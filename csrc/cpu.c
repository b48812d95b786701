/* cpu.c: which instruction sets this CPU and OS offer, whether it multiplies bfloat16, and gains by it, whether it gains
 * by prefetching what the update will write or by half panels, whether it has AMX, and how it treats denormal numbers.
 *
 * The compiler's run-time support asks CPUID and, for the wide registers, XGETBV: an instruction set whose registers
 * the OS does not save is not available.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for syscall */
#endif
#include "fastbp.h"

#include <string.h>
#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif
#if defined(__x86_64__) && defined(__linux__) && FBP_GNU_C
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
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
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); /* no branch - other CPUs */
    if (strcmp(isa, "avx512") == 0) /* no branch - nobody asks for a name that dispatch.c lacks */
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && /* no branch - other CPUs */
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && /* no branch - other CPUs */
               __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); /* no branch - other CPUs */
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

#if defined(__x86_64__) && defined(__linux__) && FBP_GNU_C && defined(SYS_arch_prctl)
/* Of arch_prctl(2), whose header older systems lack: which registers the system can save, and a wish to use some. */
enum { GET_SUPPORTED_STATES = 0x1021, ASK_FOR_STATE = 0x1023, TILE_CONFIGURATION = 17, TILE_DATA = 18 };

/* Tiles as the kernels take them for granted: 8 of 16 rows of 64 bytes. */
static int has_whole_tiles(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) /* no branch - CPUs before Haswell */
        return 0; /* no cover - CPUs before Haswell */
    if (!(d & 1u << 22) || !(d & 1u << 24)) /* AMX-BF16, AMX-TILE; no branch - CPUs with AMX */
        return 0;
    if (!__get_cpuid_count(0x1D, 1, &a, &b, &c, &d)) /* palette 1; no cover - CPUs with AMX */
        return 0; /* no cover - CPUs with AMX */
    return (b & 0xFFFF) >= 64 && b >> 16 >= 8 && (c & 0xFFFF) >= 16; /* no cover - CPUs with AMX */
}

int fbp_has_amx(void)
{
    const unsigned long needed = 1ul << TILE_CONFIGURATION | 1ul << TILE_DATA;
    unsigned long supported = 0;
    return fbp_has_bf16() && has_whole_tiles() && /* no branch - CPUs with AMX, or without bfloat16 */
           syscall(SYS_arch_prctl, GET_SUPPORTED_STATES, &supported) == 0 && (supported & needed) == needed;
}

int fbp_may_use_amx(void)
{
    return fbp_has_amx() && syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0; /* no cover - CPUs with AMX */
}
#else
int fbp_has_amx(void)
{
    return 0;
}

int fbp_may_use_amx(void)
{
    return 0;
}
#endif

int fbp_prefetches_writes(void)
{
#if defined(__x86_64__) && FBP_GNU_C
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") && !__builtin_cpu_supports("avx512f"); /* no branch - other CPUs */
#else
    return 0;
#endif
}

int fbp_gains_by_half_panels(void)
{
#if defined(__x86_64__) && FBP_GNU_C
    __builtin_cpu_init();
    /* Zen 4; Zen 3 has no AVX-512. */
    return __builtin_cpu_is("amdfam19h") && __builtin_cpu_supports("avx512f"); /* no branch - other CPUs */
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
