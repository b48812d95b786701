# Members of a batch ensemble: networks that share stages, each with features of its own, side by side in a panel.

from fastbp.engine.kernels cimport fbp_kernels
from fastbp.engine.layout cimport REPEAT, Stage

cdef Stage member_of(const fbp_kernels *k, const Stage *stage, Py_ssize_t m) noexcept nogil
cdef Stage below_of(const fbp_kernels *k, const Stage *below, Py_ssize_t m, Py_ssize_t n_features) noexcept nogil
cdef void repeat_forward(const fbp_kernels *k, const Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
cdef void mean_forward(const fbp_kernels *k, const Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
cdef void mean_backward(const fbp_kernels *k, const Stage *stage, const Stage *below, Py_ssize_t p0,
                        Py_ssize_t p1) noexcept nogil
cdef void transpose_source(const fbp_kernels *k, const Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil

# The units n0..n1 of a stage that are member m's, counted from its first one; of a shared stage all are every member's.
cdef inline bint units_of_member(const Stage *stage, Py_ssize_t m, Py_ssize_t n0, Py_ssize_t n1, Py_ssize_t *first,
                                 Py_ssize_t *end) noexcept nogil:
    cdef Py_ssize_t units = stage.layer.n_units // stage.own, before = m * units if stage.own > 1 else 0
    first[0] = max(n0 - before, <Py_ssize_t>0)
    end[0] = min(n1 - before, units)
    return first[0] < end[0]

# Features that the stage gets of each member; where members begin there are none below, and it gets all.
cdef inline Py_ssize_t inputs_of_member(const Stage *stage, const Stage *below) noexcept nogil:
    return below.width if stage.kind == REPEAT else below.width // max(stage.members, stage.own)
