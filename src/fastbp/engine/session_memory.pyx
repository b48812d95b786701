"""The memory of a training session: buffers of a step, gradients, states of the optimizer, averages of parameters."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from fastbp.engine.arena cimport Arena, aligned
from fastbp.engine.kernels cimport (
    FBP_LINEAR, FBP_TABLE_SHARES, fbp_kernels, fbp_layer, optimizer_named, state_names, stores_slope,
)
from fastbp.engine.layout cimport (
    ADD, DENSE, FORK, GROUPED, HEADS, MEAN, MEMBER_AFFINE, SCALING, TABULAR, Stage, Statistics, block_stride,
    blocks_bytes, item_size, narrow_block_stride, narrow_blocks_bytes, padded, take_pairs, take_panels,
)
from fastbp.engine.loss cimport LEAST_TARGETS, takes_Z
from fastbp.engine.narrow cimport make_narrow_weights
from fastbp.engine.network cimport Network
from fastbp.engine.run cimport Run
from fastbp.engine.stage_specs cimport array_names
from fastbp.engine.stages cimport saved_features
from fastbp.engine.tables cimport TableMemory, table_bytes
from fastbp.engine.update_rules cimport state_wanted
from fastbp.engine.weight_update cimport fused_units


cdef SessionMemory make_session_memory(Network network, str optimizer, bint narrow):
    """The memory to train this network with this optimizer, with narrow products or not; no buffers of a step yet."""
    cdef SessionMemory memory = SessionMemory()
    cdef Run *run = &memory.run
    cdef Py_ssize_t i
    memory.network = network
    run.k = network.k
    run.n_stages = network.n_layers
    run.stages = <Stage *>PyMem_Calloc(network.n_layers, sizeof(Stage))
    if run.stages == NULL:
        raise MemoryError
    memcpy(run.stages, network.stages, network.n_layers * sizeof(Stage))
    while run.first_trained < run.n_stages and not run.stages[run.first_trained].trained:
        run.first_trained += 1
    run.last_layer = network.stages[network.n_layers - 1].layer
    run.updater.optimizer = optimizer_named(optimizer)
    run.memory.parameters = network.parameters.start
    for i in range(run.n_stages):
        run.memory.n_units += run.stages[i].layer.n_units
    run.memory.n_squares = 2 * run.memory.n_units + FBP_TABLE_SHARES * run.stages[0].n_tables
    memory.own_end = network.parameter_bytes
    memory.gradients = memory.like_parameters()
    run.memory.gradients = memory.gradients.start
    if narrow:
        memory.narrow = make_narrow_weights()
        run.narrow = memory.narrow.k
    if network.penalised:
        memory.want_penalties()
    if network.tables != NULL:
        memory.tables = TableMemory()
        memory.tables.fill(&network.stages[0], run.memory.parameters, run.memory.gradients)
        run.stages[0].tables = memory.tables.tables
    memory.state_names = state_names(run.updater.optimizer)
    memory.states = [None] * len(memory.state_names)
    memory.want_states([name for name in memory.state_names if state_wanted(name, {})])
    return memory


cdef class SessionMemory:
    """What a training session allocates, and the Run that points into it."""

    def __dealloc__(self):
        PyMem_Free(self.run.stages)

    cdef Arena like_parameters(self):
        """Zeros, laid out like the parameters."""
        cdef Arena arena = Arena()
        arena.take(self.network.parameter_bytes)
        arena.allocate()
        return arena

    cdef int want_penalties(self) except -1:
        if self.run.memory.penalties == NULL:
            self.penalties = np.zeros(self.run.memory.n_units)
            self.run.memory.penalties = &self.penalties[0]
        return 0

    cdef int want_squares(self) except -1:
        if self.run.memory.squares == NULL:
            self.squares = np.zeros(self.run.memory.n_squares)
            self.run.memory.squares = &self.squares[0]
        return 0

    # ---- What a call adds up, and its order ----

    cdef int begin_progress(self) except -1:
        """Nothing is done yet; the sums of a call use the memory of the call before where they are as many."""
        cdef Py_ssize_t n = self.run.scoring.slot_size
        cdef double[:, ::1] both
        self.run.progress.attempt += 1
        self.run.progress.next_row = 0
        self.run.progress.weight_done = 0
        self.run.progress.bad = 0
        self.run.progress.stop_samples = 0
        self.run.progress.stop_weights = 0
        if self.sums is None or self.n_sums != n:
            both = arrays = np.empty((2, n))
            self.sums = arrays[0]
            self.run.progress.sums = &both[0, 0]
            self.run.progress.sums_before = &both[1, 0]
            self.n_sums = n
        memset(self.run.progress.sums, 0, n * sizeof(double))
        return 0

    cdef int64_t *order_of(self, Py_ssize_t n_rows) except NULL:
        """Memory for the order of n_rows rows."""
        cdef int64_t[::1] order
        if self.order is None or self.n_ordered != n_rows:
            order = self.order = np.empty(n_rows, dtype=np.int64)
            self.first_in_order = &order[0]
            self.n_ordered = n_rows
        return self.first_in_order

    # ---- The buffers of a step ----

    cdef int choose_narrow(self, Py_ssize_t n_samples) except -1:
        """Which stages are narrow in batches of n_samples; where that changes, the buffers are laid out anew."""
        if self.narrow is not None and self.narrow.choose(
                self.run.stages, self.run.n_stages, self.run.first_trained + 1, n_samples):
            self.buffers = None
            self.rounded_at = -1
        return 0

    cdef void round_weights(self) noexcept:
        """Makes the narrow copies anew, unless the updates of this session's last call made them."""
        cdef long long now = self.network.prediction.gate.n_writings
        if self.narrow is None:
            return
        if now != self.rounded_at + self.run.cut.updates or self.network.prediction.shared:
            self.narrow.round_all(self.run.stages, self.run.n_stages)
        self.rounded_at = now

    cdef int make_room(self, Py_ssize_t n_panels, int team) except -1:
        """Buffers for at least n_panels panels and a team of this many threads."""
        if (self.buffers is not None and n_panels <= self.n_panels and team <= self.team
                and self.run.scoring.slot_size <= self.slot_size):
            return 0
        n_panels = max(n_panels, self.n_panels)
        team = max(team, self.team)
        cdef Arena arena = Arena()
        self.n_panels = 0              # should memory run out, there are no buffers
        self.place(arena, n_panels, team)
        arena.allocate()
        self.place(arena, n_panels, team)
        self.buffers = arena
        self.n_panels = n_panels
        self.team = team
        self.slot_size = self.run.scoring.slot_size
        return 0

    cdef void choose_last_activation(self) noexcept:
        """That of the network, or none where the loss has it built in. Neither softmax nor sigmoid stores a slope."""
        cdef Py_ssize_t i, last = self.run.n_stages - 1
        for i in range(last - (self.run.stages[last].kind == MEAN), last + 1):     # a mean's is that of its heads
            self.run.stages[i].layer.activation = self.network.stages[i].layer.activation
            if takes_Z(&self.run.scoring):
                self.run.stages[i].layer.activation = FBP_LINEAR

    cdef void place(self, Arena arena, Py_ssize_t n_panels, int team) noexcept:
        """The buffers of a micro-batch: every stage's activations and gradients, panel by panel; scratch per thread."""
        cdef Run *run = &self.run
        cdef const fbp_kernels *k = run.k
        cdef Py_ssize_t i, piece_bytes = 0, widest = 0, members = 1
        cdef bint tabular = self.network.tables != NULL
        cdef Py_ssize_t n_features = run.stages[0].layer.n_units if tabular else self.network.n_inputs
        run.stages[0].source = take_panels(arena, n_features, n_panels, k)
        run.stages[0].table_rows = <int32_t *>arena.take(
            n_panels * run.stages[0].n_tables * k.lanes * sizeof(int32_t))
        for i in range(run.n_stages):
            if i > 0:
                run.stages[i].source = run.stages[i - 1].output
            piece_bytes = max(piece_bytes, self.place_stage(arena, i, n_panels))
            if run.stages[i].narrow.on:
                widest = max(widest, run.stages[i].layer.n_inputs, run.stages[i].layer.n_units)
                members = max(members, run.stages[i].members)
        if widest > 0:                 # the same for all stages: each reads its own at once
            run.buffers.pairs = take_pairs(arena, widest, n_panels * members, k)
        for i in range(run.n_stages):
            if run.stages[i].narrow.on:
                self.place_narrow(arena, i, n_panels)
        run.buffers.targets = take_panels(arena, max(self.network.n_outputs, <Py_ssize_t>LEAST_TARGETS), n_panels, k)
        run.buffers.labels = <int32_t *>arena.take(n_panels * k.lanes * sizeof(int32_t))
        run.buffers.sample_weights = <double *>arena.take(n_panels * k.lanes * sizeof(double))
        run.buffers.slots = <double *>arena.take(n_panels * run.scoring.slot_size * sizeof(double))
        run.buffers.verdicts = <int *>arena.take(n_panels * sizeof(int))
        run.buffers.scratch_bytes = aligned(max(piece_bytes, k.scratch_elements * item_size(k.dtype)))
        if run.narrow != NULL:
            run.buffers.scratch_bytes = aligned(max(run.buffers.scratch_bytes, run.narrow.scratch_elements * 4))
        run.buffers.scratch = <char *>arena.take(team * run.buffers.scratch_bytes)

    cdef Py_ssize_t place_stage(self, Arena arena, Py_ssize_t i, Py_ssize_t n_panels) noexcept:
        """The buffers of stage i, whose source is known. Returns the bytes of the weight gradients of a piece."""
        cdef const fbp_kernels *k = self.run.k
        cdef Stage *stage = &self.run.stages[i]
        cdef Py_ssize_t row_bytes = stage.layer.ld * item_size(k.dtype)
        stage.block_stride = block_stride(n_panels, k)
        stage.source_blocks = NULL
        if stage.kind in (DENSE, HEADS) and stage.trained and not stage.narrow.on:
            stage.blocks_bytes = blocks_bytes(stage.layer.n_inputs, n_panels, k)
            stage.source_blocks = arena.take(stage.members * stage.blocks_bytes)
        stage.output = stage.source
        if stage.kind not in (FORK, TABULAR):
            stage.output = take_panels(arena, stage.width, n_panels, k)
        if stores_slope(stage.layer.activation):
            stage.slope = take_panels(arena, stage.width, n_panels, k)
        if saved_features(stage) > 0:
            stage.saved = take_panels(arena, stage.members * saved_features(stage), n_panels, k)
            stage.saved_bytes = saved_features(stage) * k.lanes * item_size(k.dtype)
        elif stage.kind in (SCALING, GROUPED, MEMBER_AFFINE):
            stage.saved = stage.source
            stage.saved_bytes = stage.layer.n_units * k.lanes * item_size(k.dtype)
        if stage.meets:
            self.place_statistics(arena, stage)
        stage.gradient = take_panels(arena, stage.width, n_panels, k)
        if stage.kind == ADD:
            stage.other = self.run.stages[stage.partner].output
            self.run.stages[stage.partner].other = stage.gradient
        if not stage.trained or stage.kind == TABULAR:
            return 0
        stage.fused_units = fused_units(k, stage, row_bytes)
        stage.dW = self.run.memory.gradients + (<char *>stage.layer.weights - self.run.memory.parameters)
        if stage.has_bias:
            stage.db = self.run.memory.gradients + (<char *>stage.layer.bias - self.run.memory.parameters)
        return min(stage.fused_units, stage.layer.n_units) * row_bytes

    cdef void place_narrow(self, Arena arena, Py_ssize_t i, Py_ssize_t n_panels) noexcept:
        """The narrow copies of the inputs and the gradient of stage i."""
        cdef const fbp_kernels *k = self.run.k
        cdef Stage *stage = &self.run.stages[i]
        stage.narrow.source = self.run.buffers.pairs
        stage.narrow.gradient = self.run.buffers.pairs
        if i <= self.run.first_trained:
            stage.narrow.gradient.data = NULL
        stage.narrow.blocks = stage.narrow.gradient_rows.data = NULL
        stage.narrow.block_stride = narrow_block_stride(n_panels, k)
        stage.narrow.pairs_bytes = n_panels * stage.narrow.source.stride * 4
        if stage.trained:
            stage.narrow.blocks_bytes = narrow_blocks_bytes(stage.layer.n_inputs, n_panels, k)
            stage.narrow.blocks = arena.take(stage.members * stage.narrow.blocks_bytes)
            stage.narrow.gradient_rows = take_pairs(arena, stage.layer.n_units, n_panels * stage.members, k)
            stage.narrow.rows_bytes = n_panels * stage.narrow.gradient_rows.stride * 4

    cdef void place_statistics(self, Arena arena, Stage *stage) noexcept:
        """What a batch_norm computes from a batch, [n_units] each."""
        cdef Py_ssize_t n_bytes = padded(stage.layer.n_units, self.run.k.dtype) * item_size(self.run.k.dtype)
        stage.batch = Statistics(arena.take(n_bytes), arena.take(n_bytes), arena.take(n_bytes))
        stage.moved = Statistics(arena.take(n_bytes), arena.take(n_bytes), NULL)
        stage.batch_dW = arena.take(n_bytes)
        stage.batch_db = arena.take(n_bytes)

    # ---- The optimizer's states ----

    cdef int want_states(self, list names) except -1:
        """These states from now on, starting from zero unless they are there.

        A state may come late: SGD keeps a velocity from the first step with momentum on.
        """
        cdef Arena arena
        for i, name in enumerate(self.state_names):
            if name in names and self.states[i] is None:
                arena = Arena()
                arena.take(self.own_end - self.own_start)
                arena.allocate()
                self.states[i] = arena
                self.run.memory.states[<int>i] = arena.start - self.own_start
        return 0

    cdef int keep_states_of(self, Py_ssize_t start, Py_ssize_t end) except -1:
        """From now on the states of these bytes of the parameters alone, starting from zero; others update the rest."""
        names = [name for name, arena in zip(self.state_names, self.states, strict=True) if arena is not None]
        self.own_start = start
        self.own_end = end
        self.states = [None] * len(self.state_names)
        return self.want_states(names)

    cdef Arena whole_state(self, Arena arena):
        """One of the optimizer's states laid out like all parameters, with zeros where others update them."""
        cdef Arena whole
        if self.own_end - self.own_start == self.network.parameter_bytes:
            return arena
        whole = self.like_parameters()
        memcpy(whole.start + self.own_start, arena.start, self.own_end - self.own_start)
        return whole

    cdef list state_views(self, str name, Arena arena):
        """(key, view) of each array of one of the optimizer's states, which lies in that arena."""
        cdef Py_ssize_t i
        result = []
        for i in range(self.network.n_layers):
            if self.network.stages[i].trained:
                names = array_names(&self.network.stages[i])
                result += [(f"{name}.{i}.{array}", view)
                           for array, view in zip(names, self.network.views(arena, i), strict=False)]
        return result

    cdef list get_state(self):
        """(key, array) of each array of the optimizer's states, copies."""
        return [(key, view.copy(order="C"))
                for name, arena in zip(self.state_names, self.states, strict=True) if arena is not None
                for key, view in self.state_views(name, self.whole_state(arena))]

    cdef int set_state(self, state) except -1:
        """Puts back what get_state returned; states that were not there then start from zero."""
        cdef Arena arena, whole
        arrays = dict(state)
        self.want_states([key.partition(".")[0] for key in arrays])
        for name, of_name in zip(self.state_names, self.states, strict=True):
            if of_name is not None:
                arena = of_name
                whole = self.whole_state(arena)
                for key, view in self.state_views(name, whole):
                    view[:] = arrays.get(key, 0)
                if whole is not arena:
                    memcpy(arena.start, whole.start + self.own_start, self.own_end - self.own_start)
        return 0

    # ---- Averages of the parameters ----

    cdef int want_averages(self) except -1:
        if self.averages is None:
            self.averages = self.like_parameters()
            self.run.memory.averages = self.averages.start
        return 0

    cdef Py_ssize_t layer_of_infinity(self) noexcept:
        """The first stage whose weights are not all finite, or -1."""
        cdef Run *run = &self.run
        cdef fbp_layer *layer
        cdef Py_ssize_t i, size = item_size(run.k.dtype)
        for i in range(run.stages[0].n_tables):
            if not run.k.all_finite(self.network.tables[i].weights,
                                    table_bytes(&self.network.tables[i], run.k.dtype) // size):
                return 0
        for i in range(run.n_stages):
            layer = &run.stages[i].layer
            if layer.ld == 0:
                continue
            if not (run.k.all_finite(layer.weights, layer.n_units * layer.ld)
                    and run.k.all_finite(layer.bias, layer.n_units)):
                return i
        return -1

    cdef int average(self) except -1:
        """Takes the parameters as they are into their average, the plain mean of all that it has taken in."""
        cdef Py_ssize_t n = self.network.parameter_bytes // item_size(self.run.k.dtype)
        self.want_averages()
        self.run.k.average(self.run.memory.averages, self.run.memory.parameters, n,
                           1.0 / (self.run.updater.n_averaged + 1))
        self.run.updater.n_averaged += 1
        return 0

    cdef list get_averages(self):
        """Copies of all stages' arrays, in the order of Network.get_arrays; those without gradients as they are."""
        cdef Py_ssize_t i
        self.want_averages()
        result = []
        for i in range(self.run.n_stages):
            arena = self.averages if self.run.stages[i].trained else self.network.parameters
            result += self.network.layer_copy(arena, i)
            result += [view.copy() for view in self.network.statistic_views(i)]
        return result

    cdef int set_averages(self, averages, n_averaged) except -1:
        """Puts back what get_averages returned, which had taken the parameters in n_averaged times."""
        cdef Py_ssize_t i
        self.want_averages()
        arrays = iter(averages)
        for i in range(self.run.n_stages):
            for view in self.network.views(self.averages, i):
                view[:] = next(arrays)
            for _ in self.network.statistic_views(i):
                next(arrays)
        self.run.updater.n_averaged = n_averaged
        return 0
