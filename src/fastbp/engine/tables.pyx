"""Tables with a row for each category: their layout, which columns are theirs, and who owns which rows.

They are the first stage of a network that has them. The source of this stage is the columns of codes, not panels. Its
output is the numeric columns, which are gathered into panels as usual, and after them the features of each code's row.

The rows of each table are split into a fixed number of table shares, and the table shares among the threads. So each
row belongs to one thread, which adds up the row's gradient in the order of the samples, and updates the row if a sample
of the step has it.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t

import numpy as np

from fastbp.engine.layout cimport item_size, padded
from fastbp.engine.kernels cimport FBP_TABLE_SHARES


cdef fbp_table *make_tables(Stage *stage, list sizes, fbp_dtype dtype) except NULL:
    """Tables of these sizes, (n_rows, n_features) each, without memory for their numbers; the caller frees them."""
    cdef Py_ssize_t i, feature = stage.n_numeric
    cdef fbp_table *tables = <fbp_table *>PyMem_Calloc(stage.n_tables, sizeof(fbp_table))
    if tables == NULL:
        raise MemoryError
    for i in range(stage.n_tables):
        tables[i].n_rows, tables[i].n_features = sizes[i]
        tables[i].ld = padded(tables[i].n_features, dtype)
        tables[i].first_feature = feature
        tables[i].share_rows = (tables[i].n_rows - 1) // FBP_TABLE_SHARES + 1
        feature += tables[i].n_features
    return tables


cdef Py_ssize_t table_bytes(const fbp_table *table, fbp_dtype dtype) noexcept nogil:
    return table.n_rows * table.ld * item_size(dtype)


cdef void split_columns(const Stage *stage, fbp_source *X, fbp_source *codes) noexcept nogil:
    """X becomes its numeric columns, `codes` the others. Without tables X stays as it is and codes has no columns."""
    codes[0] = X[0]
    codes.n_columns = stage.n_tables
    if stage.n_tables > 0:
        X.n_columns = stage.n_numeric
        codes.data = <const char *>X.data + stage.n_numeric * X.column_stride


cdef int refuse_sparse(const Stage *stage, const fbp_source *X) except -1:
    """Raises TypeError for a sparse X where there are tables: codes are read from dense rows only."""
    if stage.n_tables > 0 and X.starts != NULL:
        raise TypeError(
            "X is a sparse matrix and the model's inputs are a Tabular; expected a dense array, as its categories are "
            "read from one. Give X.toarray()."
        )
    return 0


cdef void shares_of_thread(int t, int n_threads, Py_ssize_t *s0, Py_ssize_t *s1) noexcept nogil:
    """Table shares s0..s1 of every table belong to thread t."""
    s0[0] = FBP_TABLE_SHARES * t // n_threads
    s1[0] = FBP_TABLE_SHARES * (t + 1) // n_threads


cdef class TableMemory:
    """A training session's copy of a stage's tables, with lists of the rows that a step touches."""

    def __dealloc__(self):
        PyMem_Free(self.tables)

    cdef int fill(self, const Stage *stage, char *parameters, char *gradients) except -1:
        """Gradients lie as far from `gradients` as the tables from `parameters`."""
        cdef Py_ssize_t i
        cdef fbp_table *table
        cdef int64_t[::1] touched_in_step    # [n_rows] the last step that touched the row
        cdef int32_t[::1] touched, n_touched
        self.arrays = []
        self.tables = <fbp_table *>PyMem_Calloc(stage.n_tables, sizeof(fbp_table))
        if self.tables == NULL:
            raise MemoryError
        for i in range(stage.n_tables):
            table = &self.tables[i]
            table[0] = stage.tables[i]
            table.gradient = gradients + (<char *>table.weights - parameters)
            touched_in_step = np.zeros(table.n_rows, np.int64)
            touched = np.zeros(FBP_TABLE_SHARES * table.share_rows, np.int32)
            n_touched = np.zeros(FBP_TABLE_SHARES, np.int32)
            table.touched_in_step, table.touched, table.n_touched = &touched_in_step[0], &touched[0], &n_touched[0]
            self.arrays += [touched_in_step, touched, n_touched]
        return 0
