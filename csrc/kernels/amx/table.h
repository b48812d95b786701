/* table.h of amx: every template of the narrow products by AMX, each after those that it uses, and their table.
 *
 * In .ci/coverage: no cover - CPUs with AMX. */
#include "../simd.h"

#include "../vmath.h"

#include "../transpose.h"
#include "../activation.h"
#include "../finish.h"
#include "../bfloat16.h"
#include "../bias_gradient.h"
#define WHOLE_STEPS 1
#include "../narrow_panels.h"
#include "tiles.h"
#include "weights.h"
#include "panels.h"
#include "weight_gradient.h"

static const fbp_narrow_kernels NAME(table) = {
    .isa = STRING(ISA),
    .kind = FBP_BF16_AMX,
    .lanes = VL,
    .tile_rows = STEP,
    .scratch_elements = 0,
    .round_panels = NAME(round_panels),
    .round_weights = NAME(round_weights),
    .dense_forward = NAME(dense_forward),
    .input_gradient = NAME(input_gradient),
    .weight_gradient = NAME(weight_gradient),
};

extern const fbp_narrow_kernels *const fbp_amx_avx512;
const fbp_narrow_kernels *const fbp_amx_avx512 = &NAME(table);
