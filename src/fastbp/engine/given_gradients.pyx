"""Steps by gradients that somebody else computed: of the outputs, or of all parameters."""

from libc.stdint cimport int32_t
from libc.string cimport memset

import numpy as np

from fastbp.engine.arena cimport Arena
from fastbp.engine.divided_session cimport DividedSession
from fastbp.engine.kernels cimport (
    FBP_FLOAT32, FBP_FLOAT64, FBP_TABLE_SHARES, fbp_kernels, fbp_panels, fbp_update, flush_denormals, kernels_in_use,
    restore_denormals,
)
from fastbp.engine.layout cimport BATCH_NORM, Stage, take_panels
from fastbp.engine.loss cimport (
    LEAST_TARGETS, Scoring, gather_sample_weights, gather_targets, set_scoring,
    total_sample_weight,
)
from fastbp.engine.records cimport SampleSet
from fastbp.engine.run cimport Run
from fastbp.engine.session cimport GRADIENT_OF_OUTPUTS, GRADIENT_OF_Z, Session
from fastbp.engine.step cimport count_step
from fastbp.engine.update_rules cimport numbers_of_step, takes_norm
from fastbp.engine.weight_update cimport square_gradients, update_parameters

from fastbp.engine.errors import NonFinite, first_bad_row, first_bad_target


def step_gradient(Session session, SampleSet samples, dict step_numbers, bint from_Z):
    """One update of a session on all the samples, whose targets are an ArrayReader: the gradient of the mean loss.

    It is (n_samples, n_outputs), by the outputs, or by what the last activation is applied to.
    """
    session.call.enter()
    cdef int team
    try:
        session.take_step_numbers(step_numbers)
        team = session.begin(samples, samples.n_samples, False, 1, GRADIENT_OF_Z if from_Z else GRADIENT_OF_OUTPUTS)
        session.set_order(samples, False, 0, 0)
        session.memory.run.cut.updates = True
        session.memory.run.cut.training = True
        session.go(samples, team, None)
    finally:
        session.call.leave()


def apply_gradients(Session session, list arrays, dict step_numbers):
    """One update of a session by these gradients, an array for each of Network.get_arrays, all finite.

    A row of a table whose gradient is zero is left as it is. Running statistics have no gradient, and stay. Raises
    NonFinite where the update made a weight infinite, as no pass follows that would show it.
    """
    session.call.enter()
    cdef Py_ssize_t infinite
    cdef Run *run = &session.memory.run
    cdef fbp_update numbers
    cdef unsigned long former
    try:
        session.take_step_numbers(step_numbers)
        session.memory.make_room(1, 1)
        _put_gradients(session, arrays)
        run.cut.updates = True
        session.python.go_in()
        try:
            _keep_statistics(run)
            numbers = numbers_of_step(&run.updater, run.progress.n_steps + 1)
            if isinstance(session, DividedSession):
                (<DividedSession>session).update_by_gradients(&numbers)
            else:
                with nogil:
                    former = flush_denormals()
                    if takes_norm(&run.updater):
                        square_gradients(run, 0, 1)
                    update_parameters(run, &numbers, 0, 1)
                    restore_denormals(former)
            count_step(run, &numbers, True)
            infinite = session.memory.layer_of_infinity()
            if infinite >= 0:
                raise NonFinite("weights", layer=infinite)
        finally:
            session.python.go_out()
    finally:
        session.call.leave()


cdef int _put_gradients(Session session, list arrays) except -1:
    cdef Py_ssize_t i
    following = iter(arrays)
    for i in range(session.network.n_layers):
        views = session.network.views(session.memory.gradients, i)
        for view in views:
            view[:] = next(following)
        for _ in session.network.statistic_views(i):
            next(following)
        if session.memory.run.stages[i].n_tables > 0:
            _touch_rows(session, views)
    return 0


cdef int _touch_rows(Session session, list tables) except -1:
    """The rows of each table that have a gradient, to the lists of touched rows."""
    cdef int32_t[::1] touched, n_touched
    cdef Py_ssize_t i, share, j, share_rows
    lists = session.memory.tables.arrays     # of each table: when rows were touched, which ones, how many of a share
    for i, gradient in enumerate(tables):
        touched = lists[3 * i + 1]
        n_touched = lists[3 * i + 2]
        share_rows = session.memory.run.stages[0].tables[i].share_rows
        rows = np.flatnonzero(gradient.any(axis=1))
        for share in range(FBP_TABLE_SHARES):
            of_share = rows[rows % FBP_TABLE_SHARES == share]
            n_touched[share] = len(of_share)
            for j in range(n_touched[share]):
                touched[share * share_rows + j] = of_share[j]
    return 0


cdef void _keep_statistics(Run *run) noexcept:
    """An update moves running statistics to those of the step: here to themselves."""
    cdef Py_ssize_t i
    cdef Stage *stage
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind == BATCH_NORM:
            run.k.average(stage.moved.mean, stage.running.mean, stage.layer.n_units, 1)
            run.k.average(stage.moved.variance, stage.running.variance, stage.layer.n_units, 1)


def output_gradient(object loss, SampleSet samples, gradient):
    """The gradient of the samples' mean loss by their outputs, to gradient, (n_samples, n_outputs), float32 or float64.

    The rows of the samples are the outputs; of a loss that has the last activation built in, what that is applied to.
    The loss is one that Session takes by its name.
    """
    cdef bint single = gradient.dtype == np.float32
    cdef const fbp_kernels *k = kernels_in_use(FBP_FLOAT32 if single else FBP_FLOAT64)
    cdef Py_ssize_t p, row, count, n = samples.n_samples, n_outputs = samples.rows.n_columns
    cdef double weight, scale
    cdef const double *sample_weights
    cdef char[:, ::1] out = gradient.view(np.int8)
    cdef Scoring scoring
    cdef Arena arena = Arena()
    cdef OutputBuffers buffers = _place(arena, k, n_outputs)
    arena.allocate()
    buffers = _place(arena, k, n_outputs)
    memset(&scoring, 0, sizeof(scoring))
    set_scoring(&scoring, loss, (), samples, n_outputs, None)
    weight = total_sample_weight(&scoring, NULL, 0, n)
    scale = 1 / (weight * scoring.terms_per_sample)
    for p in range((n - 1) // k.lanes + 1):
        row = p * k.lanes
        count = min(n - row, <Py_ssize_t>k.lanes)
        if not k.gather_panel(&samples.rows.source, NULL, row, count, NULL, 0, 0, buffers.outputs, NULL, 0):
            raise NonFinite("inputs", row=first_bad_row(samples.rows, np.arange(row, row + count), None, None,
                                                        "float32" if single else "float64"))
        if not gather_targets(k, &scoring, NULL, row, count, NULL, 0, 0, buffers.targets, buffers.labels):
            raise NonFinite("targets", row=first_bad_target(samples.targets, np.arange(row, row + count), n_outputs,
                                                            None, "float32" if single else "float64"))
        sample_weights = gather_sample_weights(&scoring, NULL, row, count, buffers.sample_weights)
        k.loss_panel(&scoring.objective, buffers.outputs, buffers.targets, buffers.labels, sample_weights, n_outputs, 0,
                     count, scale, buffers.gradient)
        k.scatter_panel(buffers.gradient, 0, n_outputs, count, &out[row, 0], n_outputs)


# Of one panel.
cdef struct OutputBuffers:
    fbp_panels outputs             # [n_outputs][VL]
    fbp_panels targets             # [n_outputs][VL]
    fbp_panels gradient            # [n_outputs][VL]
    int32_t *labels                # [VL]
    double *sample_weights         # [VL]


cdef OutputBuffers _place(Arena arena, const fbp_kernels *k, Py_ssize_t n_outputs) noexcept:
    cdef OutputBuffers buffers
    buffers.outputs = take_panels(arena, n_outputs, 1, k)
    buffers.targets = take_panels(arena, max(n_outputs, <Py_ssize_t>LEAST_TARGETS), 1, k)
    buffers.gradient = take_panels(arena, n_outputs, 1, k)
    buffers.labels = <int32_t *>arena.take(k.lanes * sizeof(int32_t))
    buffers.sample_weights = <double *>arena.take(k.lanes * sizeof(double))
    return buffers
