# What a network gets in place of the columns of X, where a preparation was learned.

from libc.stdint cimport int64_t

from fastbp.engine.kernels cimport fbp_features, fbp_kernels, fbp_panels, fbp_run, fbp_source, fbp_step
from fastbp.engine.array_reader cimport ArrayReader

cdef class Features:
    cdef fbp_features table
    cdef fbp_run *runs             # [n_runs]
    cdef fbp_step *steps           # [steps of all runs]
    cdef list arrays               # that the steps point into

    cdef int set_step(self, fbp_step *step, list numbers) except -1
    cdef int set_values(self, fbp_step *step, list values, Py_ssize_t n_padded) except -1

cdef inline int gather_features(const fbp_kernels *k, const fbp_source *X, const fbp_features *features,
                                const int64_t *index, Py_ssize_t first, Py_ssize_t n_rows, const int64_t *next,
                                Py_ssize_t n_next, Py_ssize_t p, fbp_panels panels, void *blocks,
                                Py_ssize_t block_stride) noexcept nogil:
    """gather_panel of the features, or where features is NULL of the columns of X."""
    cdef int good
    if features == NULL:
        return k.gather_panel(X, index, first, n_rows, next, n_next, p, panels, blocks, block_stride)
    good = k.prepare_panel(X, features, index, first, n_rows, next, n_next, p, panels)
    if blocks != NULL:
        k.transpose_panels(panels, features.n_features, p, p + 1, blocks, block_stride)
    return good

cdef inline const fbp_features *features_of(Features features) noexcept:
    return NULL if features is None else &features.table
