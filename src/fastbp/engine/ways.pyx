"""Points on straight ways to panels, and the gradients there to a sum for each way.

Points are numbered way by way. A way's gradients are added in the order of its points, so that the bits of its sum do
not depend on the ways beside it.
"""

from libc.string cimport memset

from fastbp.engine.kernels cimport FBP_SRC_FLOAT32, FBP_SRC_FLOAT64, fbp_kernels, fbp_panels, fbp_source
from fastbp.engine.layout cimport item_size


cdef int points_to_panel(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t point,
                         Py_ssize_t count, Py_ssize_t p, fbp_panels panels) noexcept nogil:
    """`count` points, from this one on, to panel p. 0 where one is not finite."""
    cdef fbp_source rows
    cdef Py_ssize_t r, way, n_bytes = ways.n_numbers * item_size(k.dtype)
    for r in range(count):
        way = (point + r) // ways.n_steps
        k.point_of_way(ways.starts + (0 if ways.one_start else way * n_bytes), ways.ends + way * n_bytes,
                       ways.places[(point + r) % ways.n_steps], ways.n_numbers, buffers.rows + r * n_bytes)
    memset(&rows, 0, sizeof(rows))
    rows.data = buffers.rows
    rows.type = FBP_SRC_FLOAT32 if item_size(k.dtype) == 4 else FBP_SRC_FLOAT64
    rows.n_columns = ways.n_numbers
    rows.row_stride = n_bytes
    rows.column_stride = item_size(k.dtype)
    return k.gather_panel(&rows, NULL, 0, count, NULL, 0, p, panels, NULL, 0)


cdef int slopes_to_panel(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t answer,
                         Py_ssize_t point, Py_ssize_t count, Py_ssize_t p, fbp_panels panels) noexcept nogil:
    """The slopes of an answer by the outputs at these points, to panel p. 0 where one is not finite."""
    cdef Py_ssize_t r
    for r in range(count):
        buffers.index[r] = answer * ways.n_ways + (point + r) // ways.n_steps
    return k.gather_panel(&ways.slopes, buffers.index, 0, count, NULL, 0, p, panels, NULL, 0)


cdef void add_gradients(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t answer,
                        Py_ssize_t point, Py_ssize_t count, Py_ssize_t p, fbp_panels panels) noexcept nogil:
    """The gradients of an answer at these points, from panel p to the sums of their ways."""
    cdef Py_ssize_t r, way, n_bytes = ways.n_numbers * item_size(k.dtype)
    k.scatter_panel(panels, p, ways.n_numbers, count, buffers.rows, ways.n_numbers)
    for r in range(count):
        way = answer * ways.n_ways + (point + r) // ways.n_steps
        k.add_scaled(ways.sums + way * n_bytes, buffers.rows + r * n_bytes, ways.weights[(point + r) % ways.n_steps],
                     ways.n_numbers)
