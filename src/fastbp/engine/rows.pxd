from cpython.buffer cimport Py_buffer

from fastbp.engine.kernels cimport fbp_source


# A user's two-dimensional array, read where it lies.
cdef class Rows:
    cdef Py_buffer buffer
    cdef bint held
    cdef fbp_source source
    cdef object indices            # of a sparse array, that the source points into
    cdef readonly Py_ssize_t n_rows
    cdef readonly Py_ssize_t n_columns
