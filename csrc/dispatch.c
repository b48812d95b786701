/* dispatch.c: the instruction sets that were compiled in, best first, and the way to their kernels. */
#include "isa/platform.h"

typedef const fbp_kernels *const table_pair[2];

extern table_pair fbp_kernels_baseline;
#if HAS_VECTORS && defined(__x86_64__)
extern table_pair fbp_kernels_avx512, fbp_kernels_avx2;
const char *const fbp_isa_names[] = {"avx512", "avx2", "baseline", NULL};
static table_pair *const tables[] = {&fbp_kernels_avx512, &fbp_kernels_avx2, &fbp_kernels_baseline};
#elif HAS_VECTORS && defined(__aarch64__)
extern table_pair fbp_kernels_neon;
const char *const fbp_isa_names[] = {"neon", "baseline", NULL};
static table_pair *const tables[] = {&fbp_kernels_neon, &fbp_kernels_baseline};
#else
const char *const fbp_isa_names[] = {"baseline", NULL};
static table_pair *const tables[] = {&fbp_kernels_baseline};
#endif

const fbp_kernels *fbp_kernels_for(const char *isa, fbp_dtype dtype)
{
    for (int i = 0; fbp_isa_names[i]; i++)
        if (strcmp(fbp_isa_names[i], isa) == 0)
            return fbp_isa_available(isa) ? (*tables[i])[dtype] : NULL;
    return NULL;
}

int fbp_stores_slope(fbp_activation activation)
{
    return activation == FBP_GELU || activation == FBP_SILU;
}
