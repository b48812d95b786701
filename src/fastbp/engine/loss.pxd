# The loss of panels of samples, and the sums that metrics need.

from libc.stdint cimport int32_t, int64_t

from fastbp.engine.features cimport Features
from fastbp.engine.kernels cimport (
    fbp_answer, fbp_features, fbp_kernels, fbp_layer, fbp_metric, fbp_objective, fbp_panels, fbp_source,
)
from fastbp.engine.layout cimport Stage
from fastbp.engine.records cimport SampleSet

cdef enum:
    MAX_METRICS = 8
    # What is wrong with a panel.
    BAD_INPUTS = 1
    BAD_TARGETS = 2
    # Columns of targets that a loss may have, however few outputs there are: policy_gradient's.
    LEAST_TARGETS = 3

# How outputs are scored: the loss, the metrics, the targets and sample weights of a call, and where the sums go.
cdef struct Scoring:
    fbp_objective objective
    bint custom                # the loss is a Python function: then nothing below is used but terms_per_sample
    bint given                 # all_targets is no target, but the gradient of the loss by the outputs
    bint given_Z               # or by the last stage's Z
    double terms_per_sample    # numbers in a sample's loss (1, or n_outputs), divided by the loss's factor
    double l2                  # the loss's own penalty on all W; a step divides it by its sample weight: penalty.pxd
    Py_ssize_t n_targets       # outputs of a sample that metrics look at: the first ones
    fbp_answer answer          # what metrics take the outputs for
    int n_metrics
    fbp_metric metrics[MAX_METRICS]
    int sum_offset[MAX_METRICS]    # where a metric's sums begin in a slot
    Py_ssize_t slot_size       # doubles in a slot: the loss, then the metrics' sums
    const int32_t *all_labels  # [n_rows] or NULL
    const fbp_source *all_targets  # [n_rows][n_targets] or NULL
    const fbp_features *features   # that the targets are made into, or NULL: the targets stay as they are
    Py_ssize_t n_bounded       # so many columns of targets, the first, have numbers from `least` to `most` only
    double least
    double most
    const double *all_sample_weights   # [n_rows] or NULL: each sample counts once
    const double *all_output_weights   # [n_rows][n_outputs] or NULL: then this, and not the former, is what counts

cdef int set_scoring(Scoring *scoring, object loss, tuple metrics, SampleSet samples, Py_ssize_t n_outputs,
                     Features features) except -1
cdef int set_given(Scoring *scoring, object loss, SampleSet samples, bint from_Z) except -1
cdef Py_ssize_t sums_of(object loss, tuple metrics, Py_ssize_t n_targets) except -1
cdef int gather_targets(const fbp_kernels *k, const Scoring *scoring, const int64_t *index, Py_ssize_t first,
                        Py_ssize_t n_rows, const int64_t *next_index, Py_ssize_t n_next, Py_ssize_t p,
                        fbp_panels targets, int32_t *labels) noexcept nogil
cdef const double *gather_sample_weights(const Scoring *scoring, const int64_t *index, Py_ssize_t first,
                                         Py_ssize_t n_rows, double *sample_weights) noexcept nogil
cdef double total_sample_weight(const Scoring *scoring, const int64_t *index, Py_ssize_t first,
                                Py_ssize_t n_rows) noexcept nogil
cdef void score_panel(const fbp_kernels *k, const Scoring *scoring, fbp_panels output, fbp_panels targets,
                      const int32_t *labels, const double *sample_weights, Py_ssize_t n_units, Py_ssize_t p,
                      Py_ssize_t n_rows, double scale, fbp_panels gradient, double *slot) noexcept nogil
cdef double score_members(const fbp_kernels *k, const Scoring *scoring, const Stage *heads, fbp_panels targets,
                          const int32_t *labels, const double *sample_weights, Py_ssize_t p, Py_ssize_t n_rows,
                          double scale) noexcept nogil
cdef double score_outputs_of_members(const fbp_kernels *k, const Scoring *scoring, const Stage *heads,
                                     fbp_panels targets, Py_ssize_t p, Py_ssize_t row, Py_ssize_t n_rows, double scale,
                                     double *column) noexcept nogil
cdef void each_loss(const fbp_kernels *k, const Scoring *scoring, fbp_panels output, fbp_panels targets,
                    const int32_t *labels, Py_ssize_t n_units, Py_ssize_t p, Py_ssize_t n_rows,
                    double *losses) noexcept nogil
cdef double score_outputs(const fbp_kernels *k, const Scoring *scoring, fbp_panels output, fbp_panels targets,
                          Py_ssize_t n_units, Py_ssize_t p, Py_ssize_t row, Py_ssize_t n_rows, double scale,
                          double *column, fbp_panels gradient) noexcept nogil
cdef void keep_outputs(const fbp_kernels *k, const Scoring *scoring, const fbp_layer *last, fbp_panels output,
                       Py_ssize_t p, Py_ssize_t n_rows, char *out) noexcept nogil
cdef bint takes_Z(const Scoring *scoring) noexcept nogil
cdef list split_sums(const Scoring *scoring, sums)
