"""Training: the step and the epoch, one native call each, the GIL released.

A step, with the team's threads side by side:

1. Each thread takes its share of the batch's panels through gather, forward, loss and input gradients, down to dZ of
   the first stage that learns. All samples are independent, so no thread waits for another; but where a stage wants to
   know something of the whole batch, the team meets, each thread finds it out for its share of the units, and the team
   meets again.
2. Barrier. Every thread looks at every panel's verdict, so that all decide alike whether the step goes on.
3. Each thread computes the weight gradients of its share of the units, and updates those weights.
4. Barrier.

A batch of more than CHUNK_SAMPLES passes in chunks, whose weight gradients add up in the chunks' order. Ctrl-C can give
up a long step until its first weight changes: the weights are always those of a completed step. Where step 3 itself is
long, or the gradient's norm is to be clipped, all gradients are completed first and then all weights updated, behind a
barrier of their own.

Where categories have tables, the gradients of their rows are made in step 3 too, and only those that a sample has
change.

A loss that is a Python function is asked between forward and backward, by one thread with the GIL held, while the
others wait. A step over several batches (gradient accumulation) takes each of them as a chunk of its own.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport INFINITY, NAN, isfinite, sqrt
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from fastbp.engine.arena cimport Arena, aligned
from fastbp.engine.layout cimport (
    ADD, DENSE, FORK, TABULAR, Stage, Statistics, activation_gradient, block_stride, forward_work, item_size, padded,
    take_blocks, take_panels, units_of_share,
)
from fastbp.engine.features cimport features_of, gather_features
from fastbp.engine.kernels cimport (
    FBP_LINEAR, FBP_SOON, FBP_STATES, FBP_TABLE_SHARES, fbp_features, fbp_kernels, fbp_layer, fbp_panels, fbp_source,
    fbp_table, fbp_update, flush_denormals, optimizer_named, restore_denormals, state_names, stores_slope,
)
from fastbp.engine.loss cimport (
    BAD_INPUTS, BAD_TARGETS, Judge, gather_targets, gather_weights, judge_panel, keep_outputs, set_judge, split_sums,
    takes_Z, weight_of_rows,
)
from fastbp.engine.network cimport Network
from fastbp.engine.rows cimport Rows
from fastbp.engine.stages cimport (
    Pass, array_names, stage_backward, stage_forward, stage_gradient, stage_keeps, stage_meet_backward,
    stage_meet_forward, stage_penalised, stage_updated,
)
from fastbp.engine.tables cimport TableMemory, refuse_sparse, shares_of_thread, split_columns, table_bytes
from fastbp.engine.team cimport (
    Pace, fbp_barrier, limits_in_use, look_seconds, monotonic_seconds, pace_done, pace_next, run_team, team_size,
    wait_for_all,
)
from fastbp.engine.update_rules cimport (
    Updater, numbers_of_step, reach_step, set_numbers, set_schedules, state_wanted, takes_norm,
)

from fastbp.engine.network import Interrupted, NonFinite, first_bad_row

cdef enum:
    # Samples whose gradients are computed at once; a constant, or the sums' order would change.
    CHUNK_SAMPLES = 4096
    # Bytes of weight gradients that are computed and then used for the update; with the weights and two states they
    # stay in L2. But so many tiles at least, or the inputs, which pass by once for each such piece, cost more than
    # that gains.
    UPDATE_BYTES = 128 * 1024
    UPDATE_TILES = 6

# The most samples that a step can normalise together.
LARGEST_BATCH = CHUNK_SAMPLES


cdef struct Run:
    const fbp_kernels *k
    Stage *stages
    Py_ssize_t n_stages
    fbp_layer last_layer           # with its own activation, whether or not the loss has that built in
    Py_ssize_t first_trained       # the first stage that learns; n_stages where none does
    uint64_t seed                  # of what a step leaves to chance
    Judge judge
    Updater updater
    # Where the gradients and the optimizer's states lie: as far from their arena's start as the weights from theirs.
    char *parameters
    char *gradients
    char *states[FBP_STATES]       # NULL those that there are not
    char *averages                 # of the weights over the steps, or NULL
    Py_ssize_t n_units             # of all stages
    # [unit, stage by stage] of dW, then of db, then [share, table by table], where a norm is to be clipped
    double *squares
    Py_ssize_t n_squares
    double *penalties              # [unit, stage by stage] on its weights, or NULL where there are none
    # The data of this call.
    fbp_source X                   # its numeric columns,
    fbp_source codes               # and those of codes, if any
    const fbp_features *features   # made of X, or NULL: its columns themselves
    const int64_t *index           # the order of the rows, or NULL
    Py_ssize_t n_rows
    char *outputs                  # [n_rows, in the order of this call][n_outputs] of each step's time, or NULL
    Py_ssize_t batch_size
    Py_ssize_t step_size           # samples of a step: one batch, or several
    Py_ssize_t chunk_size          # samples whose gradients are computed at once
    # One step's buffers.
    fbp_panels targets             # [panel][n_outputs][VL]
    int32_t *labels                # [panel][VL]
    double *weights                # [panel][VL]
    double *slots                  # [panel][slot_size]
    int *verdicts                  # [panel]: 0, or what is wrong
    char *scratch                  # [thread][scratch_bytes]: packed weights, then the gradients of a piece
    Py_ssize_t scratch_bytes
    # How the work is cut.
    bint long_step                 # signals are looked at on the way
    bint fused                     # gradients are used for the update at once
    bint updates                   # else the gradients alone are wanted
    bint training                  # dropout, and statistics of the batch
    # Progress. Thread 0 writes between the step's two barriers, everyone reads outside.
    Py_ssize_t next_row
    double next_weight             # of the next batch's samples together: their number, where all count alike
    double weight_done             # of those before
    Py_ssize_t bad_row             # the first row of what was bad, in the order of this call
    long long n_steps
    int64_t attempt                # counts steps, those that are given up too
    double *sums                   # [slot_size] of the epoch so far
    bint halted                    # the epoch's end, or time to look at Python
    int bad
    # Ctrl-C during a long step: set before either barrier, read behind it.
    int stop_samples
    int stop_weights
    double next_look
    double come_up                 # when Python is to be entered again, behind the step that is under way
    void *session
    unsigned long float_mode       # Python's own, for the handlers of signals
    fbp_barrier barrier


cdef int _look_at_signals(void *session) noexcept with gil:
    """1 where a signal's handler raised, or another thread interrupts; the exception waits in the session."""
    cdef unsigned long former = (<Session>session).run.float_mode
    restore_denormals(former)
    (<Session>session).network.stale |= (<Session>session).run.updates  # who is called now may predict
    try:
        (<Session>session).look()
    except BaseException as error:
        (<Session>session).pending = error
        return 1
    finally:
        flush_denormals()
    return 0


cdef bint _interrupted(Run *run, int *stop, int t) noexcept nogil:
    """In a long step, asked between two pieces of work: whether it is to be given up.

    Thread 0 says so in `stop`; the others need not go on once they see it, but all decide behind the barrier.
    """
    cdef double now
    if not run.long_step:
        return False
    if t == 0:
        now = monotonic_seconds()
        if now >= run.next_look:
            run.next_look = now + look_seconds() / 4  # the piece of work that follows takes time too
            stop[0] = _look_at_signals(run.session)
    return stop[0]


cdef Py_ssize_t _piece(const Run *run, double work, Py_ssize_t n) noexcept nogil:
    """How many of n units (or inputs) one kernel call takes: all, or in a long step only so many whole tiles."""
    cdef Py_ssize_t most, rows = run.k.tile_rows
    if not run.long_step or work == 0:
        return n
    most = <Py_ssize_t>(limits_in_use().piece * run.k.lanes * n / work) // rows * rows
    return max(most, rows)


cdef bint _forward_in_pieces(Run *run, const Pass *chunk, Stage *stage, Py_ssize_t p0, Py_ssize_t p1,
                             int t) noexcept nogil:
    """One stage. False where the step is to be given up."""
    cdef Py_ssize_t n = 0, end, n_units = stage.layer.n_units
    cdef Py_ssize_t piece = _piece(run, forward_work(&stage.layer) * (p1 - p0) * run.k.lanes, n_units)
    while n < n_units:
        if _interrupted(run, &run.stop_samples, t):
            return False
        end = min(n + piece, n_units)
        stage_forward(chunk, stage, p0, p1, n, end)
        n = end
    return True


cdef bint _backward_in_pieces(Run *run, const Pass *chunk, Stage *stage, Py_ssize_t p0, Py_ssize_t p1,
                              int t) noexcept nogil:
    cdef Stage *below = stage - 1
    cdef Py_ssize_t i = 0, end, n_inputs = below.layer.n_units
    cdef Py_ssize_t piece = _piece(run, forward_work(&stage.layer) * (p1 - p0) * run.k.lanes, n_inputs)
    if below.n_numeric > 0:  # nobody wants the gradient of numeric columns: whole tiles of them are left out
        i = below.n_numeric // run.k.tile_rows * run.k.tile_rows
    while i < n_inputs:
        if _interrupted(run, &run.stop_samples, t):
            return False
        end = min(i + piece, n_inputs)
        stage_backward(chunk, stage, below, p0, p1, i, end)
        i = end
    return True


cdef void _meet(Run *run, const Pass *chunk, Stage *stage, bint forward, int t, int n_threads) noexcept nogil:
    """Thread t's units of what the stage has to know of all panels; they are all there, and all is known behind it."""
    cdef Py_ssize_t n0 = stage.layer.n_units * t // n_threads, n1 = stage.layer.n_units * (t + 1) // n_threads
    wait_for_all(&run.barrier, n_threads)
    if forward:
        stage_meet_forward(chunk, stage, n0, n1)
    else:
        stage_meet_backward(chunk, stage, n0, n1)
    wait_for_all(&run.barrier, n_threads)


cdef void _gather_share(Run *run, Py_ssize_t first, Py_ssize_t n, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil:
    """Inputs and targets of panels p0..p1 of the chunk of n samples from row `first` on."""
    cdef const fbp_kernels *k = run.k
    cdef Py_ssize_t p, count, row, next_row, n_next
    cdef const int64_t *index
    cdef const int64_t *next_index
    for p in range(p0, p1):
        count = min(n - p * k.lanes, <Py_ssize_t>k.lanes)
        row = first + p * k.lanes
        index = NULL
        next_index = NULL
        n_next = 0
        if run.index != NULL:
            index = run.index + row
            next_row = row + k.lanes if p + 1 < p1 else first + n + p0 * k.lanes
            next_index = run.index + next_row
            n_next = max(0, min(run.n_rows - next_row, <Py_ssize_t>k.lanes))
        run.verdicts[p] = 0
        if not gather_features(k, &run.X, run.features, index, row, count, next_index, n_next, p,
                               run.stages[0].source, run.stages[0].source_blocks, run.stages[0].block_stride):
            run.verdicts[p] = BAD_INPUTS
        if run.codes.n_columns > 0:
            k.read_codes(&run.codes, index, row, count, run.stages[0].tables,
                         run.stages[0].rows + p * run.codes.n_columns * k.lanes)
        if not gather_targets(k, &run.judge, index, row, count, next_index, n_next, p, run.targets, run.labels):
            run.verdicts[p] = BAD_TARGETS


cdef bint _forward_share(Run *run, const Pass *chunk, Py_ssize_t p0, Py_ssize_t p1, int t,
                         int n_threads) noexcept nogil:
    """Panels p0..p1 of the chunk: from the first stage's source to the last one's output. False where it is given up.

    Who finds the step given up, or has no panels, comes to every meeting all the same: others may be waiting there.
    """
    cdef const fbp_kernels *k = run.k
    cdef Stage *stage
    cdef Stage *end = run.stages + run.n_stages
    cdef bint going = p0 < p1
    stage = run.stages
    while stage < end:
        if stage.meets and chunk.training:
            _meet(run, chunk, stage, True, t, n_threads)
        going = going and _forward_in_pieces(run, chunk, stage, p0, p1, t)
        if going and stage + 1 < end and (stage + 1).source_blocks != NULL:
            k.transpose_panels(stage.output, stage.layer.n_units, p0, p1, (stage + 1).source_blocks,
                               (stage + 1).block_stride)
        stage += 1
    return going


cdef void _judge_share(Run *run, Py_ssize_t first, Py_ssize_t n, double scale, Py_ssize_t p0,
                       Py_ssize_t p1) noexcept nogil:
    """The losses of these panels, and their gradient with respect to what the last layer puts out."""
    cdef const fbp_kernels *k = run.k
    cdef Stage *last = &run.stages[run.n_stages - 1]
    cdef Py_ssize_t p, count, row
    cdef double *slot
    cdef const double *weights
    for p in range(p0, p1):
        slot = run.slots + p * run.judge.slot_size
        memset(slot, 0, run.judge.slot_size * sizeof(double))
        count = min(n - p * k.lanes, <Py_ssize_t>k.lanes)
        row = first + p * k.lanes
        weights = gather_weights(&run.judge, NULL if run.index == NULL else run.index + row, row, count,
                                 run.weights + p * k.lanes)
        judge_panel(k, &run.judge, last.output, run.targets, run.labels, weights, last.layer.n_units, p, count, scale,
                    last.gradient, slot)
        if run.outputs != NULL and isfinite(slot[0]):  # else the output is looked into
            keep_outputs(k, &run.judge, &run.last_layer, last.output, p, count,
                         run.outputs + row * last.layer.n_units * item_size(k.dtype))


cdef void _backward_share(Run *run, const Pass *chunk, bint going, Py_ssize_t p0, Py_ssize_t p1, int t,
                          int n_threads) noexcept nogil:
    """From the gradient of the last stage's outputs to dZ of the first stage that learns.

    Who is not going on comes to every meeting, as on the way forward.
    """
    cdef Stage *stage
    cdef Stage *last = &run.stages[run.n_stages - 1]
    cdef Py_ssize_t i
    if going and not takes_Z(&run.judge):
        activation_gradient(run.k, last, p0, p1)

    for i in range(run.n_stages - 1, run.first_trained, -1):
        stage = &run.stages[i]
        if stage.meets and chunk.training:
            _meet(run, chunk, stage, False, t, n_threads)
        going = going and _backward_in_pieces(run, chunk, stage, p0, p1, t)


cdef int _ask_function(Run *run, Py_ssize_t first, Py_ssize_t n, double scale) noexcept with gil:
    """Has the loss that is a Python function judge the chunk. 1 where it raised; the exception waits in the session."""
    restore_denormals(run.float_mode)
    (<Session>run.session).network.stale |= run.updates  # the function may predict
    try:
        (<Session>run.session).ask_function(first, n, scale)
    except BaseException as error:
        (<Session>run.session).pending = error
        return 1
    finally:
        flush_denormals()
    return 0


cdef void _sample_share(Run *run, const Pass *chunk, Py_ssize_t first, double scale, Py_ssize_t p0, Py_ssize_t p1,
                        int t, int n_threads) noexcept nogil:
    """Panels p0..p1 of the chunk from row `first` on: from X to dZ of the first stage that learns."""
    cdef bint going
    _gather_share(run, first, chunk.n_samples, p0, p1)
    going = _forward_share(run, chunk, p0, p1, t, n_threads)
    if run.judge.custom:
        wait_for_all(&run.barrier, n_threads)
        if t == 0 and not run.stop_samples:
            run.stop_samples = _ask_function(run, first, chunk.n_samples, scale)
        wait_for_all(&run.barrier, n_threads)
        going = going and not run.stop_samples
    elif going:
        _judge_share(run, first, chunk.n_samples, scale, p0, p1)
    _backward_share(run, chunk, going, p0, p1, t, n_threads)


cdef int _verdict(const Run *run, Py_ssize_t n_panels) noexcept nogil:
    """What is wrong with the chunk: 0, BAD_INPUTS, BAD_TARGETS, or -1 where the loss is not finite."""
    cdef Py_ssize_t p
    cdef double loss = 0
    for p in range(n_panels):
        if run.verdicts[p]:
            return run.verdicts[p]
        loss += run.slots[p * run.judge.slot_size]
    return 0 if isfinite(loss) else -1


cdef void _states_at(const Run *run, Py_ssize_t offset, void **states) noexcept nogil:
    """Where the optimizer's states lie for the parameter so many bytes from the first."""
    for i in range(FBP_STATES):
        states[i] = NULL if run.states[i] == NULL else run.states[i] + offset


cdef Py_ssize_t _first_unit(const Run *run, Py_ssize_t i) noexcept nogil:
    """The number of stage i's first unit among the units of all stages."""
    cdef Py_ssize_t below, first = 0
    for below in range(i):
        first += run.stages[below].layer.n_units
    return first


cdef void _penalty_share(Run *run, double l2, int t, int n_threads) noexcept nogil:
    """The penalties on the weights of thread t's units: the layers' own, and l2 on all."""
    cdef Py_ssize_t i, n0, n1
    cdef Stage *stage
    for i in range(run.n_stages):
        stage = &run.stages[i]
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if stage_penalised(stage, l2):
            run.k.unit_penalties(&stage.layer, stage.l1, stage.l2 + l2, n0, n1, run.penalties + _first_unit(run, i))


cdef double _penalty(const Run *run) noexcept nogil:
    """On all weights together, in their order."""
    cdef Py_ssize_t n
    cdef double sum = 0
    if run.penalties == NULL:
        return 0
    for n in range(run.n_units):
        sum += run.penalties[n]
    return sum


cdef double _norm_factor(const double *squares, Py_ssize_t n, double most) noexcept nogil:
    """What numbers of these n squares are multiplied by so that their norm is `most` at most, as PyTorch defines it."""
    cdef Py_ssize_t i
    cdef double sum = 0
    for i in range(n):
        sum += squares[i]
    # A NaN goes through, to be found in the weights.
    cdef double factor = most / (sqrt(sum) + 1e-6)
    return 1 if factor > 1 else factor


cdef void _clip_arrays(Run *run, Py_ssize_t i, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """Gradients of units n0..n1 of stage i, scaled by the norms of the whole dW and the whole db."""
    cdef Stage *stage = &run.stages[i]
    cdef Py_ssize_t size = item_size(run.k.dtype), ld = stage.layer.ld, n = stage.layer.n_units
    cdef const double *squares = run.squares + _first_unit(run, i)
    cdef double most = run.updater.clip_array_norm
    run.k.clip(<char *>stage.dW + n0 * ld * size, (n1 - n0) * ld, _norm_factor(squares, n, most), INFINITY)
    if stage.db != NULL:
        run.k.clip(<char *>stage.db + n0 * size, n1 - n0, _norm_factor(squares + run.n_units, n, most), INFINITY)


cdef void _clip_units(Run *run, Stage *stage, double factor, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    cdef Py_ssize_t size = item_size(run.k.dtype), ld = stage.layer.ld
    cdef double bound = run.updater.clip_value if run.updater.clip_value > 0 else INFINITY
    if factor != 1 or bound < INFINITY:
        run.k.clip(<char *>stage.dW + n0 * ld * size, (n1 - n0) * ld, factor, bound)
        if stage.db != NULL:
            run.k.clip(<char *>stage.db + n0 * size, n1 - n0, factor, bound)


cdef void _update_units(Run *run, const fbp_update *numbers, Stage *stage, double factor, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil:
    """The parameters of units n0..n1, the gradient multiplied by the factor; and their averages.

    Only the weights of a product decay, unless biases, and all other numbers that a unit has, are to as well.
    """
    cdef fbp_layer *layer = &stage.layer
    cdef Py_ssize_t size = item_size(run.k.dtype), n = (n1 - n0) * layer.ld
    cdef Py_ssize_t W = <char *>layer.weights - run.parameters + n0 * layer.ld * size
    cdef Py_ssize_t b = <char *>layer.bias - run.parameters + n0 * size
    cdef void *states[FBP_STATES]
    cdef fbp_update for_W = numbers[0], for_b
    for_W.learning_rate *= stage.rate_factor
    for_W.weight_decay *= stage.decay_factor
    for_b = for_W
    if not run.updater.decay_biases:
        for_b.weight_decay = 0
    _clip_units(run, stage, factor, n0, n1)
    _states_at(run, W, states)
    run.k.update(run.updater.optimizer, &for_W if layer.ld > 1 else &for_b, run.parameters + W,
                 <char *>stage.dW + n0 * layer.ld * size, states, n)
    if stage.db != NULL:
        _states_at(run, b, states)
        run.k.update(run.updater.optimizer, &for_b, run.parameters + b, <char *>stage.db + n0 * size, states, n1 - n0)
    stage_updated(run.k, stage, n0, n1)
    if numbers.average_share > 0:
        run.k.average(run.averages + W, run.parameters + W, n, numbers.average_share)
        run.k.average(run.averages + b, run.parameters + b, n1 - n0, numbers.average_share)


cdef void _square_rows(Run *run, const Stage *stage, Py_ssize_t s0, Py_ssize_t s1) noexcept nogil:
    """What the touched rows of shares s0..s1 of each table add to the square of the gradient's norm."""
    cdef Py_ssize_t i, s, j
    cdef const fbp_table *table
    cdef fbp_layer row
    cdef double square, no_bias
    cdef double *squares
    memset(&row, 0, sizeof(row))
    for i in range(stage.n_tables):
        table = &stage.tables[i]
        row.ld = table.ld
        squares = run.squares + 2 * run.n_units + i * FBP_TABLE_SHARES
        for s in range(s0, s1):
            squares[s] = 0
            for j in range(table.n_touched[s]):
                run.k.unit_squares(&row, <char *>table.gradient + _row_offset(run, table, s, j), NULL, 0, 1, &square,
                                   &no_bias)
                squares[s] += square


cdef Py_ssize_t _row_offset(const Run *run, const fbp_table *table, Py_ssize_t s, Py_ssize_t j) noexcept nogil:
    """Bytes from the table's start to the j-th touched row of share s."""
    return table.touched[s * table.share_rows + j] * table.ld * item_size(run.k.dtype)


cdef void _update_row(Run *run, const fbp_update *numbers, const fbp_table *table, double factor,
                      Py_ssize_t offset) noexcept nogil:
    """One touched row, so many bytes from the table's start, the gradient multiplied by the factor."""
    cdef Py_ssize_t place = <char *>table.weights - run.parameters + offset
    cdef double bound = run.updater.clip_value if run.updater.clip_value > 0 else INFINITY
    cdef void *states[FBP_STATES]
    if factor != 1 or bound < INFINITY:
        run.k.clip(run.gradients + place, table.ld, factor, bound)
    _states_at(run, place, states)
    run.k.update(run.updater.optimizer, numbers, run.parameters + place, run.gradients + place, states, table.ld)


cdef void _average_rows(Run *run, const fbp_table *table, double share, Py_ssize_t s0, Py_ssize_t s1) noexcept nogil:
    """The averages of all rows of shares s0..s1, touched or not."""
    cdef Py_ssize_t s, row, place, start = <char *>table.weights - run.parameters
    for s in range(s0, s1):
        row = s
        while row < table.n_rows:
            place = start + row * table.ld * item_size(run.k.dtype)
            run.k.average(run.averages + place, run.parameters + place, table.ld, share)
            row += FBP_TABLE_SHARES


cdef void _update_tables(Run *run, const fbp_update *numbers, const Stage *stage, double factor, Py_ssize_t s0,
                         Py_ssize_t s1) noexcept nogil:
    """The touched rows of shares s0..s1 of each table, the gradient multiplied by the factor; and their averages."""
    cdef Py_ssize_t i, s, j
    cdef const fbp_table *table
    cdef fbp_update own = numbers[0]
    own.learning_rate *= stage.rate_factor
    own.weight_decay *= stage.decay_factor
    for i in range(stage.n_tables):
        table = &stage.tables[i]
        if run.updater.clip_array_norm > 0:
            factor = _norm_factor(run.squares + 2 * run.n_units + i * FBP_TABLE_SHARES, FBP_TABLE_SHARES,
                                  run.updater.clip_array_norm)
        for s in range(s0, s1):
            for j in range(table.n_touched[s]):
                _update_row(run, &own, table, factor, _row_offset(run, table, s, j))
        if numbers.average_share > 0:
            _average_rows(run, table, numbers.average_share, s0, s1)


cdef void _table_share(Run *run, const Pass *chunk, const fbp_update *numbers, Stage *stage, int t,
                       int n_threads) noexcept nogil:
    """Gradients of thread t's rows of the tables over the chunk; and, unless numbers is NULL, their update."""
    cdef Py_ssize_t s0, s1
    shares_of_thread(t, n_threads, &s0, &s1)
    stage_gradient(chunk, stage, s0, s1, NULL)
    if run.updates and takes_norm(&run.updater):
        _square_rows(run, stage, s0, s1)
    if numbers != NULL:
        _update_tables(run, numbers, stage, 1, s0, s1)


cdef void _clear_padding(const fbp_kernels *k, const fbp_layer *layer, char *rows, Py_ssize_t n_rows) noexcept nogil:
    """Of rows of a weight gradient, all that its kernel does not write; an update goes over whole rows."""
    cdef Py_ssize_t i, size = item_size(k.dtype), written = (layer.n_inputs - 1) // k.lanes * k.lanes + k.lanes
    if layer.ld > written:
        for i in range(n_rows):
            memset(rows + (i * layer.ld + written) * size, 0, (layer.ld - written) * size)


cdef bint _gradients_apart(Run *run, const Pass *chunk, Py_ssize_t i, Py_ssize_t n0, Py_ssize_t n1, Py_ssize_t piece,
                           int t) noexcept nogil:
    """Gradients of stage i's units n0..n1, so many at a time, and their squares where a norm is to be clipped.

    The update comes later. False where the step is to be given up.
    """
    cdef Stage *stage = &run.stages[i]
    cdef double *squares = run.squares + _first_unit(run, i)
    cdef bint squared = run.updates and takes_norm(&run.updater)
    cdef Py_ssize_t end
    while n0 < n1:
        if _interrupted(run, &run.stop_weights, t):
            return False
        end = min(n0 + piece, n1)
        stage_gradient(chunk, stage, n0, end, NULL)
        if squared:
            run.k.unit_squares(&stage.layer, stage.dW, stage.db, n0, end, squares, squares + run.n_units)
        n0 = end
    return True


cdef void _gradients_fused(Run *run, const Pass *chunk, const fbp_update *numbers, Stage *stage, Py_ssize_t n0,
                           Py_ssize_t n1, Py_ssize_t piece, int n_threads) noexcept nogil:
    """Gradients of units n0..n1; of a product only so many at a time, each piece followed by its update.

    All pieces have their gradient in the same scratch, which stays in the cache; the whole of it would have to be
    fetched from memory, only to be written, and go back.
    """
    cdef Stage own
    cdef Py_ssize_t end, row_bytes = stage.layer.ld * item_size(run.k.dtype)
    cdef void *arrays[FBP_SOON]
    cdef const void **soon = NULL
    memset(arrays, 0, sizeof(arrays))
    if limits_in_use().soon:
        _states_at(run, <char *>stage.layer.weights - run.parameters, arrays + 1)
    if limits_in_use().soon or n_threads > 1:  # the others have read the weights: to write them waits for their caches
        arrays[0] = stage.layer.weights
        soon = <const void **>arrays
    if stage.kind != DENSE or piece >= n1 - n0:
        stage_gradient(chunk, stage, n0, n1, soon)
        _update_units(run, numbers, stage, 1, n0, n1)
        return
    own = stage[0]
    _clear_padding(run.k, &own.layer, <char *>chunk.scratch, piece)
    while n0 < n1:
        end = min(n0 + piece, n1)
        own.dW = <char *>chunk.scratch - n0 * row_bytes  # so that the row of unit n0 lies at its start
        stage_gradient(chunk, &own, n0, end, soon)
        _update_units(run, numbers, &own, 1, n0, end)
        n0 = end


cdef void _weight_share(Run *run, const Pass *chunk, const fbp_update *numbers, int t, int n_threads) noexcept nogil:
    """Weight gradients of thread t's units over the chunk; and, unless numbers is NULL, their update."""
    cdef Stage *stage
    cdef Py_ssize_t i, n0, n1, piece
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind == TABULAR:
            _table_share(run, chunk, numbers, stage, t, n_threads)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if n0 == n1:
            continue
        piece = _piece(run, 2.0 * chunk.n_samples * stage.layer.n_inputs * (n1 - n0), n1 - n0)
        if numbers != NULL:
            _gradients_fused(run, chunk, numbers, stage, n0, n1, min(piece, stage.fused_units), n_threads)
        elif not _gradients_apart(run, chunk, i, n0, n1, piece, t):
            return


cdef void _update_share(Run *run, const fbp_update *numbers, int t, int n_threads) noexcept nogil:
    cdef Py_ssize_t i, n0, n1
    cdef double factor = 1
    if run.updater.clip_norm > 0:
        factor = _norm_factor(run.squares, run.n_squares, run.updater.clip_norm)
    for i in range(run.n_stages):
        if run.stages[i].kind == TABULAR:
            shares_of_thread(t, n_threads, &n0, &n1)
            _update_tables(run, numbers, &run.stages[i], factor, n0, n1)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if n0 < n1:
            if run.updater.clip_array_norm > 0:
                _clip_arrays(run, i, n0, n1)
            _update_units(run, numbers, &run.stages[i], factor, n0, n1)


cdef void _add_up(Run *run, Py_ssize_t n_panels) noexcept nogil:
    """The panels' sums to the epoch's, in the panels' order."""
    cdef Py_ssize_t p, j
    for p in range(n_panels):
        for j in range(run.judge.slot_size):
            run.sums[j] += run.slots[p * run.judge.slot_size + j]


cdef void _weigh_next(Run *run) noexcept nogil:
    run.next_weight = weight_of_rows(&run.judge, run.index, run.next_row,
                                     min(run.step_size, run.n_rows - run.next_row))


cdef void _finish_step(Run *run, const fbp_update *numbers, Py_ssize_t n) noexcept nogil:
    if run.updates and run.next_weight > 0 and numbers.average_share > 0:
        run.updater.n_averaged += 1
    if run.next_weight > 0:
        run.sums[0] += _penalty(run) * run.next_weight * run.judge.terms
    run.next_row += n
    run.weight_done += run.next_weight
    _weigh_next(run)
    run.n_steps += run.updates
    run.attempt += 1
    reach_step(&run.updater, run.n_steps + 1)
    run.halted = run.next_row >= run.n_rows or monotonic_seconds() > run.come_up


cdef Pass _pass_of(const Run *run, int t) noexcept nogil:
    """The next step's first chunk, as thread t's stages see it."""
    cdef Pass chunk
    chunk.k = run.k
    chunk.n_samples = 0
    chunk.first_panel = 0
    chunk.training = run.training
    chunk.accumulate = False
    chunk.seed = run.seed
    chunk.step = run.n_steps
    chunk.attempt = run.attempt
    chunk.l2 = run.judge.l2 / run.next_weight if run.next_weight > 0 else 0
    chunk.step_of_call = run.n_steps + 1 - run.updater.first_step
    chunk.scratch = run.scratch + t * run.scratch_bytes
    return chunk


cdef bint _train_step(Run *run, int t, int n_threads) noexcept nogil:
    """Thread t's part of the next step. Returns whether the one after it is to follow at once: the same for all."""
    cdef const fbp_kernels *k = run.k
    cdef Py_ssize_t first = run.next_row
    cdef Py_ssize_t n = min(run.step_size, run.n_rows - first)
    cdef double weight = run.next_weight
    # Samples that all weigh nothing are looked at, and nothing is learned from them.
    cdef double scale = 1 / (weight * run.judge.terms) if weight > 0 else 0
    cdef bint updates = run.updates and weight > 0
    cdef fbp_update numbers = numbers_of_step(&run.updater, run.n_steps + 1)
    cdef bint fused = run.fused and updates
    cdef Pass chunk = _pass_of(run, t)
    cdef Py_ssize_t done = 0, n_panels
    cdef bint last
    cdef int bad
    if run.penalties != NULL:
        _penalty_share(run, chunk.l2, t, n_threads)
    while done < n:
        chunk.n_samples = min(n - done, run.chunk_size)
        chunk.accumulate = done > 0
        n_panels = (chunk.n_samples - 1) // k.lanes + 1
        last = done + chunk.n_samples == n
        _sample_share(run, &chunk, first + done, scale, n_panels * t // n_threads, n_panels * (t + 1) // n_threads, t,
                      n_threads)
        wait_for_all(&run.barrier, n_threads)
        if run.stop_samples:
            return False
        bad = _verdict(run, n_panels)
        if bad:
            if t == 0:
                run.bad = bad
                run.bad_row = first + done
            return False
        if t == 0:
            _add_up(run, n_panels)
        _weight_share(run, &chunk, &numbers if fused and last else NULL, t, n_threads)
        if t == 0 and last and fused:
            _finish_step(run, &numbers, n)
        wait_for_all(&run.barrier, n_threads)
        if run.stop_weights:
            return False
        done += chunk.n_samples
        chunk.first_panel += n_panels
    if not fused:
        if updates:
            _update_share(run, &numbers, t, n_threads)
        if t == 0:
            _finish_step(run, &numbers, n)
        wait_for_all(&run.barrier, n_threads)
    return not run.halted


cdef void _train_share(void *job, int t, int n_threads) noexcept nogil:
    cdef unsigned long former = flush_denormals()
    if t == 0:
        (<Run *>job).float_mode = former
    while _train_step(<Run *>job, t, n_threads):
        pass
    restore_denormals(former)


cdef class Session:
    """A training run: a network, what it is judged by, and the optimizer's state.

    Parameters
    ----------
    network : Network
    loss : str, (str, tuple of float), (str, tuple of float, float, float), or callable
        Its name in csrc/fastbp.h, and its parameters; a factor that it is multiplied by, and an l2: a step's objective
        has l2 * sum(W²) over all trained weights beside it, divided by the weight of the step's samples together. Or
        loss(outputs, targets) -> (losses, gradient), which is asked for each batch: outputs (n, n_outputs) of the
        network's dtype and the rows of the targets, an array, that belong to it; back come float64 arrays (n,) and (n,
        n_outputs), each sample's loss and its gradient, all finite.
    metrics : tuple of {"correct", "absolute_error", "squared_error"}
    optimizer : str
        One of those that fastbp.h lists.
    n_threads : int
        At most so many; fewer where a step has too little work.
    seed : int, default 0
        Of what training leaves to chance.
    """

    cdef readonly Network network
    cdef readonly object loss
    cdef tuple metrics
    cdef public int n_threads          # at most, between calls
    cdef Run run
    cdef Arena buffers, gradient_memory, average_memory
    cdef TableMemory tables            # of the first stage, if it has them
    cdef tuple schedules               # arrays or None: the learning rate and the weight decay of each step,
    cdef dict dropout_rates            # and the rate of a dropout layer
    cdef bint layers_alike             # no layer has numbers of its own
    cdef object weights                # of this call's rows, or None
    cdef object targets                # that a loss in Python is asked about, in the order of the rows
    cdef list state_names, state_memory   # an Arena a state, None where the numbers did not call for it yet
    cdef Py_ssize_t n_panels           # that the buffers hold
    cdef int team                      # that the scratch is for
    cdef readonly int last_team        # threads that did the last steps
    cdef object order                  # the rows' order in this epoch, int64
    cdef object sums                   # float64 [slot_size]
    cdef double[::1] penalties         # [units of all stages], where a stage has them
    cdef double[::1] squares           # [run.n_squares], once a norm is to be clipped
    cdef object pending                # an exception from a signal during a long step
    cdef bint busy
    cdef bint in_epoch                 # the latest call was for an epoch
    cdef Pace pace
    cdef bint paced
    cdef int largest_team              # that the pace may try

    def __cinit__(self, Network network, object loss, tuple metrics, str optimizer, int n_threads, uint64_t seed=0):
        self.network = network
        self.loss = loss
        self.metrics = metrics
        self.n_threads = n_threads
        self.run.k = network.k
        self.run.n_stages = network.n_layers
        self.run.first_trained = 0
        while self.run.first_trained < network.n_layers and not network.stages[self.run.first_trained].trained:
            self.run.first_trained += 1
        self.run.seed = seed
        self.run.parameters = network.parameters.start
        self.run.updater.optimizer = optimizer_named(optimizer)
        self.run.session = <void *>self
        self.run.stages = <Stage *>PyMem_Calloc(network.n_layers, sizeof(Stage))
        if self.run.stages == NULL:
            raise MemoryError
        memcpy(self.run.stages, network.stages, network.n_layers * sizeof(Stage))
        self.run.last_layer = network.stages[network.n_layers - 1].layer
        for i in range(network.n_layers):
            self.run.n_units += network.stages[<int>i].layer.n_units
        self.run.n_squares = 2 * self.run.n_units + FBP_TABLE_SHARES * network.stages[0].n_tables
        if network.penalised:
            self.want_penalties()
        self.gradient_memory = self.like_parameters()
        self.run.gradients = self.gradient_memory.start
        if network.tables != NULL:
            self.tables = TableMemory()
            self.tables.fill(&network.stages[0], self.run.parameters, self.run.gradients)
            self.run.stages[0].tables = self.tables.tables
        self.state_names = state_names(self.run.updater.optimizer)
        self.state_memory = [None] * len(self.state_names)
        self.want_states([name for name in self.state_names if state_wanted(name, {})])

    def __dealloc__(self):
        PyMem_Free(self.run.stages)

    cdef int want_penalties(self) except -1:
        if self.run.penalties == NULL:
            self.penalties = np.zeros(self.run.n_units)
            self.run.penalties = &self.penalties[0]
        return 0

    cdef Arena like_parameters(self):
        cdef Arena arena = Arena()
        arena.take(self.network.parameter_bytes)
        arena.allocate()
        return arena

    @property
    def n_steps(self) -> int:
        """Updates done so far."""
        return self.run.n_steps

    @n_steps.setter
    def n_steps(self, value):
        self.run.n_steps = value

    cdef list states(self):
        """(name, arena) of each of the optimizer's states that there are."""
        pairs = zip(self.state_names, self.state_memory, strict=True)
        return [(name, arena) for name, arena in pairs if arena is not None]

    def get_state(self):
        """The optimizer's state: a list of (name, array), arrays of shape (n_inputs, n_units) and (n_units,)."""
        result = []
        for name, arena in self.states():
            for key, view in self.state_views(name, arena):
                result.append((key, view.copy(order="C")))
        return result

    cdef list state_views(self, str name, Arena arena):
        """(key, view) of each array of one of the optimizer's states, kept in that arena."""
        cdef Py_ssize_t i
        result = []
        for i in range(self.network.n_layers):
            if self.network.stages[i].trained:
                names = array_names(&self.network.stages[i])
                result += [(f"{name}.{i}.{array}", view)
                           for array, view in zip(names, self.network.views(arena, i), strict=False)]
        return result

    def set_state(self, state):
        """What get_state returned, put back; states that were not there then start from zero."""
        arrays = dict(state)
        self.want_states([key.partition(".")[0] for key in arrays])
        for name, arena in self.states():
            for key, view in self.state_views(name, arena):
                view[:] = arrays.get(key, 0)

    cdef int want_states(self, list names) except -1:
        """These states from now on, starting from zero unless they are there. Some come late: SGD keeps a velocity from
        the first step with momentum on."""
        cdef Arena arena
        for i, name in enumerate(self.state_names):
            if name in names and self.state_memory[i] is None:
                arena = self.like_parameters()
                self.state_memory[i] = arena
                self.run.states[<int>i] = arena.start
        return 0

    # ---- Buffers ----

    cdef void place(self, Arena arena, Py_ssize_t n_panels, int team) noexcept:
        """The buffers of one chunk: every layer's activations and gradients, panel by panel; scratch a thread."""
        cdef const fbp_kernels *k = self.run.k
        cdef Py_ssize_t i, row_bytes, piece_bytes = 0
        cdef Stage *stage
        cdef bint tabular = self.network.tables != NULL
        cdef Py_ssize_t n_features = self.run.stages[0].layer.n_units if tabular else self.network.n_inputs
        cdef fbp_panels source = take_panels(arena, n_features, n_panels, k)
        self.run.stages[0].rows = <int32_t *>arena.take(
            n_panels * self.run.stages[0].n_tables * k.lanes * sizeof(int32_t))
        for i in range(self.network.n_layers):
            stage = &self.run.stages[i]
            stage.layer.activation = self.network.stages[i].layer.activation
            if i == self.network.n_layers - 1 and takes_Z(&self.run.judge):
                stage.layer.activation = FBP_LINEAR
            stage.source = source
            stage.block_stride = block_stride(n_panels, k)
            if stage.kind == DENSE and stage.trained:
                stage.source_blocks = take_blocks(arena, stage.layer.n_inputs, n_panels, k)
            stage.output = source
            if stage.kind not in (FORK, TABULAR):
                stage.output = take_panels(arena, stage.layer.n_units, n_panels, k)
            if stores_slope(stage.layer.activation):
                stage.slope = take_panels(arena, stage.layer.n_units, n_panels, k)
            if stage_keeps(stage):
                stage.kept = take_panels(arena, stage.layer.n_units + 1, n_panels, k)
            if stage.meets:
                self.place_vectors(arena, stage)
            stage.gradient = take_panels(arena, stage.layer.n_units, n_panels, k)
            if stage.kind == ADD:
                stage.other = self.run.stages[stage.partner].output
                self.run.stages[stage.partner].other = stage.gradient
            if stage.trained and stage.kind != TABULAR:
                row_bytes = stage.layer.ld * item_size(k.dtype)
                stage.fused_units = k.tile_rows * max(
                    UPDATE_BYTES // (k.tile_rows * row_bytes), <Py_ssize_t>UPDATE_TILES)
                piece_bytes = max(piece_bytes, min(stage.fused_units, stage.layer.n_units) * row_bytes)
                stage.dW = self.run.gradients + (<char *>stage.layer.weights - self.run.parameters)
                if stage.has_bias:
                    stage.db = self.run.gradients + (<char *>stage.layer.bias - self.run.parameters)
            source = stage.output
        self.run.targets = take_panels(arena, self.network.n_outputs, n_panels, k)
        self.run.labels = <int32_t *>arena.take(n_panels * k.lanes * sizeof(int32_t))
        self.run.weights = <double *>arena.take(n_panels * k.lanes * sizeof(double))
        self.run.slots = <double *>arena.take(n_panels * self.run.judge.slot_size * sizeof(double))
        self.run.verdicts = <int *>arena.take(n_panels * sizeof(int))
        self.run.scratch_bytes = aligned(max(piece_bytes, k.pack_elements * item_size(k.dtype)))
        self.run.scratch = <char *>arena.take(team * self.run.scratch_bytes)

    cdef void place_vectors(self, Arena arena, Stage *stage) noexcept:
        """What normalising a batch wants to know of its units, and what it leaves."""
        cdef Py_ssize_t n_bytes = padded(stage.layer.n_units, self.run.k.dtype) * item_size(self.run.k.dtype)
        stage.batch = Statistics(arena.take(n_bytes), arena.take(n_bytes), arena.take(n_bytes))
        stage.moved = Statistics(arena.take(n_bytes), arena.take(n_bytes), NULL)
        stage.batch_dW = arena.take(n_bytes)
        stage.batch_db = arena.take(n_bytes)

    cdef int make_room(self, Py_ssize_t n_panels, int team) except -1:
        """Buffers for at least so many panels and threads."""
        if self.buffers is not None and n_panels <= self.n_panels and team <= self.team:
            return 0
        n_panels = max(n_panels, self.n_panels)
        team = max(team, self.team)
        cdef Arena arena = Arena()
        self.n_panels = 0              # should memory run out, nothing is there
        self.place(arena, n_panels, team)
        arena.allocate()
        self.place(arena, n_panels, team)
        self.buffers = arena
        self.n_panels = n_panels
        self.team = team
        return 0

    # ---- Running ----

    cdef int begin(self, Rows rows, Py_ssize_t n_rows, targets, weights, Py_ssize_t batch_size, bint in_epoch,
                   Py_ssize_t n_batches=1) except -1:
        """Sets up the data of one call, which takes n_rows of the rows. Returns the size of team that is reckoned best.

        Up to largest_team may be tried.
        """
        cdef double work_a_thread = limits_in_use().epoch_thread if in_epoch else limits_in_use().call_thread
        cdef Run *run = &self.run
        refuse_sparse(&run.stages[0], &rows.source)
        self.targets = targets
        self.weights = weights
        set_judge(&run.judge, self.loss, self.metrics, targets, weights, self.network.n_outputs,
                  self.network.target_features)
        if run.judge.l2 > 0:
            self.want_penalties()
        run.X = rows.source
        split_columns(&run.stages[0], &run.X, &run.codes)
        run.features = features_of(self.network.features)
        run.attempt += 1
        run.index = NULL
        run.outputs = NULL
        run.n_rows = n_rows
        run.batch_size = min(batch_size, n_rows)
        run.step_size = min(batch_size * n_batches, n_rows)
        run.chunk_size = run.batch_size if run.judge.custom else min(run.batch_size, <Py_ssize_t>CHUNK_SAMPLES)
        run.next_row = 0
        run.weight_done = 0
        run.bad = 0
        self.in_epoch = False
        run.stop_samples = 0
        run.stop_weights = 0
        self.sums = np.zeros(run.judge.slot_size)
        cdef double[::1] sums = self.sums
        run.sums = &sums[0]

        cdef Py_ssize_t n_panels = (run.chunk_size - 1) // run.k.lanes + 1
        cdef double work = 3 * run.step_size * self.network.sample_work()
        cdef int team = team_size(self.n_threads, work, work_a_thread, n_panels)
        run.long_step = work > limits_in_use().long_step * run.k.lanes * team
        run.fused = (not takes_norm(&run.updater) and run.step_size <= run.chunk_size
                     and work < limits_in_use().apart * run.k.lanes * team)
        # With more work a step than this, more threads are faster even where another process wants their cores.
        self.paced = work < limits_in_use().paced
        self.largest_team = team
        if self.paced and in_epoch:
            self.largest_team = max(team, team_size(self.n_threads, work, limits_in_use().tried_thread, n_panels))
        self.make_room(n_panels, self.largest_team)
        return team

    def shares(self, Py_ssize_t batch_size):
        """How a training step would be shared out: (panels of samples, weights) of each thread of the team."""
        cdef const fbp_kernels *k = self.run.k
        cdef Py_ssize_t n_panels = (min(batch_size, <Py_ssize_t>CHUNK_SAMPLES) - 1) // k.lanes + 1
        cdef int team = team_size(
            self.n_threads, 3 * batch_size * self.network.sample_work(), limits_in_use().epoch_thread, n_panels)
        cdef Py_ssize_t i, n0, n1, n_weights
        self.make_room(n_panels, team)
        result = []
        for t in range(team):
            n_weights = 0
            for i in range(self.run.n_stages):
                units_of_share(k, self.run.stages, self.run.n_stages, i, t, team, &n0, &n1)
                n_weights += (n1 - n0) * self.run.stages[i].layer.n_inputs
            result.append((n_panels * (t + 1) // team - n_panels * t // team, n_weights))
        self.buffers = None            # laid out without a loss: the next step lays them out anew
        return result

    cdef int look(self) except -1:
        """Raises what a signal's handler raises, and Interrupted."""
        PyErr_CheckSignals()
        if self.network.interrupted:
            raise Interrupted
        return 0

    cdef double mean_loss(self) noexcept:
        """Of the epoch so far; NaN while all its samples weighed nothing."""
        cdef double weight = self.run.weight_done * self.run.judge.terms
        return self.run.sums[0] / weight if weight > 0 else NAN

    cdef bint go(self, Rows rows, targets, int team, on_tick, bint every_step=False) except -1:
        """Runs the steps of the call, coming up for signals and on_tick. Whether on_tick let all of them run."""
        cdef Run *run = &self.run
        cdef Py_ssize_t first
        cdef double start, seconds = look_seconds()
        cdef int size = team
        self.pending = None
        _weigh_next(run)
        while run.next_row < run.n_rows:
            if self.paced:
                size = pace_next(&self.pace, self.largest_team, team, &seconds)
            first = run.next_row
            start = monotonic_seconds()
            run.next_look = start + look_seconds() / 4
            run.come_up = start if every_step else start + seconds
            run.barrier.arrived = 0
            self.last_team = size
            with nogil:
                run_team(_train_share, run, size)
            self.network.stale |= run.updates
            if self.paced:
                pace_done(&self.pace, run.next_row - first, monotonic_seconds() - start)
            if self.pending is not None:
                raise self.pending
            if run.bad:
                raise self.explain(rows, targets)
            self.look()
            if on_tick is not None and on_tick(run.next_row, self.mean_loss()) and run.next_row < run.n_rows:
                return False
        return True

    cdef object explain(self, Rows rows, targets):
        """The NonFinite for what the last step met."""
        cdef Run *run = &self.run
        cdef Py_ssize_t i
        cdef Py_ssize_t batch = run.bad_row // run.batch_size
        batch_rows = np.arange(run.bad_row, min(run.bad_row + run.chunk_size, run.n_rows))
        if run.index != NULL:
            batch_rows = self.order[batch_rows]
        if run.bad == BAD_INPUTS:
            row = first_bad_row(rows, batch_rows, run.X.n_columns, self.network.features, self.network.dtype)
            return NonFinite("inputs", batch, row=row)
        if run.bad == BAD_TARGETS:
            row = first_bad_row(targets, batch_rows, None, self.network.target_features, self.network.dtype)
            return NonFinite("targets", batch, row=row)
        for i in range(run.n_stages):
            if not run.k.all_finite(run.stages[i].output.data, self.n_panels * run.stages[i].output.stride):
                return NonFinite("loss", batch, layer=i)
        return NonFinite("loss", batch)

    cdef int ask_function(self, Py_ssize_t first, Py_ssize_t n, double scale) except -1:
        """Losses and gradient of the chunk from row `first` on by the loss that is a Python function."""
        cdef Run *run = &self.run
        cdef const fbp_kernels *k = run.k
        cdef Stage *last = &run.stages[run.n_stages - 1]
        cdef Py_ssize_t p, r, count, n_outputs = self.network.n_outputs, n_panels = (n - 1) // k.lanes + 1
        memset(run.slots, 0, n_panels * sizeof(double))
        for p in range(n_panels):
            if run.verdicts[p]:
                return 0
        outputs = np.empty((n, n_outputs), self.network.dtype)
        cdef char[:, ::1] out = outputs.view(np.int8)
        for p in range(n_panels):
            k.scatter_panel(last.output, p, n_outputs, min(n - p * k.lanes, <Py_ssize_t>k.lanes),
                            &out[p * k.lanes, 0], n_outputs)
        if not np.isfinite(outputs).all():
            run.slots[0] = NAN
            return 0
        rows = np.arange(first, first + n) if run.index == NULL else self.order[first:first + n]
        if run.outputs != NULL:
            memcpy(run.outputs + first * n_outputs * item_size(k.dtype), &out[0, 0],
                   n * n_outputs * item_size(k.dtype))
        losses, gradient = self.loss(outputs, self.targets[rows])
        cdef double[::1] values = losses
        weights = None
        if self.weights is not None:
            weights = self.weights[rows]
            values = losses * weights
        cdef Rows scaled = Rows(gradient * (scale if weights is None else scale * weights[:, np.newaxis]))
        for p in range(n_panels):
            count = min(n - p * k.lanes, <Py_ssize_t>k.lanes)
            for r in range(p * k.lanes, p * k.lanes + count):
                run.slots[p] += values[r]
            k.gather_panel(&scaled.source, NULL, p * k.lanes, count, NULL, 0, p, last.gradient, NULL, 0)
        return 0

    cdef int check_weights(self) except -1:
        """An update may overflow without any loss having shown it yet."""
        cdef Run *run = &self.run
        cdef fbp_layer *layer
        cdef Py_ssize_t i, size = item_size(run.k.dtype)
        for i in range(run.stages[0].n_tables):
            if not run.k.all_finite(self.network.tables[i].weights,
                                    table_bytes(&self.network.tables[i], run.k.dtype) // size):
                raise NonFinite("weights", (run.n_rows - 1) // run.batch_size, layer=0)
        for i in range(run.n_stages):
            layer = &run.stages[i].layer
            if layer.ld == 0:
                continue
            if not (run.k.all_finite(layer.weights, layer.n_units * layer.ld)
                    and run.k.all_finite(layer.bias, layer.n_units)):
                raise NonFinite("weights", (run.n_rows - 1) // run.batch_size, layer=i)
        return 0

    cdef tuple results(self):
        return self.mean_loss(), split_sums(&self.run.judge, self.sums)

    cdef int take_numbers(self, dict numbers) except -1:
        """The optimizer's numbers for the updates that follow, and the memory that they call for."""
        set_numbers(&self.run.updater, numbers)
        self.schedules = tuple([
            number if isinstance(number, np.ndarray) else None
            for number in (numbers["learning_rate"], numbers.get("weight_decay"))])
        set_schedules(&self.run.updater, self.schedules[0], self.schedules[1], self.run.n_steps + 1)
        if takes_norm(&self.run.updater) and self.run.squares == NULL:
            self.squares = np.zeros(self.run.n_squares)
            self.run.squares = &self.squares[0]
        if self.run.updater.average_every > 0:
            self.want_averages()
        self.take_layers(numbers)
        reach_step(&self.run.updater, self.run.n_steps + 1)
        self.want_states([name for name in self.state_names if state_wanted(name, numbers)])
        return 0

    cdef int take_layers(self, dict numbers) except -1:
        """What one stage goes by and another does not."""
        cdef Py_ssize_t i
        cdef const double[::1] rates
        cdef Stage *stage
        rate_factors, decay_factors = numbers.get("rate_factors", {}), numbers.get("decay_factors", {})
        self.dropout_rates = numbers.get("dropout_rates", {})
        cdef bint alike = not (rate_factors or decay_factors or self.dropout_rates)
        if alike and self.layers_alike:
            return 0
        self.layers_alike = alike
        for i in range(self.run.n_stages):
            stage = &self.run.stages[i]
            stage.rate_factor = rate_factors.get(i, 1.0)
            stage.decay_factor = decay_factors.get(i, 1.0)
            stage.rates = NULL
            if i in self.dropout_rates:
                rates = self.dropout_rates[i]
                stage.rates = &rates[0]
        return 0

    # ---- Averages of the weights ----

    cdef int want_averages(self) except -1:
        if self.average_memory is None:
            self.average_memory = self.like_parameters()
            self.run.averages = self.average_memory.start
        return 0

    @property
    def n_averaged(self) -> int:
        """How often the average has taken the weights in."""
        return self.run.updater.n_averaged

    def average(self):
        """Takes the weights as they are into their average, the plain mean of all that it took in."""
        cdef Py_ssize_t n = self.network.parameter_bytes // item_size(self.run.k.dtype)
        self.want_averages()
        self.run.k.average(self.run.averages, self.run.parameters, n, 1.0 / (self.run.updater.n_averaged + 1))
        self.run.updater.n_averaged += 1

    def get_averages(self):
        """The arrays of all stages, in the order of Network.get_arrays; what set_averages takes, with n_averaged.

        What is not trained by its gradient has no average, and is as it is in the network.
        """
        cdef Py_ssize_t i
        self.want_averages()
        result = []
        for i in range(self.run.n_stages):
            arena = self.average_memory if self.run.stages[i].trained else self.network.parameters
            result += self.network.layer_copy(arena, i)
            result += [view.copy() for view in self.network.statistic_views(i)]
        return result

    def set_averages(self, averages, n_averaged):
        cdef Py_ssize_t i
        self.want_averages()
        arrays = iter(averages)
        for i in range(self.run.n_stages):
            for view in self.network.views(self.average_memory, i):
                view[:] = next(arrays)
            for _ in self.network.statistic_views(i):
                next(arrays)
        self.run.updater.n_averaged = n_averaged

    # ---- Calls ----

    cdef int enter(self) except -1:
        """One call at a time: the buffers are the session's own."""
        if self.busy:
            raise RuntimeError(
                "this trainer is already training, in another thread: give each thread a trainer of its own")
        self.busy = True
        return 0

    def epoch(self, Rows rows, targets, Py_ssize_t batch_size, bint shuffle, uint64_t seed, uint64_t epoch,
              dict numbers, on_tick=None, weights=None, Py_ssize_t n_batches=1, subset=None, so_far=None,
              bint every_step=False, outputs=None):
        """Trains on all rows once, batch by batch, the last short one too.

        Parameters
        ----------
        rows : Rows, (n_samples, n_inputs)
        targets : Rows, (n_samples, n_outputs), or int32 labels, shape (n_samples,)
        batch_size : int
        shuffle : bool
            In the order that (seed, epoch) gives, else as they stand.
        numbers : dict
            Of the optimizer; and clip_value, clip_norm or clip_array_norm, where the gradient is to be clipped;
            decay_biases; average_every (steps) and average_decay; and, by the stage's number, rate_factors,
            decay_factors and dropout_rates (an array each, a rate for each step).
        on_tick : callable, optional
            on_tick(samples done, mean loss so far), about every 50 ms; if it returns true the epoch is left unfinished.
        weights : float64 ndarray, shape (n_samples,), optional
            How often each sample counts, in the mean of its batch and in all sums. Not all are 0.
        n_batches : int, default 1
            How many batches make a step.
        subset : int64 ndarray, optional
            The rows that there are; without it all. The targets and the weights are those of all rows.
        so_far : (int, float, ndarray), optional
            What ``progress`` told of this epoch before it was left: it goes on there. With 0 samples done, the sums
            of other samples are carried into this epoch's.
        every_step : bool, default False
            Whether on_tick is called after every step.
        outputs : ndarray, shape (n_samples, n_outputs), of the network's dtype, C-contiguous, optional
            Receives the outputs of each batch before its update, in the order in which the epoch takes the rows.

        Returns
        -------
        loss : float
            Mean over the epoch, each batch before its update.
        sums : list of ndarray
            A float64 array a metric.
        Or None where on_tick left the epoch unfinished.

        Raises
        ------
        NonFinite
            The batch it names was not trained on.
        KeyboardInterrupt
            And whatever else a signal's handler raises, or Interrupted; the weights are those of a completed step.
        """
        self.enter()
        cdef int team
        cdef char[:, ::1] out
        cdef Py_ssize_t n_rows = rows.n_rows if subset is None else subset.size
        try:
            self.take_numbers(numbers)
            team = self.begin(rows, n_rows, targets, weights, batch_size, True, n_batches)
            self.run.updates = True
            self.run.training = True
            self.set_order(n_rows, shuffle, seed, epoch, subset)
            self.in_epoch = True
            if outputs is not None:
                out = outputs.view(np.int8)
                self.run.outputs = &out[0, 0]
            if so_far is not None:
                self.run.next_row, self.run.weight_done, self.sums[:] = so_far
            if not self.go(rows, targets, team, on_tick, every_step):
                return None
            self.check_weights()
            return self.results()
        finally:
            self.busy = False

    cdef int set_order(self, Py_ssize_t n_rows, bint shuffle, uint64_t seed, uint64_t epoch, subset) except -1:
        """The order in which the epoch takes the rows."""
        cdef const int64_t[::1] there = subset
        cdef int64_t[::1] order
        cdef Py_ssize_t i
        if not shuffle and subset is None:
            return 0
        if self.order is None or self.order.size != n_rows:
            self.order = np.empty(n_rows, dtype=np.int64)
        order = self.order
        if shuffle:
            with nogil:
                self.run.k.permutation(seed, epoch, n_rows, &order[0])
                if there is not None:
                    for i in range(n_rows):
                        order[i] = there[order[i]]
        else:
            order[:] = there
        self.run.index = &order[0]
        return 0

    def rows_in_order(self):
        """The rows in the order in which the latest call took them, int64; None: as they stand."""
        return None if self.run.index == NULL else self.order

    @property
    def terms(self) -> float:
        """How many numbers a sample adds to the sum of the losses: a mean loss is their mean."""
        return self.run.judge.terms

    def progress(self):
        """How far the latest call came, if it was for an epoch: samples done, their weight, a copy of their sums."""
        return (self.run.next_row, self.run.weight_done, self.sums.copy()) if self.in_epoch else None

    def step(self, Rows rows, targets, dict numbers, weights=None):
        """One update on all the rows. Returns their mean loss before it."""
        self.enter()
        cdef int team
        try:
            self.take_numbers(numbers)
            team = self.begin(rows, rows.n_rows, targets, weights, rows.n_rows, False)
            self.run.updates = True
            self.run.training = True
            self.go(rows, targets, team, None)
            return self.results()[0]
        finally:
            self.busy = False

    def gradients(self, Rows rows, targets, weights=None, bint training=False, subset=None):
        """Mean loss of all rows, or of a subset, and its gradients, stage by stage; nothing is updated.

        The network is as in a prediction, or as in the next step of training. What is not trained has zeros.
        """
        self.enter()
        cdef int team
        cdef Py_ssize_t n_rows = rows.n_rows if subset is None else subset.size
        try:
            team = self.begin(rows, n_rows, targets, weights, n_rows, False)
            self.set_order(n_rows, False, 0, 0, subset)
            self.run.updates = False
            self.run.training = training
            self.network.refresh()
            if self.tables is not None:  # rows that no sample has
                for view in self.network.views(self.gradient_memory, 0):
                    view[:] = 0
            self.go(rows, targets, team, None)
            gradients = [
                self.network.layer_copy(self.gradient_memory, i)
                + tuple([np.zeros_like(view) for view in self.network.statistic_views(i)])
                for i in range(self.network.n_layers)
            ]
            return self.results()[0], [arrays for arrays in gradients if arrays]
        finally:
            self.busy = False


def gradients(Network network, Rows rows, targets, object loss, int n_threads, weights=None, bint training=False,
              dropout_rates=None):
    """Mean loss of all rows and its gradients: (float, [(dW (n_inputs, n_units), db (n_units,)), ...]).

    In training, dropout stages take the rates that a dictionary gives by their number, or else their own.
    """
    session = Session(network, loss, (), "sgd", n_threads)
    session.take_numbers({"learning_rate": 0.0, "dropout_rates": dropout_rates or {}})
    return session.gradients(rows, targets, weights, training)
