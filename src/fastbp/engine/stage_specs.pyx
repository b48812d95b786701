"""What a stage is, from what the library says of it: its kind, sizes and options, and the names of its arrays."""

from fastbp.engine.groups cimport set_groups
from fastbp.engine.kernels cimport activation_named
from fastbp.engine.layout cimport (
    ACTIVATION, ADD, BASIS, BATCH_NORM, DENSE, DROPOUT, FORK, GROUPED, HEADS, LAYER_NORM, MEAN, MEMBER_AFFINE,
    PARAMETRIC, PRELU, REPEAT, SCALING, TABULAR, StageKind, leading_dimension,
)

# What a stage's arrays are called.
_ARRAYS = {
    "dense": ("W", "b"),
    "layer_norm": ("gain", "shift"),
    "batch_norm": ("gain", "shift", "mean", "variance"),
    "prelu": ("slope",),
    "scaling": ("scale",),
    "parametric": ("alpha",),
    "basis": ("frequency", "phase"),
    "grouped": ("W", "b"),
    "member_affine": ("scale", "shift"),
    "heads": ("W", "b"),
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
    "scaling": SCALING,
    "parametric": PARAMETRIC,
    "basis": BASIS,
    "grouped": GROUPED,
    "repeat": REPEAT,
    "member_affine": MEMBER_AFFINE,
    "heads": HEADS,
    "mean": MEAN,
}
_NAME_OF_KIND = {kind: name for name, kind in _KIND_OF_NAME.items()}


cdef int set_stage(Stage *stage, Py_ssize_t number, Py_ssize_t n_inputs, object spec, fbp_dtype dtype) except -1:
    """Fills in all but the buffers, the addresses of the parameters, and `meets`; spec is what Network takes."""
    if isinstance(spec, tuple):
        names = ("kind", "rate") if spec[0] == "dropout" else ("units", "activation", "parameter")
        spec = dict(zip(names, spec, strict=True))
    stage.kind = <StageKind><int>_KIND_OF_NAME[spec.get("kind", "dense")]
    stage.number = number
    set_width(stage, n_inputs, spec)
    stage.layer.activation = activation_named(spec.get("activation", "linear"))
    stage.layer.alpha = spec.get("parameter", 0.0)
    stage.rate = spec.get("rate", 0.0)
    stage.epsilon = spec.get("epsilon", 0.0)
    stage.momentum = spec.get("momentum", 0.0)
    stage.has_bias = stage.kind not in (PRELU, SCALING, PARAMETRIC)
    stage.function = stage.layer.activation if stage.kind == MEAN else activation_named(spec.get("function", "linear"))
    if stage.kind == TABULAR:
        stage.n_numeric = spec["numeric"]
        stage.n_tables = len(spec["tables"])
    if stage.kind == MEMBER_AFFINE:
        stage.has_bias = spec.get("use_bias", True)
    if stage.kind in (DENSE, HEADS):
        stage.layer.ld = leading_dimension(stage.layer.n_inputs, dtype)
        stage.has_bias = spec.get("use_bias", True)
        stage.l1 = spec.get("l1", 0.0)
        stage.l2 = spec.get("l2", 0.0)
        stage.max_norm = spec.get("max_norm", 0.0)
    elif stage.kind in (BASIS, GROUPED):
        set_groups(stage, n_inputs, spec, dtype)
        stage.width = stage.layer.n_units
    elif stage.kind != TABULAR and array_names(stage):
        stage.layer.n_inputs = stage.layer.ld = 1
    stage.trained = (stage.layer.ld > 0 or stage.kind == TABULAR) and spec.get("trainable", True)
    return 0


cdef int set_width(Stage *stage, Py_ssize_t n_inputs, dict spec) except -1:
    """The features that go in and come out, of each member and of all."""
    cdef Py_ssize_t members = spec.get("members", 1)
    stage.members = stage.own = 1
    if stage.kind in (REPEAT, MEMBER_AFFINE, HEADS, MEAN):
        stage.own = members
    if stage.kind not in (REPEAT, MEMBER_AFFINE, MEAN):
        stage.members = members
    if stage.kind not in (REPEAT, MEMBER_AFFINE):
        n_inputs //= members
    stage.layer.n_inputs = n_inputs
    stage.layer.n_units = stage.width = spec.get("units", n_inputs)
    if stage.kind == HEADS:
        stage.layer.n_units *= members
    if stage.kind not in (MEMBER_AFFINE, MEAN):
        stage.width *= members
    return 0


cdef tuple array_names(const Stage *stage):
    """The names of the stage's arrays, in the order of Network.get_layer; most kinds have none."""
    if stage.kind == TABULAR:
        return tuple([f"E{i}" for i in range(stage.n_tables)])
    names = _ARRAYS.get(_NAME_OF_KIND[stage.kind], ())
    return names[:1] if names and not stage.has_bias else names
