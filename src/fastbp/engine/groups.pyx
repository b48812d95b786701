"""Stages of groups: features of single numbers (a basis), and a small product for each group of features.

What both have in common is in csrc/fastbp_groups.h: behind the units of their groups come numbers that they pass on,
units without parameters. In memory these have rows of weights like the others, which stay zero; no array shows them.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t

from fastbp.engine.kernels cimport fbp_layer
from fastbp.engine.layout cimport BASIS, leading_dimension


cdef int set_groups(Stage *stage, Py_ssize_t n_inputs, dict spec, fbp_dtype dtype) except -1:
    """Fills in what a basis or a product of groups has of its own; the caller frees it by free_groups.

    spec: "columns" of the inputs that have groups, None for all of them, and "size", the units of each. Of a basis the
    "waves", False for ramps; of a product the "inputs" of each group.
    """
    cdef Py_ssize_t per_group = 0      # a product: the inputs of each group; a basis makes them anew
    cdef int32_t *columns
    if stage.kind == BASIS:
        stage.layer.n_inputs = stage.layer.ld = 1
    else:
        per_group = spec["inputs"]
        stage.layer.n_inputs = per_group
        stage.layer.ld = leading_dimension(per_group, dtype)
    chosen = spec["columns"]
    if chosen is None:                 # as many groups as numbers that are passed on
        chosen = range(n_inputs // (per_group + 1))
    stage.groups.size = spec["size"]
    stage.groups.n_groups = len(chosen)
    stage.layer.n_units = n_inputs + stage.groups.n_groups * (stage.groups.size - per_group)
    if stage.kind != BASIS:
        return 0
    stage.groups.waves = spec["waves"]
    columns = <int32_t *>PyMem_Calloc(stage.groups.n_groups, sizeof(int32_t))
    if columns == NULL:
        raise MemoryError
    stage.groups.columns = columns
    for g, column in enumerate(chosen):
        columns[<Py_ssize_t>g] = column
    return 0


cdef void free_groups(Stage *stage) noexcept:
    PyMem_Free(<void *>stage.groups.columns)


cdef list group_views(const Stage *stage, object weights, object bias):
    """The arrays of the stage, which are views of its weights (n_units, ld) and bias (n_units,).

    A basis has two of shape (n_groups, size), a product (n_groups, inputs, size) and (n_groups, size).
    """
    cdef Py_ssize_t n = stage.groups.n_groups, size = stage.groups.size
    rows = weights[:n * size].reshape(n, size, stage.layer.ld)
    first = rows[:, :, 0] if stage.kind == BASIS else rows[:, :, :stage.layer.n_inputs].transpose(0, 2, 1)
    return [first, bias[:n * size].reshape(n, size)]


cdef void grouped_forward(const fbp_kernels *k, const Stage *stage, const void *bias, fbp_panels source, fbp_panels out,
                          Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """The product of groups with another bias, [n_units]: without any, a direction passes as the numbers do."""
    cdef fbp_layer layer = stage.layer
    layer.bias = <void *>bias
    k.groups.product_forward(&layer, &stage.groups, source, out, p0, p1)
