"""A network: its stages, and their parameters in the kernels' layout. prediction.pyx has what is computed from them."""

import contextlib

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t
from libc.string cimport memset

import numpy as np

from fastbp.engine.arena cimport Arena
from fastbp.engine.features cimport Features
from fastbp.engine.gate cimport begin_nested, begin_reading, begin_writing, end_nested, end_reading, end_writing
from fastbp.engine.kernels cimport FBP_FLOAT32, FBP_FLOAT64, fbp_layer, fbp_table, kernels_in_use
from fastbp.engine.layout cimport (
    BASIS, BATCH_NORM, DENSE, GROUPED, HEADS, TABULAR, Stage, find_partners, item_size, padded,
)
from fastbp.engine.groups cimport free_groups, group_views
from fastbp.engine.loss cimport Scoring, set_scoring, split_sums, total_sample_weight
from fastbp.engine.penalty cimport is_penalised, unit_penalties
from fastbp.engine.prediction cimport make_prediction
from fastbp.engine.records cimport SampleSet
from fastbp.engine.array_reader cimport ArrayReader
from fastbp.engine.stage_specs cimport array_names, set_stage
from fastbp.engine.stages cimport needs_meetings
from fastbp.engine.sweep cimport SWEEP_PANELS
from fastbp.engine.tables cimport make_tables, table_bytes

from fastbp.engine.errors import Interrupted, NonFinite  # no-cython-lint (the library imports them from here)


cdef object of_members(view, Py_ssize_t members):
    """A view whose last axis is that of all members' units, as one with an axis of the members in front."""
    n_units = view.T.shape[0] // members
    if view.ndim == 1:
        return view.reshape(members, n_units)
    return view.T.reshape(members, n_units, view.shape[0]).transpose(0, 2, 1)


cdef class Network:
    """Weights and biases in the kernels' layout, and what can be computed from them.

    Parameters
    ----------
    n_inputs : int
        Columns of X, or the number of the features that ``set_features`` sets.
    layers : list of dict
        The stages, first to last. "kind" is one of those that stages.pyx lists, "activation" and "parameter" what is
        applied to its result; the other keys are the kind's own: "units", "use_bias", "trainable", "l1", "l2" and
        "max_norm" of a dense one, "rate" of dropout, "epsilon" of those that normalise, "momentum" of batch_norm; those
        of a basis or a product of groups are in set_groups. A
        dense one may be written (units, activation, parameter), dropout ("dropout", rate). The first may be "tabular":
        "numeric" columns, "tables" a list of (rows, features), one for each further column, "units" of all together.
        A tabular stage cannot have features set. "members" of a stage that members of a batch ensemble share; those
        that open, tell apart and close them are "repeat", "member_affine", "heads" and "mean" (see members.pyx).
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
            self.stages[i].meets = needs_meetings(&self.stages[i])
            n_inputs = self.stages[i].width
            if self.stages[i].kind == TABULAR:
                self.tables = make_tables(&self.stages[i], spec["tables"], self.dtype_code)
                self.stages[i].tables = self.tables
        self.n_outputs = n_inputs
        find_partners(self.stages, self.n_layers)
        self.penalised = any([is_penalised(&self.stages[i], 0) for i in range(self.n_layers)])
        self.parameters = Arena()
        self.place(self.parameters)
        self.parameter_bytes = self.parameters.n_bytes
        self.parameters.allocate()
        self.place(self.parameters)
        self.statistics = Arena()
        self.place_statistics(self.statistics)
        self.statistics.allocate()
        self.place_statistics(self.statistics)
        self.prediction = make_prediction(
            self.k, dtype, self.stages, self.n_layers, self.n_inputs, self.parameters, self.statistics)
        self.n_parameters = sum([array.size for array in self.get_arrays()])

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.n_layers if self.stages != NULL else 0):
            free_groups(&self.stages[i])
        PyMem_Free(self.tables)
        PyMem_Free(self.stages)

    # ---- Where the parameters lie ----

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
        """Mean, variance and inverse of each batch_norm."""
        cdef Py_ssize_t i, n_bytes
        for i in range(self.n_layers):
            if self.stages[i].kind == BATCH_NORM:
                n_bytes = padded(self.stages[i].layer.n_units, self.dtype_code) * item_size(self.dtype_code)
                self.stages[i].running.mean = arena.take(n_bytes)
                self.stages[i].running.variance = arena.take(n_bytes)
                self.stages[i].running.inverse = arena.take(n_bytes)

    # ---- The parameters as arrays ----

    cdef list views(self, Arena arena, Py_ssize_t i):
        """Stage i's arrays in an arena laid out like `parameters`: W (n_inputs, n_units), the others (n_units,).

        Where members have arrays of their own, these are first divided by member: (members, n_inputs, n_units).
        Of a tabular stage its tables, (n_rows, n_features) each; of stages of groups see group_views.
        """
        cdef fbp_layer *layer = &self.stages[i].layer
        if self.stages[i].kind == TABULAR:
            return [self.table_view(arena, j) for j in range(self.stages[i].n_tables)]
        if layer.ld == 0:
            return []
        W = arena.start + (<char *>layer.weights - self.parameters.start)
        b = arena.start + (<char *>layer.bias - self.parameters.start)
        weights = arena.vector(<const void *>W, layer.n_units * layer.ld, self.dtype).reshape(layer.n_units, layer.ld)
        if self.stages[i].kind in (BASIS, GROUPED):
            return group_views(&self.stages[i], weights, arena.vector(<const void *>b, layer.n_units, self.dtype))
        views = [weights[:, :layer.n_inputs].T if self.stages[i].kind in (DENSE, HEADS) else weights[:, 0]]
        if self.stages[i].has_bias:
            views.append(arena.vector(<const void *>b, layer.n_units, self.dtype))
        return [of_members(view, self.stages[i].own) for view in views] if self.stages[i].own > 1 else views

    cdef object table_view(self, Arena arena, Py_ssize_t j):
        """Table j in an arena laid out like `parameters`: (n_rows, n_features)."""
        cdef fbp_table *table = &self.tables[j]
        start = arena.start + (<char *>table.weights - self.parameters.start)
        numbers = arena.vector(<const void *>start, table.n_rows * table.ld, self.dtype)
        return numbers.reshape(table.n_rows, table.ld)[:, :table.n_features]

    cdef list statistic_views(self, Py_ssize_t i):
        """Stage i's running mean and variance, (n_units,) each, for a batch_norm."""
        cdef Stage *stage = &self.stages[i]
        if stage.kind != BATCH_NORM:
            return []
        return [self.statistics.vector(stage.running.mean, stage.layer.n_units, self.dtype),
                self.statistics.vector(stage.running.variance, stage.layer.n_units, self.dtype)]

    cdef tuple layer_copy(self, Arena arena, Py_ssize_t i):
        """Copies of stage i's arrays in an arena laid out like `parameters`."""
        return tuple([view.copy(order="C") for view in self.views(arena, i)])

    def set_layer(self, Py_ssize_t i, *arrays):
        """Copies in the arrays of stage i: of a dense one the weights (n_inputs, n_units) and the biases (n_units,)."""
        begin_writing(self.prediction.gate, NULL)
        try:
            self.put_layer(i, arrays)
        finally:
            end_writing(self.prediction.gate)

    cdef int put_layer(self, Py_ssize_t i, arrays) except -1:
        """The same, by who has gone in to write."""
        self.prediction.stale = True
        for view, array in zip(self.views(self.parameters, i) + self.statistic_views(i), arrays, strict=True):
            view[:] = array
        return 0

    def get_layer(self, Py_ssize_t i):
        """Copies of the arrays of stage i; most kinds have none."""
        begin_reading(self.prediction.gate)
        try:
            return self.read_layer(i)
        finally:
            end_reading(self.prediction.gate)

    cdef tuple read_layer(self, Py_ssize_t i):
        """The same, by who has gone in to read."""
        return self.layer_copy(self.parameters, i) + tuple([view.copy() for view in self.statistic_views(i)])

    def set_arrays(self, arrays):
        """Copies in the arrays of all stages, in the order of get_arrays."""
        arrays = iter(arrays)
        begin_writing(self.prediction.gate, NULL)
        try:
            for i in range(self.n_layers):
                self.put_layer(i, [next(arrays) for _ in array_names(&self.stages[<Py_ssize_t>i])])
        finally:
            end_writing(self.prediction.gate)

    def get_arrays(self):
        """Copies of the arrays of all stages, one stage after the other."""
        begin_reading(self.prediction.gate)
        try:
            return [array for i in range(self.n_layers) for array in self.read_layer(i)]
        finally:
            end_reading(self.prediction.gate)

    def blend(self, Network source, double tau):
        """Moves the arrays of all stages towards those of a network of the same stages: (1 - tau) own + tau source."""
        # One order for all: two threads that blend two networks into each other do not wait forever.
        cdef bint source_first = <size_t><void *>source < <size_t><void *>self
        if source_first:
            begin_reading(source.prediction.gate)
        try:
            begin_writing(self.prediction.gate, NULL)
            try:
                if not source_first:
                    begin_reading(source.prediction.gate)
                try:
                    self.move(source, tau)
                finally:
                    if not source_first:
                        end_reading(source.prediction.gate)
            finally:
                end_writing(self.prediction.gate)
        finally:
            if source_first:
                end_reading(source.prediction.gate)

    cdef void move(self, Network source, double tau) noexcept:
        """The same, by who has gone in to write here and to read there. Padding is zero in both, and stays so."""
        cdef Py_ssize_t size = item_size(self.dtype_code)
        self.prediction.stale = True
        self.k.average(self.parameters.start, source.parameters.start, self.parameter_bytes // size, tau)
        self.k.average(self.statistics.start, source.statistics.start, self.statistics.n_bytes // size, tau)

    @property
    def n_writings(self):
        """How often somebody has begun to change the parameters."""
        return self.prediction.gate.n_writings

    @contextlib.contextmanager
    def at_rest(self):
        """Within a ``with`` nobody changes the parameters: training in another thread stands between two steps."""
        begin_nested(self.prediction.gate)
        try:
            yield
        finally:
            end_nested(self.prediction.gate)

    def parameter_views(self):
        """The arrays of all stages in the order of get_arrays, not copied: predictions use what is written there.

        Not for networks with a batch_norm: predictions use numbers that are computed from its arrays.
        """
        self.prediction.parameters_are_shared()
        return [view for i in range(self.n_layers) for view in self.views(self.parameters, i)]

    # ---- What is computed from them ----

    @property
    def interrupted(self):
        """Any thread may set it: then the call under way, and each one after it, ends by Interrupted."""
        return self.prediction.interrupted

    @interrupted.setter
    def interrupted(self, bint value):
        self.prediction.interrupted = value

    def set_features(self, Features features, Features target_features):
        """From now on the first stage gets these features and outputs are compared with those; None: no features."""
        begin_writing(self.prediction.gate, NULL)
        self.prediction.features = features
        self.prediction.target_features = target_features
        end_writing(self.prediction.gate)

    def penalty(self):
        """The stages' own penalties on their weights, which are part of the loss."""
        begin_reading(self.prediction.gate)
        try:
            return self.sum_penalties()
        finally:
            end_reading(self.prediction.gate)

    cdef object sum_penalties(self):
        """The same, by who has gone in to read."""
        cdef Py_ssize_t i
        cdef double[::1] of_units
        result = 0.0
        for i in range(self.n_layers):
            if is_penalised(&self.stages[i], 0):
                of_units = np.zeros(self.stages[i].layer.n_units)
                unit_penalties(self.k, &self.stages[i], 0, 0, of_units.shape[0], &of_units[0])
                result += np.sum(of_units)
        return result

    def forward(self, ArrayReader rows, out, int n_threads, bint narrow=False):
        """The outputs for all rows, to out: C-contiguous, shape (n_rows, n_outputs), of the network's dtype.

        narrow: the operands of large products are rounded to bfloat16.

        Raises
        ------
        NonFinite
            If a row has a NaN or an infinity.
        """
        self.prediction.forward(rows, out, n_threads, narrow)

    def evaluate(self, SampleSet samples, object loss, tuple metrics, int n_threads, outputs=None,
                 bint narrow=False):
        """The mean loss of all samples with the stages' penalties, and the metrics' sums, a float64 array each.

        Parameters
        ----------
        samples : SampleSet
        loss : str, (str, tuple of float) or (str, tuple of float, float, float)
            As Session takes it. The l2 of the loss has no part here.
        metrics : tuple of str
        n_threads : int
        outputs : ndarray, shape (n_samples, n_outputs), of the network's dtype, C-contiguous, optional
            Receives what ``forward`` would compute.
        narrow : bool, default False
            As in ``forward``.
        """
        self.prediction.read()
        try:
            slots = self.prediction.score_groups(
                samples, loss, metrics, n_threads, outputs, narrow, 0, self.n_groups(samples.n_samples))
            return self.figures_of(samples, loss, metrics, slots)
        finally:
            end_reading(self.prediction.gate)

    def n_groups(self, Py_ssize_t n_samples):
        """How many groups ``score_groups`` cuts so many samples into."""
        return (n_samples - 1) // (SWEEP_PANELS * self.k.lanes) + 1

    def score_groups(self, SampleSet samples, object loss, tuple metrics, int n_threads, Py_ssize_t first,
                     Py_ssize_t end, outputs=None, bint narrow=False):
        """Groups first..end of the samples for ``sum_groups``, float64, a row a group; several may score them.

        Of the outputs those of the same samples are stored.
        """
        self.prediction.read()
        try:
            return self.prediction.score_groups(samples, loss, metrics, n_threads, outputs, narrow, first, end)
        finally:
            end_reading(self.prediction.gate)

    def sum_groups(self, SampleSet samples, object loss, tuple metrics, slots):
        """What ``evaluate`` returns, from all groups."""
        begin_reading(self.prediction.gate)
        try:
            return self.figures_of(samples, loss, metrics, slots)
        finally:
            end_reading(self.prediction.gate)

    cdef tuple figures_of(self, SampleSet samples, object loss, tuple metrics, slots):
        """The same, by who has gone in to read."""
        cdef Scoring scoring
        cdef const int64_t[::1] index = samples.subset
        memset(&scoring, 0, sizeof(scoring))
        set_scoring(&scoring, loss, metrics, samples, self.n_outputs, self.prediction.target_features)
        sums = slots.sum(axis=0)
        weight = total_sample_weight(&scoring, NULL if index is None else &index[0], 0, samples.n_samples)
        mean = float(sums[0]) / (weight * scoring.terms_per_sample)
        return mean + self.sum_penalties(), split_sums(&scoring, sums)

    @property
    def group_samples(self):
        """The samples of a group."""
        return SWEEP_PANELS * self.k.lanes
