# Embedding tables with a row for each category, before the first layer.

from fastbp.engine.layout cimport Stage
from fastbp.engine.kernels cimport fbp_dtype, fbp_source, fbp_table

# A training session's own lists of the table rows that a step touches.
cdef class TableMemory:
    cdef fbp_table *tables         # [n_tables]
    cdef list arrays               # that the tables point into

    cdef int fill(self, const Stage *stage, char *parameters, char *gradients) except -1

cdef fbp_table *make_tables(Stage *stage, list sizes, fbp_dtype dtype) except NULL
cdef Py_ssize_t table_bytes(const fbp_table *table, fbp_dtype dtype) noexcept nogil
cdef void split_columns(const Stage *stage, fbp_source *X, fbp_source *codes) noexcept nogil
cdef int refuse_sparse(const Stage *stage, const fbp_source *X) except -1
cdef void shares_of_thread(int t, int n_threads, Py_ssize_t *s0, Py_ssize_t *s1) noexcept nogil
