"""Derivatives of a network's outputs with respect to its inputs: one native call each, the GIL released.

The inputs are the numbers that the first layer reads: features, and embedded vectors. Stages work as in a prediction,
and a batch_norm after a product without activation is part of that product, as it is there. Dropout has no part.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

import numpy as np

from fastbp.engine.array_reader cimport start_of
from fastbp.engine.derivative_pass cimport (
    ALONG_WAYS, DERIVATIVE_PANELS, HESSIAN_PRODUCT, JACOBIAN_BY_INPUTS, JACOBIAN_BY_OUTPUTS, JVP, LAPLACIAN,
    LOSS_GRADIENT, OUTPUTS, VJP, derivative_share, has_more,
)
from fastbp.engine.features cimport features_of
from fastbp.engine.gate cimport end_reading, handle_signals
from fastbp.engine.hessians cimport Directions
from fastbp.engine.kernels cimport FBP_LINEAR, FBP_SOFTMAX, activation_named, stores_slope
from fastbp.engine.layout cimport (
    ACTIVATION, ADD, DENSE, DROPOUT, FORK, PARAMETRIC, TABULAR, find_partners, item_size, padded, stages_work,
    take_panels,
)
from fastbp.engine.loss cimport BAD_INPUTS, LEAST_TARGETS, Scoring, set_scoring, takes_Z
from fastbp.engine.records cimport SampleSet
from fastbp.engine.stages cimport saved_features
from fastbp.engine.tables cimport refuse_sparse, split_columns
from fastbp.engine.team cimport limits_in_use, look_seconds, monotonic_seconds, run_team, team_size
from fastbp.engine.ways cimport Ways

from fastbp.engine.errors import Interrupted, NonFinite, first_bad_row, first_bad_target


cdef enum:
    # With more points on each way, a group is one way: signals are looked at between groups.
    MOST_STEPS_OF_GROUP = 1024


cdef class DerivativeMemory:
    """The buffers of a pass, for each thread: of every stage the output and its gradient, for a group of panels."""

    def __dealloc__(self):
        PyMem_Free(self.stages)
        PyMem_Free(self.curves)
        PyMem_Free(self.threads)

    cdef void place(self, Arena arena, Network network) noexcept:
        cdef const fbp_kernels *k = network.k
        cdef Py_ssize_t i, widest = 0
        cdef int t
        for t in range(self.n_threads):
            self.threads[t].stages = self.stages + t * self.n_stages
            self.threads[t].curves = NULL if self.curves == NULL else self.curves + t * self.n_stages
            self.place_thread(arena, k, t)
        for i in range(self.n_stages):
            widest = max(widest, self.stages[i].layer.n_units)
        widest = padded(widest, k.dtype)
        self.constants.zeros = arena.take(widest * item_size(k.dtype))
        self.constants.ones = arena.take(widest * item_size(k.dtype))
        if arena.start != NULL:
            arena.vector(self.constants.ones, widest, network.dtype)[:] = 1

    cdef void place_thread(self, Arena arena, const fbp_kernels *k, int t) noexcept:
        """The buffers of thread t."""
        cdef DerivativeThread *thread = &self.threads[t]
        cdef Stage *stage
        cdef Py_ssize_t i, n = self.n_panels
        for i in range(self.n_stages):
            stage = &thread.stages[i]
            stage.source = thread.stages[i - 1].output if i > 0 else stage.source
            stage.output = stage.source
            if stage.kind != FORK:
                stage.output = take_panels(arena, stage.layer.n_units, n, k)
            if i == 0:                 # embedded vectors are written beside the numeric columns
                stage.source = stage.output
                stage.table_rows = <int32_t *>arena.take(n * stage.n_tables * k.lanes * sizeof(int32_t))
            stage.gradient = take_panels(arena, stage.layer.n_units, n, k)
            if stores_slope(stage.layer.activation):
                stage.slope = take_panels(arena, stage.layer.n_units, n, k)
            if saved_features(stage) > 0:
                stage.saved = take_panels(arena, saved_features(stage), n, k)
            if stage.kind == ADD:
                stage.other = thread.stages[stage.partner].output
                thread.stages[stage.partner].other = stage.gradient
            if thread.curves != NULL:
                thread.curves[i].backward = take_panels(arena, stage.layer.n_units, n, k)
                thread.curves[i].second = take_panels(arena, stage.layer.n_units, n, k)
                if stage.kind in (ACTIVATION, PARAMETRIC):
                    thread.curves[i].curvature = take_panels(arena, stage.layer.n_units, n, k)
        thread.targets = take_panels(
            arena, max(thread.stages[self.n_stages - 1].layer.n_units, <Py_ssize_t>LEAST_TARGETS), n, k)
        thread.labels = <int32_t *>arena.take(n * k.lanes * sizeof(int32_t))
        thread.scratch = arena.take(k.scratch_elements * item_size(k.dtype))
        if self.for_ways:
            thread.ways.rows = <char *>arena.take(k.lanes * thread.stages[0].layer.n_units * item_size(k.dtype))
            thread.ways.index = <int64_t *>arena.take(k.lanes * sizeof(int64_t))
            thread.ways.near = take_panels(arena, thread.stages[0].layer.n_units, 1, k)
            thread.ways.far = take_panels(arena, thread.stages[0].layer.n_units, 1, k)
            thread.ways.total = take_panels(arena, thread.stages[0].layer.n_units, 1, k)


cdef class Derivatives:
    """What can be computed of the derivatives of a network's outputs.

    Parameters
    ----------
    network : Network
    n_stages : int, default -1
        The first stages of the network, whose outputs are looked at; 0: its inputs; -1: all of them.
    activation : (str, float), optional
        What the last one of these stages applies, if it is not its own.
    curved : bool, default False
        Whether second derivatives are computed, and nothing else.
    part : {"whole", "first product", "after first product", "last product", "between products"}, default "whole"
        Of all stages: the product that they begin with, without its activation; or what comes after it, and of that the
        product that it ends with; or what lies between the two. The network has the first one, see
        ``begins_with_product``, and the last one, see ``ends_with_product``.
    """

    def __cinit__(self, Network network, Py_ssize_t n_stages=-1, activation=None, bint curved=False,
                  str part="whole"):
        cdef Stage *last
        self.network = network
        self.curved = curved
        self.stages = <Stage *>PyMem_Calloc(2 * network.n_layers + 1, sizeof(Stage))
        if self.stages == NULL:
            raise MemoryError
        if network.stages[0].kind != TABULAR:      # else the tables are the input
            self.stages[0].kind = ACTIVATION
            self.stages[0].layer.activation = FBP_LINEAR
            self.stages[0].layer.n_inputs = self.stages[0].layer.n_units = network.n_inputs
            self.n_stages = 1
        if n_stages >= 0:
            self.plan(n_stages)
        else:
            self.plan_folded()
        self.keep(part)
        find_partners(self.stages, self.n_stages)
        last = &self.stages[self.n_stages - 1]
        if activation is not None:
            last.layer.activation = activation_named(activation[0])
            last.layer.alpha = activation[1]
        self.n_features = self.stages[0].layer.n_units
        self.n_outputs = last.layer.n_units
        self.sample_work = stages_work(self.stages, self.n_stages)

    def __dealloc__(self):
        PyMem_Free(self.stages)

    cdef int plan(self, Py_ssize_t n_stages) except -1:
        """The network's first n_stages stages as they are."""
        cdef Py_ssize_t i
        for i in range(n_stages):
            if self.network.stages[i].kind != DROPOUT:
                self.add_stage(&self.network.stages[i])
        return 0

    cdef int plan_folded(self) except -1:
        """The stages of a prediction, and the forks, which it does without."""
        cdef Py_ssize_t i, next_planned = 0
        for i in range(self.network.n_layers):
            if self.network.stages[i].kind == FORK:
                self.add_stage(&self.network.stages[i])
            elif (next_planned < self.network.prediction.n_planned
                    and self.network.prediction.planned[next_planned].number == i):
                self.add_stage(&self.network.prediction.planned[next_planned])
                next_planned += 1
        return 0

    cdef int keep(self, str part) except -1:
        """Of all stages only this part."""
        self.is_product = part in ("first product", "last product")
        if part == "first product":
            self.stages[1].layer.activation = FBP_LINEAR
            self.n_stages = 2
        elif part == "last product":
            self.begin_after(self.n_stages - 2)
            self.stages[0].layer.activation = FBP_LINEAR
        elif part != "whole":
            self.begin_after(1)
            self.n_stages -= part == "between products"
        return 0

    cdef void begin_after(self, Py_ssize_t stage) noexcept:
        """Only the stages after this one, and before them their input, to which this one's activation is applied."""
        cdef Py_ssize_t i
        self.stages[0].layer = self.stages[stage].layer
        self.stages[0].layer.ld = 0
        self.stages[0].layer.n_inputs = self.stages[0].layer.n_units
        self.n_stages -= stage
        for i in range(1, self.n_stages):
            self.stages[i] = self.stages[stage + i]

    cdef int add_stage(self, const Stage *stage) except -1:
        """This stage; for second derivatives, without its activation, which follows as a stage of its own."""
        cdef Stage *own = &self.stages[self.n_stages]
        own[0] = stage[0]
        own.narrow.on = False          # a prediction in bfloat16 may have left it on; there are no narrow products here
        self.n_stages += 1
        if self.curved and stage.kind != ACTIVATION and stage.layer.activation != FBP_LINEAR:
            own.layer.activation = FBP_LINEAR
            own = &self.stages[self.n_stages]
            own.kind = ACTIVATION
            own.layer.n_inputs = own.layer.n_units = stage.layer.n_units
            own.layer.activation = stage.layer.activation
            own.layer.alpha = stage.layer.alpha
            self.n_stages += 1
        return 0

    # ---- Calls ----

    def outputs(self, ArrayReader rows, out, int n_threads, bint logit=False):
        """The outputs for all rows, to out: C-contiguous, (n_rows, n_outputs), of the network's dtype.

        logit, here and below: the last stage's softmax or sigmoid is left out.
        """
        cdef DerivativePass job
        memset(&job, 0, sizeof(job))
        job.wanted = OUTPUTS
        job.outputs = start_of(out)
        self.run(&job, rows, n_threads, 1, logit, None)

    def vjp(self, ArrayReader rows, ArrayReader V, outputs, derivatives, int n_threads, bint logit=False):
        """Each row's J.T @ v, (n_rows, n_features), and the outputs, unless `outputs` is None."""
        cdef DerivativePass job
        memset(&job, 0, sizeof(job))
        job.wanted = VJP
        job.given = V.source
        job.only_backward = self.is_product and outputs is None
        _set_out(&job, outputs, derivatives)
        self.run(&job, rows, n_threads, 2, logit, V)

    def jvp(self, ArrayReader rows, ArrayReader U, outputs, derivatives, int n_threads, bint logit=False):
        """Each row's J @ u, (n_rows, n_outputs), and the outputs, unless `outputs` is None."""
        cdef DerivativePass job
        memset(&job, 0, sizeof(job))
        job.wanted = JVP
        job.given = U.source
        _set_out(&job, outputs, derivatives)
        self.run(&job, rows, n_threads, 2, logit, U)

    def loss_gradients(self, SampleSet samples, object loss, derivatives, int n_threads):
        """The gradient of each row's own loss, (n_rows, n_features); the loss is one that Network.evaluate takes."""
        cdef DerivativePass job
        cdef Scoring scoring
        memset(&job, 0, sizeof(job))
        memset(&scoring, 0, sizeof(scoring))
        features = self.network.prediction.target_features
        set_scoring(&scoring, loss, (), samples, self.n_outputs, features)
        job.wanted = LOSS_GRADIENT
        job.scoring = &scoring
        _set_out(&job, None, derivatives)
        self.run(&job, samples.rows, n_threads, 2, takes_Z(&scoring), samples.targets)

    def jacobian(self, ArrayReader rows, derivatives, int n_threads, bint logit=False, bint by_outputs=True):
        """Each row's J, (n_rows, n_outputs, n_features); or where not by_outputs, J.T, (n_rows, n_features, n_outputs).

        The first takes a backward pass for each output, the second a forward pass for each feature.
        """
        cdef DerivativePass job
        memset(&job, 0, sizeof(job))
        job.wanted = JACOBIAN_BY_OUTPUTS if by_outputs else JACOBIAN_BY_INPUTS
        _set_out(&job, None, derivatives.reshape(rows.n_rows, -1))
        self.run(&job, rows, n_threads, 1 + (self.n_outputs if by_outputs else self.n_features), logit, None)

    def hessian_product(self, ArrayReader rows, ArrayReader V, ArrayReader U, derivatives, gradients, int n_threads,
                        bint logit=False):
        """Each row's Hessian of v @ outputs times u, (n_rows, n_features); and J.T @ v, unless `gradients` is None."""
        cdef DerivativePass job
        memset(&job, 0, sizeof(job))
        job.wanted = HESSIAN_PRODUCT
        job.given = V.source
        job.given_too = U.source
        _set_out(&job, None, derivatives)
        if gradients is not None:
            job.gradients = start_of(gradients)
        self.run(&job, rows, n_threads, 4, logit, (V, U))

    def laplacian(self, ArrayReader rows, list members, slopes, seconds, derivatives, int n_threads, bint logit=False):
        """The sum of each output's second derivatives along directions, (n_rows, n_outputs).

        members[d] are the features that change in direction d. How much each one does is given in the rows of `slopes`,
        (n_rows, n_features), and the sum of its own second derivatives in those of `seconds`; None and None: 1 and 0.
        """
        cdef DerivativePass job
        cdef Directions directions
        cdef const int32_t[::1] starts = np.cumsum([0] + [len(each) for each in members], dtype=np.int32)
        cdef const int32_t[::1] features = np.array([i for each in members for i in each] + [0], dtype=np.int32)
        memset(&job, 0, sizeof(job))
        directions = Directions(len(members), &starts[0], &features[0], slopes is not None)
        job.wanted = LAPLACIAN
        job.directions = &directions
        if slopes is not None:
            job.given = (<ArrayReader>slopes).source
            job.given_too = (<ArrayReader>seconds).source
        _set_out(&job, None, derivatives)
        self.run(&job, rows, n_threads, 2 + len(members), logit, (slopes, seconds))

    def along_ways(self, starts, ends, places, weights, ArrayReader slopes, sums, int n_threads, bint logit=False):
        """For each answer and each way, the weighted sum of J.T @ v over points on the straight way.

        starts is (1, n_features) or (n_ways, n_features), ends (n_ways, n_features), both of the network's dtype and
        C-contiguous. places and weights are float64, (n_steps,); a place is 0 at a way's start and 1 at its end. v is
        a row of slopes, (n_answers * n_ways, n_outputs). To sums, of zeros, (n_answers, n_ways, n_features).
        """
        cdef DerivativePass job
        cdef Ways ways
        memset(&job, 0, sizeof(job))
        memset(&ways, 0, sizeof(ways))
        ways.n_answers, ways.n_ways, ways.n_numbers = sums.shape
        ways.starts = start_of(starts)
        ways.one_start = len(starts) == 1
        ways.ends = start_of(ends)
        ways.n_steps = len(places)
        ways.places = <const double *>start_of(places)
        ways.weights = <const double *>start_of(weights)
        ways.slopes = slopes.source
        ways.sums = start_of(sums)
        job.wanted = ALONG_WAYS
        job.ways = &ways
        self.run(&job, slopes, n_threads, 1 + ways.n_answers, logit, None)

    # ---- Running ----

    cdef int set_groups(self, DerivativePass *job, int size) except -1:
        """How many rows, or ways, each thread takes at a time."""
        cdef Py_ssize_t lanes = job.k.lanes, n_panels = (job.n_rows - 1) // lanes + 1, n_ways
        job.group_panels = min(<Py_ssize_t>DERIVATIVE_PANELS, (n_panels - 1) // size + 1)
        job.n_groups = <int>((n_panels - 1) // job.group_panels + 1)
        if job.wanted == ALONG_WAYS:   # all points of a way in one group, and where there are enough, whole blocks
            n_ways = (job.ways.n_ways - 1) // size + 1
            if n_ways >= lanes:
                n_ways = lanes * min(n_ways // lanes, DERIVATIVE_PANELS // job.ways.n_steps + 1)
            job.ways.ways_of_group = n_ways if job.ways.n_steps <= MOST_STEPS_OF_GROUP else 1
            job.n_groups = <int>((job.ways.n_ways - 1) // job.ways.ways_of_group + 1)
        return 0

    cdef DerivativeMemory make_room(self, Py_ssize_t n_panels, int n_threads, bint for_ways):
        """Memory for a pass; that of the last one, where it will do. The caller puts it back."""
        cdef DerivativeMemory memory = self.memory
        cdef Py_ssize_t i
        cdef int t
        self.memory = None
        if (memory is not None and memory.n_panels >= n_panels and memory.n_threads >= n_threads
                and memory.for_ways >= for_ways):
            return memory
        memory = DerivativeMemory()
        memory.for_ways = for_ways
        memory.n_stages = self.n_stages
        memory.n_panels = n_panels
        memory.n_threads = n_threads
        memory.arena = Arena()
        memory.stages = <Stage *>PyMem_Calloc(n_threads * self.n_stages, sizeof(Stage))
        memory.threads = <DerivativeThread *>PyMem_Calloc(n_threads, sizeof(DerivativeThread))
        if self.curved:
            memory.curves = <Curve *>PyMem_Calloc(n_threads * self.n_stages, sizeof(Curve))
        if memory.stages == NULL or memory.threads == NULL or (self.curved and memory.curves == NULL):
            raise MemoryError
        for t in range(n_threads):
            for i in range(self.n_stages):
                memory.stages[t * self.n_stages + i] = self.stages[i]
        memory.place(memory.arena, self.network)
        memory.arena.allocate()
        memory.place(memory.arena, self.network)
        return memory

    cdef int run(self, DerivativePass *job, ArrayReader rows, int n_threads, double n_passes, bint logit,
                 given) except -1:
        """Runs a pass over all rows, and looks at signals now and then. `given` is what is gathered beside X."""
        cdef Network network = self.network
        cdef const fbp_kernels *k = network.k
        cdef bint by_ways = job.wanted == ALONG_WAYS
        cdef Py_ssize_t n_rows = job.ways.n_ways * job.ways.n_steps if by_ways else rows.n_rows
        cdef int t, size = team_size(n_threads, n_passes * self.sample_work * n_rows, limits_in_use().call_thread,
                                     job.ways.n_ways if by_ways else (n_rows - 1) // k.lanes + 1)
        cdef fbp_activation last = self.stages[self.n_stages - 1].layer.activation
        cdef DerivativeMemory memory
        refuse_sparse(&network.stages[0], &rows.source)
        job.k = k
        job.n_rows = n_rows
        self.set_groups(job, size)
        job.n_stages = self.n_stages
        job.X = rows.source
        split_columns(&network.stages[0], &job.X, &job.codes)
        memory = self.make_room(job.group_panels, size, by_ways)
        job.threads = memory.threads
        job.n_threads = size
        job.constants = &memory.constants
        for t in range(memory.n_threads):
            memory.threads[t].unit = 0
            memory.threads[t].stages[self.n_stages - 1].layer.activation = (
                FBP_LINEAR if logit and last in (FBP_SOFTMAX, activation_named("sigmoid")) else last)
        network.prediction.read()
        features = network.prediction.features     # held while it is read
        job.features = features_of(features)
        try:
            while has_more(job) and not job.bad:
                job.paused = 0
                job.pause_at = monotonic_seconds() + look_seconds()
                with nogil:
                    run_team(derivative_share, job, size)
                handle_signals(network.prediction.gate)
                if network.prediction.interrupted:
                    raise Interrupted
        finally:
            end_reading(network.prediction.gate)
            self.memory = memory
        if job.bad:
            raise self.bad_row(job, rows, given)
        return 0

    cdef object bad_row(self, const DerivativePass *job, ArrayReader rows, given):
        """The NonFinite for the bad group; "targets" are what was given beside X."""
        if job.wanted == ALONG_WAYS:   # a point between two rows of the caller's is no row of theirs
            return NonFinite("inputs")
        first = job.bad_group * job.group_panels * job.k.lanes
        index = np.arange(first, min(first + job.group_panels * job.k.lanes, job.n_rows))
        if job.bad == BAD_INPUTS:
            features = self.network.prediction.features
            return NonFinite("inputs", row=first_bad_row(rows, index, job.X.n_columns, features, self.network.dtype))
        if isinstance(given, tuple):   # the two are looked at by the caller
            return NonFinite("targets")
        features = self.network.prediction.target_features if job.scoring != NULL else None
        return NonFinite("targets", row=first_bad_target(given, index, self.n_outputs, features, self.network.dtype))


def begins_with_product(Network network):
    """Whether a network's first stage is a product, and another product follows."""
    cdef Py_ssize_t i, n_products = 0
    for i in range(network.prediction.n_planned):
        n_products += network.prediction.planned[i].kind == DENSE
    return network.stages[0].kind == DENSE and n_products > 1


def ends_with_product(Network network):
    """Whether a network's last stage is a product without an activation."""
    cdef const Stage *last = &network.prediction.planned[network.prediction.n_planned - 1]
    return last.kind == DENSE and last.layer.activation == FBP_LINEAR


cdef int _set_out(DerivativePass *job, outputs, derivatives) except -1:
    """Where the results go: (n_rows, any number), C-contiguous, of the network's dtype; outputs may be None."""
    job.derivatives = start_of(derivatives)
    if outputs is not None:
        job.outputs = start_of(outputs)
    return 0
