"""Members of a batch ensemble: networks that share stages, each with features of its own, side by side in a panel.

A stage that is shared works on a member at a time: on panels that begin where that member's features begin. So its
kernels know nothing of members, and a shared product has one gradient, the sum over the members in their order. A
stage that is not shared goes through the members by itself: `repeat` opens them, `member_affine` has a factor and a
shift for each feature of each, `heads` a product for each, and `mean` closes them.
"""

from fastbp.engine.kernels cimport FBP_LINEAR, fbp_kernels, fbp_panels
from fastbp.engine.layout cimport DENSE, HEADS, Stage, item_size, moved, panels_of_member


cdef Stage member_of(const fbp_kernels *k, const Stage *stage, Py_ssize_t m) noexcept nogil:
    """The stage as member m alone has it, in all buffers that it has; of heads the member's own product."""
    cdef Stage own = stage[0]
    cdef Py_ssize_t size = item_size(k.dtype)
    cdef Py_ssize_t n_units = stage.width // max(stage.members, stage.own), n_inputs = n_units
    if stage.kind == DENSE or stage.kind == HEADS:
        n_inputs = stage.layer.n_inputs
    own.members = own.own = 1
    own.width = n_units
    own.layer.n_units = n_units
    own.source = panels_of_member(k, stage.source, m, n_inputs)
    own.output = panels_of_member(k, stage.output, m, n_units)
    own.slope = panels_of_member(k, stage.slope, m, n_units)
    own.gradient = panels_of_member(k, stage.gradient, m, n_units)
    own.other = panels_of_member(k, stage.other, m, n_units)
    own.saved = moved(stage.saved, m * stage.saved_bytes)
    own.source_blocks = _after(stage.source_blocks, m * stage.blocks_bytes)
    own.narrow.source = moved(stage.narrow.source, m * stage.narrow.pairs_bytes)
    own.narrow.gradient = moved(stage.narrow.gradient, m * stage.narrow.pairs_bytes)
    own.narrow.gradient_rows = moved(stage.narrow.gradient_rows, m * stage.narrow.rows_bytes)
    own.narrow.blocks = _after(stage.narrow.blocks, m * stage.narrow.blocks_bytes)
    if stage.kind == HEADS:
        own.kind = DENSE
        own.layer.weights = _after(stage.layer.weights, m * n_units * stage.layer.ld * size)
        own.layer.bias = _after(stage.layer.bias, m * n_units * size)
        own.dW = _after(stage.dW, m * n_units * stage.layer.ld * size)
        own.db = _after(stage.db, m * n_units * size)
    return own


cdef void *_after(void *start, Py_ssize_t n_bytes) noexcept nogil:
    return NULL if start == NULL else <char *>start + n_bytes


cdef Stage below_of(const fbp_kernels *k, const Stage *below, Py_ssize_t m, Py_ssize_t n_features) noexcept nogil:
    """What a backward pass needs of the stage below, with the features of member m alone."""
    cdef Stage own = below[0]
    own.members = own.own = 1
    own.width = n_features
    own.layer.n_units = n_features
    own.output = panels_of_member(k, below.output, m, n_features)
    own.slope = panels_of_member(k, below.slope, m, n_features)
    own.gradient = panels_of_member(k, below.gradient, m, n_features)
    return own


cdef void repeat_forward(const fbp_kernels *k, const Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """Source -> the same for each member."""
    cdef Py_ssize_t m
    for m in range(stage.own):
        k.add_panels(stage.source, fbp_panels(NULL, 0), panels_of_member(k, stage.output, m, stage.layer.n_units),
                     stage.layer.n_units, p0, p1)


cdef void mean_forward(const fbp_kernels *k, const Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """The members' outputs -> their mean; or their Z -> the Z of that mean, where the loss has the activation built in.

    The activation is the heads' own, which they have applied.
    """
    if stage.layer.activation == FBP_LINEAR and stage.function != FBP_LINEAR:
        k.mix_logits(stage.function, stage.source, stage.own, stage.layer.n_units, stage.output, p0, p1)
    else:
        k.sum_members(stage.source, stage.own, stage.layer.n_units, 1.0 / stage.own, stage.output, p0, p1)


cdef void mean_backward(const fbp_kernels *k, const Stage *stage, const Stage *below, Py_ssize_t p0,
                        Py_ssize_t p1) noexcept nogil:
    """The gradient of the mean -> its share, the same for each member: dA of the heads."""
    cdef Py_ssize_t m
    for m in range(stage.own):
        k.sum_members(stage.gradient, 1, stage.layer.n_units, 1.0 / stage.own,
                      panels_of_member(k, below.gradient, m, stage.layer.n_units), p0, p1)


cdef void transpose_source(const fbp_kernels *k, const Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """Panels p0..p1 of a product's source -> its blocks."""
    cdef Py_ssize_t m
    cdef Stage own
    if stage.members <= 1:
        k.transpose_panels(stage.source, stage.layer.n_inputs, p0, p1, stage.source_blocks, stage.block_stride)
        return
    for m in range(stage.members):
        own = member_of(k, stage, m)
        k.transpose_member(own.source, own.layer.n_inputs, p0, p1, own.source_blocks, own.block_stride)
