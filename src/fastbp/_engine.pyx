"""Training: the step and the epoch, one native call each, the GIL released.

A step, with the team's threads side by side:

1. Each thread takes its share of the batch's panels through gather, forward, loss and input gradients, down to dZ of
   the first layer. All samples are independent, so no thread waits for another.
2. Barrier. Every thread looks at every panel's verdict, so that all decide alike whether the step goes on.
3. Each thread computes the weight gradients of its share of the units, and updates those weights.
4. Barrier.

A batch of more than CHUNK_SAMPLES passes in chunks, whose weight gradients add up in the chunks' order. Ctrl-C can give
up a long step until its first weight changes: the weights are always those of a completed step. Where step 3 itself is
long, all gradients are completed first and then all weights updated, behind a barrier of their own.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memset

import numpy as np

from fastbp._arena cimport Arena
from fastbp._dense cimport (
    Stage, activation_gradient, backward, block_stride, forward, forward_work, item_size, padded, take_blocks,
    take_panels, units_of_share,
)
from fastbp._kernels cimport (
    FBP_ADAM, FBP_LINEAR, FBP_SGD, FBP_SOON, fbp_kernels, fbp_layer, fbp_panels, fbp_source, fbp_update,
    flush_denormals, restore_denormals, stores_slope,
)
from fastbp._loss cimport BAD_INPUTS, BAD_TARGETS, Judge, gather_targets, judge_panel, set_judge, split_sums, takes_Z
from fastbp._network cimport Network
from fastbp._rows cimport Rows
from fastbp._team cimport (
    Pace, fbp_barrier, limits_in_use, look_seconds, monotonic_seconds, pace_done, pace_next, run_team, team_size,
    wait_for_all,
)
from fastbp._update cimport Updater, numbers_of_step, set_numbers

from fastbp._network import NonFinite, first_bad_row

cdef enum:
    # Samples whose gradients are computed at once; a constant, or the sums' order would change.
    CHUNK_SAMPLES = 4096
    # Bytes of weight gradients that are computed and then used for the update; with the weights and two states they
    # stay in L2. But so many tiles at least, or the inputs, which pass by once for each such piece, cost more than
    # that gains.
    UPDATE_BYTES = 128 * 1024
    UPDATE_TILES = 6


cdef struct Run:
    const fbp_kernels *k
    Stage *stages
    Py_ssize_t n_stages
    Judge judge
    Updater updater
    # Where the gradients and the optimizer's states lie: as far from their arena's start as the weights from theirs.
    char *parameters
    char *gradients
    char *state_1
    char *state_2
    # The data of this call.
    const fbp_source *X
    const int64_t *index           # the order of the rows, or NULL
    Py_ssize_t n_rows
    Py_ssize_t batch_size
    # One step's buffers.
    fbp_panels targets             # [panel][n_outputs][VL]
    int32_t *labels                # [panel][VL]
    double *slots                  # [panel][slot_size]
    int *verdicts                  # [panel]: 0, or what is wrong
    char *scratch                  # [thread][scratch_bytes]
    Py_ssize_t scratch_bytes
    # How the work is cut.
    bint long_step                 # signals are looked at on the way
    bint fused                     # gradients are used for the update at once
    bint updates                   # else the gradients alone are wanted
    # Progress. Thread 0 writes between the step's two barriers, everyone reads outside.
    Py_ssize_t next_row
    Py_ssize_t batch
    long long n_steps
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
    """1 where a signal's handler raised; the exception waits in the session."""
    cdef unsigned long former = (<Session>session).run.float_mode
    restore_denormals(former)
    try:
        PyErr_CheckSignals()
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


cdef Py_ssize_t _piece(const Run *run, double work_of_one, Py_ssize_t unit, Py_ssize_t all_of_them) noexcept nogil:
    """How many panels (or units) one kernel call takes: all, or in a long step only so many whole tiles."""
    cdef Py_ssize_t most
    if not run.long_step:
        return all_of_them
    most = <Py_ssize_t>(limits_in_use().piece * run.k.lanes / work_of_one) // unit * unit
    return max(most, unit)


cdef void _sample_share(Run *run, Py_ssize_t first, Py_ssize_t n, double scale, Py_ssize_t p0, Py_ssize_t p1,
                        int t) noexcept nogil:
    """Panels p0..p1 of the chunk of n samples from row `first` on: from X to dZ of the first layer."""
    cdef const fbp_kernels *k = run.k
    cdef Stage *stage
    cdef Stage *last = &run.stages[run.n_stages - 1]
    cdef Py_ssize_t p, q, i, count, row, next_row, n_next, piece
    cdef const int64_t *index
    cdef const int64_t *next_index
    cdef double *slot
    for p in range(p0, p1):
        count = min(n - p * k.lanes, <Py_ssize_t>k.lanes)
        row = first + p * k.lanes
        index = NULL
        next_index = NULL
        n_next = 0
        if run.index != NULL:
            index = run.index + row
            next_row = row + k.lanes if p + 1 < p1 else first + run.batch_size + p0 * k.lanes
            next_index = run.index + next_row
            n_next = max(0, min(run.n_rows - next_row, <Py_ssize_t>k.lanes))
        run.verdicts[p] = 0
        if not k.gather_panel(run.X, index, row, count, next_index, n_next, p, run.stages[0].source,
                              run.stages[0].source_blocks, run.stages[0].block_stride):
            run.verdicts[p] = BAD_INPUTS
        if not gather_targets(k, &run.judge, index, row, count, p, run.targets, run.labels):
            run.verdicts[p] = BAD_TARGETS

    for i in range(run.n_stages):
        stage = &run.stages[i]
        piece = _piece(run, forward_work(&stage.layer) * k.lanes, k.tile_panels, p1 - p0)
        p = p0
        while p < p1:
            if _interrupted(run, &run.stop_samples, t):
                return
            q = min(p + piece, p1)
            forward(k, stage, p, q)
            if i + 1 < run.n_stages:
                k.transpose_panels(stage.output, stage.layer.n_units, p, q, run.stages[i + 1].source_blocks,
                                   run.stages[i + 1].block_stride)
            p = q

    for p in range(p0, p1):
        slot = run.slots + p * run.judge.slot_size
        memset(slot, 0, run.judge.slot_size * sizeof(double))
        judge_panel(k, &run.judge, last.output, run.targets, run.labels, last.layer.n_units, p,
                    min(n - p * k.lanes, <Py_ssize_t>k.lanes), scale, last.gradient, slot)
    if not takes_Z(&run.judge) and p0 < p1:
        activation_gradient(k, last, p0, p1)

    for i in range(run.n_stages - 1, 0, -1):
        stage = &run.stages[i]
        piece = _piece(run, forward_work(&stage.layer) * k.lanes, k.tile_panels, p1 - p0)
        p = p0
        while p < p1:
            if _interrupted(run, &run.stop_samples, t):
                return
            q = min(p + piece, p1)
            backward(k, stage, stage - 1, p, q, run.scratch + t * run.scratch_bytes)
            p = q


cdef int _verdict(const Run *run, Py_ssize_t n_panels) noexcept nogil:
    """What is wrong with the chunk: 0, BAD_INPUTS, BAD_TARGETS, or -1 where the loss is not finite."""
    cdef Py_ssize_t p
    cdef double loss = 0
    for p in range(n_panels):
        if run.verdicts[p]:
            return run.verdicts[p]
        loss += run.slots[p * run.judge.slot_size]
    return 0 if isfinite(loss) else -1


cdef void _update_units(Run *run, const fbp_update *numbers, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """Weights and biases of units n0..n1. The decay is the weights' alone."""
    cdef fbp_layer *layer = &stage.layer
    cdef Py_ssize_t size = item_size(run.k.dtype)
    cdef Py_ssize_t W = <char *>layer.weights - run.parameters + n0 * layer.ld * size
    cdef Py_ssize_t b = <char *>layer.bias - run.parameters + n0 * size
    cdef char *m = run.state_1
    cdef char *v = run.state_2
    cdef fbp_update without_decay = numbers[0]
    without_decay.weight_decay = 0
    run.k.update(run.updater.optimizer, numbers, run.parameters + W, run.gradients + W,
                 NULL if m == NULL else m + W, NULL if v == NULL else v + W, (n1 - n0) * layer.ld)
    run.k.update(run.updater.optimizer, &without_decay, run.parameters + b, run.gradients + b,
                 NULL if m == NULL else m + b, NULL if v == NULL else v + b, n1 - n0)


cdef void _weight_share(Run *run, Py_ssize_t n, bint accumulate, const fbp_update *numbers, int t,
                        int n_threads) noexcept nogil:
    """Weight gradients of thread t's units over the chunk's n samples; and, unless numbers is NULL, their update."""
    cdef const fbp_kernels *k = run.k
    cdef Stage *stage
    cdef Py_ssize_t i, n0, n1, m0, m1, piece, W, size = item_size(k.dtype)
    cdef const void *soon[FBP_SOON]
    for i in range(run.n_stages):
        stage = &run.stages[i]
        W = <char *>stage.layer.weights - run.parameters
        soon[0] = stage.layer.weights
        soon[1] = NULL if run.state_1 == NULL else run.state_1 + W
        soon[2] = NULL if run.state_2 == NULL else run.state_2 + W
        units_of_share(k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        piece = _piece(run, 2.0 * n * stage.layer.n_inputs, k.tile_rows, n1 - n0)
        if numbers != NULL:
            piece = min(piece, max(UPDATE_BYTES // (stage.layer.ld * size * k.tile_rows), UPDATE_TILES) * k.tile_rows)
        m0 = n0
        while m0 < n1:
            if numbers == NULL and _interrupted(run, &run.stop_weights, t):
                return
            m1 = min(m0 + piece, n1)
            k.weight_gradient(&stage.layer, stage.gradient, stage.source_blocks, stage.block_stride, n, m0, m1,
                              stage.dW, stage.db, accumulate, NULL if numbers == NULL else soon)
            if numbers != NULL:
                _update_units(run, numbers, stage, m0, m1)
            m0 = m1


cdef void _update_share(Run *run, const fbp_update *numbers, int t, int n_threads) noexcept nogil:
    cdef Py_ssize_t i, n0, n1
    for i in range(run.n_stages):
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if n0 < n1:
            _update_units(run, numbers, &run.stages[i], n0, n1)


cdef void _add_up(Run *run, Py_ssize_t n_panels) noexcept nogil:
    """The panels' sums to the epoch's, in the panels' order."""
    cdef Py_ssize_t p, j
    for p in range(n_panels):
        for j in range(run.judge.slot_size):
            run.sums[j] += run.slots[p * run.judge.slot_size + j]


cdef void _finish_step(Run *run, Py_ssize_t n) noexcept nogil:
    run.next_row += n
    run.batch += 1
    run.n_steps += run.updates
    run.halted = run.next_row >= run.n_rows or monotonic_seconds() > run.come_up


cdef bint _train_step(Run *run, int t, int n_threads) noexcept nogil:
    """Thread t's part of the next step. Returns whether the one after it is to follow at once: the same for all."""
    cdef const fbp_kernels *k = run.k
    cdef Py_ssize_t first = run.next_row
    cdef Py_ssize_t n = min(run.batch_size, run.n_rows - first)
    cdef double scale = 1 / (n * run.judge.terms)
    cdef fbp_update numbers = numbers_of_step(&run.updater, run.n_steps + 1)
    cdef bint fused = run.fused and run.updates
    cdef Py_ssize_t done = 0, count, n_panels
    cdef bint last
    cdef int bad
    while done < n:
        count = min(n - done, <Py_ssize_t>CHUNK_SAMPLES)
        n_panels = (count - 1) // k.lanes + 1
        last = done + count == n
        _sample_share(run, first + done, count, scale, n_panels * t // n_threads, n_panels * (t + 1) // n_threads, t)
        wait_for_all(&run.barrier, n_threads)
        if run.stop_samples:
            return False
        bad = _verdict(run, n_panels)
        if bad:
            if t == 0:
                run.bad = bad
            return False
        if t == 0:
            _add_up(run, n_panels)
        _weight_share(run, count, done > 0, &numbers if fused and last else NULL, t, n_threads)
        if t == 0 and last and fused:
            _finish_step(run, n)
        wait_for_all(&run.barrier, n_threads)
        if run.stop_weights:
            return False
        done += count
    if not fused:
        if run.updates:
            _update_share(run, &numbers, t, n_threads)
        if t == 0:
            _finish_step(run, n)
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
    loss : str or (str, tuple of float)
        Its name in csrc/fastbp.h, and its parameters.
    metrics : tuple of {"correct", "absolute_error", "squared_error"}
    optimizer : {"sgd", "adam"}
    n_threads : int
        At most so many; fewer where a step has too little work.
    """

    cdef readonly Network network
    cdef readonly object loss
    cdef tuple metrics
    cdef int n_threads
    cdef Run run
    cdef Arena buffers, gradient_memory, first_state, second_state
    cdef Py_ssize_t n_panels           # that the buffers hold
    cdef int team                      # that the scratch is for
    cdef readonly int last_team        # threads that did the last steps
    cdef object order                  # the rows' order in this epoch, int64
    cdef object sums                   # float64 [slot_size]
    cdef object pending                # an exception from a signal during a long step
    cdef bint busy
    cdef Pace pace
    cdef bint paced

    def __cinit__(self, Network network, object loss, tuple metrics, str optimizer, int n_threads):
        self.network = network
        self.loss = loss
        self.metrics = metrics
        self.n_threads = n_threads
        self.run.k = network.k
        self.run.n_stages = network.n_layers
        self.run.parameters = <char *>network.layers[0].weights
        self.run.updater.optimizer = FBP_ADAM if optimizer == "adam" else FBP_SGD
        self.run.session = <void *>self
        self.run.stages = <Stage *>PyMem_Calloc(network.n_layers, sizeof(Stage))
        if self.run.stages == NULL:
            raise MemoryError
        self.gradient_memory = self.like_parameters()
        self.run.gradients = self.gradient_memory.start
        if optimizer == "adam":
            self.first_state = self.like_parameters()
            self.second_state = self.like_parameters()
            self.run.state_1 = self.first_state.start
            self.run.state_2 = self.second_state.start

    def __dealloc__(self):
        PyMem_Free(self.run.stages)

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
        """(name, arena) of each of the optimizer's states."""
        if self.run.updater.optimizer == FBP_ADAM:
            return [("first_moment", self.first_state), ("second_moment", self.second_state)]
        return [("velocity", self.first_state)] if self.first_state is not None else []

    def get_state(self):
        """The optimizer's state: a list of (name, array), arrays of shape (n_inputs, n_units) and (n_units,)."""
        result = []
        for name, arena in self.states():
            for i in range(self.network.n_layers):
                W, b = self.network.layer_copy(arena, i)
                result += [(f"{name}.{i}.W", W), (f"{name}.{i}.b", b)]
        return result

    def set_state(self, state):
        """What get_state returned, put back."""
        arrays = dict(state)
        if "velocity.0.W" in arrays:
            self.want_velocity()
        for name, arena in self.states():
            for i in range(self.network.n_layers):
                W, b = self.network.views(arena, i)
                W[:] = arrays[f"{name}.{i}.W"].T
                b[:] = arrays[f"{name}.{i}.b"]

    cdef int want_velocity(self) except -1:
        """SGD keeps a velocity from the first step with momentum on."""
        if self.run.state_1 == NULL:
            self.first_state = self.like_parameters()
            self.run.state_1 = self.first_state.start
        return 0

    # ---- Buffers ----

    cdef void place(self, Arena arena, Py_ssize_t n_panels, int team) noexcept:
        """The buffers of one chunk: every layer's activations and gradients, panel by panel; scratch a thread."""
        cdef const fbp_kernels *k = self.run.k
        cdef Py_ssize_t i
        cdef Stage *stage
        cdef fbp_panels source = take_panels(arena, self.network.n_inputs, n_panels, k)
        for i in range(self.network.n_layers):
            stage = &self.run.stages[i]
            stage.layer = self.network.layers[i]
            stage.source = source
            stage.block_stride = block_stride(n_panels, k)
            stage.source_blocks = take_blocks(arena, stage.layer.n_inputs, n_panels, k)
            stage.output = take_panels(arena, stage.layer.n_units, n_panels, k)
            stage.slope = fbp_panels(NULL, 0)
            if stores_slope(stage.layer.activation):
                stage.slope = take_panels(arena, stage.layer.n_units, n_panels, k)
            stage.gradient = take_panels(arena, stage.layer.n_units, n_panels, k)
            stage.dW = self.run.gradients + (<char *>stage.layer.weights - self.run.parameters)
            stage.db = self.run.gradients + (<char *>stage.layer.bias - self.run.parameters)
            source = stage.output
        if takes_Z(&self.run.judge):
            self.run.stages[self.network.n_layers - 1].layer.activation = FBP_LINEAR
        self.run.targets = take_panels(arena, self.network.n_outputs, n_panels, k)
        self.run.labels = <int32_t *>arena.take(n_panels * k.lanes * sizeof(int32_t))
        self.run.slots = <double *>arena.take(n_panels * self.run.judge.slot_size * sizeof(double))
        self.run.verdicts = <int *>arena.take(n_panels * sizeof(int))
        self.run.scratch_bytes = padded(k.pack_elements, k.dtype) * item_size(k.dtype)
        self.run.scratch = <char *>arena.take(team * self.run.scratch_bytes)

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

    cdef int begin(self, Rows rows, targets, Py_ssize_t batch_size, double work_a_thread) except -1:
        """Sets up the data of one call. Returns the team's size."""
        cdef Run *run = &self.run
        cdef const int32_t[::1] labels
        cdef bint labelled = not isinstance(targets, Rows)
        run.judge.all_labels = NULL
        run.judge.all_targets = NULL
        set_judge(&run.judge, self.loss, self.metrics, 0 if labelled else (<Rows>targets).source.n_columns,
                  self.network.n_outputs)
        if labelled:
            labels = targets
            run.judge.all_labels = &labels[0]
        else:
            run.judge.all_targets = &(<Rows>targets).source
        run.X = &rows.source
        run.index = NULL
        run.n_rows = rows.n_rows
        run.batch_size = min(batch_size, rows.n_rows)
        run.next_row = 0
        run.batch = 0
        run.bad = 0
        run.stop_samples = 0
        run.stop_weights = 0
        self.sums = np.zeros(run.judge.slot_size)
        cdef double[::1] sums = self.sums
        run.sums = &sums[0]

        cdef Py_ssize_t chunk = min(run.batch_size, <Py_ssize_t>CHUNK_SAMPLES)
        cdef Py_ssize_t n_panels = (chunk - 1) // run.k.lanes + 1
        cdef double work = 3 * run.batch_size * self.network.sample_work()
        cdef int team = team_size(self.n_threads, work, work_a_thread, n_panels)
        run.long_step = work > limits_in_use().long_step * run.k.lanes * team
        run.fused = run.batch_size <= CHUNK_SAMPLES and work < limits_in_use().apart * run.k.lanes * team
        # With more work a step than this, more threads are faster even where another process wants their cores.
        self.paced = work < limits_in_use().paced
        self.make_room(n_panels, team)
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
        return result

    cdef int go(self, Rows rows, targets, int team, on_tick) except -1:
        """Runs all the steps of the call, coming up for signals and on_tick."""
        cdef Run *run = &self.run
        cdef Py_ssize_t first
        cdef double start, seconds = look_seconds()
        cdef int size = team
        self.pending = None
        while run.next_row < run.n_rows:
            if self.paced:
                size = pace_next(&self.pace, team, &seconds)
            first = run.next_row
            start = monotonic_seconds()
            run.next_look = start + look_seconds() / 4
            run.come_up = start + seconds
            run.barrier.arrived = 0
            self.last_team = size
            with nogil:
                run_team(_train_share, run, size)
            if self.paced:
                pace_done(&self.pace, run.next_row - first, monotonic_seconds() - start)
            if self.pending is not None:
                raise self.pending
            if run.bad:
                raise self.explain(rows, targets)
            PyErr_CheckSignals()
            if on_tick is not None:
                on_tick(run.next_row, float(self.sums[0]) / (run.next_row * run.judge.terms))
        return 0

    cdef object explain(self, Rows rows, targets):
        """The NonFinite for what the last step met."""
        cdef Run *run = &self.run
        cdef Py_ssize_t i
        batch_rows = np.arange(run.next_row, min(run.next_row + run.batch_size, run.n_rows))
        if run.index != NULL:
            batch_rows = self.order[batch_rows]
        if run.bad == BAD_INPUTS:
            return NonFinite("inputs", run.batch, row=first_bad_row(rows, batch_rows))
        if run.bad == BAD_TARGETS:
            return NonFinite("targets", run.batch, row=first_bad_row(targets, batch_rows))
        for i in range(run.n_stages):
            if not run.k.all_finite(run.stages[i].output.data, self.n_panels * run.stages[i].output.stride):
                return NonFinite("loss", run.batch, layer=i)
        return NonFinite("loss", run.batch)

    cdef int check_weights(self) except -1:
        """An update may overflow without any loss having shown it yet."""
        cdef Run *run = &self.run
        cdef fbp_layer *layer
        cdef Py_ssize_t i
        for i in range(run.n_stages):
            layer = &run.stages[i].layer
            if not (run.k.all_finite(layer.weights, layer.n_units * layer.ld)
                    and run.k.all_finite(layer.bias, layer.n_units)):
                raise NonFinite("weights", run.batch - 1, layer=i)
        return 0

    cdef tuple results(self):
        return float(self.sums[0]) / (self.run.n_rows * self.run.judge.terms), split_sums(&self.run.judge, self.sums)

    cdef int take_numbers(self, dict numbers) except -1:
        """The optimizer's numbers for the updates that follow, and the state that they call for."""
        set_numbers(&self.run.updater, numbers)
        if self.run.updater.optimizer == FBP_SGD and self.run.updater.numbers.momentum != 0:
            self.want_velocity()
        return 0

    cdef int enter(self) except -1:
        """One call at a time: the buffers are the session's own."""
        if self.busy:
            raise RuntimeError(
                "this trainer is already training, in another thread: give each thread a trainer of its own")
        self.busy = True
        return 0

    def epoch(self, Rows rows, targets, Py_ssize_t batch_size, bint shuffle, uint64_t seed, uint64_t epoch,
              dict numbers, on_tick=None):
        """Trains on all rows once, batch by batch, the last short one too.

        Parameters
        ----------
        rows : Rows, (n_samples, n_inputs)
        targets : Rows, (n_samples, n_outputs), or int32 labels, shape (n_samples,)
        batch_size : int
        shuffle : bool
            In the order that (seed, epoch) gives, else as they stand.
        numbers : dict
            Of the optimizer.
        on_tick : callable, optional
            on_tick(samples done, mean loss so far), about every 50 ms.

        Returns
        -------
        loss : float
            Mean over the epoch, each batch before its update.
        sums : list of ndarray
            A float64 array a metric.

        Raises
        ------
        NonFinite
            The batch it names was not trained on.
        KeyboardInterrupt
            And whatever else a signal's handler raises; the weights are those of a completed step.
        """
        self.enter()
        cdef int64_t[::1] order
        cdef int team
        try:
            self.take_numbers(numbers)
            team = self.begin(rows, targets, batch_size, limits_in_use().epoch_thread)
            self.run.updates = True
            if shuffle:
                if self.order is None or self.order.size != rows.n_rows:
                    self.order = np.empty(rows.n_rows, dtype=np.int64)
                order = self.order
                with nogil:
                    self.run.k.permutation(seed, epoch, order.shape[0], &order[0])
                self.run.index = &order[0]
            self.go(rows, targets, team, on_tick)
            self.check_weights()
            return self.results()
        finally:
            self.busy = False

    def step(self, Rows rows, targets, dict numbers):
        """One update on all the rows. Returns their mean loss before it."""
        self.enter()
        cdef int team
        try:
            self.take_numbers(numbers)
            team = self.begin(rows, targets, rows.n_rows, limits_in_use().call_thread)
            self.run.updates = True
            self.go(rows, targets, team, None)
            return self.results()[0]
        finally:
            self.busy = False

    def gradients(self, Rows rows, targets):
        """Mean loss of all rows and its gradients, layer by layer; nothing is updated."""
        self.enter()
        cdef int team
        try:
            team = self.begin(rows, targets, rows.n_rows, limits_in_use().call_thread)
            self.run.updates = False
            self.go(rows, targets, team, None)
            gradients = [self.network.layer_copy(self.gradient_memory, i) for i in range(self.network.n_layers)]
            return self.results()[0], gradients
        finally:
            self.busy = False


def gradients(Network network, Rows rows, targets, object loss, int n_threads):
    """Mean loss of all rows and its gradients: (float, [(dW (n_inputs, n_units), db (n_units,)), ...])."""
    return Session(network, loss, (), "sgd", n_threads).gradients(rows, targets)
