from cpython.buffer cimport Py_buffer

from fastbp.engine.kernels cimport fbp_source


# Reads a user's two-dimensional array where it lies.
cdef class ArrayReader:
    cdef Py_buffer buffer
    cdef bint held                 # the buffer is to be released
    cdef fbp_source source
    cdef object indices            # (columns, starts) of a sparse array, that the source points into
    cdef readonly Py_ssize_t n_rows
    cdef readonly Py_ssize_t n_columns

cdef char *start_of(array) except NULL
