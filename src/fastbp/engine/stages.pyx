"""The kinds of stages: what each does forward and backward, and how its parameters' gradient is made.

A network is a row of stages. Forward, a stage makes its output from its source, with its activation applied. Backward,
it has dZ in its `gradient`, the activation's slope already in it, and leaves dZ of the stage below in that one's.

Both take panels p0..p1, and units n0..n1 forward, inputs k0..k1 backward, first ones first: a product may be cut, for
Ctrl-C during a long step. All other kinds always get all of them, and need not look. The gradient of tables is made for
shares of their rows in place of units.

A new kind is its functions and a row of KINDS, a member of StageKind, and its line in set_stage.
"""

from fastbp.engine.layout cimport (
    ACTIVATION, ADD, BATCH_NORM, DENSE, DROPOUT, FORK, LAYER_NORM, PRELU, TABULAR, StageKind, Statistics,
    activation_gradient, item_size, leading_dimension,
)
from fastbp.engine.kernels cimport FBP_LINEAR, FBP_SOFTMAX, activation_named, fbp_panels

ctypedef void (*forward_function)(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                                  Py_ssize_t n1) noexcept nogil
ctypedef void (*backward_function)(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                                   Py_ssize_t k0, Py_ssize_t k1) noexcept nogil
ctypedef void (*gradient_function)(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                                   const void *const *soon) noexcept nogil
ctypedef void (*meeting_function)(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil

cdef struct Kind:
    forward_function forward
    backward_function backward
    gradient_function gradient     # of units n0..n1; NULL: the kind has no parameters
    bint keeps                     # backward needs more than source and output

    # In training, over the whole batch, for units n0..n1: what must be known before any panel goes on; NULL: nothing.
    meeting_function meet_forward
    meeting_function meet_backward

cdef Kind KINDS[9]
# What a stage's arrays are called.
_ARRAYS = {
    "dense": ("W", "b"),
    "layer_norm": ("gain", "shift"),
    "batch_norm": ("gain", "shift", "mean", "variance"),
    "prelu": ("slope",),
}
_KIND_OF_NAME = {
    "dense": DENSE,
    "dropout": DROPOUT,
    "activation": ACTIVATION,
    "layer_norm": LAYER_NORM,
    "batch_norm": BATCH_NORM,
    "prelu": PRELU,
    "fork": FORK,
    "add": ADD,
    "tabular": TABULAR,
}
_NAME_OF_KIND = {kind: name for name, kind in _KIND_OF_NAME.items()}


# ---- What a stage is -----------------------------------------------------------------------------------------------


cdef int set_stage(Stage *stage, Py_ssize_t number, Py_ssize_t n_inputs, object spec, fbp_dtype dtype) except -1:
    """Fill in all but the buffers and where the parameters lie; spec as Network takes it."""
    if isinstance(spec, tuple):
        names = ("kind", "rate") if spec[0] == "dropout" else ("units", "activation", "parameter")
        spec = dict(zip(names, spec, strict=True))
    stage.kind = <StageKind><int>_KIND_OF_NAME[spec.get("kind", "dense")]
    stage.number = number
    stage.layer.n_inputs = n_inputs
    stage.layer.n_units = spec.get("units", n_inputs)
    stage.layer.activation = activation_named(spec.get("activation", "linear"))
    stage.layer.alpha = spec.get("parameter", 0.0)
    stage.rate = spec.get("rate", 0.0)
    stage.epsilon = spec.get("epsilon", 0.0)
    stage.momentum = spec.get("momentum", 0.0)
    stage.has_bias = stage.kind != PRELU
    if stage.kind == TABULAR:
        stage.n_numeric = spec["numeric"]
        stage.n_tables = len(spec["tables"])
    if stage.kind == DENSE:
        stage.layer.ld = leading_dimension(n_inputs, dtype)
        stage.has_bias = spec.get("use_bias", True)
        stage.l1 = spec.get("l1", 0.0)
        stage.l2 = spec.get("l2", 0.0)
        stage.max_norm = spec.get("max_norm", 0.0)
    elif stage.kind != TABULAR and array_names(stage):
        stage.layer.n_inputs = stage.layer.ld = 1
    stage.meets = KINDS[<int>stage.kind].meet_forward != NULL
    stage.rate_factor = stage.decay_factor = 1
    stage.trained = (stage.layer.ld > 0 or stage.kind == TABULAR) and spec.get("trainable", True)
    return 0


cdef tuple array_names(const Stage *stage):
    """What the stage's arrays are called, in the order in which they are kept; none for most kinds."""
    if stage.kind == TABULAR:
        return tuple([f"E{i}" for i in range(stage.n_tables)])
    names = _ARRAYS.get(_NAME_OF_KIND[stage.kind], ())
    return names[:1] if names and not stage.has_bias else names


cdef bint stage_keeps(const Stage *stage) noexcept nogil:
    """Whether training wants memory in `kept`."""
    return KINDS[<int>stage.kind].keeps


# ---- What its kind does --------------------------------------------------------------------------------------------


cdef void stage_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil:
    """Panels p0..p1 of the source -> units n0..n1 of the output; all units, but of a product."""
    KINDS[<int>stage.kind].forward(p, stage, p0, p1, n0, n1)


cdef void stage_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t k0,
                         Py_ssize_t k1) noexcept nogil:
    """dZ of the stage below, inputs k0..k1 of this one, from dZ of this one; all inputs, but of a product."""
    KINDS[<int>stage.kind].backward(p, stage, below, p0, p1, k0, k1)


cdef void stage_gradient(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                         const void *const *soon) noexcept nogil:
    """The gradient of units n0..n1 of a stage with parameters, penalties too; `soon` as weight_gradient has it."""
    KINDS[<int>stage.kind].gradient(p, stage, n0, n1, soon)
    if stage_penalised(stage, p.l2) and not p.accumulate:
        p.k.add_penalty_slopes(&stage.layer, stage.l1, stage.l2 + p.l2, n0, n1, stage.dW)


cdef bint stage_penalised(const Stage *stage, double l2) noexcept nogil:
    """Whether the loss has a penalty on the stage's weights, its own or one on all; what is frozen has none."""
    return stage.kind == DENSE and stage.trained and (stage.l1 > 0 or stage.l2 + l2 > 0)


cdef void stage_meet_forward(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """What training must know of the whole batch, for units n0..n1, before the stage goes forward."""
    KINDS[<int>stage.kind].meet_forward(p, stage, n0, n1)


cdef void stage_meet_backward(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """The same before it goes backward."""
    KINDS[<int>stage.kind].meet_backward(p, stage, n0, n1)


cdef void stage_updated(const fbp_kernels *k, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """What follows an update of units n0..n1."""
    if stage.max_norm > 0:
        k.limit_norms(&stage.layer, stage.max_norm, n0, n1)
    if stage.kind == BATCH_NORM:
        _move(k, &stage.running, &stage.moved, 1, n0, n1)


cdef void _activate(const Pass *p, Stage *stage, fbp_panels Z, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """act(Z) -> output: how the kinds that are no product end."""
    if stage.layer.activation == FBP_LINEAR and Z.data == stage.output.data:
        return
    p.k.activation_forward(&stage.layer, Z, stage.output, stage.slope, p0, p1)
    if stage.layer.activation == FBP_SOFTMAX:
        p.k.softmax_forward(stage.output, stage.layer.n_units, p0, p1)


# Dense: A = act(source @ W.T + b)


cdef void _dense_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                         Py_ssize_t n1) noexcept nogil:
    """What needs all units is done with the last one."""
    p.k.dense_forward(&stage.layer, stage.source, stage.output, stage.slope, p0, p1, n0, n1)
    if stage.layer.activation == FBP_SOFTMAX and n1 == stage.layer.n_units:
        p.k.softmax_forward(stage.output, n1, p0, p1)


cdef void _dense_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                          Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    p.k.input_gradient(&stage.layer, stage.gradient, &below.layer, below.output, below.slope, below.gradient, p0, p1,
                       k0, k1, p.scratch)
    if below.layer.activation == FBP_SOFTMAX and k1 == below.layer.n_units:
        p.k.softmax_backward(below.output, below.gradient, k1, p0, p1)


cdef void _dense_gradient(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                          const void *const *soon) noexcept nogil:
    p.k.weight_gradient(&stage.layer, stage.gradient, stage.source_blocks, stage.block_stride, p.n_samples, n0, n1,
                        stage.dW, stage.db, p.accumulate, soon)


# Dropout: in training some numbers become zero


cdef void _drop(const Pass *p, Stage *stage, fbp_panels source, fbp_panels target, Py_ssize_t p0,
                Py_ssize_t p1) noexcept nogil:
    """What the stage lets through, forward or backward; a key of its own for every stage, a stream for every step."""
    cdef uint64_t key = p.seed + <uint64_t>0x9E3779B97F4A7C15 * <uint64_t>(stage.number + 1)
    cdef double rate = 0
    if p.training:
        rate = stage.rate if stage.rates == NULL else stage.rates[p.step_of_call]
    p.k.dropout(source, target, stage.layer.n_units, p.first_panel, p0, p1, rate, key, p.step)


cdef void _dropout_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil:
    _drop(p, stage, stage.source, stage.output, p0, p1)


cdef void _dropout_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                            Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    _drop(p, stage, stage.gradient, below.gradient, p0, p1)
    activation_gradient(p.k, below, p0, p1)


# Activation: A = act(source)


cdef void _activation_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil:
    _activate(p, stage, stage.source, p0, p1)


cdef void _activation_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    """dZ is what the stage below gets for its A; an add passes it on likewise."""
    p.k.add_panels(stage.gradient, fbp_panels(NULL, 0), below.gradient, stage.layer.n_units, p0, p1)
    activation_gradient(p.k, below, p0, p1)


# Layer normalisation: A = act(gain * h + shift), h the source normalised over its features


cdef void _layer_norm_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil:
    p.k.layer_norm_forward(&stage.layer, stage.epsilon, stage.source, stage.output, stage.kept, p0, p1)
    _activate(p, stage, stage.output, p0, p1)


cdef void _layer_norm_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    p.k.layer_norm_backward(&stage.layer, stage.gradient, stage.kept, below.gradient, p0, p1)
    activation_gradient(p.k, below, p0, p1)


cdef void _vector_gradient(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                           const void *const *soon) noexcept nogil:
    """Of a stage with a number or two a unit, the first of which multiplies what is kept."""
    p.k.vector_gradient(stage.gradient, stage.kept, p.n_samples, n0, n1, stage.dW, stage.db, p.accumulate)


# Batch normalisation: A = act(gain * h + shift), h the source normalised over the batch, or by running statistics


cdef const Statistics *_statistics(const Pass *p, const Stage *stage) noexcept nogil:
    return &stage.batch if p.training else &stage.running


cdef void _batch_norm_meet_forward(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    p.k.batch_statistics(stage.source, p.n_samples, n0, n1, stage.epsilon, stage.batch.mean, stage.batch.variance,
                         stage.batch.inverse)


cdef void _batch_norm_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil:
    cdef const Statistics *statistics = _statistics(p, stage)
    p.k.batch_norm_forward(&stage.layer, statistics.mean, statistics.inverse, stage.source, stage.output, stage.kept,
                           p0, p1)
    _activate(p, stage, stage.output, p0, p1)


cdef void _batch_norm_meet_backward(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    p.k.vector_gradient(stage.gradient, stage.kept, p.n_samples, n0, n1, stage.batch_dW, stage.batch_db, False)


cdef void _batch_norm_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    p.k.batch_norm_backward(&stage.layer, _statistics(p, stage).inverse, stage.batch_dW if p.training else NULL,
                            stage.batch_db, p.n_samples, stage.gradient, stage.kept, below.gradient, p0, p1)
    activation_gradient(p.k, below, p0, p1)


cdef void _move(const fbp_kernels *k, const Statistics *average, const Statistics *latest, double share,
                Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """Mean and variance of units n0..n1, that share of the way to the latest; 1 is all of it."""
    cdef Py_ssize_t offset = n0 * item_size(k.dtype)
    k.average(<char *>average.mean + offset, <char *>latest.mean + offset, n1 - n0, share)
    k.average(<char *>average.variance + offset, <char *>latest.variance + offset, n1 - n0, share)


cdef void _batch_norm_gradient(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                               const void *const *soon) noexcept nogil:
    """And the running statistics, batch by batch; beside those in use, until the step is completed."""
    _vector_gradient(p, stage, n0, n1, soon)
    if not p.training:
        return
    if not p.accumulate:
        _move(p.k, &stage.moved, &stage.running, 1, n0, n1)
    _move(p.k, &stage.moved, &stage.batch, stage.momentum, n0, n1)


# Fork and add: between the two lies a way beside which the fork's source goes unchanged, to be added behind it


cdef void _fork_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil:
    """The output is the source itself."""
    pass


cdef void _fork_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                         Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    p.k.add_panels(stage.gradient, stage.other, below.gradient, stage.layer.n_units, p0, p1)
    activation_gradient(p.k, below, p0, p1)


cdef void _add_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                       Py_ssize_t n1) noexcept nogil:
    p.k.add_panels(stage.source, stage.other, stage.output, stage.layer.n_units, p0, p1)
    _activate(p, stage, stage.output, p0, p1)


# PReLU: A = act(source above 0, else slope * source), a slope a unit


cdef void _prelu_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                         Py_ssize_t n1) noexcept nogil:
    p.k.prelu_forward(&stage.layer, stage.source, stage.output, stage.kept, p0, p1)
    _activate(p, stage, stage.output, p0, p1)


cdef void _prelu_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1,
                          Py_ssize_t k0, Py_ssize_t k1) noexcept nogil:
    p.k.prelu_backward(&stage.layer, stage.source, stage.gradient, below.gradient, p0, p1)
    activation_gradient(p.k, below, p0, p1)


# Tabular: A = the numeric columns, gathered there before, and the rows of the tables that the codes stand for


cdef void _tabular_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil:
    p.k.embed_forward(stage.tables, stage.n_tables, stage.rows, stage.output, p0, p1)


cdef void _tabular_gradient(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                            const void *const *soon) noexcept nogil:
    """Of the rows of shares n0..n1."""
    cdef Py_ssize_t i
    for i in range(stage.n_tables):
        p.k.embed_gradient(&stage.tables[i], stage.rows + i * p.k.lanes, stage.n_tables * p.k.lanes, stage.gradient,
                           p.n_samples, n0, n1, p.attempt, p.accumulate)


KINDS[<int>DENSE] = Kind(_dense_forward, _dense_backward, _dense_gradient, False, NULL, NULL)
KINDS[<int>DROPOUT] = Kind(_dropout_forward, _dropout_backward, NULL, False, NULL, NULL)
KINDS[<int>ACTIVATION] = Kind(_activation_forward, _activation_backward, NULL, False, NULL, NULL)
KINDS[<int>LAYER_NORM] = Kind(_layer_norm_forward, _layer_norm_backward, _vector_gradient, True, NULL, NULL)
KINDS[<int>BATCH_NORM] = Kind(_batch_norm_forward, _batch_norm_backward, _batch_norm_gradient, True,
                              _batch_norm_meet_forward, _batch_norm_meet_backward)
KINDS[<int>FORK] = Kind(_fork_forward, _fork_backward, NULL, False, NULL, NULL)
KINDS[<int>ADD] = Kind(_add_forward, _activation_backward, NULL, False, NULL, NULL)
KINDS[<int>PRELU] = Kind(_prelu_forward, _prelu_backward, _vector_gradient, True, NULL, NULL)
KINDS[<int>TABULAR] = Kind(_tabular_forward, NULL, _tabular_gradient, False, NULL, NULL)
