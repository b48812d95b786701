"""A network's parameters, and forward passes over any number of rows: one native call each, the GIL released.

The rows pass in chunks of panels. Each chunk goes through all layers on one thread, and whoever is free takes the next:
nothing depends on who does.
"""

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from fastbp.engine.arena cimport Arena, aligned
from fastbp.engine.layout cimport (
    ADD, BATCH_NORM, DENSE, DROPOUT, FORK, TABULAR, Stage, forward_work, item_size, padded, panel_stride,
)
from fastbp.engine.features cimport Features, features_of, gather_features
from fastbp.engine.kernels cimport (
    FBP_FLOAT32, FBP_FLOAT64, FBP_LINEAR, fbp_kernels, fbp_layer, fbp_panels, fbp_source, fbp_table, kernels_in_use,
)
from fastbp.engine.loss cimport (
    BAD_INPUTS, BAD_TARGETS, Judge, gather_targets, gather_weights, judge_panel, keep_outputs, set_judge, split_sums,
    takes_Z, weight_of_rows,
)
from fastbp.engine.rows cimport Rows
from fastbp.engine.stages cimport Pass, array_names, set_stage, stage_forward, stage_penalised
from fastbp.engine.tables cimport make_tables, refuse_sparse, split_columns, table_bytes
from fastbp.engine.team cimport fetch_and_add, limits_in_use, look_seconds, monotonic_seconds, run_team, team_size

cdef enum:
    # Panels that one thread carries through all layers at a time, at most; where sums are made, a constant, or their
    # order would change.
    SWEEP_PANELS = 12
    # With less work than this (floating-point operations), other Python threads would not gain by the lock's release.
    BRIEF_WORK = 200000
    # Calls for samples alone before the weights are turned for those to come, which takes as long as a few of them; and
    # the most bytes of weights that are kept twice: larger ones come from the memory, which sets the pace.
    TURN_AFTER = 4
    TURN_BYTES = 64 * 1024 * 1024
    # A product of few units, most of whose vectors would be padding, is turned only while that stays in the cache.
    TURN_PADDED_BYTES = 256 * 1024


class Interrupted(Exception):  # noqa: N818 (what happened is no error)
    """Another thread set Network.interrupted; the weights are those of a completed step."""


class NonFinite(Exception):
    """A NaN or an infinity was met; nothing was updated with it.

    Attributes
    ----------
    where : {"inputs", "targets", "loss", "weights"}
    batch : int
        Of the epoch, from 0; -1 where it is not known.
    row : int
        Of the array passed in, for inputs and targets; else -1.
    layer : int
        First layer whose outputs (or weights) are not finite, from 0; else -1.
    """

    def __init__(self, where, batch=-1, row=-1, layer=-1):
        super().__init__(f"{where} not finite: batch {batch}, row {row}, layer {layer}")
        self.where = where
        self.batch = batch
        self.row = row
        self.layer = layer


def first_bad_row(Rows rows, numbers, n_columns=None, Features features=None, str dtype="float64"):
    """The first row of these numbers that is not finite (or, overflowing in the network's dtype, the largest).

    In the first n_columns; None: in all. Or in the features of the columns, which are not finite in that dtype.
    """
    array = np.asarray(<object>rows.buffer.obj)
    if features is not None:
        values = array[numbers, :n_columns]
        values = features.apply(Rows(values), np.empty((len(values), len(features)), dtype))
    elif rows.source.starts != NULL:
        starts = np.asarray(rows.indices[1])
        values = np.zeros((len(numbers), 1))
        for i, row in enumerate(numbers):
            elements = np.abs(array[starts[row]:starts[row + 1]].astype(np.float64))
            values[i] = elements.max(initial=0)        # NaN, if there is one
    else:
        values = array[numbers, :n_columns].astype(np.float64)
    bad = ~np.isfinite(values).all(axis=1)
    return int(numbers[int(bad.argmax() if bad.any() else np.abs(values).max(axis=1).argmax())])


cdef class Network:
    """Weights and biases in the kernels' layout, and what can be computed from them.

    Parameters
    ----------
    n_inputs : int
        Columns of X, or as many features as ``set_features`` has.
    layers : list of dict
        The stages, first to last. "kind" is one of those that _stages.pyx lists, "activation" and "parameter" what is
        applied to its result; the other keys are the kind's own: "units", "use_bias", "trainable", "l1", "l2" and
        "max_norm" of a dense one, "rate" of dropout, "epsilon" of those that normalise, "momentum" of batch_norm. A
        dense one may be written (units, activation, parameter), dropout ("dropout", rate). The first may be "tabular":
        "numeric" columns, "tables" a list of (rows, features), one for each further column, "units" of all together.
        Not together with set_features.
    dtype : {"float32", "float64"}
    """

    def __cinit__(self, Py_ssize_t n_inputs, list layers, str dtype):
        self.dtype = dtype
        self.dtype_code = FBP_FLOAT32 if dtype == "float32" else FBP_FLOAT64
        self.k = kernels_in_use(self.dtype_code)
        self.n_inputs = n_inputs
        self.n_layers = len(layers)
        self.stages = <Stage *>PyMem_Calloc(self.n_layers, sizeof(Stage))
        if self.stages == NULL:
            raise MemoryError
        for i, spec in enumerate(layers):
            set_stage(&self.stages[i], i, n_inputs, spec, self.dtype_code)
            n_inputs = self.stages[i].layer.n_units
            if self.stages[i].kind == TABULAR:
                self.tables = make_tables(&self.stages[i], spec["tables"], self.dtype_code)
                self.stages[i].tables = self.tables
        self.n_outputs = n_inputs
        self.find_partners()
        self.penalised = any([stage_penalised(&self.stages[i], 0) for i in range(self.n_layers)])
        self.parameters = Arena()
        self.place(self.parameters)
        self.parameter_bytes = self.parameters.n_bytes
        self.parameters.allocate()
        self.place(self.parameters)
        self.statistics = Arena()
        self.place_statistics(self.statistics)
        self.statistics.allocate()
        self.place_statistics(self.statistics)
        self.n_parameters = sum([array.size for array in self.get_arrays()])
        self.plan()

    def __dealloc__(self):
        PyMem_Free(self.tables)
        PyMem_Free(self.stages)
        PyMem_Free(self.planned)
        PyMem_Free(self.routes)
        PyMem_Free(self.turned)

    def set_features(self, Features features, Features target_features):
        """From now on the first stage is fed with these, outputs are compared with those; None: as they come."""
        self.features = features
        self.target_features = target_features

    cdef void find_partners(self) noexcept:
        """Every add belongs to the last fork before it that has none yet."""
        cdef Py_ssize_t i, fork
        forks = []
        for i in range(self.n_layers):
            if self.stages[i].kind == FORK:
                forks.append(i)
            elif self.stages[i].kind == ADD:
                fork = forks.pop()
                self.stages[i].partner = fork
                self.stages[fork].partner = i

    cdef int plan(self) except -1:
        """The stages of a prediction, and which buffers they go through.

        A batch_norm directly behind a product without activation becomes part of it. Two buffers are used in turn, and
        one more for what waits to be added: a fork is no work, its source waits where it is, and nobody writes there.
        """
        cdef Py_ssize_t i
        cdef int source = 0, output
        cdef Stage *stage
        cdef Stage *before
        cdef Arena arena
        self.planned = <Stage *>PyMem_Calloc(self.n_layers, sizeof(Stage))
        self.routes = <Route *>PyMem_Calloc(self.n_layers, sizeof(Route))
        if self.planned == NULL or self.routes == NULL:
            raise MemoryError
        self.folded = []
        self.n_buffers = 2
        waiting = []
        dense = -1                     # the last stage, if it is a product that nothing was folded into
        for i in range(self.n_layers):
            stage = &self.stages[i]
            before = &self.planned[self.n_planned - 1]
            if stage.kind == DROPOUT:
                continue
            if stage.kind == TABULAR:  # in place, where the numeric columns are gathered
                self.planned[self.n_planned] = stage[0]
                self.n_planned += 1
                continue
            if stage.kind == FORK:
                waiting.append(source)
                dense = -1
                continue
            if stage.kind == BATCH_NORM and dense >= 0 and before.layer.activation == FBP_LINEAR:
                self.folded.append((dense, i, self.n_planned - 1))
                before.layer.activation = stage.layer.activation
                before.layer.alpha = stage.layer.alpha
                dense = -1
                continue
            dense = i if stage.kind == DENSE else -1
            output = 0
            while output == source or output in waiting:
                output += 1
            self.routes[self.n_planned] = Route(source, output, waiting.pop() if stage.kind == ADD else 0)
            self.planned[self.n_planned] = stage[0]
            self.n_planned += 1
            self.n_buffers = max(self.n_buffers, output + 1)
            source = output
        self.folded_parameters = Arena()
        self.place_folded(self.folded_parameters)
        self.folded_parameters.allocate()
        self.place_folded(self.folded_parameters)
        self.stale = True
        self.single = all([self.planned[i].kind in (DENSE, TABULAR) for i in range(self.n_planned)])
        self.turned = <void **>PyMem_Calloc(self.n_layers, sizeof(void *))
        if self.turned == NULL:
            raise MemoryError
        arena = Arena()
        self.place_turned(arena)
        self.turnable = arena.n_bytes <= TURN_BYTES
        return 0

    cdef void place_folded(self, Arena arena) noexcept:
        cdef fbp_layer *layer
        for _, _, planned in self.folded:
            layer = &self.planned[<Py_ssize_t>planned].layer
            layer.weights = arena.take(layer.n_units * layer.ld * item_size(self.dtype_code))
            layer.bias = arena.take(padded(layer.n_units, self.dtype_code) * item_size(self.dtype_code))

    cdef int refresh(self) except -1:
        """Before a prediction: bring up to date what follows from the parameters."""
        cdef Py_ssize_t i
        if not self.stale:
            return 0
        self.stale = False             # before all else: another thread may train meanwhile
        self.is_turned = False
        self.n_alone = 0
        try:
            for i in range(self.n_layers):
                if self.stages[i].kind == BATCH_NORM:
                    self.refresh_inverse(&self.stages[i])
            for dense, norm, planned in self.folded:
                self.fold(dense, norm, planned)
        except BaseException:
            self.stale = True
            raise
        return 0

    cdef int refresh_inverse(self, Stage *norm) except -1:
        variance = self.vector(self.statistics, norm.running.variance, norm.layer.n_units)
        inverse = self.vector(self.statistics, norm.running.inverse, norm.layer.n_units)
        inverse[:] = 1 / np.sqrt(variance.astype(np.float64) + norm.epsilon)
        return 0

    cdef int fold(self, Py_ssize_t dense, Py_ssize_t norm, Py_ssize_t planned) except -1:
        """The product's weights and bias, multiplied by what the batch_norm multiplies with, and moved likewise."""
        cdef fbp_layer *layer = &self.stages[dense].layer
        cdef fbp_layer *target = &self.planned[planned].layer
        gain, shift = [view.astype(np.float64) for view in self.views(self.parameters, norm)]
        mean, _ = self.statistic_views(norm)
        factor = gain * self.vector(self.statistics, self.stages[norm].running.inverse, layer.n_units)
        weights = self.vector(self.parameters, layer.weights, layer.n_units * layer.ld).reshape(layer.n_units, -1)
        bias = self.vector(self.parameters, layer.bias, layer.n_units)
        self.vector(self.folded_parameters, target.weights, weights.size).reshape(weights.shape)[:] = (
            weights * factor[:, np.newaxis])
        self.vector(self.folded_parameters, target.bias, bias.size)[:] = (bias - mean) * factor + shift
        return 0

    cdef void place(self, Arena arena) noexcept:
        """Every layer's weights and bias, one after the other. Gradients and optimizer states lie in the same order."""
        cdef Py_ssize_t i, j
        cdef fbp_layer *layer
        for i in range(self.n_layers):
            layer = &self.stages[i].layer
            for j in range(self.stages[i].n_tables):
                self.tables[j].weights = arena.take(table_bytes(&self.tables[j], self.dtype_code))
            if layer.ld == 0:
                continue
            layer.weights = arena.take(layer.n_units * layer.ld * item_size(self.dtype_code))
            layer.bias = arena.take(padded(layer.n_units, self.dtype_code) * item_size(self.dtype_code))

    cdef void place_statistics(self, Arena arena) noexcept:
        cdef Py_ssize_t i, n_bytes
        for i in range(self.n_layers):
            if self.stages[i].kind == BATCH_NORM:
                n_bytes = padded(self.stages[i].layer.n_units, self.dtype_code) * item_size(self.dtype_code)
                self.stages[i].running.mean = arena.take(n_bytes)
                self.stages[i].running.variance = arena.take(n_bytes)
                self.stages[i].running.inverse = arena.take(n_bytes)

    cdef object vector(self, Arena arena, const void *start, Py_ssize_t n):
        """n numbers of the arena, from an address on."""
        cdef Py_ssize_t first = <char *>start - <char *>&arena.memory[0]
        return np.asarray(arena.memory)[first:first + n * item_size(self.dtype_code)].view(self.dtype)

    cdef list statistic_views(self, Py_ssize_t i):
        """Stage i's running mean and variance, for a batch_norm."""
        cdef Stage *stage = &self.stages[i]
        if stage.kind != BATCH_NORM:
            return []
        return [self.vector(self.statistics, stage.running.mean, stage.layer.n_units),
                self.vector(self.statistics, stage.running.variance, stage.layer.n_units)]

    def parameter_views(self):
        """The arrays of all stages in the order of get_arrays, not copied: what is written there, predictions see.

        For networks without a batch_norm, from whose arrays other things follow.
        """
        self.turnable = False
        self.is_turned = False
        return [view for i in range(self.n_layers) for view in self.views(self.parameters, i)]

    cdef list views(self, Arena arena, Py_ssize_t i):
        """Stage i's arrays in an arena laid out like `parameters`: W (n_inputs, n_units), the others (n_units,).

        Of a tabular stage its tables, (n_rows, n_features) each.
        """
        cdef fbp_layer *layer = &self.stages[i].layer
        if self.stages[i].kind == TABULAR:
            return [self.table_view(arena, j) for j in range(self.stages[i].n_tables)]
        cdef Py_ssize_t size = item_size(self.dtype_code)
        if layer.ld == 0:
            return []
        cdef Py_ssize_t base = arena.start - <char *>&arena.memory[0]
        cdef Py_ssize_t W = base + (<char *>layer.weights - self.parameters.start)
        cdef Py_ssize_t b = base + (<char *>layer.bias - self.parameters.start)
        memory = np.asarray(arena.memory)
        weights = memory[W:W + layer.n_units * layer.ld * size].view(self.dtype).reshape(layer.n_units, layer.ld)
        views = [weights[:, :layer.n_inputs].T if self.stages[i].kind == DENSE else weights[:, 0]]
        if self.stages[i].has_bias:
            views.append(memory[b:b + layer.n_units * size].view(self.dtype))
        return views

    cdef object table_view(self, Arena arena, Py_ssize_t j):
        cdef fbp_table *table = &self.tables[j]
        start = arena.start + (<char *>table.weights - self.parameters.start)
        numbers = self.vector(arena, <const void *>start, table.n_rows * table.ld)
        return numbers.reshape(table.n_rows, table.ld)[:, :table.n_features]

    def set_layer(self, Py_ssize_t i, *arrays):
        """Copy in the arrays of stage i: of a dense one the weights (n_inputs, n_units) and the biases (n_units,)."""
        for view, array in zip(self.views(self.parameters, i) + self.statistic_views(i), arrays, strict=True):
            view[:] = array
        self.stale = True

    def get_layer(self, Py_ssize_t i):
        """Copies of the arrays of stage i; of most kinds there are none."""
        return self.layer_copy(self.parameters, i) + tuple([view.copy() for view in self.statistic_views(i)])

    cdef tuple layer_copy(self, Arena arena, Py_ssize_t i):
        return tuple([view.copy(order="C") for view in self.views(arena, i)])

    def set_arrays(self, arrays):
        """Copy in the arrays of all stages, in the order of get_arrays."""
        arrays = iter(arrays)
        for i in range(self.n_layers):
            self.set_layer(i, *[next(arrays) for _ in array_names(&self.stages[<Py_ssize_t>i])])

    def get_arrays(self):
        """Copies of the arrays of all stages, one after the other."""
        return [array for i in range(self.n_layers) for array in self.get_layer(i)]

    def penalty(self):
        """What the loss has for the weights beside the samples' losses."""
        cdef Py_ssize_t i
        cdef Stage *stage
        cdef double[::1] of_units
        result = 0.0
        for i in range(self.n_layers):
            stage = &self.stages[i]
            if stage_penalised(stage, 0):
                of_units = np.zeros(stage.layer.n_units)
                self.k.unit_penalties(&stage.layer, stage.l1, stage.l2, 0, stage.layer.n_units, &of_units[0])
                result += np.sum(of_units)
        return result

    cdef double sample_work(self) noexcept nogil:
        """Floating-point operations a sample."""
        cdef double work = 0
        cdef Py_ssize_t i
        for i in range(self.n_layers):
            work += forward_work(&self.stages[i].layer)
        return work

    def forward(self, Rows rows, out, int n_threads):
        """The outputs for all rows, into out: C-contiguous, shape (n_rows, n_outputs), of the network's dtype.

        Raises
        ------
        NonFinite
            If a row has a NaN or an infinity.
        """
        cdef Sweep sweep
        cdef Py_buffer buffer
        self.refresh()
        memset(&sweep, 0, sizeof(sweep))
        PyObject_GetBuffer(out, &buffer, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS)
        try:
            if self.takes_alone(rows):
                self.forward_alone(rows, <char *>buffer.buf)
            else:
                sweep.out = <char *>buffer.buf
                sweep.n_rows = rows.n_rows
                self.sweep(&sweep, rows, n_threads)
        finally:
            PyBuffer_Release(&buffer)

    cdef void place_turned(self, Arena arena) noexcept:
        cdef Py_ssize_t i, n_bytes, n_units
        self.all_turned = True
        for i in range(self.n_planned):
            if self.planned[i].kind != DENSE:
                continue
            n_units = padded(self.planned[i].layer.n_units, self.dtype_code)
            n_bytes = self.planned[i].layer.n_inputs * n_units * item_size(self.dtype_code)
            if n_bytes <= TURN_PADDED_BYTES or n_units <= 2 * self.planned[i].layer.n_units:
                self.turned[i] = arena.take(n_bytes)
            else:
                self.all_turned = False

    cdef bint takes_alone(self, Rows rows) except -1:
        """Whether so few rows are faster without a panel; several are only with turned weights."""
        if rows.n_rows > self.k.few_rows or not self.single or rows.source.starts != NULL:
            return False
        self.turn()
        return rows.n_rows == 1 or (self.is_turned and self.all_turned)

    cdef int turn(self) except -1:
        """The weights in the order of a sample alone, if there have been enough calls on the same weights."""
        cdef Py_ssize_t i
        cdef Arena arena
        if self.is_turned or not self.turnable:
            return 0
        self.n_alone += self.n_alone <= TURN_AFTER
        if self.n_alone <= TURN_AFTER:
            return 0
        if self.turned_weights is None:
            arena = Arena()
            self.place_turned(arena)
            try:
                arena.allocate()
            except MemoryError:        # they stay as they are
                self.turnable = False
                return 0
            if self.turned_weights is None:    # no other thread has been here meanwhile
                self.place_turned(arena)
                self.turned_weights = arena
        for i in range(self.n_planned):
            if self.turned[i] != NULL:
                self.k.turn_weights(&self.planned[i].layer, self.turned[i])
        self.is_turned = True
        return 0

    cdef int forward_alone(self, Rows rows, char *out) except -1:
        """The outputs of one row, or of a few."""
        cdef Workspace workspace = self.workspace
        cdef void **turned = self.turned if self.is_turned else NULL
        cdef fbp_source numeric = rows.source, codes
        cdef int good
        self.workspace = None
        if workspace is None:
            workspace = Workspace(self, 1)
        if self.sample_work() * rows.n_rows < BRIEF_WORK:
            good = _forward_alone(self, turned, &rows.source, rows.n_rows, workspace, out)
        else:
            with nogil:
                good = _forward_alone(self, turned, &rows.source, rows.n_rows, workspace, out)
        self.workspace = workspace
        if not good:
            split_columns(&self.stages[0], &numeric, &codes)
            row = first_bad_row(rows, np.arange(rows.n_rows), numeric.n_columns, self.features, self.dtype)
            raise NonFinite("inputs", row=row)
        return 0

    def evaluate(self, Rows rows, targets, object loss, tuple metrics, int n_threads, weights=None, subset=None,
                 outputs=None):
        """The mean loss (its name, or name and parameters) of all rows, and the metrics' sums, float64 arrays.

        The weights, one a row, float64, say how often each counts in the mean and in the sums. A subset, int64, has the
        rows that there are; targets and weights are those of all. The outputs, if wanted, are left where ``forward``
        would leave them.
        """
        cdef Sweep sweep
        cdef Judge judge
        cdef const int64_t[::1] index = subset
        cdef Py_ssize_t n_rows = rows.n_rows if subset is None else subset.size
        cdef Py_ssize_t n_chunks = (n_rows - 1) // (SWEEP_PANELS * self.k.lanes) + 1
        self.refresh()
        memset(&sweep, 0, sizeof(sweep))
        sweep.n_rows = n_rows
        sweep.index = NULL if subset is None else &index[0]
        memset(&judge, 0, sizeof(judge))
        set_judge(&judge, loss, metrics, targets, weights, self.n_outputs, self.target_features)
        slots = np.zeros((n_chunks, judge.slot_size))
        cdef double[:, ::1] slot_memory = slots
        sweep.judge = &judge
        sweep.slots = &slot_memory[0, 0]
        cdef char[:, ::1] out
        if outputs is not None:
            out = outputs.view(np.int8)
            sweep.out = &out[0, 0]
        self.sweep(&sweep, rows, n_threads, targets, subset)
        sums = slots.sum(axis=0)
        mean = float(sums[0]) / (weight_of_rows(&judge, sweep.index, 0, n_rows) * judge.terms)
        return mean + self.penalty(), split_sums(&judge, sums)

    cdef int sweep(self, Sweep *sweep, Rows rows, int n_threads, targets=None, subset=None) except -1:
        """Runs a forward pass over the sweep's rows, a chunk of panels a turn, looking at signals now and then."""
        refuse_sparse(&self.stages[0], &rows.source)
        cdef Py_ssize_t n_panels = (sweep.n_rows - 1) // self.k.lanes + 1
        cdef int size = team_size(n_threads, self.sample_work() * sweep.n_rows, limits_in_use().call_thread, n_panels)
        cdef Workspace workspace = self.workspace
        self.workspace = None
        if workspace is None or workspace.n_threads < size:
            workspace = Workspace(self, size)
        sweep.k = self.k
        sweep.stages = self.planned
        sweep.routes = self.routes
        sweep.n_stages = self.n_planned
        sweep.workspace = workspace.memory.start
        sweep.plan = &workspace.plan
        sweep.X = rows.source
        split_columns(&self.stages[0], &sweep.X, &sweep.codes)
        sweep.features = features_of(self.features)
        sweep.chunk_panels = SWEEP_PANELS
        if sweep.judge == NULL:        # a few rows are for the whole team
            sweep.chunk_panels = min(SWEEP_PANELS, (n_panels - 1) // size + 1)
        sweep.n_chunks = <int>((n_panels - 1) // sweep.chunk_panels + 1)
        try:
            while sweep.next_chunk < sweep.n_chunks and not sweep.bad:
                sweep.paused = 0
                sweep.look_again = monotonic_seconds() + look_seconds()
                with nogil:
                    run_team(_sweep_share, sweep, size)
                PyErr_CheckSignals()
                if self.interrupted:
                    raise Interrupted
        finally:
            self.workspace = workspace
        if sweep.bad:
            first = sweep.bad_chunk * sweep.chunk_panels * self.k.lanes
            chunk = np.arange(first, min(first + sweep.chunk_panels * self.k.lanes, sweep.n_rows))
            if subset is not None:
                chunk = subset[chunk]
            where = "inputs" if sweep.bad == BAD_INPUTS else "targets"
            if where == "inputs":
                raise NonFinite(where, row=first_bad_row(rows, chunk, sweep.X.n_columns, self.features, self.dtype))
            raise NonFinite(where, row=first_bad_row(targets, chunk, None, self.target_features, self.dtype))
        return 0


cdef class Workspace:
    """The network's buffers and the targets, for each thread."""

    def __cinit__(self, Network network, int n_threads):
        cdef Py_ssize_t size = item_size(network.dtype_code)
        cdef Py_ssize_t widest = max(
            [network.n_inputs] + [network.stages[i].layer.n_units for i in range(network.n_layers)])
        self.n_threads = n_threads
        self.plan.stride = panel_stride(widest, network.k)
        self.plan.row_stride = padded(widest, network.dtype_code)
        self.plan.targets_stride = panel_stride(network.n_outputs, network.k)
        self.plan.buffer_bytes = SWEEP_PANELS * self.plan.stride * size
        self.plan.targets_offset = network.n_buffers * self.plan.buffer_bytes
        self.plan.labels_offset = self.plan.targets_offset + SWEEP_PANELS * self.plan.targets_stride * size
        self.plan.rows_offset = self.plan.labels_offset + SWEEP_PANELS * network.k.lanes * <Py_ssize_t>sizeof(int32_t)
        self.plan.weights_offset = aligned(
            self.plan.rows_offset
            + SWEEP_PANELS * network.stages[0].n_tables * network.k.lanes * <Py_ssize_t>sizeof(int32_t))
        self.plan.thread_bytes = aligned(
            self.plan.weights_offset + network.k.lanes * <Py_ssize_t>sizeof(double))
        self.memory = Arena()
        self.memory.take(self.plan.thread_bytes * n_threads)
        self.memory.allocate()


cdef int _forward_alone(Network network, void **turned, const fbp_source *X, Py_ssize_t n_rows, Workspace workspace,
                        char *out) noexcept nogil:
    """Rows 0..n_rows of X to out, through the two halves of the workspace in turn. 0 where they are not finite."""
    cdef const fbp_kernels *k = network.k
    cdef Py_ssize_t size = item_size(k.dtype), stride = workspace.plan.row_stride
    cdef char *source = workspace.memory.start
    cdef char *output = source + workspace.plan.buffer_bytes
    cdef Py_ssize_t i, r, first = 0
    if network.features is not None:
        if not _prepare_alone(network, X, n_rows, fbp_panels(output, workspace.plan.stride), source, stride):
            return 0
    elif network.tables != NULL:
        first = 1
        if not _embed_alone(network, X, n_rows, <int32_t *>(source + workspace.plan.rows_offset), source, stride):
            return 0
    else:
        for r in range(n_rows):
            if not k.read_row(X, r, source + r * stride * size):
                return 0
    for i in range(first, network.n_planned):
        k.forward_rows(&network.planned[i].layer, NULL if turned == NULL else turned[i], n_rows, source, stride,
                       output, stride)
        source, output = output, source
    for r in range(n_rows):
        memcpy(out + r * network.n_outputs * size, source + r * stride * size, network.n_outputs * size)
    return 1


cdef int _prepare_alone(Network network, const fbp_source *X, Py_ssize_t n_rows, fbp_panels panel, char *out,
                        Py_ssize_t out_stride) noexcept nogil:
    """The features of rows 0..n_rows of X, by way of a panel. 0 where they are not finite."""
    cdef const fbp_kernels *k = network.k
    cdef int good = k.prepare_panel(X, &network.features.table, NULL, 0, n_rows, NULL, 0, 0, panel)
    k.scatter_panel(panel, 0, network.n_inputs, n_rows, out, out_stride)
    return good


cdef int _embed_alone(Network network, const fbp_source *X, Py_ssize_t n_rows, int32_t *rows, char *out,
                      Py_ssize_t out_stride) noexcept nogil:
    """Rows 0..n_rows of X as the first layer is given them, `rows` for their codes. 0 where they are not finite."""
    cdef const fbp_kernels *k = network.k
    cdef Py_ssize_t j, r, size = item_size(k.dtype)
    cdef fbp_source numeric = X[0], codes
    cdef fbp_table *table
    split_columns(&network.stages[0], &numeric, &codes)
    k.read_codes(&codes, NULL, 0, n_rows, network.tables, rows)
    for r in range(n_rows):
        if not k.read_row(&numeric, r, out + r * out_stride * size):
            return 0
        for j in range(codes.n_columns):
            table = &network.tables[j]
            memcpy(out + (r * out_stride + table.first_feature) * size,
                   <char *>table.weights + rows[j * k.lanes + r] * table.ld * size, table.n_features * size)
    return 1


cdef void _sweep_share(void *job, int t, int n_threads) noexcept nogil:
    cdef Sweep *sweep = <Sweep *>job
    cdef int chunk
    while not sweep.bad and not sweep.paused:
        chunk = fetch_and_add(&sweep.next_chunk, 1)
        if chunk >= sweep.n_chunks:
            return
        _sweep_chunk(sweep, chunk, sweep.workspace + t * sweep.plan.thread_bytes)
        if t == 0 and monotonic_seconds() > sweep.look_again:
            sweep.paused = 1


cdef void _sweep_chunk(Sweep *sweep, int chunk, char *memory) noexcept nogil:
    """Rows of one chunk, from X to out or to the judge."""
    cdef const fbp_kernels *k = sweep.k
    cdef Py_ssize_t first = chunk * sweep.chunk_panels * k.lanes
    cdef Py_ssize_t n = min(sweep.n_rows - first, sweep.chunk_panels * k.lanes)
    cdef Py_ssize_t n_panels = (n - 1) // k.lanes + 1
    cdef Py_ssize_t n_outputs = sweep.stages[sweep.n_stages - 1].layer.n_units
    cdef Py_ssize_t p, i, count, row
    cdef const int64_t *index
    cdef char *out
    cdef fbp_panels targets
    cdef int32_t *labels = <int32_t *>(memory + sweep.plan.labels_offset)
    cdef int32_t *rows = <int32_t *>(memory + sweep.plan.rows_offset)
    cdef const double *weights
    cdef fbp_panels source = fbp_panels(memory, sweep.plan.stride)
    cdef Stage stage
    cdef Pass through
    memset(&through, 0, sizeof(through))
    through.k = k
    through.n_samples = n
    targets = fbp_panels(memory + sweep.plan.targets_offset, sweep.plan.targets_stride)

    for p in range(n_panels):
        count = min(n - p * k.lanes, <Py_ssize_t>k.lanes)
        row = first + p * k.lanes
        index = NULL if sweep.index == NULL else sweep.index + row
        if not gather_features(k, &sweep.X, sweep.features, index, row, count, NULL, 0, p, source, NULL, 0):
            _report(sweep, BAD_INPUTS, chunk)
            return
        if sweep.codes.n_columns > 0:
            k.read_codes(&sweep.codes, index, row, count, sweep.stages[0].tables,
                         rows + p * sweep.codes.n_columns * k.lanes)
        if sweep.judge != NULL and not gather_targets(k, sweep.judge, index, row, count, NULL, 0, p, targets,
                                                      labels):
            _report(sweep, BAD_TARGETS, chunk)
            return
    for i in range(sweep.n_stages):
        stage = sweep.stages[i]
        if sweep.judge != NULL and i == sweep.n_stages - 1 and takes_Z(sweep.judge):
            stage.layer.activation = FBP_LINEAR
        stage.source = source
        stage.rows = rows
        stage.output.data = memory + sweep.routes[i].output * sweep.plan.buffer_bytes
        stage.output.stride = sweep.plan.stride
        stage.other.data = memory + sweep.routes[i].other * sweep.plan.buffer_bytes
        stage.other.stride = sweep.plan.stride
        stage_forward(&through, &stage, 0, n_panels, 0, stage.layer.n_units)
        source = stage.output
    for p in range(n_panels):
        count = min(n - p * k.lanes, <Py_ssize_t>k.lanes)
        out = sweep.out + (first + p * k.lanes) * n_outputs * item_size(k.dtype) if sweep.out != NULL else NULL
        if sweep.judge == NULL:
            k.scatter_panel(source, p, n_outputs, count, out, n_outputs)
        else:
            row = first + p * k.lanes
            weights = gather_weights(sweep.judge, NULL if sweep.index == NULL else sweep.index + row, row, count,
                                     <double *>(memory + sweep.plan.weights_offset))
            judge_panel(k, sweep.judge, source, targets, labels, weights, n_outputs, p, count, 0, fbp_panels(NULL, 0),
                        sweep.slots + chunk * sweep.judge.slot_size)
            if out != NULL:
                keep_outputs(k, sweep.judge, &sweep.stages[sweep.n_stages - 1].layer, source, p, count, out)


cdef void _report(Sweep *sweep, int what, int chunk) noexcept nogil:
    """Any bad chunk will do: the search for the row starts there."""
    sweep.bad_chunk = chunk
    sweep.bad = what
