# Stages of groups: features of single numbers, and products of groups of features.

from fastbp.engine.kernels cimport fbp_dtype, fbp_kernels, fbp_panels
from fastbp.engine.layout cimport Stage

cdef int set_groups(Stage *stage, Py_ssize_t n_inputs, dict spec, fbp_dtype dtype) except -1
cdef void free_groups(Stage *stage) noexcept
cdef list group_views(const Stage *stage, object weights, object bias)
cdef void grouped_forward(const fbp_kernels *k, const Stage *stage, const void *bias, fbp_panels source, fbp_panels out,
                          Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
