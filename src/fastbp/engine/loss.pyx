"""Losses and metrics of one panel of samples: targets gathered like the inputs, sums added to the panel's own slot."""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from fastbp.engine.kernels cimport (
    FBP_ANSWER_BINARY, FBP_ANSWER_DISTRIBUTION, FBP_ANSWER_LABEL, FBP_CROSS_ENTROPY, FBP_CROSS_ENTROPY_LABELS,
    FBP_FLOAT32, FBP_LOSS_PARAMETERS, FBP_METRIC_ABSOLUTE_ERROR, FBP_METRIC_CORRECT, FBP_METRIC_COUNTS,
    FBP_METRIC_LOG_LOSS, FBP_METRIC_PERCENTAGE_ERROR, FBP_METRIC_RANKS, FBP_METRIC_SQUARED_ERROR,
    FBP_METRIC_SQUARED_PROBABILITY, FBP_SOFTMAX, averages_outputs, fbp_layer, fbp_loss, fbp_read_once, loss_named,
    loss_takes_Z,
)
from fastbp.engine.features cimport Features, features_of, gather_features
from fastbp.engine.layout cimport Stage, item_size, panels_of_member
from fastbp.engine.records cimport SampleSet
from fastbp.engine.array_reader cimport ArrayReader

ctypedef fused real:
    float
    double

# From where to where the targets of a loss lie, checked when a call begins: beyond that it would be no loss. The
# probabilities of a sample's classes may miss a sum of 1 by a thousandth. Of a policy it is the action, which the
# number of outputs bounds.
_BOUNDS = {
    "binary_cross_entropy": (0, 1),
    "focal": (0, 1),
    "cross_entropy": (0, 1.001),
    "poisson": (0, float("inf")),
    "gamma": (0, float("inf")),
    "tweedie": (0, float("inf")),
}

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
    """What the outputs of this loss answer. Only metrics of classification use it; other losses get any value."""
    if loss == FBP_CROSS_ENTROPY_LABELS:
        return FBP_ANSWER_LABEL
    return FBP_ANSWER_DISTRIBUTION if loss == FBP_CROSS_ENTROPY else FBP_ANSWER_BINARY


cdef Py_ssize_t _n_sums(fbp_metric metric, const Scoring *scoring):
    """How many sums a metric has."""
    if metric in (FBP_METRIC_CORRECT, FBP_METRIC_LOG_LOSS, FBP_METRIC_SQUARED_PROBABILITY):
        return 1
    if metric == FBP_METRIC_COUNTS:
        return scoring.n_targets * (4 if scoring.answer == FBP_ANSWER_BINARY else 3)
    return scoring.n_targets


cdef int set_scoring(Scoring *scoring, object loss, tuple metrics, SampleSet samples, Py_ssize_t n_outputs,
                     Features features) except -1:
    """Fills in everything. The loss is what Session takes; the features are what the targets are made into, or None.

    The caller keeps the samples and the features alive: the struct points into them.
    """
    scoring.all_labels = NULL
    scoring.all_targets = NULL
    scoring.n_bounded = 0
    _set_weights(scoring, samples.sample_weights)
    scoring.features = features_of(features)
    scoring.given = False
    scoring.custom = callable(loss)
    scoring.l2 = 0
    scoring.terms_per_sample = 1
    scoring.n_metrics = 0
    scoring.slot_size = 1
    if scoring.custom:
        return 0
    _set_objective(scoring, loss, samples.targets, n_outputs)
    _set_metrics(scoring, metrics)
    return 0


cdef int _set_weights(Scoring *scoring, object sample_weights) except -1:
    """A weight for each sample, or for each of its outputs."""
    cdef const double[::1] of_samples
    cdef const double[:, ::1] of_outputs
    scoring.all_sample_weights = NULL
    scoring.all_output_weights = NULL
    if sample_weights is None:
        return 0
    if sample_weights.ndim == 1:
        of_samples = sample_weights
        scoring.all_sample_weights = &of_samples[0]
    else:
        of_outputs = sample_weights
        scoring.all_output_weights = &of_outputs[0, 0]
    return 0


cdef int set_given(Scoring *scoring, object loss, SampleSet samples, bint from_Z) except -1:
    """Fills in everything for samples whose targets are the gradient of the outputs, divided as it is to be used.

    Of the loss only its penalty on the weights remains.
    """
    memset(scoring, 0, sizeof(Scoring))
    scoring.given = True
    scoring.given_Z = from_Z
    scoring.all_targets = &(<ArrayReader>samples.targets).source
    scoring.n_targets = scoring.all_targets.n_columns
    scoring.terms_per_sample = 1
    scoring.slot_size = 1
    if isinstance(loss, tuple) and len(loss) > 2:
        scoring.l2 = loss[3]
    return 0


cdef int _set_objective(Scoring *scoring, object loss, object targets, Py_ssize_t n_outputs) except -1:
    """The loss by its name, and the targets, on whose kind that name depends."""
    cdef int i
    cdef const int32_t[::1] labels
    cdef Py_ssize_t n_columns = 0      # of targets that are no labels
    cdef double factor = 1
    if isinstance(targets, ArrayReader):
        scoring.all_targets = &(<ArrayReader>targets).source
        n_columns = scoring.all_targets.n_columns
    else:
        labels = targets
        scoring.all_labels = &labels[0]
    if isinstance(loss, str):
        loss = (loss, ())
    name, parameters = loss[:2]
    if len(loss) > 2:
        factor, scoring.l2 = loss[2:]
    if len(parameters) > FBP_LOSS_PARAMETERS:
        raise ValueError(f"the loss {name!r} has {len(parameters)} parameters; the kernels take {FBP_LOSS_PARAMETERS}")
    scoring.objective.loss = loss_named(name if n_columns else name + "_labels")
    scoring.objective.n_parameters = len(parameters)
    memset(scoring.objective.parameters, 0, sizeof(scoring.objective.parameters))
    for i, parameter in enumerate(parameters):
        scoring.objective.parameters[i] = parameter
    scoring.terms_per_sample = (n_outputs if averages_outputs(scoring.objective.loss) else 1) / factor
    scoring.n_targets = n_columns or n_outputs
    scoring.answer = _answer(scoring.objective.loss)
    if name == "policy_gradient":
        scoring.n_bounded, scoring.least, scoring.most = 1, 0, n_outputs - 1
    elif n_columns and name in _BOUNDS:
        scoring.n_bounded = n_columns
        scoring.least, scoring.most = _BOUNDS[name]
    return 0


cdef Py_ssize_t sums_of(object loss, tuple metrics, Py_ssize_t n_targets) except -1:
    """How many sums a slot has, for a loss as Session takes it and n_targets outputs that metrics look at."""
    cdef Scoring scoring
    if callable(loss):
        return 1
    scoring.n_targets = n_targets
    scoring.answer = _answer(loss_named(loss if isinstance(loss, str) else loss[0]))   # labels have as many sums
    scoring.slot_size = 1
    _set_metrics(&scoring, metrics)
    return scoring.slot_size


cdef int _set_metrics(Scoring *scoring, tuple metrics) except -1:
    """Where each metric's sums lie in a slot, after the loss."""
    cdef int i
    scoring.n_metrics = len(metrics)
    for i, metric in enumerate(metrics):
        scoring.metrics[i] = <fbp_metric><int>_METRICS[metric]
        scoring.sum_offset[i] = scoring.slot_size
        scoring.slot_size += _n_sums(scoring.metrics[i], scoring)
    return 0


cdef int gather_targets(const fbp_kernels *k, const Scoring *scoring, const int64_t *index, Py_ssize_t first,
                        Py_ssize_t n_rows, const int64_t *next_index, Py_ssize_t n_next, Py_ssize_t p,
                        fbp_panels targets, int32_t *labels) noexcept nogil:
    """The targets of panel p: of rows index[0..n_rows), or first.. where index is NULL. 0 where one is not finite.

    They lie in the user's array, which can change at any time. A label that is no class is gathered as class 0, so that
    nobody reads beyond the outputs, and 0 is returned; also where a number is not what the loss takes. The targets of
    the rows next_index[0..n_next) are prefetched.
    """
    cdef Py_ssize_t r
    cdef int32_t label
    cdef int good = 1
    if scoring.custom:
        return 1
    if scoring.all_labels == NULL:
        good = gather_features(k, scoring.all_targets, scoring.features, index, first, n_rows, next_index, n_next, p,
                               targets, NULL, 0)
        return good and (scoring.n_bounded == 0 or _within_bounds(k, scoring, targets, p, n_rows))
    for r in range(n_rows):
        label = fbp_read_once(scoring.all_labels + (first + r if index == NULL else index[r]))
        if <uint32_t>label >= <uint32_t>scoring.n_targets:     # a negative one too
            label = 0
            good = 0
        labels[p * k.lanes + r] = label
    return good


cdef bint _within_bounds(const fbp_kernels *k, const Scoring *scoring, fbp_panels targets, Py_ssize_t p,
                         Py_ssize_t n_rows) noexcept nogil:
    """Whether the gathered targets of panel p are such as the loss takes."""
    cdef Py_ssize_t start = p * targets.stride
    if k.dtype == FBP_FLOAT32:
        return _all_between(<const float *>targets.data + start, scoring.n_bounded, k.lanes, n_rows,
                            <float>scoring.least, <float>scoring.most)
    return _all_between(<const double *>targets.data + start, scoring.n_bounded, k.lanes, n_rows, scoring.least,
                        scoring.most)


cdef bint _all_between(const real *columns, Py_ssize_t n_columns, Py_ssize_t lanes, Py_ssize_t n_rows, real least,
                       real most) noexcept nogil:
    cdef Py_ssize_t _, r
    cdef int good = 1
    for _ in range(n_columns):
        for r in range(n_rows):
            good &= (columns[r] >= least) & (columns[r] <= most)
        columns += lanes
    return good


cdef const double *gather_sample_weights(const Scoring *scoring, const int64_t *index, Py_ssize_t first,
                                         Py_ssize_t n_rows, double *sample_weights) noexcept nogil:
    """The sample weights of rows index[0..n_rows), or first.. where index is NULL; NULL where all count alike."""
    cdef Py_ssize_t r
    if scoring.all_sample_weights == NULL:
        return NULL
    if index == NULL:
        memcpy(sample_weights, scoring.all_sample_weights + first, n_rows * sizeof(double))
    else:
        for r in range(n_rows):
            sample_weights[r] = scoring.all_sample_weights[index[r]]
    return sample_weights


cdef double total_sample_weight(const Scoring *scoring, const int64_t *index, Py_ssize_t first,
                                Py_ssize_t n_rows) noexcept nogil:
    """The sum of these rows' sample weights, in the order of the rows; their number where all count alike.

    Of weights of outputs, which are not used with an index, it is the sum of each row's mean.
    """
    cdef double sum = 0
    cdef Py_ssize_t r
    if scoring.all_output_weights != NULL:
        for r in range(first * scoring.n_targets, (first + n_rows) * scoring.n_targets):
            sum += scoring.all_output_weights[r]
        return sum / scoring.n_targets
    if scoring.all_sample_weights == NULL:
        return n_rows
    for r in range(first, first + n_rows):
        sum += scoring.all_sample_weights[r if index == NULL else index[r]]
    return sum


cdef void score_panel(const fbp_kernels *k, const Scoring *scoring, fbp_panels output, fbp_panels targets,
                      const int32_t *labels, const double *sample_weights, Py_ssize_t n_units, Py_ssize_t p,
                      Py_ssize_t n_rows, double scale, fbp_panels gradient, double *slot) noexcept nogil:
    """Loss, gradient (unless its data is NULL) and metrics of panel p; the sums are added to the slot."""
    cdef const int32_t *panel_labels = labels + p * k.lanes
    cdef int i
    for i in range(scoring.n_metrics):
        k.metric_panel(scoring.metrics[i], scoring.answer, output, targets, panel_labels, sample_weights,
                       scoring.n_targets, p, n_rows, slot + scoring.sum_offset[i])
    slot[0] += k.loss_panel(&scoring.objective, output, targets, panel_labels, sample_weights, n_units, p, n_rows,
                            scale, gradient)


cdef double score_outputs(const fbp_kernels *k, const Scoring *scoring, fbp_panels output, fbp_panels targets,
                          Py_ssize_t n_units, Py_ssize_t p, Py_ssize_t row, Py_ssize_t n_rows, double scale,
                          double *column, fbp_panels gradient) noexcept nogil:
    """Loss and gradient of panel p, whose first row is `row`, where each output has a weight: output by output.

    Only for losses that are sums over the outputs. `column`: [VL] to work with.
    """
    cdef Py_ssize_t unit, r, offset
    cdef double loss = 0
    for unit in range(n_units):
        for r in range(n_rows):
            column[r] = scoring.all_output_weights[(row + r) * n_units + unit]
        offset = unit * k.lanes * item_size(k.dtype)
        loss += k.loss_panel(
            &scoring.objective, fbp_panels(<char *>output.data + offset, output.stride),
            fbp_panels(<char *>targets.data + offset, targets.stride), NULL, column, 1, p, n_rows, scale,
            fbp_panels(<char *>gradient.data + offset, gradient.stride))
    return loss


cdef double score_members(const fbp_kernels *k, const Scoring *scoring, const Stage *heads, fbp_panels targets,
                          const int32_t *labels, const double *sample_weights, Py_ssize_t p, Py_ssize_t n_rows,
                          double scale) noexcept nogil:
    """The mean over the members of the loss of panel p, and its gradient to the heads, whose outputs are scored."""
    cdef Py_ssize_t m, n_units = heads.width // heads.own
    cdef double loss = 0
    for m in range(heads.own):
        loss += k.loss_panel(&scoring.objective, panels_of_member(k, heads.output, m, n_units), targets,
                             labels + p * k.lanes, sample_weights, n_units, p, n_rows, scale / heads.own,
                             panels_of_member(k, heads.gradient, m, n_units))
    return loss / heads.own


cdef double score_outputs_of_members(const fbp_kernels *k, const Scoring *scoring, const Stage *heads,
                                     fbp_panels targets, Py_ssize_t p, Py_ssize_t row, Py_ssize_t n_rows, double scale,
                                     double *column) noexcept nogil:
    """The same where each output has a weight."""
    cdef Py_ssize_t m, n_units = heads.width // heads.own
    cdef double loss = 0
    for m in range(heads.own):
        loss += score_outputs(k, scoring, panels_of_member(k, heads.output, m, n_units), targets, n_units, p, row,
                              n_rows, scale / heads.own, column, panels_of_member(k, heads.gradient, m, n_units))
    return loss / heads.own


cdef void each_loss(const fbp_kernels *k, const Scoring *scoring, fbp_panels output, fbp_panels targets,
                    const int32_t *labels, Py_ssize_t n_units, Py_ssize_t p, Py_ssize_t n_rows,
                    double *losses) noexcept nogil:
    """The loss of each sample of panel p, without its sample weight: the panel's loss where it alone weighs 1."""
    cdef Py_ssize_t r
    cdef double *alone = losses        # zeros to come; a sample's loss takes the place of its weight
    for r in range(n_rows):
        alone[r] = 0
    for r in range(n_rows - 1, -1, -1):
        alone[r] = 1
        losses[r] = k.loss_panel(&scoring.objective, output, targets, labels + p * k.lanes, alone, n_units, p, r + 1, 1,
                                 fbp_panels(NULL, 0)) / scoring.terms_per_sample


cdef void keep_outputs(const fbp_kernels *k, const Scoring *scoring, const fbp_layer *last, fbp_panels output,
                       Py_ssize_t p, Py_ssize_t n_rows, char *out) noexcept nogil:
    """The outputs of panel p, as a prediction has them, to n_rows rows of out. A Z that was scored becomes its A."""
    if takes_Z(scoring):
        k.activation_forward(last, output, output, fbp_panels(NULL, 0), p, p + 1)
        if last.activation == FBP_SOFTMAX:
            k.softmax_forward(output, last.n_units, p, p + 1)
    k.scatter_panel(output, p, last.n_units, n_rows, out, last.n_units)


cdef bint takes_Z(const Scoring *scoring) noexcept nogil:
    """Whether the loss is computed from Z, with the last activation built in."""
    if scoring.given:
        return scoring.given_Z
    return not scoring.custom and loss_takes_Z(scoring.objective.loss)


cdef list split_sums(const Scoring *scoring, sums):
    """A copy of each metric's sums."""
    cdef int i
    cdef Py_ssize_t end
    parts = []
    for i in range(scoring.n_metrics):
        end = scoring.sum_offset[i + 1] if i + 1 < scoring.n_metrics else scoring.slot_size
        parts.append(sums[scoring.sum_offset[i]:end].copy())
    return parts
