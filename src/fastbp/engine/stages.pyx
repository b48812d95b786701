"""The kinds of stages: what each does forward and backward, and how its parameters' gradient is made.

A network is a sequence of stages. Forward, a stage computes its output from its source and applies its activation.
Backward, it reads dZ in its `gradient`, already multiplied by the activation's slope, and writes dZ of the stage below
into the `gradient` of that stage.

Both take panels p0..p1; forward takes units n0..n1, backward takes inputs k0..k1. A product may be called for a few
units at a time, in rising order, so that Ctrl-C can stop a long step. All other kinds are called for all units at once.
The gradient of tables is computed for table shares n0..n1 in place of units.

A new kind is its functions and a row of KINDS, a member of StageKind, and its lines in stage_specs.pyx.
"""

from fastbp.engine.layout cimport (
    ACTIVATION, ADD, BASIS, BATCH_NORM, DENSE, DROPOUT, FORK, GROUPED, HEADS, LAYER_NORM, MEAN, MEMBER_AFFINE,
    PARAMETRIC, PRELU, REPEAT, SCALING, TABULAR, Statistics, activation_gradient, item_size,
)
from fastbp.engine.kernels cimport FBP_LINEAR, FBP_SOFTMAX, fbp_panels
from fastbp.engine.members cimport (
    below_of, inputs_of_member, mean_backward, mean_forward, member_of, repeat_forward, units_of_member,
)
from fastbp.engine.penalty cimport add_penalty_slopes

ctypedef void (*forward_function)(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                                  Py_ssize_t n1) noexcept nogil
ctypedef void (*backward_function)(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                                   Py_ssize_t k0, Py_ssize_t k1) noexcept nogil
ctypedef void (*gradient_function)(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                                   const void *const *will_write) noexcept nogil
ctypedef void (*meeting_function)(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil

cdef struct Kind:
    forward_function forward
    backward_function backward
    gradient_function gradient     # of units n0..n1; NULL: the kind has no parameters
    Py_ssize_t saves               # numbers a unit that forward leaves in stage.saved, which backward reads

    # In training, for units n0..n1: what is computed from the whole batch before any panel goes on; NULL: nothing.
    meeting_function meet_forward
    meeting_function meet_backward

cdef Kind KINDS[17]


cdef bint needs_meetings(const Stage *stage) noexcept nogil:
    return KINDS[<int>stage.kind].meet_forward != NULL


cdef Py_ssize_t saved_features(const Stage *stage) noexcept nogil:
    """The rows of `saved` that training needs; 0: it needs none."""
    cdef Py_ssize_t saves = KINDS[<int>stage.kind].saves
    return saves * stage.layer.n_units + 1 if saves else 0


# ---- What its kind does --------------------------------------------------------------------------------------------


cdef void stage_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil:
    """Panels p0..p1 of the source -> units n0..n1 of the output. Only a product may be called for some units."""
    cdef Py_ssize_t m, first, end
    cdef Stage own
    if stage.members <= 1:
        KINDS[<int>stage.kind].forward(mb, stage, p0, p1, n0, n1)
        return
    for m in range(stage.members):
        own = member_of(mb.k, stage, m)
        if units_of_member(stage, m, n0, n1, &first, &end):
            KINDS[<int>stage.kind].forward(mb, &own, p0, p1, first, end)


cdef void stage_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t k0,
                         Py_ssize_t k1) noexcept nogil:
    """dZ of this stage -> dZ of the stage below: inputs k0..k1 of this one. Only a product may be called for some."""
    cdef Py_ssize_t m
    cdef Stage own, below_own
    if stage.members <= 1:
        KINDS[<int>stage.kind].backward(mb, stage, below, p0, p1, k0, k1)
        return
    for m in range(stage.members):
        own = member_of(mb.k, stage, m)
        below_own = below_of(mb.k, below, m, inputs_of_member(stage, below))
        KINDS[<int>stage.kind].backward(mb, &own, &below_own, p0, p1, k0, k1)


cdef void stage_round_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """The copies of dZ, panels p0..p1, that narrow products read: before stage_backward and stage_gradient."""
    cdef Py_ssize_t m
    cdef Stage own
    if not stage.narrow.on:
        return
    if stage.members <= 1:
        _round_gradient(mb, stage, p0, p1)
        return
    for m in range(stage.members):
        own = member_of(mb.k, stage, m)
        _round_gradient(mb, &own, p0, p1)


cdef void _round_gradient(const Microbatch *mb, const Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    mb.narrow.round_panels(stage.gradient, stage.layer.n_units, mb.n_samples, p0, p1, stage.narrow.gradient,
                           stage.narrow.gradient_rows, NULL, 0)


cdef void stage_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                         const void *const *will_write) noexcept nogil:
    """The gradient of units n0..n1, with the penalty's; will_write: what the update will write (weight_gradient)."""
    stage_gradient_of_samples(mb, stage, n0, n1, will_write)
    if not mb.accumulate:
        add_penalty_slopes(mb.k, stage, mb.step_l2, n0, n1)


cdef void stage_gradient_of_samples(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                                    const void *const *will_write) noexcept nogil:
    """The same without the penalty's; of a shared stage the sum over the members, in their order."""
    cdef Py_ssize_t m, first, end
    cdef Stage own
    cdef Microbatch of_member
    if stage.members <= 1:
        KINDS[<int>stage.kind].gradient(mb, stage, n0, n1, will_write)
        return
    of_member = mb[0]
    for m in range(stage.members):
        own = member_of(mb.k, stage, m)
        of_member.accumulate = mb.accumulate or (m > 0 and stage.own == 1)
        if units_of_member(stage, m, n0, n1, &first, &end):
            KINDS[<int>stage.kind].gradient(&of_member, &own, first, end, NULL)


cdef void stage_meet_forward(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """What the stage needs from the whole batch before it goes forward in training, for units n0..n1."""
    KINDS[<int>stage.kind].meet_forward(mb, stage, n0, n1)


cdef void stage_meet_backward(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """The same before it goes backward."""
    KINDS[<int>stage.kind].meet_backward(mb, stage, n0, n1)


cdef void stage_updated(const fbp_kernels *k, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """What follows an update of units n0..n1."""
    if stage.max_norm > 0:
        k.limit_norms(&stage.layer, stage.max_norm, n0, n1)
    if stage.kind == BATCH_NORM:
        _move(k, &stage.running, &stage.moved, 1, n0, n1)


cdef void _activate(const Microbatch *mb, Stage *stage, fbp_panels Z, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """act(Z) -> output: the end of the forward pass of every kind that is no product."""
    if stage.layer.activation == FBP_LINEAR and Z.data == stage.output.data:
        return
    mb.k.activation_forward(&stage.layer, Z, stage.output, stage.slope, p0, p1)
    if stage.layer.activation == FBP_SOFTMAX:
        mb.k.softmax_forward(stage.output, stage.layer.n_units, p0, p1)


# Dense: A = act(source @ W.T + b)


cdef void _dense_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                         Py_ssize_t n1) noexcept nogil:
    """The softmax needs all units: it follows the last of them."""
    if not stage.narrow.on:
        mb.k.dense_forward(&stage.layer, stage.source, stage.output, stage.slope, p0, p1, n0, n1,
                           p1 == mb.half_end)
    else:
        if n0 == 0:
            mb.narrow.round_panels(stage.source, stage.layer.n_inputs, mb.n_samples, p0, p1, stage.narrow.source,
                                   fbp_panels(NULL, 0), stage.narrow.blocks, stage.narrow.block_stride)
        mb.narrow.dense_forward(&stage.layer, stage.narrow.rows, stage.narrow.source, stage.output, stage.slope, p0, p1,
                                n0, n1)
    if stage.layer.activation == FBP_SOFTMAX and n1 == stage.layer.n_units:
        mb.k.softmax_forward(stage.output, n1, p0, p1)


cdef void _dense_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                          Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    if stage.narrow.on:
        mb.narrow.input_gradient(&stage.layer, stage.narrow.pairs, stage.narrow.gradient, &below.layer, below.output,
                                 below.slope, below.gradient, p0, p1, k0, k1, mb.scratch)
    else:
        mb.k.input_gradient(&stage.layer, stage.gradient, &below.layer, below.output, below.slope, below.gradient, p0,
                            p1, k0, k1, p1 == mb.half_end, mb.scratch)
    if below.layer.activation == FBP_SOFTMAX and k1 == below.layer.n_units:
        mb.k.softmax_backward(below.output, below.gradient, k1, p0, p1)


cdef void _dense_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                          const void *const *will_write) noexcept nogil:
    if stage.narrow.on:
        mb.narrow.weight_gradient(&stage.layer, stage.gradient, stage.narrow.gradient_rows, stage.narrow.blocks,
                                  stage.narrow.block_stride, mb.n_samples, n0, n1, stage.dW, stage.db, mb.accumulate,
                                  will_write)
    else:
        mb.k.weight_gradient(&stage.layer, stage.gradient, stage.source_blocks, stage.block_stride, mb.n_samples, n0,
                             n1, stage.dW, stage.db, mb.accumulate, will_write)


# Dropout: A = source, in training with some numbers set to zero and the others scaled up


cdef void _drop(const Microbatch *mb, Stage *stage, fbp_panels source, fbp_panels target, Py_ssize_t p0,
                Py_ssize_t p1) noexcept nogil:
    """Source -> target without the dropped numbers. Each stage has a random key, each step a random stream."""
    cdef uint64_t key = mb.seed + <uint64_t>0x9E3779B97F4A7C15 * <uint64_t>(stage.number + 1)
    cdef Py_ssize_t n_units = stage.layer.n_units
    cdef double rate = 0
    if mb.training:
        rate = stage.rate if stage.rates == NULL else stage.rates[mb.step_of_call]
    if rate == 0:
        mb.k.add_panels(source, fbp_panels(NULL, 0), target, n_units, p0, p1)
    elif mb.by_lane:
        mb.k.dropout_by_lane(source, target, n_units, mb.first_panel, p0, p1, rate, key, mb.step)
    else:
        mb.k.dropout(source, target, n_units, mb.first_sample, p0, p1, rate, key, mb.step)


cdef void _dropout_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil:
    _drop(mb, stage, stage.source, stage.output, p0, p1)


cdef void _dropout_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                            Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    _drop(mb, stage, stage.gradient, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


# Activation: A = act(source)


cdef void _activation_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil:
    _activate(mb, stage, stage.source, p0, p1)


cdef void _activation_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    """dZ of this stage is dA of the stage below. An add's backward is the same."""
    mb.k.add_panels(stage.gradient, fbp_panels(NULL, 0), below.gradient, stage.layer.n_units, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


# Layer normalisation: A = act(gain * h + shift), h the source normalised over its features


cdef void _layer_norm_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil:
    mb.k.layer_norm_forward(&stage.layer, stage.epsilon, stage.source, stage.output, stage.saved, p0, p1)
    _activate(mb, stage, stage.output, p0, p1)


cdef void _layer_norm_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.layer_norm_backward(&stage.layer, stage.gradient, stage.saved, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


cdef void _vector_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                           const void *const *will_write) noexcept nogil:
    """Of a stage with one or two parameters a unit: the first one multiplies `saved`, the second one is added."""
    mb.k.vector_gradient(stage.gradient, stage.saved, mb.n_samples, n0, n1, stage.dW, stage.db, mb.accumulate)


# Batch normalisation: A = act(gain * h + shift), h the source normalised over the batch, or by running statistics


cdef const Statistics *_statistics(const Microbatch *mb, const Stage *stage) noexcept nogil:
    return &stage.batch if mb.training else &stage.running


cdef void _batch_norm_meet_forward(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    mb.k.batch_statistics(stage.source, mb.n_samples, n0, n1, stage.epsilon, stage.batch.mean, stage.batch.variance,
                          stage.batch.inverse)


cdef void _batch_norm_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil:
    cdef const Statistics *statistics = _statistics(mb, stage)
    mb.k.batch_norm_forward(&stage.layer, statistics.mean, statistics.inverse, stage.source, stage.output, stage.saved,
                            p0, p1)
    _activate(mb, stage, stage.output, p0, p1)


cdef void _batch_norm_meet_backward(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    mb.k.vector_gradient(stage.gradient, stage.saved, mb.n_samples, n0, n1, stage.batch_dW, stage.batch_db, False)


cdef void _batch_norm_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.batch_norm_backward(&stage.layer, _statistics(mb, stage).inverse, stage.batch_dW if mb.training else NULL,
                             stage.batch_db, mb.n_samples, stage.gradient, stage.saved, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


cdef void _move(const fbp_kernels *k, const Statistics *average, const Statistics *latest, double share,
                Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """average += share * (latest - average), for mean and variance of units n0..n1; a share of 1 copies."""
    cdef Py_ssize_t offset = n0 * item_size(k.dtype)
    k.average(<char *>average.mean + offset, <char *>latest.mean + offset, n1 - n0, share)
    k.average(<char *>average.variance + offset, <char *>latest.variance + offset, n1 - n0, share)


cdef void _batch_norm_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                               const void *const *will_write) noexcept nogil:
    """The gradient, and the running statistics, which go into `moved` until the step is completed."""
    _vector_gradient(mb, stage, n0, n1, will_write)
    if not mb.training:
        return
    if mb.accumulate:
        _move(mb.k, &stage.moved, &stage.batch, stage.momentum, n0, n1)
    else:
        stage_move_statistics(mb.k, stage, n0, n1)


cdef void stage_move_statistics(const fbp_kernels *k, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """Of a batch_norm: what its running statistics become after a step with the statistics in `batch`."""
    _move(k, &stage.moved, &stage.running, 1, n0, n1)
    _move(k, &stage.moved, &stage.batch, stage.momentum, n0, n1)


# Fork and add: a residual connection. The add's output is A = act(source + the output of its fork)


cdef void _fork_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil:
    """The output is the source itself."""
    pass


cdef void _fork_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                         Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.add_panels(stage.gradient, stage.other, below.gradient, stage.layer.n_units, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


cdef void _add_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                       Py_ssize_t n1) noexcept nogil:
    mb.k.add_panels(stage.source, stage.other, stage.output, stage.layer.n_units, p0, p1)
    _activate(mb, stage, stage.output, p0, p1)


# PReLU: A = act(source above 0, else slope * source), a slope a unit


cdef void _prelu_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                         Py_ssize_t n1) noexcept nogil:
    mb.k.prelu_forward(&stage.layer, stage.source, stage.output, stage.saved, p0, p1)
    _activate(mb, stage, stage.output, p0, p1)


cdef void _prelu_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                          Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.prelu_backward(&stage.layer, stage.source, stage.gradient, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


# Scaling: A = act(scale * source), a factor a unit


cdef void _scaling_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil:
    mb.k.scale_panels(&stage.layer, stage.source, stage.output, p0, p1)
    _activate(mb, stage, stage.output, p0, p1)


cdef void _scaling_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                            Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.scale_panels(&stage.layer, stage.gradient, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


# Parametric: A = act(alpha * f(source) + (1 - alpha) * source), an alpha a unit


cdef void _parametric_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil:
    mb.k.parametric_forward(&stage.layer, stage.function, stage.source, stage.output, stage.saved, p0, p1)
    _activate(mb, stage, stage.output, p0, p1)


cdef void _parametric_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.parametric_backward(&stage.layer, stage.saved, stage.gradient, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


# Basis: A = [features of single inputs, and all inputs]


cdef void _basis_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                         Py_ssize_t n1) noexcept nogil:
    mb.k.groups.basis_forward(&stage.layer, &stage.groups, stage.source, stage.output, stage.saved, p0, p1)


cdef void _basis_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t k0,
                          Py_ssize_t k1) noexcept nogil:
    mb.k.groups.basis_backward(&stage.layer, &stage.groups, stage.saved, stage.gradient, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


cdef void _basis_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                          const void *const *will_write) noexcept nogil:
    mb.k.groups.basis_gradient(&stage.layer, &stage.groups, stage.saved, stage.source, stage.gradient, mb.n_samples, n0,
                               n1, stage.dW, stage.db, mb.accumulate)


# Grouped: A = [a product for each group of the source, and what follows the groups]


cdef void _grouped_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil:
    mb.k.groups.product_forward(&stage.layer, &stage.groups, stage.source, stage.output, p0, p1)


cdef void _grouped_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                            Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.groups.product_backward(&stage.layer, &stage.groups, stage.gradient, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


cdef void _grouped_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                            const void *const *will_write) noexcept nogil:
    mb.k.groups.product_gradient(&stage.layer, &stage.groups, stage.source, stage.gradient, mb.n_samples, n0, n1,
                                 stage.dW, stage.db, mb.accumulate)


# Members: the same source for each; A = act(scale * source + shift); a product for each; and the mean of all


cdef void _repeat_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                          Py_ssize_t n1) noexcept nogil:
    repeat_forward(mb.k, stage, p0, p1)


cdef void _repeat_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                           Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mb.k.sum_members(stage.gradient, stage.own, stage.layer.n_units, 1, below.gradient, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


cdef void _member_affine_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                                 Py_ssize_t n1) noexcept nogil:
    mb.k.affine_panels(&stage.layer, stage.source, stage.output, p0, p1)
    _activate(mb, stage, stage.output, p0, p1)


cdef void _mean_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil:
    mean_forward(mb.k, stage, p0, p1)


cdef void _mean_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                         Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    mean_backward(mb.k, stage, below, p0, p1)
    activation_gradient(mb.k, below, p0, p1)


# Tabular: A = [numeric columns, which the gather has written, and for each code its row of its table]


cdef void _tabular_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil:
    mb.k.embed_forward(stage.tables, stage.n_tables, stage.table_rows, stage.output, p0, p1)


cdef void _tabular_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                            const void *const *will_write) noexcept nogil:
    """Of the rows of table shares n0..n1."""
    cdef Py_ssize_t i
    for i in range(stage.n_tables):
        mb.k.embed_gradient(&stage.tables[i], stage.table_rows + i * mb.k.lanes, stage.n_tables * mb.k.lanes,
                            stage.gradient, mb.n_samples, n0, n1, mb.attempt, mb.accumulate)


KINDS[<int>DENSE] = Kind(_dense_forward, _dense_backward, _dense_gradient, 0, NULL, NULL)
KINDS[<int>DROPOUT] = Kind(_dropout_forward, _dropout_backward, NULL, 0, NULL, NULL)
KINDS[<int>ACTIVATION] = Kind(_activation_forward, _activation_backward, NULL, 0, NULL, NULL)
KINDS[<int>LAYER_NORM] = Kind(_layer_norm_forward, _layer_norm_backward, _vector_gradient, 1, NULL, NULL)
KINDS[<int>BATCH_NORM] = Kind(_batch_norm_forward, _batch_norm_backward, _batch_norm_gradient, 1,
                              _batch_norm_meet_forward, _batch_norm_meet_backward)
KINDS[<int>FORK] = Kind(_fork_forward, _fork_backward, NULL, 0, NULL, NULL)
KINDS[<int>ADD] = Kind(_add_forward, _activation_backward, NULL, 0, NULL, NULL)
KINDS[<int>PRELU] = Kind(_prelu_forward, _prelu_backward, _vector_gradient, 1, NULL, NULL)
KINDS[<int>TABULAR] = Kind(_tabular_forward, NULL, _tabular_gradient, 0, NULL, NULL)
KINDS[<int>SCALING] = Kind(_scaling_forward, _scaling_backward, _vector_gradient, 0, NULL, NULL)
KINDS[<int>PARAMETRIC] = Kind(_parametric_forward, _parametric_backward, _vector_gradient, 2, NULL, NULL)
KINDS[<int>BASIS] = Kind(_basis_forward, _basis_backward, _basis_gradient, 1, NULL, NULL)
KINDS[<int>GROUPED] = Kind(_grouped_forward, _grouped_backward, _grouped_gradient, 0, NULL, NULL)
KINDS[<int>REPEAT] = Kind(_repeat_forward, _repeat_backward, NULL, 0, NULL, NULL)
KINDS[<int>MEMBER_AFFINE] = Kind(_member_affine_forward, _scaling_backward, _vector_gradient, 0, NULL, NULL)
KINDS[<int>HEADS] = Kind(_dense_forward, _dense_backward, _dense_gradient, 0, NULL, NULL)
KINDS[<int>MEAN] = Kind(_mean_forward, _mean_backward, NULL, 0, NULL, NULL)
