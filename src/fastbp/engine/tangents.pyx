"""Forward mode: what becomes of a direction of a stage's inputs, by kind of stage (JVP).

The stage has been passed forward. Its tangent is the derivative of its output along the direction, and lies in its
`gradient`, as nothing is passed backward at the same time; the direction is the tangent of the stage before it. The
slope of an elementwise activation, and the derivative of the softmax, are symmetric: the kernels that pass a gradient
backward through them pass a tangent forward.
"""

from fastbp.engine.groups cimport grouped_forward
from fastbp.engine.kernels cimport FBP_LINEAR, fbp_layer, fbp_panels
from fastbp.engine.layout cimport (
    ACTIVATION, ADD, BASIS, BATCH_NORM, DENSE, FORK, GROUPED, LAYER_NORM, PARAMETRIC, PRELU, SCALING,
    activation_gradient,
)


cdef void stage_tangent(const fbp_kernels *k, const Constants *constants, Stage *stages, Py_ssize_t i,
                        Py_ssize_t n_panels) noexcept nogil:
    """The tangent of stage i, of n_panels panels, from that of stage i - 1."""
    cdef Stage *stage = &stages[i]
    cdef fbp_panels direction = stages[i - 1].gradient
    cdef Py_ssize_t n_units = stage.layer.n_units
    if stage.kind == DENSE:
        _linear_part(k, constants, stage, direction, n_panels)
    elif stage.kind == BATCH_NORM:
        _scaled(k, constants, stage, stage.running.inverse, direction, n_panels)
    elif stage.kind == LAYER_NORM:
        _normalised(k, constants, stage, direction, n_panels)
    elif stage.kind == PRELU:
        k.prelu_backward(&stage.layer, stage.source, direction, stage.gradient, 0, n_panels)
    elif stage.kind == SCALING:
        k.scale_panels(&stage.layer, direction, stage.gradient, 0, n_panels)
    elif stage.kind == PARAMETRIC:
        k.parametric_backward(&stage.layer, stage.saved, direction, stage.gradient, 0, n_panels)
    elif stage.kind == BASIS:
        k.groups.basis_tangent(&stage.layer, &stage.groups, stage.saved, direction, stage.gradient, 0, n_panels)
    elif stage.kind == GROUPED:
        grouped_forward(k, stage, constants.zeros, direction, stage.gradient, 0, n_panels)
    elif stage.kind == ADD:
        k.add_panels(direction, stages[stage.partner].gradient, stage.gradient, n_units, 0, n_panels)
    elif stage.kind in (FORK, ACTIVATION):
        k.add_panels(direction, fbp_panels(NULL, 0), stage.gradient, n_units, 0, n_panels)
    activation_gradient(k, stage, 0, n_panels)


cdef void _linear_part(const fbp_kernels *k, const Constants *constants, const Stage *stage, fbp_panels direction,
                       Py_ssize_t n_panels) noexcept nogil:
    """direction @ W.T"""
    cdef fbp_layer layer = stage.layer
    layer.bias = constants.zeros
    layer.activation = FBP_LINEAR
    k.dense_forward(&layer, direction, stage.gradient, fbp_panels(NULL, 0), 0, n_panels, 0, layer.n_units,
                    False)


cdef void _scaled(const fbp_kernels *k, const Constants *constants, const Stage *stage, const void *factors,
                  fbp_panels direction, Py_ssize_t n_panels) noexcept nogil:
    """gain * factor * direction, in place or not; factors [n_units]"""
    cdef fbp_layer layer = stage.layer
    layer.bias = constants.zeros
    k.batch_norm_forward(&layer, constants.zeros, factors, direction, stage.gradient, fbp_panels(NULL, 0), 0, n_panels)


cdef void _normalised(const fbp_kernels *k, const Constants *constants, const Stage *stage, fbp_panels direction,
                      Py_ssize_t n_panels) noexcept nogil:
    """The derivative of the normalised numbers is symmetric, and backward it follows the gain: here it precedes it."""
    cdef fbp_layer layer = stage.layer
    layer.weights = constants.ones
    k.layer_norm_backward(&layer, direction, stage.saved, stage.gradient, 0, n_panels)
    _scaled(k, constants, stage, constants.ones, stage.gradient, n_panels)
