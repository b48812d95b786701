"""Forward passes over any number of rows: one native call each, the GIL released.

Many rows pass in groups of panels: see sweep.pyx. A few rows go without panels, from one product to the next. Their
products read weights that are packed in another order, once there have been enough such calls to pay for the packing.

Dropout has no part in a prediction. Parts of a product are a batch_norm after it, if it has no activation, and a
scaling before it.
"""

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy, memset

import numpy as np

from fastbp.engine.arena cimport Arena
from fastbp.engine.features cimport features_of
from fastbp.engine.gate cimport (
    Gate, PyThread_get_thread_ident, begin_reading, end_reading, handle_signals, may_read,
)
from fastbp.engine.kernels cimport FBP_LINEAR, fbp_kernels, fbp_layer, fbp_panels, fbp_source, fbp_table
from fastbp.engine.layout cimport (
    ADD, BATCH_NORM, DENSE, DROPOUT, FORK, SCALING, TABULAR, Stage, item_size, padded, stages_work,
)
from fastbp.engine.loss cimport BAD_INPUTS, Scoring, set_scoring
from fastbp.engine.narrow cimport NarrowWeights, make_narrow_weights
from fastbp.engine.records cimport SampleSet
from fastbp.engine.array_reader cimport ArrayReader
from fastbp.engine.sweep cimport SWEEP_PANELS, Route, Sweep, Workspace, make_workspace, sweep_share
from fastbp.engine.tables cimport refuse_sparse, split_columns
from fastbp.engine.team cimport limits_in_use, look_seconds, monotonic_seconds, pause, run_team, team_size

from fastbp.engine.errors import Interrupted, NonFinite, first_bad_row, first_bad_target

cdef enum:
    # With less work than this (floating-point operations), other Python threads would not gain by the GIL's release.
    BRIEF_WORK = 200000
    # Calls for a few rows before the weights are packed for those to come: packing takes as long as a few such calls.
    PACK_AFTER = 4
    # The most bytes of weights that are kept a second time, packed. Larger ones are read from main memory, whose speed
    # then matters and not their order.
    PACK_BYTES = 64 * 1024 * 1024
    # In a product of few units most of a packed vector is padding: it is packed only up to this size, while it stays in
    # the cache.
    PACK_PADDED_BYTES = 256 * 1024


cdef class Prediction:
    """What a network computes without training, from its stages and the arenas that these point into.

    The network keeps the stages alive.
    """

    def __dealloc__(self):
        PyMem_Free(self.planned)
        PyMem_Free(self.routes)
        PyMem_Free(self.packed_for_rows)

    # ---- The stages of a prediction ----

    cdef int plan_stages(self) except -1:
        """The planned stages, and which buffers they read and write.

        Two buffers are used in turn, and one more for each output that waits to be added. A fork needs no work: its
        source stays where it is until the add, and no stage between them writes there.
        """
        # dense: the last stage, if it is a product that no batch_norm was folded into; scaling: that before a product
        cdef Py_ssize_t i, dense = -1, scaling = -1
        cdef int source = 0, output
        cdef const Stage *stage
        cdef Stage *before
        self.planned = <Stage *>PyMem_Calloc(self.n_stages, sizeof(Stage))
        self.routes = <Route *>PyMem_Calloc(self.n_stages, sizeof(Route))
        self.packed_for_rows = <void **>PyMem_Calloc(self.n_stages, sizeof(void *))
        if self.planned == NULL or self.routes == NULL or self.packed_for_rows == NULL:
            raise MemoryError
        self.folded = []
        self.n_buffers = 2
        waiting = []
        for i in range(self.n_stages):
            stage = &self.stages[i]
            before = &self.planned[self.n_planned - 1]
            if stage.kind == DROPOUT:
                continue
            if stage.kind == TABULAR:  # in place, where the numeric columns are gathered
                self.add_planned(stage, 0, 0, 0)
                continue
            if stage.kind == FORK:
                waiting.append(source)
                dense = -1
                continue
            if stage.kind == BATCH_NORM and dense >= 0 and before.layer.activation == FBP_LINEAR:
                self.fold_norm(dense, i)
                before.layer.activation = stage.layer.activation
                before.layer.alpha = stage.layer.alpha
                dense = -1
                continue
            if stage.kind == SCALING and self.is_before_product(i):
                scaling = i
                dense = -1
                continue
            dense = i if stage.kind == DENSE else -1
            output = 0
            while output == source or output in waiting:
                output += 1
            self.add_planned(stage, source, output, waiting.pop() if stage.kind == ADD else 0)
            source = output
            if scaling >= 0:
                self.folded.append((i, scaling, None, self.n_planned - 1))
                scaling = -1
        return 0

    cdef bint is_before_product(self, Py_ssize_t i) noexcept:
        """Whether what follows stage i, but for dropout, is a product of its very outputs."""
        cdef bint plain = self.stages[i].layer.activation == FBP_LINEAR
        i += 1
        while i < self.n_stages and self.stages[i].kind == DROPOUT:
            i += 1
        return plain and i < self.n_stages and self.stages[i].kind == DENSE

    cdef int fold_norm(self, Py_ssize_t dense, Py_ssize_t norm) except -1:
        """The batch_norm becomes part of the product that was planned last."""
        cdef Py_ssize_t last = len(self.folded) - 1
        scaling = self.folded.pop()[1] if last >= 0 and self.folded[last][0] == dense else None
        self.folded.append((dense, scaling, norm, self.n_planned - 1))
        return 0

    cdef int add_planned(self, const Stage *stage, int source, int output, int other) except -1:
        self.routes[self.n_planned] = Route(source, output, other)
        self.planned[self.n_planned] = stage[0]
        self.n_planned += 1
        self.n_buffers = max(self.n_buffers, output + 1)
        return 0

    cdef void place_folded(self, Arena arena) noexcept:
        """The weights [n_units][ld] and biases [n_units] of the products that other stages are folded into."""
        cdef fbp_layer *layer
        for *_, planned in self.folded:
            layer = &self.planned[<Py_ssize_t>planned].layer
            layer.weights = arena.take(layer.n_units * layer.ld * item_size(self.k.dtype))
            layer.bias = arena.take(padded(layer.n_units, self.k.dtype) * item_size(self.k.dtype))

    cdef int read(self) except -1:
        """Goes in to read the parameters, with all that depends on them computed; `end_reading` ends it."""
        begin_reading(self.gate)
        if self.stale or self.refreshing:
            try:
                self.refresh()
            except BaseException:
                end_reading(self.gate)
                raise
        return 0

    cdef int refresh(self) except -1:
        """Recomputes what depends on the parameters, which have changed. Other readers wait meanwhile."""
        cdef unsigned long own = PyThread_get_thread_ident()
        while self.refreshing and self.refreshing != own:
            with nogil:
                pause()
            PyErr_CheckSignals()
        if not self.stale:
            return 0
        self.refreshing = own
        try:
            self.recompute()
            self.stale = False
        finally:
            self.refreshing = 0
        return 0

    cdef int recompute(self) except -1:
        cdef Py_ssize_t i
        self.is_packed = False
        self.is_rounded = False
        self.n_row_calls = 0
        for i in range(self.n_stages):
            if self.stages[i].kind == BATCH_NORM:
                self.refresh_inverse(&self.stages[i])
        for dense, scaling, norm, planned in self.folded:
            self.fold(dense, scaling, norm, planned)
        return 0

    cdef int refresh_inverse(self, const Stage *norm) except -1:
        variance = self.statistics.vector(norm.running.variance, norm.layer.n_units, self.dtype)
        inverse = self.statistics.vector(norm.running.inverse, norm.layer.n_units, self.dtype)
        inverse[:] = 1 / np.sqrt(variance.astype(np.float64) + norm.epsilon)
        return 0

    cdef int fold(self, Py_ssize_t dense, scaling, norm, Py_ssize_t planned) except -1:
        """A product with both: W * scale of the inputs * factor of the units, and (b - mean) * factor + shift."""
        cdef const fbp_layer *layer = &self.stages[dense].layer
        cdef fbp_layer *target = &self.planned[planned].layer
        cdef Py_ssize_t n = layer.n_units
        weights = self.parameters.vector(layer.weights, n * layer.ld, self.dtype).reshape(n, -1)
        bias = self.parameters.vector(layer.bias, n, self.dtype)
        folded_weights = self.folded_parameters.vector(target.weights, n * layer.ld, self.dtype).reshape(n, -1)
        if scaling is not None:
            weights = weights.astype(np.float64)
            weights[:, :layer.n_inputs] *= self.vector_of(scaling)
        if norm is not None:
            factor, mean, shift = self.norm_of(norm)
            weights = weights * factor[:, np.newaxis]
            bias = (bias - mean) * factor + shift
        folded_weights[:] = weights
        self.folded_parameters.vector(target.bias, n, self.dtype)[:] = bias
        return 0

    cdef object vector_of(self, Py_ssize_t scaling):
        """The factors of a scaling, (n_units,)."""
        cdef const fbp_layer *layer = &self.stages[scaling].layer
        return self.parameters.vector(layer.weights, layer.n_units, self.dtype)

    cdef tuple norm_of(self, Py_ssize_t norm):
        """Factor, mean and shift of a batch_norm, (n_units,) each: (h - mean) * factor + shift."""
        cdef const Stage *stage = &self.stages[norm]
        cdef Py_ssize_t n = stage.layer.n_units
        gain = self.parameters.vector(stage.layer.weights, n, self.dtype).astype(np.float64)
        shift = self.parameters.vector(stage.layer.bias, n, self.dtype).astype(np.float64)
        factor = gain * self.statistics.vector(stage.running.inverse, n, self.dtype)
        return factor, self.statistics.vector(stage.running.mean, n, self.dtype), shift

    # ---- Calls ----

    cdef int forward(self, ArrayReader rows, out, int n_threads, bint narrow) except -1:
        """The outputs of all rows, to out: C-contiguous, shape (n_rows, n_outputs), of the network's dtype."""
        cdef Sweep sweep
        cdef Py_buffer buffer
        if self.stale or self.refreshing or not may_read(self.gate):
            self.read()
        else:
            self.gate.n_readers += 1
        memset(&buffer, 0, sizeof(buffer))  # nothing to release yet
        try:
            PyObject_GetBuffer(out, &buffer, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS)
            if not narrow and self.takes_few_rows(rows):
                self.forward_few_rows(rows, <char *>buffer.buf)
            else:
                memset(&sweep, 0, sizeof(sweep))
                sweep.out = <char *>buffer.buf
                sweep.n_rows = rows.n_rows
                self.sweep(&sweep, rows, n_threads, narrow)
        finally:
            PyBuffer_Release(&buffer)
            end_reading(self.gate)
        return 0

    cdef object score_groups(self, SampleSet samples, object loss, tuple metrics, int n_threads, outputs, bint narrow,
                             Py_ssize_t first, Py_ssize_t end):
        """What Network.score_groups returns, by who has gone in to read; outputs go where ``forward`` leaves them."""
        cdef Sweep sweep
        cdef Scoring scoring
        cdef Py_ssize_t rows = SWEEP_PANELS * self.k.lanes, first_row = first * rows
        cdef Py_ssize_t end_row = min(end * rows, samples.n_samples)
        cdef char[:, ::1] out
        subset = samples.subset
        if end_row - first_row < samples.n_samples:
            subset = np.arange(first_row, end_row) if subset is None else subset[first_row:end_row]
        cdef const int64_t[::1] index = subset
        memset(&scoring, 0, sizeof(scoring))
        set_scoring(&scoring, loss, metrics, samples, self.n_outputs, self.target_features)
        slots = np.zeros((end - first, scoring.slot_size))
        memset(&sweep, 0, sizeof(sweep))
        sweep.n_rows = end_row - first_row
        cdef double[:, ::1] slot_memory = slots
        sweep.scoring = &scoring
        if first == end:
            return slots
        sweep.index = NULL if index is None else &index[0]
        sweep.slots = &slot_memory[0, 0]
        if outputs is not None:
            out = outputs.view(np.int8)
            sweep.out = &out[first_row, 0]
        self.sweep(&sweep, samples.rows, n_threads, narrow, samples.targets, subset)
        return slots

    cdef int round_weights(self) except -1:
        """The rounded copies of the weights, made anew where they are not those of the present parameters."""
        cdef NarrowWeights weights = self.narrow
        if self.is_rounded and not self.shared:
            return 0
        if weights is None:
            weights = make_narrow_weights()
            weights.choose(self.planned, self.n_planned, self.n_planned, SWEEP_PANELS * self.k.lanes)
            self.narrow = weights
        weights.round_checked(self.planned, self.n_planned)
        self.is_rounded = True
        return 0

    cdef int sweep(self, Sweep *sweep, ArrayReader rows, int n_threads, bint narrow, targets=None,
                   subset=None) except -1:
        """Runs a forward pass over the sweep's rows, and looks at signals now and then."""
        if narrow:
            self.round_weights()
            sweep.narrow = self.narrow.k
        refuse_sparse(&self.stages[0], &rows.source)
        cdef Py_ssize_t n_panels = (sweep.n_rows - 1) // self.k.lanes + 1
        cdef int size = team_size(n_threads, self.sample_work * sweep.n_rows, limits_in_use().call_thread, n_panels)
        cdef Workspace workspace = self.workspace
        self.workspace = None
        if workspace is None or workspace.n_threads < size or workspace.narrow < narrow:
            workspace = make_workspace(
                self.k, self.stages, self.n_stages, self.n_inputs, self.n_buffers, size, narrow)
        sweep.k = self.k
        sweep.stages = self.planned
        sweep.routes = self.routes
        sweep.n_stages = self.n_planned
        sweep.workspace = workspace.memory.start
        sweep.layout = &workspace.layout
        sweep.X = rows.source
        split_columns(&self.stages[0], &sweep.X, &sweep.codes)
        sweep.features = features_of(self.features)
        sweep.group_panels = SWEEP_PANELS
        if sweep.scoring == NULL:      # no sums: a few rows are split among the whole team
            sweep.group_panels = min(<Py_ssize_t>SWEEP_PANELS, (n_panels - 1) // size + 1)
        sweep.n_groups = <int>((n_panels - 1) // sweep.group_panels + 1)
        try:
            while sweep.next_group < sweep.n_groups and not sweep.bad:
                sweep.paused = 0
                sweep.pause_at = monotonic_seconds() + look_seconds()
                with nogil:
                    run_team(sweep_share, sweep, size)
                handle_signals(self.gate)
                if self.interrupted:
                    raise Interrupted
        finally:
            self.workspace = workspace
        if sweep.bad:
            raise self.bad_row(sweep, rows, targets, subset)
        return 0

    cdef object bad_row(self, const Sweep *sweep, ArrayReader rows, targets, subset):
        """The NonFinite for the bad group."""
        first = sweep.bad_group * sweep.group_panels * self.k.lanes
        index = np.arange(first, min(first + sweep.group_panels * self.k.lanes, sweep.n_rows))
        if subset is not None:
            index = subset[index]
        if sweep.bad == BAD_INPUTS:
            row = first_bad_row(rows, index, sweep.X.n_columns, self.features, self.dtype)
            return NonFinite("inputs", row=row)
        row = first_bad_target(targets, index, self.n_outputs, self.target_features, self.dtype)
        return NonFinite("targets", row=row)

    # ---- A few rows, without panels ----

    cdef void parameters_are_shared(self) noexcept:
        """From now on others write to the parameters: packed copies of them would not follow."""
        self.packable = False
        self.is_packed = False
        self.shared = True

    cdef void place_packed(self, Arena arena) noexcept:
        """The packed weights, [n_units / vector][n_inputs][vector], of the products for which packing pays."""
        cdef Py_ssize_t i, n_bytes, n_units
        self.all_packed = True
        for i in range(self.n_planned):
            if self.planned[i].kind != DENSE:
                continue
            n_units = padded(self.planned[i].layer.n_units, self.k.dtype)
            n_bytes = self.planned[i].layer.n_inputs * n_units * item_size(self.k.dtype)
            if n_bytes <= PACK_PADDED_BYTES or n_units <= 2 * self.planned[i].layer.n_units:
                self.packed_for_rows[i] = arena.take(n_bytes)
            else:
                self.all_packed = False

    cdef bint takes_few_rows(self, ArrayReader rows) except -1:
        """Whether so few rows are faster without panels: a single one always, several only with packed weights."""
        if rows.n_rows > self.k.few_rows or not self.rows_possible or rows.source.starts != NULL:
            return False
        self.pack_for_rows()
        return rows.n_rows == 1 or (self.is_packed and self.all_packed)

    cdef int pack_for_rows(self) except -1:
        """Packs the weights, if there have been enough calls with the same weights."""
        cdef Py_ssize_t i
        cdef Arena arena
        if self.is_packed or not self.packable:
            return 0
        self.n_row_calls += self.n_row_calls <= PACK_AFTER
        if self.n_row_calls <= PACK_AFTER:
            return 0
        if self.packed_weights is None:
            arena = Arena()
            self.place_packed(arena)
            try:
                arena.allocate()
            except MemoryError:        # the weights are read unpacked
                self.packable = False
                return 0
            if self.packed_weights is None:    # no other thread has been here meanwhile
                self.place_packed(arena)
                self.packed_weights = arena
        for i in range(self.n_planned):
            if self.packed_for_rows[i] != NULL:
                self.k.pack_for_rows(&self.planned[i].layer, self.packed_for_rows[i])
        self.is_packed = True
        return 0

    cdef int forward_few_rows(self, ArrayReader rows, char *out) except -1:
        """The outputs of one row or of a few, [n_rows][n_outputs]."""
        cdef Workspace workspace = self.workspace
        cdef void **packed = self.packed_for_rows if self.is_packed else NULL
        cdef fbp_source numeric = rows.source, codes
        cdef int good
        self.workspace = None
        if workspace is None:
            workspace = make_workspace(self.k, self.stages, self.n_stages, self.n_inputs, self.n_buffers, 1, False)
        if self.sample_work * rows.n_rows < BRIEF_WORK:
            good = self.few_rows(packed, &rows.source, rows.n_rows, workspace, out)
        else:
            with nogil:
                good = self.few_rows(packed, &rows.source, rows.n_rows, workspace, out)
        self.workspace = workspace
        if not good:
            split_columns(&self.stages[0], &numeric, &codes)
            row = first_bad_row(rows, np.arange(rows.n_rows), numeric.n_columns, self.features, self.dtype)
            raise NonFinite("inputs", row=row)
        return 0

    cdef int few_rows(self, void **packed, const fbp_source *X, Py_ssize_t n_rows, Workspace workspace,
                      char *out) noexcept nogil:
        """Rows 0..n_rows of X to out, through two buffers [few_rows][widest] in turn. 0 where they are not finite."""
        cdef const fbp_kernels *k = self.k
        cdef Py_ssize_t size = item_size(k.dtype), stride = workspace.layout.row_stride
        cdef char *source = workspace.memory.start
        cdef char *output = source + workspace.layout.buffer_bytes
        cdef int32_t *table_rows = <int32_t *>(source + workspace.layout.table_rows_offset)
        cdef Py_ssize_t i, r, first = 0
        if self.features is not None:
            if not self.prepare_few_rows(X, n_rows, fbp_panels(output, workspace.layout.panel_stride), source, stride):
                return 0
        elif self.stages[0].n_tables > 0:
            first = 1
            if not self.embed_few_rows(X, n_rows, table_rows, source, stride):
                return 0
        else:
            for r in range(n_rows):
                if not k.read_row(X, r, source + r * stride * size):
                    return 0
        for i in range(first, self.n_planned):
            k.forward_rows(&self.planned[i].layer, NULL if packed == NULL else packed[i], n_rows, source, stride,
                           output, stride)
            source, output = output, source
        for r in range(n_rows):
            memcpy(out + r * self.n_outputs * size, source + r * stride * size, self.n_outputs * size)
        return 1

    cdef int prepare_few_rows(self, const fbp_source *X, Py_ssize_t n_rows, fbp_panels panel, char *out,
                              Py_ssize_t out_stride) noexcept nogil:
        """The features of rows 0..n_rows of X, by way of a panel. 0 where they are not finite."""
        cdef int good = self.k.prepare_panel(X, &self.features.table, NULL, 0, n_rows, NULL, 0, 0, panel)
        self.k.scatter_panel(panel, 0, self.n_inputs, n_rows, out, out_stride)
        return good

    cdef int embed_few_rows(self, const fbp_source *X, Py_ssize_t n_rows, int32_t *table_rows, char *out,
                            Py_ssize_t out_stride) noexcept nogil:
        """Rows 0..n_rows of X as the tabular stage puts them out. 0 where they are not finite."""
        cdef const fbp_kernels *k = self.k
        cdef Py_ssize_t j, r, size = item_size(k.dtype)
        cdef fbp_source numeric = X[0], codes
        cdef const fbp_table *table
        split_columns(&self.stages[0], &numeric, &codes)
        k.read_codes(&codes, NULL, 0, n_rows, self.stages[0].tables, table_rows)
        for r in range(n_rows):
            if not k.read_row(&numeric, r, out + r * out_stride * size):
                return 0
            for j in range(codes.n_columns):
                table = &self.stages[0].tables[j]
                memcpy(out + (r * out_stride + table.first_feature) * size,
                       <char *>table.weights + table_rows[j * k.lanes + r] * table.ld * size, table.n_features * size)
        return 1


cdef Prediction make_prediction(const fbp_kernels *k, str dtype, const Stage *stages, Py_ssize_t n_stages,
                                Py_ssize_t n_inputs, Arena parameters, Arena statistics):
    """The predictions of these stages; parameters and statistics are the arenas that they point into."""
    cdef Prediction prediction = Prediction()
    cdef Arena arena = Arena()
    prediction.k = k
    prediction.dtype = dtype
    prediction.stages = stages
    prediction.n_stages = n_stages
    prediction.n_inputs = n_inputs
    prediction.n_outputs = stages[n_stages - 1].layer.n_units
    prediction.parameters = parameters
    prediction.statistics = statistics
    prediction.sample_work = stages_work(stages, n_stages)
    prediction.plan_stages()
    prediction.folded_parameters = Arena()
    prediction.place_folded(prediction.folded_parameters)
    prediction.folded_parameters.allocate()
    prediction.place_folded(prediction.folded_parameters)
    prediction.gate = Gate()
    prediction.stale = True
    prediction.rows_possible = all(
        [prediction.planned[i].kind in (DENSE, TABULAR) for i in range(prediction.n_planned)])
    prediction.place_packed(arena)
    prediction.packable = arena.n_bytes <= PACK_BYTES
    return prediction
