"""What all stages share: how their buffers lie in memory, an activation's slope, which thread owns which weights."""

from fastbp.engine.kernels cimport FBP_ALIGN_BYTES, FBP_SOFTMAX

# Rows whose length is a multiple of this would fall into the same few sets of a cache: they get one more cache line.
cdef enum:
    ROW_ALIAS_BYTES = 1024
    PANEL_ALIAS_BYTES = 2048
    # What narrow products add up at a time, at most.
    NARROW_STEP = 32


# ---- Layout --------------------------------------------------------------------------------------------------------


cdef Py_ssize_t padded(Py_ssize_t n, fbp_dtype dtype) noexcept nogil:
    """n elements, rounded up to whole cache lines, which are whole vectors of every instruction set."""
    cdef Py_ssize_t line = FBP_ALIGN_BYTES // item_size(dtype)
    return (n + line - 1) // line * line


cdef Py_ssize_t _not_a_multiple(Py_ssize_t n, fbp_dtype dtype, Py_ssize_t n_bytes) noexcept nogil:
    return n if n * item_size(dtype) % n_bytes else n + FBP_ALIGN_BYTES // item_size(dtype)


cdef Py_ssize_t leading_dimension(Py_ssize_t n_inputs, fbp_dtype dtype) noexcept nogil:
    """Elements from one unit's weights to the next unit's."""
    return _not_a_multiple(padded(n_inputs, dtype), dtype, ROW_ALIAS_BYTES)


cdef Py_ssize_t panel_stride(Py_ssize_t n_features, const fbp_kernels *k) noexcept nogil:
    """Elements from one panel to the next."""
    return _not_a_multiple(padded(n_features, k.dtype) * k.lanes, k.dtype, PANEL_ALIAS_BYTES)


cdef Py_ssize_t block_stride(Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil:
    """Elements from one vector of inputs to the next, in blocks."""
    return n_panels * k.lanes * k.lanes + FBP_ALIGN_BYTES // item_size(k.dtype)


cdef fbp_panels take_panels(Arena arena, Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept:
    cdef fbp_panels panels
    panels.stride = panel_stride(n_features, k)
    panels.data = arena.take(n_panels * panels.stride * item_size(k.dtype))
    return panels


cdef Py_ssize_t blocks_bytes(Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil:
    """The bytes of all blocks, whole cache lines."""
    return padded(n_features, k.dtype) // k.lanes * block_stride(n_panels, k) * item_size(k.dtype)


# Narrow copies, in pairs of 32 bits. A panel takes as many for pairs of features as for rows of samples.


cdef Py_ssize_t whole_steps(Py_ssize_t n) noexcept nogil:
    """n numbers, rounded up to whole steps of a sum, which are whole vectors of every instruction set."""
    return (n + NARROW_STEP - 1) // NARROW_STEP * NARROW_STEP


cdef Py_ssize_t pairs_stride(Py_ssize_t n_features, const fbp_kernels *k) noexcept nogil:
    """Pairs from one panel to the next, with room for whole steps of NARROW_STEP features."""
    return _not_a_multiple(whole_steps(n_features) * k.lanes // 2, k.dtype, PANEL_ALIAS_BYTES)


cdef fbp_panels take_pairs(Arena arena, Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept:
    cdef fbp_panels panels
    panels.stride = pairs_stride(n_features, k)
    panels.data = arena.take(n_panels * panels.stride * 4)
    return panels


cdef Py_ssize_t narrow_block_stride(Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil:
    """Pairs from one vector of inputs to the next, in blocks."""
    return n_panels * k.lanes * k.lanes // 2 + FBP_ALIGN_BYTES // 4


cdef Py_ssize_t narrow_blocks_bytes(Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil:
    return padded(n_features, k.dtype) // k.lanes * narrow_block_stride(n_panels, k) * 4


# ---- Activations ---------------------------------------------------------------------------------------------------


cdef void activation_gradient(const fbp_kernels *k, Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """dA -> dZ, in place in stage.gradient."""
    if stage.members > 1 or stage.own > 1:
        _members_activation_gradient(k, stage, p0, p1)
    elif stage.layer.activation == FBP_SOFTMAX:
        k.softmax_backward(stage.output, stage.gradient, stage.layer.n_units, p0, p1)
    else:
        k.activation_backward(&stage.layer, stage.output, stage.slope, stage.gradient, p0, p1)


cdef void _members_activation_gradient(const fbp_kernels *k, Stage *stage, Py_ssize_t p0,
                                       Py_ssize_t p1) noexcept nogil:
    """The same of a stage with members, one after the other."""
    cdef Py_ssize_t m, n_members = max(stage.members, stage.own)
    cdef fbp_layer layer = stage.layer
    cdef fbp_panels output, gradient
    layer.n_units = stage.width // n_members
    for m in range(n_members):
        output = panels_of_member(k, stage.output, m, layer.n_units)
        gradient = panels_of_member(k, stage.gradient, m, layer.n_units)
        if layer.activation == FBP_SOFTMAX:
            k.softmax_backward(output, gradient, layer.n_units, p0, p1)
        else:
            k.activation_backward(&layer, output, panels_of_member(k, stage.slope, m, layer.n_units), gradient, p0, p1)


# ---- Who owns which weights ----------------------------------------------------------------------------------------


cdef Py_ssize_t _boundary(double share, double before, const fbp_layer *layer, int rows) noexcept nogil:
    """The unit of this layer at which `share` weights, counted over all layers, are reached; whole tiles."""
    cdef double units = (share - before) / layer.ld
    if units <= 0:
        return 0
    if units >= layer.n_units:
        return layer.n_units
    return <Py_ssize_t>(units / rows + 0.5) * rows if units < layer.n_units - rows else layer.n_units


cdef void units_of_share(const fbp_kernels *k, Stage *stages, Py_ssize_t n_stages, Py_ssize_t i, int t, int n_threads,
                         Py_ssize_t *n0, Py_ssize_t *n1) noexcept nogil:
    """Units n0..n1 of layer i are thread t's: the trained weights, end to end, in n_threads near-equal shares."""
    cdef double total = 0, before = 0
    cdef Py_ssize_t j
    n0[0] = 0
    n1[0] = 0
    if not stages[i].trained or stages[i].layer.ld == 0:
        return
    if n_threads == 1:                 # without the loop below: small steps are made by one thread
        n1[0] = stages[i].layer.n_units
        return
    for j in range(n_stages):
        if j == i:
            before = total
        if stages[j].trained:
            total += <double>stages[j].layer.n_units * stages[j].layer.ld
    n0[0] = _boundary(total * t / n_threads, before, &stages[i].layer, tile_rows(k, &stages[i]))
    n1[0] = stages[i].layer.n_units if t == n_threads - 1 else _boundary(
        total * (t + 1) / n_threads, before, &stages[i].layer, tile_rows(k, &stages[i]))


cdef int find_partners(Stage *stages, Py_ssize_t n_stages) except -1:
    cdef Py_ssize_t i, fork
    forks = []
    for i in range(n_stages):
        if stages[i].kind == FORK:
            forks.append(i)
        elif stages[i].kind == ADD:
            fork = forks.pop()
            stages[i].partner = fork
            stages[fork].partner = i
    return 0
