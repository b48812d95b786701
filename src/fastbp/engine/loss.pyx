"""Losses and metrics of one panel of samples: targets gathered beside the inputs, sums left in the panel's own slot."""

from libc.string cimport memcpy, memset

from fastbp.engine.kernels cimport (
    FBP_ANSWER_BINARY, FBP_ANSWER_DISTRIBUTION, FBP_ANSWER_LABEL, FBP_CROSS_ENTROPY, FBP_CROSS_ENTROPY_LABELS,
    FBP_LOSS_PARAMETERS, FBP_METRIC_ABSOLUTE_ERROR, FBP_METRIC_CORRECT, FBP_METRIC_COUNTS, FBP_METRIC_LOG_LOSS,
    FBP_METRIC_PERCENTAGE_ERROR, FBP_METRIC_RANKS, FBP_METRIC_SQUARED_ERROR, FBP_METRIC_SQUARED_PROBABILITY,
    FBP_SOFTMAX, averages_outputs, fbp_layer, fbp_loss, loss_named, loss_takes_Z,
)
from fastbp.engine.features cimport Features, features_of, gather_features
from fastbp.engine.rows cimport Rows

_METRICS = {
    "correct": FBP_METRIC_CORRECT,
    "counts": FBP_METRIC_COUNTS,
    "log_loss": FBP_METRIC_LOG_LOSS,
    "squared_probability": FBP_METRIC_SQUARED_PROBABILITY,
    "ranks": FBP_METRIC_RANKS,
    "absolute_error": FBP_METRIC_ABSOLUTE_ERROR,
    "squared_error": FBP_METRIC_SQUARED_ERROR,
    "percentage_error": FBP_METRIC_PERCENTAGE_ERROR,
}


cdef fbp_answer _answer(fbp_loss loss):
    """Of a loss whose outputs answer yes or no, or name a class; metrics of numbers do not ask."""
    if loss == FBP_CROSS_ENTROPY_LABELS:
        return FBP_ANSWER_LABEL
    return FBP_ANSWER_DISTRIBUTION if loss == FBP_CROSS_ENTROPY else FBP_ANSWER_BINARY


cdef Py_ssize_t _n_sums(fbp_metric metric, const Judge *judge):
    """How many sums a metric has."""
    if metric in (FBP_METRIC_CORRECT, FBP_METRIC_LOG_LOSS, FBP_METRIC_SQUARED_PROBABILITY):
        return 1
    if metric == FBP_METRIC_COUNTS:
        return judge.n_targets * (4 if judge.answer == FBP_ANSWER_BINARY else 3)
    return judge.n_targets


cdef int set_judge(Judge *judge, object loss, tuple metrics, object targets, const double[::1] weights,
                   Py_ssize_t n_outputs, Features features) except -1:
    """The loss as Session has it; the targets Rows, or int32 labels; the weights one a row, or None.

    Nobody reads the targets of a loss that is a function here. Targets, weights, and what the targets are made into, if
    anything, are the caller's to keep.
    """
    cdef int i
    cdef const int32_t[::1] labels
    cdef Py_ssize_t n_columns = 0      # of labels
    cdef double factor = 1
    judge.all_labels = NULL
    judge.all_targets = NULL
    judge.all_weights = NULL if weights is None else &weights[0]
    judge.features = features_of(features)
    judge.custom = callable(loss)
    judge.l2 = 0
    if judge.custom:
        judge.terms = 1
        judge.n_metrics = 0
        judge.slot_size = 1
        return 0
    if isinstance(targets, Rows):
        judge.all_targets = &(<Rows>targets).source
        n_columns = judge.all_targets.n_columns
    else:
        labels = targets
        judge.all_labels = &labels[0]
    if isinstance(loss, str):
        loss = (loss, ())
    name, parameters = loss[:2]
    if len(loss) > 2:
        factor, judge.l2 = loss[2:]
    if len(parameters) > FBP_LOSS_PARAMETERS:
        raise ValueError(f"the loss {name!r} has {len(parameters)} parameters; the kernels take {FBP_LOSS_PARAMETERS}")
    judge.objective.loss = loss_named(name if n_columns else name + "_labels")
    judge.objective.n_parameters = len(parameters)
    memset(judge.objective.parameters, 0, sizeof(judge.objective.parameters))
    for i, parameter in enumerate(parameters):
        judge.objective.parameters[i] = parameter
    judge.terms = (n_outputs if averages_outputs(judge.objective.loss) else 1) / factor
    judge.n_targets = n_columns or n_outputs
    judge.answer = _answer(judge.objective.loss)
    judge.n_metrics = len(metrics)
    judge.slot_size = 1
    for i, metric in enumerate(metrics):
        judge.metrics[i] = <fbp_metric><int>_METRICS[metric]
        judge.sum_offset[i] = judge.slot_size
        judge.slot_size += _n_sums(judge.metrics[i], judge)
    return 0


cdef int gather_targets(const fbp_kernels *k, const Judge *judge, const int64_t *index, Py_ssize_t first,
                        Py_ssize_t n_rows, const int64_t *next_index, Py_ssize_t n_next, Py_ssize_t p,
                        fbp_panels targets, int32_t *labels) noexcept nogil:
    """The targets of panel p: of rows index[0..n_rows), or first.. where index is NULL. 0 where one is not finite.

    Those of the n_next rows next_index are fetched ahead.
    """
    cdef Py_ssize_t r
    if judge.custom:
        return 1
    if judge.all_labels == NULL:
        return gather_features(k, judge.all_targets, judge.features, index, first, n_rows, next_index, n_next, p,
                               targets, NULL, 0)
    for r in range(n_rows):
        labels[p * k.lanes + r] = judge.all_labels[first + r if index == NULL else index[r]]
    return 1


cdef const double *gather_weights(const Judge *judge, const int64_t *index, Py_ssize_t first, Py_ssize_t n_rows,
                                  double *weights) noexcept nogil:
    """The weights of rows index[0..n_rows), or first.. where index is NULL; NULL where all count alike."""
    cdef Py_ssize_t r
    if judge.all_weights == NULL:
        return NULL
    if index == NULL:
        memcpy(weights, judge.all_weights + first, n_rows * sizeof(double))
    else:
        for r in range(n_rows):
            weights[r] = judge.all_weights[index[r]]
    return weights


cdef double weight_of_rows(const Judge *judge, const int64_t *index, Py_ssize_t first,
                           Py_ssize_t n_rows) noexcept nogil:
    """The sum of these rows' weights, one after the other; their number where all count alike."""
    cdef double sum = 0
    cdef Py_ssize_t r
    if judge.all_weights == NULL:
        return n_rows
    for r in range(first, first + n_rows):
        sum += judge.all_weights[r if index == NULL else index[r]]
    return sum


cdef void judge_panel(const fbp_kernels *k, const Judge *judge, fbp_panels output, fbp_panels targets,
                      const int32_t *labels, const double *weights, Py_ssize_t n_units, Py_ssize_t p,
                      Py_ssize_t n_rows, double scale, fbp_panels gradient, double *slot) noexcept nogil:
    """Loss, gradient (unless its data is NULL) and metrics of panel p; the sums are added to the slot."""
    cdef const int32_t *panel_labels = labels + p * k.lanes
    cdef int i
    for i in range(judge.n_metrics):
        k.metric_panel(judge.metrics[i], judge.answer, output, targets, panel_labels, weights, judge.n_targets, p,
                       n_rows, slot + judge.sum_offset[i])
    slot[0] += k.loss_panel(&judge.objective, output, targets, panel_labels, weights, n_units, p, n_rows, scale,
                            gradient)


cdef void keep_outputs(const fbp_kernels *k, const Judge *judge, const fbp_layer *last, fbp_panels output,
                       Py_ssize_t p, Py_ssize_t n_rows, char *out) noexcept nogil:
    """The outputs of panel p, as a prediction has them, to n_rows rows; a Z that was judged is used up for them."""
    if takes_Z(judge):
        k.activation_forward(last, output, output, fbp_panels(NULL, 0), p, p + 1)
        if last.activation == FBP_SOFTMAX:
            k.softmax_forward(output, last.n_units, p, p + 1)
    k.scatter_panel(output, p, last.n_units, n_rows, out, last.n_units)


cdef bint takes_Z(const Judge *judge) noexcept nogil:
    """Whether the loss is computed from Z, with the last activation built in."""
    return not judge.custom and loss_takes_Z(judge.objective.loss)


cdef list split_sums(const Judge *judge, sums):
    ends = [judge.sum_offset[i] for i in range(judge.n_metrics)] + [judge.slot_size]
    return [sums[ends[i]:ends[i + 1]] for i in range(judge.n_metrics)]
