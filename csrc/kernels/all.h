/* all.h: every template of one dtype, each after those that it uses, and the table of its kernels.
 *
 * tests/engine/test_kernel_driver.py fails where a member of fbp_kernels has no row here.
 */
#include "simd.h"

#include "vmath.h"

#include "transpose.h"
#include "random.h"
#include "dropout.h"
#include "rows.h"
#include "prepare.h"
#include "activation.h"
#include "softmax.h"
#include "operand.h"
#include "blocking.h"
#include "microkernel.h"
#include "tiles.h"
#include "half_panels.h"
#include "product.h"
#include "panels_product.h"
#include "finish.h"
#include "forward.h"
#include "input_gradient.h"
#include "weight_gradient.h"
#include "bias_gradient.h"
#include "dense.h"
#include "pointwise.h"
#include "normalize.h"
#include "members.h"
#include "curvature.h"
#include "groups.h"
#include "embed.h"
#include "few_rows.h"
#include "losses/base.h"
#include "losses/classification.h"
#include "losses/regression.h"
#include "losses/deviances.h"
#include "losses/policy.h"
#include "losses/all_losses.h"
#include "metrics.h"
#include "wide.h"
#include "clip.h"
#include "regularize.h"
#include "optimizer.h"
#include "ways.h"
#include "elementwise.h"
#include "chacha.h"
#include "noise.h"
#include "lanes.h"

static const fbp_private_kernels NAME(private_table) = {
    .random_blocks = NAME(random_blocks),
    .poisson_rows = NAME(poisson_rows),
    .add_noise = NAME(add_noise),
    .dense_squares = NAME(dense_squares),
    .vector_squares = NAME(vector_squares),
    .row_squares = NAME(row_squares),
    .clip_factors = NAME(clip_factors),
    .scale_lanes = NAME(scale_lanes),
    .clear_lanes = NAME(clear_lanes),
};

static const fbp_group_kernels NAME(group_table) = {
    .basis_forward = NAME(basis_forward),
    .basis_backward = NAME(basis_backward),
    .basis_tangent = NAME(basis_tangent),
    .basis_gradient = NAME(basis_gradient),
    .basis_curvature = NAME(basis_curvature),
    .basis_curvature_backward = NAME(basis_curvature_backward),
    .product_forward = NAME(product_forward),
    .product_backward = NAME(product_backward),
    .product_gradient = NAME(product_gradient),
};

static const fbp_kernels NAME(table) = {
    .isa = STRING(ISA),
    .dtype = REAL_BITS == 32 ? FBP_FLOAT32 : FBP_FLOAT64,
    .lanes = VL,
    .tile_rows = MR,
    .tile_panels = NV,
    .scratch_elements = PACK_ELEMENTS,
    .few_rows = VL >= 4 ? VL * 3 / 4 : 1,
    .gather_panel = NAME(gather_panel),
    .prepare_panel = NAME(prepare_panel),
    .scatter_panel = NAME(scatter_panel),
    .transpose_panels = NAME(transpose_panels),
    .dense_forward = NAME(dense_forward),
    .input_gradient = NAME(input_gradient),
    .weight_gradient = NAME(weight_gradient),
    .softmax_forward = NAME(softmax_forward),
    .softmax_backward = NAME(softmax_backward),
    .activation_backward = NAME(activation_backward),
    .activation_forward = NAME(activation_forward),
    .add_panels = NAME(add_panels),
    .vector_gradient = NAME(vector_gradient),
    .layer_norm_forward = NAME(layer_norm_forward),
    .layer_norm_backward = NAME(layer_norm_backward),
    .batch_statistics = NAME(batch_statistics),
    .batch_norm_forward = NAME(batch_norm_forward),
    .batch_norm_backward = NAME(batch_norm_backward),
    .prelu_forward = NAME(prelu_forward),
    .prelu_backward = NAME(prelu_backward),
    .scale_panels = NAME(scale_panels),
    .affine_panels = NAME(affine_panels),
    .transpose_member = NAME(transpose_member),
    .sum_members = NAME(sum_members),
    .mix_logits = NAME(mix_logits),
    .parametric_forward = NAME(parametric_forward),
    .parametric_backward = NAME(parametric_backward),
    .activation_curvature = NAME(activation_curvature),
    .add_curved = NAME(add_curved),
    .softmax_curvature = NAME(softmax_curvature),
    .layer_norm_curvature = NAME(layer_norm_curvature),
    .layer_norm_curvature_backward = NAME(layer_norm_curvature_backward),
    .read_codes = NAME(read_codes),
    .embed_forward = NAME(embed_forward),
    .embed_gradient = NAME(embed_gradient),
    .read_row = NAME(read_row),
    .pack_for_rows = NAME(pack_for_rows),
    .forward_rows = NAME(forward_rows),
    .loss_panel = NAME(loss_panel),
    .metric_panel = NAME(metric_panel),
    .unit_squares = NAME(unit_squares),
    .unit_penalties = NAME(unit_penalties),
    .add_penalty_slopes = NAME(add_penalty_slopes),
    .limit_norms = NAME(limit_norms),
    .clip = NAME(clip),
    .update = NAME(update),
    .average = NAME(average),
    .point_of_way = NAME(point_of_way),
    .add_scaled = NAME(add_scaled),
    .all_finite = NAME(all_finite),
    .exp = NAME(array_exp),
    .expm1 = NAME(array_expm1),
    .log = NAME(array_log),
    .tanh = NAME(array_tanh),
    .sigmoid = NAME(array_sigmoid),
    .normal_cdf = NAME(array_normal_cdf),
    .sine_of_turns = NAME(array_sine_of_turns),
    .cosine_of_turns = NAME(array_cosine_of_turns),
    .permutation = NAME(permutation),
    .dropout = NAME(dropout),
    .dropout_by_lane = NAME(dropout_by_lane),
    .burn = NAME(burn),
    .private_training = &NAME(private_table),
    .groups = &NAME(group_table),
};

#include "undef.h"
