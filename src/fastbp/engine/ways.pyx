"""Points on straight ways to panels, and the gradients there to a sum for each way.

Where there are VL ways, a panel has one point of each: then nothing is transposed but the ways' ends and their sums.
Fewer ways have their points side by side, numbered way by way. Either way a way's gradients are added in the order of
its points, by the same operations: the bits of its sum do not depend on the ways beside it.
"""

from libc.string cimport memcpy, memset

from fastbp.engine.kernels cimport FBP_SRC_FLOAT32, FBP_SRC_FLOAT64, fbp_kernels, fbp_panels, fbp_source
from fastbp.engine.layout cimport item_size


# ---- Blocks of VL ways ---------------------------------------------------------------------------------------------


cdef int block_points_to_panel(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t way,
                               Py_ssize_t step, bint is_new, Py_ssize_t p, fbp_panels panels) noexcept nogil:
    """The points of ways `way` to way + VL - 1 at a step, to panel p; is_new: after those of other ways, or first.

    0 where a number is not finite.
    """
    cdef Py_ssize_t r, n = ways.n_numbers * k.lanes
    cdef char *point = <char *>panels.data + p * panels.stride * item_size(k.dtype)
    cdef fbp_source rows = rows_of(k, ways.starts, ways.n_numbers)
    if is_new:
        for r in range(k.lanes):
            buffers.index[r] = 0 if ways.one_start else way + r
        if not k.gather_panel(&rows, buffers.index, 0, k.lanes, NULL, 0, 0, buffers.near, NULL, 0):
            return 0
        rows.data = ways.ends
        if not k.gather_panel(&rows, NULL, way, k.lanes, NULL, 0, 0, buffers.far, NULL, 0):
            return 0
    k.point_of_way(buffers.near.data, buffers.far.data, ways.places[step], n, point)
    return k.all_finite(point, n)


cdef int block_slopes_to_panel(const fbp_kernels *k, const Ways *ways, Py_ssize_t answer, Py_ssize_t way,
                               bint is_new, Py_ssize_t p, fbp_panels panels) noexcept nogil:
    """The slopes of an answer of these ways, to panel p; those of the panel before it, unless is_new.

    0 where one is not finite.
    """
    cdef Py_ssize_t n_bytes = panels.stride * item_size(k.dtype)
    cdef char *to = <char *>panels.data + p * n_bytes
    if is_new:
        return k.gather_panel(&ways.slopes, NULL, answer * ways.n_ways + way, k.lanes, NULL, 0, p, panels, NULL, 0)
    memcpy(to, to - n_bytes, n_bytes)
    return 1


cdef void add_block_gradients(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t answer,
                              Py_ssize_t way, Py_ssize_t step, Py_ssize_t p, fbp_panels panels) noexcept nogil:
    """The gradients of an answer of these ways at a step, from panel p to their sums.

    Until the last step the sums lie as panels do: [n_numbers][VL].
    """
    cdef Py_ssize_t n = ways.n_numbers * k.lanes, size = item_size(k.dtype)
    cdef char *sums = ways.sums + (answer * ways.n_ways + way) * ways.n_numbers * size
    k.add_scaled(sums, <char *>panels.data + p * panels.stride * size, ways.weights[step], n)
    if step == ways.n_steps - 1:
        memcpy(buffers.total.data, sums, n * size)
        k.scatter_panel(buffers.total, 0, ways.n_numbers, k.lanes, sums, ways.n_numbers)


cdef fbp_source rows_of(const fbp_kernels *k, const char *start, Py_ssize_t n_numbers) noexcept nogil:
    """Rows of numbers of the kernels' dtype, one after the other."""
    cdef fbp_source rows
    memset(&rows, 0, sizeof(rows))
    rows.data = start
    rows.type = FBP_SRC_FLOAT32 if item_size(k.dtype) == 4 else FBP_SRC_FLOAT64
    rows.n_columns = n_numbers
    rows.row_stride = n_numbers * item_size(k.dtype)
    rows.column_stride = item_size(k.dtype)
    return rows


# ---- Points of fewer ways ------------------------------------------------------------------------------------------


cdef int points_to_panel(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t point,
                         Py_ssize_t count, Py_ssize_t p, fbp_panels panels) noexcept nogil:
    """`count` points, from this one on, to panel p. 0 where one is not finite."""
    cdef fbp_source rows = rows_of(k, buffers.rows, ways.n_numbers)
    cdef Py_ssize_t r, way, n_bytes = ways.n_numbers * item_size(k.dtype)
    for r in range(count):
        way = (point + r) // ways.n_steps
        k.point_of_way(ways.starts + (0 if ways.one_start else way * n_bytes), ways.ends + way * n_bytes,
                       ways.places[(point + r) % ways.n_steps], ways.n_numbers, buffers.rows + r * n_bytes)
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
