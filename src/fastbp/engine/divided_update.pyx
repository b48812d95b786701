"""The update of a step whose parameters are divided among processes: each updates its own, and gets the others'.

A process's part is a run of whole rows, as they lie in memory; it has the optimizer's states of its part alone. Within
the part each thread takes its share of every array's rows. What is made of the parameters goes to other memory at
first, and takes their place when all processes have sent theirs: so the parameters are always those of a completed
step. The averages of parameters are kept whole by every process, which may be asked for them at any time.
"""

from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from fastbp.engine.kernels cimport FBP_STATES, FBP_TABLE_SHARES, fbp_layer, fbp_update
from fastbp.engine.layout cimport BATCH_NORM, Stage, item_size, units_of_share
from fastbp.engine.penalty cimport add_penalty_slopes
from fastbp.engine.private_step cimport noise_to_biases, noise_to_row, noise_to_weights
from fastbp.engine.run cimport Run, first_unit
from fastbp.engine.sharded_gradient cimport use_statistics
from fastbp.engine.shards cimport SQUARES, WEIGHTS, ParameterRows
from fastbp.engine.stages cimport stage_updated
from fastbp.engine.team cimport wait_for_all
from fastbp.engine.update_rules cimport takes_norm
from fastbp.engine.weight_update cimport norm_factor, own_numbers, states_at


cdef bint exchange(ShardedRun *sharded, const ThreadStep *step, Exchanged what, bint sound) noexcept nogil:
    cdef Run *run = sharded.run
    wait_for_all(&run.barrier, step.n_threads)
    if step.t == 0:
        if sharded.exchange(sharded.context, what, sound):
            run.progress.stop_weights = True
        elif what == SQUARES:
            _spread_squares(sharded)
    wait_for_all(&run.barrier, step.n_threads)
    return sound and not run.progress.stop_weights


cdef bint divided_update(ShardedRun *sharded, const ThreadStep *step, bint of_samples) noexcept nogil:
    cdef Run *run = sharded.run
    cdef Py_ssize_t i
    if not step.updates:
        return True
    for i in range(sharded.n_arrays):
        _complete_rows(sharded, step, &sharded.arrays[i], of_samples)
    if takes_norm(&run.updater) and not exchange(sharded, step, SQUARES, True):
        return False
    for i in range(sharded.n_arrays):
        _update_rows(sharded, step, &sharded.arrays[i])
    if not exchange(sharded, step, WEIGHTS, True):
        return False
    for i in range(sharded.n_arrays):
        _take_over_rows(sharded, step, &sharded.arrays[i])
    wait_for_all(&run.barrier, step.n_threads)
    _follow_update(sharded, step)
    return True


cdef void _share_of_rows(Py_ssize_t *n0, Py_ssize_t *n1, const ThreadStep *step) noexcept nogil:
    """Of rows n0..n1 those that are this thread's."""
    cdef Py_ssize_t first = n0[0], n = n1[0] - n0[0]
    n0[0] = first + n * step.t // step.n_threads
    n1[0] = first + n * (step.t + 1) // step.n_threads


cdef void _own_rows(const ShardedRun *sharded, const ThreadStep *step, const ParameterRows *array, Py_ssize_t *n0,
                    Py_ssize_t *n1) noexcept nogil:
    """Rows n0..n1 of an array are in this process's part, and in this thread's share of that."""
    cdef Py_ssize_t row_bytes = array.ld * item_size(sharded.run.k.dtype)
    n0[0] = min(max(sharded.own_start - array.offset, <Py_ssize_t>0) // row_bytes, array.n_rows)
    n1[0] = min(max(sharded.own_end - array.offset, <Py_ssize_t>0) // row_bytes, array.n_rows)
    _share_of_rows(n0, n1, step)


# ---- Before the update ----


cdef void _complete_rows(ShardedRun *sharded, const ThreadStep *step, const ParameterRows *array,
                         bint penalised) noexcept nogil:
    """Penalties and noise to the gradient of this thread's rows; and their squares, where a norm is clipped."""
    cdef Run *run = sharded.run
    cdef Stage *stage = &run.stages[array.stage]
    cdef Py_ssize_t n, n0, n1, row_bytes = array.ld * item_size(run.k.dtype)
    cdef double of_bias
    cdef fbp_layer row
    _own_rows(sharded, step, array, &n0, &n1)
    if n0 == n1 or not stage.trained:
        return
    if penalised and array.table < 0 and not array.is_bias:
        add_penalty_slopes(run.k, stage, step.microbatch.step_l2, n0, n1)
    if sharded.private != NULL:
        _add_noise(sharded, step, array, n0, n1)
    if not takes_norm(&run.updater):
        return
    memset(&row, 0, sizeof(row))
    row.ld = array.ld
    for n in range(n0, n1):
        run.k.unit_squares(&row, run.memory.gradients + array.offset + n * row_bytes, NULL, 0, 1,
                           &sharded.row_squares[array.first_row + n], &of_bias)


cdef void _add_noise(const ShardedRun *sharded, const ThreadStep *step, const ParameterRows *array, Py_ssize_t n0,
                     Py_ssize_t n1) noexcept nogil:
    """Noise to the gradient of rows n0..n1, which no other process and no other thread has."""
    cdef const Stage *stage = &sharded.run.stages[array.stage]
    cdef Py_ssize_t n
    if array.is_bias:
        noise_to_biases(sharded.private, step.microbatch.step, stage, n0, n1)
    elif array.table < 0:
        noise_to_weights(sharded.private, step.microbatch.step, stage, n0, n1)
    else:
        for n in range(n0, n1):
            noise_to_row(sharded.private, step.microbatch.step, &stage.tables[array.table], n)


cdef void _spread_squares(const ShardedRun *sharded) noexcept nogil:
    """The squares of all rows to where norms are made of them; those of a table's rows are added by its shares."""
    cdef const Run *run = sharded.run
    cdef const ParameterRows *array
    cdef const double *squares
    cdef double *to
    cdef Py_ssize_t i, n
    for i in range(sharded.n_arrays):
        array = &sharded.arrays[i]
        squares = sharded.row_squares + array.first_row
        if array.table < 0:
            to = run.memory.squares + first_unit(run, array.stage) + (run.memory.n_units if array.is_bias else 0)
            memcpy(to, squares, array.n_rows * sizeof(double))
            continue
        to = run.memory.squares + 2 * run.memory.n_units + array.table * FBP_TABLE_SHARES
        memset(to, 0, FBP_TABLE_SHARES * sizeof(double))
        for n in range(array.n_rows):
            to[n % FBP_TABLE_SHARES] += squares[n]


# ---- The update ----


cdef void _update_rows(ShardedRun *sharded, const ThreadStep *step, const ParameterRows *array) noexcept nogil:
    """What the optimizer makes of this thread's rows of the process's part, to `fresh`."""
    cdef Run *run = sharded.run
    cdef Stage *stage = &run.stages[array.stage]
    cdef Py_ssize_t n, n0, n1, row_bytes = array.ld * item_size(run.k.dtype)
    cdef char *fresh
    cdef double factor
    cdef fbp_layer layer
    cdef fbp_update room
    cdef const fbp_update *numbers
    _own_rows(sharded, step, array, &n0, &n1)
    if n0 == n1:
        return
    fresh = sharded.fresh + array.offset - sharded.own_start       # of row 0
    memcpy(fresh + n0 * row_bytes, run.memory.parameters + array.offset + n0 * row_bytes, (n1 - n0) * row_bytes)
    if not stage.trained:
        return
    numbers = own_numbers(run, &step.numbers, stage, array.table if array.table >= 0 else array.is_bias,
                          array.table >= 0 or array.ld > 1, &room)
    factor = _clipping(run, array)
    if array.table < 0:
        _update_run(sharded, array, numbers, factor, fresh, n0, n1)
        if stage.max_norm > 0 and not array.is_bias:
            layer = stage.layer
            layer.weights = fresh
            run.k.limit_norms(&layer, stage.max_norm, n0, n1)
        return
    for n in range(n0, n1):            # a row of a table that no sample has is left as it is
        if _has_gradient(run.memory.gradients + array.offset + n * row_bytes, row_bytes):
            _update_run(sharded, array, numbers, factor, fresh, n, n + 1)


cdef void _update_run(ShardedRun *sharded, const ParameterRows *array, const fbp_update *numbers, double factor,
                      char *fresh, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """Rows n0..n1: the gradient is clipped, and used."""
    cdef Run *run = sharded.run
    cdef Py_ssize_t row_bytes = array.ld * item_size(run.k.dtype), n = (n1 - n0) * array.ld
    cdef char *gradients = run.memory.gradients + array.offset + n0 * row_bytes
    cdef double bound = run.updater.clip_value if run.updater.clip_value > 0 else INFINITY
    cdef void *states[FBP_STATES]
    if factor != 1 or bound < INFINITY:
        run.k.clip(gradients, n, factor, bound)
    states_at(run, array.offset + n0 * row_bytes, states)
    run.k.update(run.updater.optimizer, numbers, fresh + n0 * row_bytes, gradients, states, n)


cdef double _clipping(const Run *run, const ParameterRows *array) noexcept nogil:
    """The factor of an array's gradient by which a norm is clipped."""
    cdef const double *squares = run.memory.squares
    if run.updater.clip_norm > 0:
        return norm_factor(squares, run.memory.n_squares, run.updater.clip_norm)
    if run.updater.clip_array_norm == 0:
        return 1
    if array.table >= 0:
        squares += 2 * run.memory.n_units + array.table * FBP_TABLE_SHARES
        return norm_factor(squares, FBP_TABLE_SHARES, run.updater.clip_array_norm)
    squares += first_unit(run, array.stage) + (run.memory.n_units if array.is_bias else 0)
    return norm_factor(squares, array.n_rows, run.updater.clip_array_norm)


cdef bint _has_gradient(const char *row, Py_ssize_t row_bytes) noexcept nogil:
    cdef const uint64_t *words = <const uint64_t *>row
    cdef Py_ssize_t j
    for j in range(row_bytes // 8):
        if words[j]:
            return True
    return False


# ---- After the update ----


cdef void _take_over_rows(ShardedRun *sharded, const ThreadStep *step, const ParameterRows *array) noexcept nogil:
    """The new parameters take the place of the old ones: this thread's rows of all, and their averages."""
    cdef Run *run = sharded.run
    cdef Py_ssize_t n0 = 0, n1 = array.n_rows, place
    _share_of_rows(&n0, &n1, step)
    place = array.offset + n0 * array.ld * item_size(run.k.dtype)
    memcpy(run.memory.parameters + place, run.memory.gradients + place, (n1 - n0) * array.ld * item_size(run.k.dtype))
    if step.numbers.average_share > 0 and run.stages[array.stage].trained and n0 < n1:
        run.k.average(run.memory.averages + place, run.memory.parameters + place, (n1 - n0) * array.ld,
                      step.numbers.average_share)


cdef void _follow_update(ShardedRun *sharded, const ThreadStep *step) noexcept nogil:
    """What follows from the new parameters, or from the sums of all samples, for this thread's units."""
    cdef Run *run = sharded.run
    cdef Stage *stage
    cdef Py_ssize_t i, n0, n1
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind != BATCH_NORM and not stage.narrow.on:
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, step.t, step.n_threads, &n0, &n1)
        if n0 == n1:
            continue
        if stage.kind == BATCH_NORM:
            if step.microbatch.training:
                use_statistics(sharded, step, stage, n0, n1)
            stage_updated(run.k, stage, n0, n1)
        if stage.narrow.on:
            run.narrow.round_weights(&stage.layer, n0, n1, stage.narrow.rows, stage.narrow.pairs)
