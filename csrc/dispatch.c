/* dispatch.c: the instruction sets that are compiled in, best first, their kernels and narrow products; activations,
 * losses and optimizers by name. */
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
            return fbp_isa_available(isa) ? (*tables[i])[dtype] : NULL; /* no branch - CPUs without it */
    return NULL;
}

typedef struct {
    const char *isa;
    const fbp_narrow_kernels *const *of_kind[3];
} narrow_row;

#if HAS_VECTORS && defined(__x86_64__)
extern const fbp_narrow_kernels *const fbp_bf16_avx512;
#if HAS_AMX
extern const fbp_narrow_kernels *const fbp_amx_avx512;
#define AMX_KERNELS &fbp_amx_avx512
#else
#define AMX_KERNELS NULL
#endif
extern const fbp_narrow_kernels *const fbp_emulated_bf16_avx512, *const fbp_emulated_bf16_avx2;
extern const fbp_narrow_kernels *const fbp_emulated_bf16_baseline;
static const narrow_row narrow_rows[] = {
    {"avx512", {&fbp_bf16_avx512, &fbp_emulated_bf16_avx512, AMX_KERNELS}},
    {"avx2", {NULL, &fbp_emulated_bf16_avx2, NULL}},
    {"baseline", {NULL, &fbp_emulated_bf16_baseline, NULL}},
    {NULL, {NULL, NULL, NULL}},
};
#elif HAS_VECTORS && defined(__aarch64__)
extern const fbp_narrow_kernels *const fbp_bf16_neon;
static const narrow_row narrow_rows[] = {{"neon", {&fbp_bf16_neon, NULL, NULL}}, {NULL, {NULL, NULL, NULL}}};
#else
static const narrow_row narrow_rows[] = {{NULL, {NULL, NULL, NULL}}};
#endif

static int runs(fbp_bf16_kind kind)
{
    return kind == FBP_BF16_EMULATED || (kind == FBP_BF16_AMX ? fbp_has_amx() : fbp_has_bf16());
}

const fbp_narrow_kernels *fbp_narrow_kernels_for(const char *isa, fbp_bf16_kind kind)
{
    for (const narrow_row *row = narrow_rows; row->isa; row++) /* no branch - each set of x86-64 has a row */
        if (strcmp(row->isa, isa) == 0) {
            if (!row->of_kind[kind] || !runs(kind))
                return NULL;
            return fbp_isa_available(isa) ? *row->of_kind[kind] : NULL; /* no branch - CPUs without it */
        }
    return NULL;
}

#define NAME_ENTRY(constant, name, stores) [constant] = #name,
#define STORES_ENTRY(constant, name, stores) [constant] = stores,
static const char *const activation_names[] = {FBP_EACH_ACTIVATION(NAME_ENTRY)};
static const int stores_slope[] = {FBP_EACH_ACTIVATION(STORES_ENTRY)};

static int find(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

int fbp_activation_named(const char *name)
{
    return find(name, activation_names, sizeof activation_names / sizeof activation_names[0]);
}

int fbp_stores_slope(fbp_activation activation)
{
    return stores_slope[activation];
}

#define OPTIMIZER_ENTRY(constant, name, state_1, state_2, state_3) [constant] = #name,
#define STATES_ENTRY(constant, name, state_1, state_2, state_3) [constant] = {state_1, state_2, state_3},
static const char *const optimizer_names[] = {FBP_EACH_OPTIMIZER(OPTIMIZER_ENTRY)};
static const char *const state_names[][FBP_STATES] = {FBP_EACH_OPTIMIZER(STATES_ENTRY)};

int fbp_optimizer_named(const char *name)
{
    return find(name, optimizer_names, sizeof optimizer_names / sizeof optimizer_names[0]);
}

const char *fbp_state_name(fbp_optimizer optimizer, int i)
{
    return state_names[optimizer][i];
}

#define LOSS_NAME_ENTRY(constant, name, elementwise, takes_Z, over_outputs) [constant] = #name,
#define TAKES_Z_ENTRY(constant, name, elementwise, takes_Z, over_outputs) [constant] = takes_Z,
#define OUTPUTS_ENTRY(constant, name, elementwise, takes_Z, over_outputs) [constant] = over_outputs,
static const char *const loss_names[] = {FBP_EACH_LOSS(LOSS_NAME_ENTRY)};
static const int takes_Z[] = {FBP_EACH_LOSS(TAKES_Z_ENTRY)};
static const int averages_outputs[] = {FBP_EACH_LOSS(OUTPUTS_ENTRY)};

int fbp_loss_named(const char *name)
{
    return find(name, loss_names, sizeof loss_names / sizeof loss_names[0]);
}

int fbp_takes_Z(fbp_loss loss)
{
    return takes_Z[loss];
}

int fbp_averages_outputs(fbp_loss loss)
{
    return averages_outputs[loss];
}
