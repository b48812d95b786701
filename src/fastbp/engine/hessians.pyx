"""Second derivatives of one group of panels, which has been passed forward.

Every activation is a stage of its own here, so that its source is Z; all other stages are linear but for the layer
normalisation, the parametric activation and a basis. A Hessian times a direction is a pass of that direction forward,
and a pass backward of two gradients: that of the outputs, and what it changes along the direction (Pearlmutter,
1994). A Laplacian is a pass forward for each of its directions, which adds up what each stage bends, and one for the
sum.
"""

from libc.string cimport memcpy, memset

from fastbp.engine.kernels cimport FBP_LINEAR, FBP_SOFTMAX, fbp_layer
from fastbp.engine.layout cimport ACTIVATION, BASIS, FORK, LAYER_NORM, PARAMETRIC, activation_gradient, item_size
from fastbp.engine.stages cimport stage_backward
from fastbp.engine.tangents cimport stage_tangent


cdef void hessian_product(const Microbatch *mb, const Constants *constants, Stage *stages, const Curve *curves,
                          Py_ssize_t n_stages, Py_ssize_t n_panels) noexcept nogil:
    """The direction lies in the gradient of stage 0, that of the outputs in the last stage's `backward`.

    It leaves the gradient of the inputs in the `backward` of stage 0, and the product in its `second`.
    """
    cdef Py_ssize_t i
    _compute_curvatures(mb.k, stages, curves, n_stages, n_panels)
    for i in range(1, n_stages):
        stage_tangent(mb.k, constants, stages, i, n_panels)
    _clear(mb.k, curves[n_stages - 1].second, n_panels)
    for i in range(n_stages - 1, 0, -1):
        if stages[i].kind == ACTIVATION:
            _through_activation(mb.k, &stages[i], stages[i - 1].gradient, &curves[i], n_panels)
        _pass_back(mb, stages, curves, i, n_panels, False)
        _pass_back(mb, stages, curves, i, n_panels, True)
        if stages[i].kind == LAYER_NORM:
            mb.k.layer_norm_curvature_backward(&stages[i].layer, stages[i].saved, stages[i - 1].gradient,
                                               curves[i].backward, curves[i - 1].second, 0, n_panels)
        elif stages[i].kind == BASIS:
            mb.k.groups.basis_curvature_backward(&stages[i].layer, &stages[i].groups, stages[i].output,
                                                 stages[i - 1].gradient, curves[i].backward, curves[i - 1].second, 0,
                                                 n_panels)
        elif stages[i].kind == PARAMETRIC:
            mb.k.add_curved(curves[i].curvature, stages[i - 1].gradient, curves[i].backward, curves[i - 1].second,
                            stages[i].layer.n_units, 0, n_panels)


cdef void laplacian(const Microbatch *mb, const Constants *constants, const Directions *directions, Stage *stages,
                    const Curve *curves, Py_ssize_t n_stages, Py_ssize_t n_panels) noexcept nogil:
    """Leaves the sum of the outputs' second derivatives along the directions in the last stage's gradient.

    The `backward` of stage 0 has the slopes of the features, if there are any, and its `second` the sum of the
    features' own second derivatives.
    """
    cdef const fbp_kernels *k = mb.k
    cdef Py_ssize_t i, d
    _compute_curvatures(k, stages, curves, n_stages, n_panels)
    for i in range(1 if directions.have_slopes else 0, n_stages):
        _clear(k, curves[i].second, n_panels)
    for d in range(directions.n):
        _set_direction(k, directions, d, &stages[0], curves[0].backward, n_panels)
        for i in range(1, n_stages):
            _add_bend(k, &stages[i], stages[i - 1].gradient, &curves[i], n_panels)
            stage_tangent(k, constants, stages, i, n_panels)
    k.add_panels(curves[0].second, fbp_panels(NULL, 0), stages[0].gradient, stages[0].layer.n_units, 0, n_panels)
    for i in range(1, n_stages):
        stage_tangent(k, constants, stages, i, n_panels)
        k.add_panels(stages[i].gradient, curves[i].second, stages[i].gradient, stages[i].layer.n_units, 0, n_panels)


cdef void _clear(const fbp_kernels *k, fbp_panels panels, Py_ssize_t n_panels) noexcept nogil:
    memset(panels.data, 0, n_panels * panels.stride * item_size(k.dtype))


cdef void _compute_curvatures(const fbp_kernels *k, const Stage *stages, const Curve *curves, Py_ssize_t n_stages,
                              Py_ssize_t n_panels) noexcept nogil:
    cdef Py_ssize_t i
    cdef fbp_layer function
    for i in range(1, n_stages):
        if stages[i].kind == PARAMETRIC:
            function = stages[i].layer
            function.activation = stages[i].function
            k.activation_curvature(&function, stages[i].source, curves[i].curvature, 0, n_panels)
            k.scale_panels(&function, curves[i].curvature, curves[i].curvature, 0, n_panels)
        elif stages[i].kind == ACTIVATION and stages[i].layer.activation != FBP_SOFTMAX:
            k.activation_curvature(&stages[i].layer, stages[i].source, curves[i].curvature, 0, n_panels)


cdef void _through_activation(const fbp_kernels *k, const Stage *stage, fbp_panels tangent, const Curve *curve,
                              Py_ssize_t n_panels) noexcept nogil:
    """dA and its change -> dZ and its change, in place; the tangent is that of Z."""
    cdef Stage one = stage[0]
    one.gradient = curve.second
    activation_gradient(k, &one, 0, n_panels)
    if stage.layer.activation == FBP_SOFTMAX:
        k.softmax_curvature(stage.output, tangent, curve.backward, curve.second, stage.layer.n_units, 0, n_panels)
    else:
        k.add_curved(curve.curvature, tangent, curve.backward, curve.second, stage.layer.n_units, 0, n_panels)
    one.gradient = curve.backward
    activation_gradient(k, &one, 0, n_panels)


cdef void _pass_back(const Microbatch *mb, const Stage *stages, const Curve *curves, Py_ssize_t i, Py_ssize_t n_panels,
                     bint second) noexcept nogil:
    """dZ of stage i -> dA of the stage below; or the same for its change."""
    cdef Stage stage = stages[i], below = stages[i - 1]
    below.layer.activation = FBP_LINEAR    # its slope comes when it is its turn
    stage.gradient = curves[i].second if second else curves[i].backward
    below.gradient = curves[i - 1].second if second else curves[i - 1].backward
    if stage.kind == FORK:
        stage.other = curves[stage.partner].second if second else curves[stage.partner].backward
    stage_backward(mb, &stage, &below, 0, n_panels, 0, below.layer.n_units)


cdef void _add_bend(const fbp_kernels *k, const Stage *stage, fbp_panels tangent, const Curve *curve,
                    Py_ssize_t n_panels) noexcept nogil:
    """second += the second derivative of this stage along the tangent of its source."""
    if stage.kind == LAYER_NORM:
        k.layer_norm_curvature(&stage.layer, stage.saved, tangent, curve.second, 0, n_panels)
    elif stage.kind == BASIS:
        k.groups.basis_curvature(&stage.layer, &stage.groups, stage.output, tangent, curve.second, 0, n_panels)
    elif stage.kind == ACTIVATION and stage.layer.activation == FBP_SOFTMAX:
        k.softmax_curvature(stage.output, tangent, tangent, curve.second, stage.layer.n_units, 0, n_panels)
    elif stage.kind in (ACTIVATION, PARAMETRIC):
        k.add_curved(curve.curvature, tangent, tangent, curve.second, stage.layer.n_units, 0, n_panels)


cdef void _set_direction(const fbp_kernels *k, const Directions *directions, Py_ssize_t d, const Stage *inputs,
                         fbp_panels slopes, Py_ssize_t n_panels) noexcept nogil:
    """Direction d to the input's gradient: the slopes of its members, or 1, and 0 elsewhere."""
    cdef Py_ssize_t p, m, lane, at, size = item_size(k.dtype)
    cdef char *to
    _clear(k, inputs.gradient, n_panels)
    for p in range(n_panels):
        to = <char *>inputs.gradient.data + p * inputs.gradient.stride * size
        for m in range(directions.starts[d], directions.starts[d + 1]):
            at = directions.members[m] * k.lanes
            if directions.have_slopes:
                memcpy(to + at * size, <char *>slopes.data + (p * slopes.stride + at) * size, k.lanes * size)
                continue
            for lane in range(at, at + k.lanes):
                if size == 4:
                    (<float *>to)[lane] = 1
                else:
                    (<double *>to)[lane] = 1
