# The loss of a share of the panels, and the sums that metrics need.

from libc.stdint cimport int32_t, int64_t

from fastbp.engine.features cimport Features
from fastbp.engine.kernels cimport (
    fbp_answer, fbp_features, fbp_kernels, fbp_layer, fbp_metric, fbp_objective, fbp_panels, fbp_source,
)

cdef enum:
    MAX_METRICS = 8
    # What is wrong with a panel.
    BAD_INPUTS = 1
    BAD_TARGETS = 2

# What is compared with what, and where the results go.
cdef struct Judge:
    fbp_objective objective
    bint custom                # the loss is a Python function: no objective, no targets, no metrics here
    double terms               # of the mean, a sample: 1, or the number of outputs; over the loss's factor
    double l2                  # of a penalty on all weights, divided by the weight of a step's samples together
    Py_ssize_t n_targets       # a sample: the outputs that metrics look at, the first ones
    fbp_answer answer          # what metrics take the outputs for
    int n_metrics
    fbp_metric metrics[MAX_METRICS]
    int sum_offset[MAX_METRICS]    # where a metric's sums begin in a slot
    Py_ssize_t slot_size       # doubles: the loss, then the metrics' sums
    const int32_t *all_labels  # [n_rows] of the user's, or NULL
    const fbp_source *all_targets  # the user's rows, or NULL
    const fbp_features *features   # that targets are made of, or NULL: they are as they are
    const double *all_weights  # [n_rows] of the user's, or NULL: each sample counts once

cdef int gather_targets(const fbp_kernels *k, const Judge *judge, const int64_t *index, Py_ssize_t first,
                        Py_ssize_t n_rows, const int64_t *next_index, Py_ssize_t n_next, Py_ssize_t p,
                        fbp_panels targets, int32_t *labels) noexcept nogil
cdef const double *gather_weights(const Judge *judge, const int64_t *index, Py_ssize_t first, Py_ssize_t n_rows,
                                  double *weights) noexcept nogil
cdef double weight_of_rows(const Judge *judge, const int64_t *index, Py_ssize_t first,
                           Py_ssize_t n_rows) noexcept nogil
cdef void judge_panel(const fbp_kernels *k, const Judge *judge, fbp_panels output, fbp_panels targets,
                      const int32_t *labels, const double *weights, Py_ssize_t n_units, Py_ssize_t p,
                      Py_ssize_t n_rows, double scale, fbp_panels gradient, double *slot) noexcept nogil
cdef int set_judge(Judge *judge, object loss, tuple metrics, object targets, const double[::1] weights,
                   Py_ssize_t n_outputs, Features features) except -1
cdef void keep_outputs(const fbp_kernels *k, const Judge *judge, const fbp_layer *last, fbp_panels output,
                       Py_ssize_t p, Py_ssize_t n_rows, char *out) noexcept nogil
cdef bint takes_Z(const Judge *judge) noexcept nogil
cdef list split_sums(const Judge *judge, sums)
