"""Derivatives with respect to the inputs, of many rows: gather, forward, and backward or forward again; scatter.

Rows pass in groups of panels. Each group goes all the way on one thread, and the next thread that is free takes the
next group: no result depends on which thread does. Stages work as in a prediction.
"""

from libc.string cimport memset

from fastbp.engine.features cimport gather_features
from fastbp.engine.hessians cimport hessian_product, laplacian
from fastbp.engine.kernels cimport FBP_LINEAR, fbp_kernels, fbp_panels, fbp_source
from fastbp.engine.layout cimport TABULAR, Stage, activation_gradient, item_size
from fastbp.engine.loss cimport BAD_INPUTS, BAD_TARGETS, gather_targets, takes_Z
from fastbp.engine.stages cimport Microbatch, stage_backward, stage_forward
from fastbp.engine.tangents cimport stage_tangent
from fastbp.engine.team cimport fetch_and_add, load_flag, monotonic_seconds, store_flag
from fastbp.engine.ways cimport (
    Ways, add_block_gradients, add_gradients, block_points_to_panel, block_slopes_to_panel, points_to_panel,
    slopes_to_panel,
)

# A group of rows on its way, on one thread.
cdef struct Group:
    int number
    Py_ssize_t first               # its first row
    Py_ssize_t n_panels
    Microbatch through             # what stages know of it
    const DerivativeThread *thread


cdef void derivative_share(void *job, int t, int n_threads) noexcept nogil:
    """Thread t's groups: first those that were left at a pause, also by threads that are not there any more."""
    cdef DerivativePass *run = <DerivativePass *>job
    cdef int group, other = t
    while other < run.n_threads:
        if run.threads[other].unit > 0:
            _pass_group(run, run.threads[other].group, &run.threads[other], t == 0)
        other += n_threads
    while not load_flag(&run.n_bad) and not load_flag(&run.paused):
        group = fetch_and_add(&run.next_group, 1)
        if group >= run.n_groups:
            return
        if run.wanted == ALONG_WAYS:
            _pass_ways(run, group, &run.threads[t])
        else:
            _pass_group(run, group, &run.threads[t], t == 0)
        if t == 0:
            _pause_in_time(run)


cdef bint has_more(const DerivativePass *run) noexcept nogil:
    """Whether there are groups that nobody has begun, or that were left at a pause."""
    cdef int t
    for t in range(run.n_threads):
        if run.threads[t].unit > 0:
            return True
    return run.next_group < run.n_groups


cdef void _pause_in_time(DerivativePass *run) noexcept nogil:
    """Have all threads return if it is time to look at signals."""
    if monotonic_seconds() > run.pause_at:
        store_flag(&run.paused, 1)


cdef void _refuse(DerivativePass *run, int group, int bad) noexcept nogil:
    """A group is bad. Of several the one found first is told: the search for the row starts there."""
    if fetch_and_add(&run.n_bad, 1) == 0:
        run.bad = bad
        run.bad_group = group


cdef void _pass_group(DerivativePass *run, int number, DerivativeThread *thread, bint looks) noexcept nogil:
    """The rows of one group, from X to outputs and derivatives; or the rest of what was left of it at a pause.

    `looks` is True in the thread that sees when it is time for one.
    """
    cdef Group group
    cdef int bad
    memset(&group, 0, sizeof(group))
    group.number = number
    group.first = number * run.group_panels * run.k.lanes
    group.thread = thread
    group.through.k = run.k
    group.through.n_samples = min(run.n_rows - group.first, run.group_panels * run.k.lanes)
    group.through.scratch = thread.scratch
    group.n_panels = (group.through.n_samples - 1) // run.k.lanes + 1
    if thread.unit == 0:
        bad = _gather(run, &group)
        if bad:
            _refuse(run, number, bad)
            return
        if not run.only_backward:
            _forward(run, &group)
        if run.outputs != NULL:
            _scatter(run, &group, thread.stages[run.n_stages - 1].output, _n_outputs(run), run.outputs, 1, 0)
    if run.wanted == VJP or run.wanted == LOSS_GRADIENT:
        if run.wanted == LOSS_GRADIENT:
            _loss_gradient(run, &group)
        _backward(run, &group, run.wanted == LOSS_GRADIENT and takes_Z(run.scoring))
        _scatter(run, &group, thread.stages[0].gradient, _n_features(run), run.derivatives, 1, 0)
    elif run.wanted == JVP:
        _tangents(run, &group)
        _scatter(run, &group, thread.stages[run.n_stages - 1].gradient, _n_outputs(run), run.derivatives, 1, 0)
    elif run.wanted == JACOBIAN_BY_OUTPUTS or run.wanted == JACOBIAN_BY_INPUTS:
        thread.group = number
        thread.unit = _jacobian(run, &group, thread.unit, looks)
    elif run.wanted == HESSIAN_PRODUCT:
        hessian_product(&group.through, run.constants, thread.stages, thread.curves, run.n_stages, group.n_panels)
        _scatter(run, &group, thread.curves[0].second, _n_features(run), run.derivatives, 1, 0)
        if run.gradients != NULL:
            _scatter(run, &group, thread.curves[0].backward, _n_features(run), run.gradients, 1, 0)
    elif run.wanted == LAPLACIAN:
        laplacian(&group.through, run.constants, run.directions, thread.stages, thread.curves, run.n_stages,
                  group.n_panels)
        _scatter(run, &group, thread.stages[run.n_stages - 1].gradient, _n_outputs(run), run.derivatives, 1, 0)


cdef void _pass_ways(DerivativePass *run, int number, const DerivativeThread *thread) noexcept nogil:
    """The ways of one group: blocks of them, and the points of those that are left over."""
    cdef Group group
    cdef const Ways *ways = run.ways
    cdef Py_ssize_t first = number * ways.ways_of_group, last = min(first + ways.ways_of_group, ways.n_ways)
    cdef Py_ssize_t done = first + (last - first) // run.k.lanes * run.k.lanes
    cdef int bad
    memset(&group, 0, sizeof(group))
    group.number = number
    group.thread = thread
    group.through.k = run.k
    group.through.scratch = thread.scratch
    bad = _pass_blocks(run, &group, first, (done - first) // run.k.lanes * ways.n_steps)
    if not bad:
        bad = _pass_rest(run, &group, done * ways.n_steps, last * ways.n_steps)
    if bad:
        _refuse(run, number, bad)


cdef int _pass_blocks(const DerivativePass *run, Group *group, Py_ssize_t way, Py_ssize_t n_points) noexcept nogil:
    """Blocks of ways, from this one on, so many points in each lane; a few panels at a time. What is wrong, or 0."""
    cdef Py_ssize_t point = 0
    cdef int bad = 0
    while point < n_points and not bad and not load_flag(&run.n_bad):
        group.n_panels = min(n_points - point, run.group_panels)
        group.through.n_samples = group.n_panels * run.k.lanes
        bad = _pass_block_points(run, group, way, point)
        point += group.n_panels
    return bad


cdef int _pass_block_points(const DerivativePass *run, const Group *group, Py_ssize_t way,
                            Py_ssize_t point) noexcept nogil:
    """The gradients of all answers at points from this one on of blocks of ways, to the sums. What is wrong, or 0."""
    cdef const DerivativeThread *thread = group.thread
    cdef const Ways *ways = run.ways
    cdef Stage *last = &thread.stages[run.n_stages - 1]
    cdef Py_ssize_t p, block, step, answer
    for p in range(group.n_panels):
        block, step = way + (point + p) // ways.n_steps * run.k.lanes, (point + p) % ways.n_steps
        if not block_points_to_panel(run.k, ways, &thread.ways, block, step, step == 0, p, thread.stages[0].output):
            return BAD_INPUTS
    _forward(run, group)
    for answer in range(ways.n_answers):
        for p in range(group.n_panels):
            block, step = way + (point + p) // ways.n_steps * run.k.lanes, (point + p) % ways.n_steps
            if not block_slopes_to_panel(run.k, ways, answer, block, step == 0 or p == 0, p, last.gradient):
                return BAD_TARGETS
        _backward(run, group, False)
        for p in range(group.n_panels):
            block, step = way + (point + p) // ways.n_steps * run.k.lanes, (point + p) % ways.n_steps
            add_block_gradients(run.k, ways, &thread.ways, answer, block, step, p, thread.stages[0].gradient)
    return 0


cdef int _pass_rest(const DerivativePass *run, Group *group, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """The points `first` to last - 1, a few panels at a time. What is wrong with them, or 0."""
    cdef int bad = 0
    group.first = first
    while group.first < last and not bad and not load_flag(&run.n_bad):
        group.through.n_samples = min(last - group.first, run.group_panels * run.k.lanes)
        group.n_panels = (group.through.n_samples - 1) // run.k.lanes + 1
        bad = _pass_points(run, group)
        group.first += group.through.n_samples
    return bad


cdef int _pass_points(const DerivativePass *run, const Group *group) noexcept nogil:
    """The gradients of all answers at some points, to the sums of their ways. What is wrong with the points, or 0."""
    cdef const DerivativeThread *thread = group.thread
    cdef Stage *last = &thread.stages[run.n_stages - 1]
    cdef Py_ssize_t p, answer
    for p in range(group.n_panels):
        if not points_to_panel(run.k, run.ways, &thread.ways, group.first + p * run.k.lanes,
                               _rows_of_panel(run, group, p), p, thread.stages[0].output):
            return BAD_INPUTS
    _forward(run, group)
    for answer in range(run.ways.n_answers):
        for p in range(group.n_panels):
            if not slopes_to_panel(run.k, run.ways, &thread.ways, answer, group.first + p * run.k.lanes,
                                   _rows_of_panel(run, group, p), p, last.gradient):
                return BAD_TARGETS
        _backward(run, group, False)
        for p in range(group.n_panels):
            add_gradients(run.k, run.ways, &thread.ways, answer, group.first + p * run.k.lanes,
                          _rows_of_panel(run, group, p), p, thread.stages[0].gradient)
    return 0


cdef Py_ssize_t _n_features(const DerivativePass *run) noexcept nogil:
    return run.threads[0].stages[0].layer.n_units


cdef Py_ssize_t _n_outputs(const DerivativePass *run) noexcept nogil:
    return run.threads[0].stages[run.n_stages - 1].layer.n_units


cdef Py_ssize_t _rows_of_panel(const DerivativePass *run, const Group *group, Py_ssize_t p) noexcept nogil:
    return min(group.through.n_samples - p * run.k.lanes, <Py_ssize_t>run.k.lanes)


# ---- Rows in and out -----------------------------------------------------------------------------------------------


cdef int _gather(const DerivativePass *run, const Group *group) noexcept nogil:
    """X, where it matters, and what is given beside it, to panels. What is wrong with them, or 0."""
    cdef const fbp_kernels *k = run.k
    cdef const Stage *inputs = group.thread.stages
    cdef Py_ssize_t p, count, row
    for p in range(group.n_panels):
        count = _rows_of_panel(run, group, p)
        row = group.first + p * k.lanes
        if not run.only_backward:
            if not gather_features(k, &run.X, run.features, NULL, row, count, NULL, 0, p, inputs.output, NULL, 0):
                return BAD_INPUTS
            if run.codes.n_columns > 0:
                k.read_codes(&run.codes, NULL, row, count, inputs.tables,
                             inputs.table_rows + p * run.codes.n_columns * k.lanes)
        if not _gather_given(run, group, p, row, count):
            return BAD_TARGETS
    return 0


cdef int _gather_given(const DerivativePass *run, const Group *group, Py_ssize_t p, Py_ssize_t row,
                       Py_ssize_t count) noexcept nogil:
    """Panel p of what is given beside X. 0 where it is not finite."""
    cdef const fbp_kernels *k = run.k
    cdef const DerivativeThread *thread = group.thread
    cdef Py_ssize_t last = run.n_stages - 1
    if run.wanted == VJP:
        return _to_panel(k, &run.given, row, count, p, thread.stages[last].gradient)
    if run.wanted == JVP:
        return _to_panel(k, &run.given, row, count, p, thread.stages[0].gradient)
    if run.wanted == LOSS_GRADIENT:
        return gather_targets(k, run.scoring, NULL, row, count, NULL, 0, p, thread.targets, thread.labels)
    if run.wanted == HESSIAN_PRODUCT:
        return (_to_panel(k, &run.given, row, count, p, thread.curves[last].backward)
                and _to_panel(k, &run.given_too, row, count, p, thread.stages[0].gradient))
    if run.wanted == LAPLACIAN and run.directions.have_slopes:
        return (_to_panel(k, &run.given, row, count, p, thread.curves[0].backward)
                and _to_panel(k, &run.given_too, row, count, p, thread.curves[0].second))
    return 1


cdef int _to_panel(const fbp_kernels *k, const fbp_source *rows, Py_ssize_t row, Py_ssize_t count, Py_ssize_t p,
                   fbp_panels panels) noexcept nogil:
    return k.gather_panel(rows, NULL, row, count, NULL, 0, p, panels, NULL, 0)


cdef void _scatter(const DerivativePass *run, const Group *group, fbp_panels panels, Py_ssize_t width, char *to,
                   Py_ssize_t n_parts, Py_ssize_t part) noexcept nogil:
    """The group's panels to rows of n_parts times `width` numbers, of which they are one part."""
    cdef const fbp_kernels *k = run.k
    cdef Py_ssize_t p
    for p in range(group.n_panels):
        k.scatter_panel(panels, p, width, _rows_of_panel(run, group, p),
                        to + ((group.first + p * k.lanes) * n_parts + part) * width * item_size(k.dtype),
                        n_parts * width)


# ---- Forward and backward ------------------------------------------------------------------------------------------


cdef void _forward(const DerivativePass *run, const Group *group) noexcept nogil:
    cdef Stage *stages = group.thread.stages
    cdef Py_ssize_t i
    cdef bint plain = stages[0].kind != TABULAR and stages[0].layer.activation == FBP_LINEAR
    for i in range(1 if plain else 0, run.n_stages):
        stage_forward(&group.through, &stages[i], 0, group.n_panels, 0, stages[i].layer.n_units)


cdef void _loss_gradient(const DerivativePass *run, const Group *group) noexcept nogil:
    """The gradient of each row's own loss to the last stage."""
    cdef Stage *last = &group.thread.stages[run.n_stages - 1]
    cdef Py_ssize_t p
    for p in range(group.n_panels):
        run.k.loss_panel(&run.scoring.objective, last.output, group.thread.targets,
                         group.thread.labels + p * run.k.lanes, NULL, last.layer.n_units, p,
                         _rows_of_panel(run, group, p), 1 / run.scoring.terms_per_sample, last.gradient)


cdef void _backward(const DerivativePass *run, const Group *group, bint from_Z) noexcept nogil:
    """The gradient of the outputs (or of the last Z), in the last stage, to that of the features, in the first."""
    cdef Stage *stages = group.thread.stages
    cdef Py_ssize_t i
    if not from_Z:
        activation_gradient(run.k, &stages[run.n_stages - 1], 0, group.n_panels)
    for i in range(run.n_stages - 1, 0, -1):
        stage_backward(&group.through, &stages[i], &stages[i - 1], 0, group.n_panels, 0, stages[i - 1].layer.n_units)


cdef void _tangents(const DerivativePass *run, const Group *group) noexcept nogil:
    """The direction in the first stage's gradient to that of the outputs, in the last stage's."""
    cdef Py_ssize_t i
    for i in range(1, run.n_stages):
        stage_tangent(run.k, run.constants, group.thread.stages, i, group.n_panels)


# ---- Jacobians -----------------------------------------------------------------------------------------------------


cdef void _set_unit(const DerivativePass *run, fbp_panels panels, Py_ssize_t n_units, Py_ssize_t n_panels,
                    Py_ssize_t unit) noexcept nogil:
    """1 for this unit of every sample, 0 for the others."""
    cdef Py_ssize_t p, lane, size = item_size(run.k.dtype)
    cdef char *start
    for p in range(n_panels):
        start = <char *>panels.data + p * panels.stride * size
        memset(start, 0, n_units * run.k.lanes * size)
        for lane in range(unit * run.k.lanes, (unit + 1) * run.k.lanes):
            if size == 4:
                (<float *>start)[lane] = 1
            else:
                (<double *>start)[lane] = 1


cdef Py_ssize_t _jacobian(DerivativePass *run, const Group *group, Py_ssize_t unit, bint looks) noexcept nogil:
    """The rows or columns of this unit and those after it, one at least. The next one at a pause, or 0 at the end."""
    cdef bint by_outputs = run.wanted == JACOBIAN_BY_OUTPUTS
    cdef Py_ssize_t n_units = _n_outputs(run) if by_outputs else _n_features(run)
    while unit < n_units:
        if by_outputs:
            _jacobian_by_output(run, group, unit)
        else:
            _jacobian_by_input(run, group, unit)
        unit += 1
        if looks:
            _pause_in_time(run)
        if load_flag(&run.paused):
            break
    return unit if unit < n_units else 0


cdef void _jacobian_by_output(const DerivativePass *run, const Group *group, Py_ssize_t unit) noexcept nogil:
    cdef Stage *stages = group.thread.stages
    cdef Py_ssize_t n_outputs = _n_outputs(run)
    _set_unit(run, stages[run.n_stages - 1].gradient, n_outputs, group.n_panels, unit)
    _backward(run, group, False)
    _scatter(run, group, stages[0].gradient, _n_features(run), run.derivatives, n_outputs, unit)


cdef void _jacobian_by_input(const DerivativePass *run, const Group *group, Py_ssize_t unit) noexcept nogil:
    cdef Stage *stages = group.thread.stages
    cdef Py_ssize_t n_features = _n_features(run)
    _set_unit(run, stages[0].gradient, n_features, group.n_panels, unit)
    _tangents(run, group)
    _scatter(run, group, stages[run.n_stages - 1].gradient, _n_outputs(run), run.derivatives, n_features, unit)
