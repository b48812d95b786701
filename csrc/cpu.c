/* cpu.c: which instruction sets this CPU and OS offer.
 *
 * The compiler's run-time support asks CPUID and, for the wide registers, XGETBV, so that an OS that does not save them counts as
 * not offering them.
 */
#include "fastbp.h"

#include <string.h>

int fbp_isa_available(const char *isa)
{
    if (strcmp(isa, "baseline") == 0)
        return 1;
#if defined(__x86_64__) && defined(__GNUC__)
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
