"""Training: an epoch, a step, or gradients alone, one native call each. step.pyx has the step itself."""

from libc.math cimport NAN
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

import numpy as np

from fastbp.engine.features cimport features_of
from fastbp.engine.gate cimport OneAtATime, begin_reading, begin_writing, end_reading, end_writing
from fastbp.engine.layout cimport Stage, stages_work, units_of_share
from fastbp.engine.loss cimport BAD_INPUTS, BAD_TARGETS, set_given, set_scoring, split_sums, sums_of
from fastbp.engine.network cimport Network
from fastbp.engine.pace cimport keep_lesson, pace_done, pace_next, take_lesson
from fastbp.engine.python_calls cimport make_python_calls
from fastbp.engine.records cimport EpochPlan, SampleSet
from fastbp.engine.run cimport Progress, Run
from fastbp.engine.session_memory cimport make_session_memory
from fastbp.engine.step cimport MICROBATCH_SAMPLES, train_share, weigh_next_step
from fastbp.engine.tables cimport refuse_sparse, split_columns
from fastbp.engine.team cimport limits_in_use, look_seconds, monotonic_seconds, run_team, store_seconds, team_size
from fastbp.engine.update_rules cimport reach_step, set_numbers, set_schedules, state_wanted, takes_norm

from fastbp.engine.errors import NonFinite, first_bad_row, first_bad_target

# The most samples that a step can normalise together.
LARGEST_BATCH = MICROBATCH_SAMPLES


cdef class Session:
    """A training session: a network, the loss and the metrics, and the optimizer's state.

    Parameters
    ----------
    network : Network
    loss : str, (str, tuple of float), (str, tuple of float, float, float), or callable
        Its name in csrc/fastbp.h, and its parameters; a factor that it is multiplied by, and an l2: then the objective
        of a step also has l2 * sum(W^2) over all trained weights, divided by the sum of the step's sample weights. Or
        loss(outputs, targets) -> (losses, gradient), which is called for each batch: outputs (n, n_outputs) of the
        network's dtype and the rows of the targets, an array, that belong to it; it returns float64 arrays (n,) and (n,
        n_outputs), each sample's loss and its gradient, all finite.
    metrics : tuple of str
        Their names, in loss.pyx.
    optimizer : str
        Its name in csrc/fastbp.h.
    n_threads : int
        The most threads; a step with too little work gets fewer.
    seed : int, default 0
        Of the random numbers of training.
    narrow : bool, default False
        Whether the operands of large products are rounded to bfloat16, where there are kernels for it. Float32 only.
    """

    def __cinit__(self, Network network, object loss, tuple metrics, str optimizer, int n_threads, uint64_t seed=0,
                  bint narrow=False):
        self.network = network
        self.loss = loss
        self.metrics = metrics
        self.n_threads = n_threads
        self.memory = make_session_memory(network, optimizer, narrow)
        self.memory.run.seed = seed
        self.python = make_python_calls(self.memory, loss)
        self.call = OneAtATime()
        self.epoch_begun = -1

    # ---- Calls ----

    def epoch(self, SampleSet samples, EpochPlan plan):
        """Trains on all samples once, batch by batch, the last short one too.

        Parameters
        ----------
        samples : SampleSet
        plan : EpochPlan

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
        self.call.enter()
        cdef int team
        cdef char[:, ::1] out
        cdef Run *run = &self.memory.run
        try:
            self.take_step_numbers(plan.step_numbers)
            team = self.begin(samples, plan.batch_size, True, plan.batches_per_step)
            run.cut.updates = True
            run.cut.training = True
            self.set_order(samples, plan.shuffle, plan.seed, plan.epoch)
            if plan.outputs is not None:
                out = plan.outputs.view(np.int8)
                run.data.outputs = &out[0, 0]
            if plan.progress is not None:
                run.progress.next_row, run.progress.weight_done, self.memory.sums[:] = plan.progress
            self.epoch_begun = plan.epoch
            if not self.go(samples, team, plan.on_tick, plan.every_step):
                return None
            self.check_weights()
            return self.mean_loss(), split_sums(&run.scoring, self.memory.sums)
        finally:
            self.call.leave()

    def step(self, SampleSet samples, dict step_numbers, losses=None):
        """One update on all the samples. Returns their mean loss before it.

        Each sample's own loss is left in `losses`, float64, (n_samples,), unless that is None.
        """
        self.call.enter()
        cdef int team
        cdef double[::1] each
        try:
            self.take_step_numbers(step_numbers)
            team = self.begin(samples, samples.n_samples, False)
            self.set_order(samples, False, 0, 0)
            if losses is not None:
                each = losses
                self.memory.run.data.losses = &each[0]
            self.memory.run.cut.updates = True
            self.memory.run.cut.training = True
            self.go(samples, team, None)
            return self.mean_loss()
        finally:
            self.call.leave()

    def gradients(self, SampleSet samples, bint training=False, on_look=None):
        """Mean loss of all samples and its gradients, stage by stage; nothing is updated.

        The network works as in a prediction, or, with `training`, as in the next training step. What is not trained has
        zeros. Where this takes long, on_look() is called on the way, as often as signals are looked at; what it raises
        ends the call.
        """
        self.call.enter()
        cdef int team
        try:
            team = self.begin(samples, samples.n_samples, False)
            self.set_order(samples, False, 0, 0)
            self.memory.run.cut.updates = False
            self.memory.run.cut.training = training
            self.python.on_look = on_look
            if self.memory.tables is not None:  # rows that no sample has
                for view in self.network.views(self.memory.gradients, 0):
                    view[:] = 0
            self.go(samples, team, None)
            gradients = [
                self.network.layer_copy(self.memory.gradients, i)
                + tuple([np.zeros_like(view) for view in self.network.statistic_views(i)])
                for i in range(self.network.n_layers)
            ]
            return self.mean_loss(), [arrays for arrays in gradients if arrays]
        finally:
            self.python.on_look = None
            self.call.leave()

    def rows_in_order(self):
        """The rows in the order in which the latest call took them, int64; None: as they stand."""
        return None if self.memory.run.data.index == NULL else self.memory.order

    def progress(self, epoch):
        """How far the latest call came, if it was for that epoch: samples done, their weight, a copy of their sums."""
        cdef Progress *progress = &self.memory.run.progress
        if self.epoch_begun != epoch:
            return None
        return progress.next_row, progress.weight_done, self.memory.sums.copy()

    def forget_progress(self):
        """From here on until the next epoch begins there is no progress."""
        self.epoch_begun = -1

    @property
    def terms_per_sample(self) -> float:
        """How many numbers a sample adds to the sum of the losses: a mean loss is their mean."""
        return self.memory.run.scoring.terms_per_sample

    def n_sums(self, Py_ssize_t n_targets) -> int:
        """How many sums an epoch has, for targets of n_targets columns, or as many classes: those of ``progress``."""
        return sums_of(self.loss, self.metrics, n_targets)

    def shares(self, Py_ssize_t batch_size):
        """How a training step would be split: (panels of samples, weights) of each thread of the team."""
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t n_panels = (min(batch_size, <Py_ssize_t>MICROBATCH_SAMPLES) - 1) // run.k.lanes + 1
        cdef double work = 3 * batch_size * stages_work(run.stages, run.n_stages)
        cdef int team = team_size(self.n_threads, work, limits_in_use().epoch_thread, n_panels)
        cdef Py_ssize_t i, n0, n1, n_weights
        self.memory.make_room(n_panels, team)
        result = []
        for t in range(team):
            n_weights = 0
            for i in range(run.n_stages):
                units_of_share(run.k, run.stages, run.n_stages, i, t, team, &n0, &n1)
                n_weights += (n1 - n0) * run.stages[i].layer.n_inputs
            result.append((n_panels * (t + 1) // team - n_panels * t // team, n_weights))
        self.memory.buffers = None     # laid out without a loss: the next step lays them out anew
        return result

    # ---- State ----

    @property
    def n_steps(self) -> int:
        """Updates done so far."""
        return self.memory.run.progress.n_steps

    @n_steps.setter
    def n_steps(self, value):
        self.memory.run.progress.n_steps = value

    @property
    def dropout_mask(self) -> int:
        """How the numbers that drop out are chosen: 2, by sample and unit; 1, as in version 0.1, by lane."""
        return 1 if self.memory.run.by_lane else 2

    @dropout_mask.setter
    def dropout_mask(self, value):
        self.memory.run.by_lane = value == 1

    def get_state(self):
        """The optimizer's state: a list of (name, array), arrays of shape (n_inputs, n_units) and (n_units,)."""
        begin_reading(self.network.prediction.gate)
        try:
            return self.memory.get_state()
        finally:
            end_reading(self.network.prediction.gate)

    def set_state(self, state):
        """Puts back what get_state returned; states that were not there then start from zero."""
        begin_writing(self.network.prediction.gate, NULL)
        try:
            self.memory.set_state(state)
        finally:
            end_writing(self.network.prediction.gate)

    @property
    def n_averaged(self) -> int:
        """How often the average has taken the weights in."""
        return self.memory.run.updater.n_averaged

    def average(self):
        """Takes the weights as they are into their average, the plain mean of all that it has taken in."""
        begin_writing(self.network.prediction.gate, NULL)
        try:
            self.memory.average()
        finally:
            end_writing(self.network.prediction.gate)

    def get_averages(self):
        """The arrays of all stages, in the order of Network.get_arrays; what set_averages takes, with n_averaged.

        What is not trained by its gradient has no average, and is as it is in the network.
        """
        begin_reading(self.network.prediction.gate)
        try:
            return self.memory.get_averages()
        finally:
            end_reading(self.network.prediction.gate)

    def set_averages(self, averages, n_averaged):
        """Puts back what get_averages and n_averaged returned."""
        begin_writing(self.network.prediction.gate, NULL)
        try:
            self.memory.set_averages(averages, n_averaged)
        finally:
            end_writing(self.network.prediction.gate)

    # ---- The set-up of a call ----

    cdef int begin(self, SampleSet samples, Py_ssize_t batch_size, bint in_epoch, Py_ssize_t batches_per_step=1,
                   Given given=TARGETS) except -1:
        """Sets up the data of one call. Returns the size of the team that is expected to be fastest."""
        cdef Run *run = &self.memory.run
        refuse_sparse(&run.stages[0], &samples.rows.source)
        self.python.samples = samples
        if given == TARGETS:
            set_scoring(&run.scoring, self.loss, self.metrics if in_epoch else (), samples, self.network.n_outputs,
                        self.network.prediction.target_features)
        else:
            set_given(&run.scoring, self.loss, samples, given == GRADIENT_OF_Z)
        self.memory.choose_last_activation()
        if run.scoring.l2 > 0:
            self.memory.want_penalties()
        run.data.X = samples.rows.source
        split_columns(&run.stages[0], &run.data.X, &run.data.codes)
        self.held = (self.network.prediction.features, self.network.prediction.target_features)
        run.data.features = features_of(self.network.prediction.features)
        run.data.index = NULL
        run.data.outputs = NULL
        run.data.losses = NULL
        run.data.n_rows = run.data.n_here = samples.n_samples
        run.data.batch_size = min(batch_size, samples.n_samples)
        run.data.step_size = min(batch_size * batches_per_step, samples.n_samples)
        run.data.microbatch_size = run.data.batch_size
        if not run.scoring.custom:     # a loss function is called with whole batches
            run.data.microbatch_size = min(run.data.batch_size, <Py_ssize_t>MICROBATCH_SAMPLES)
        self.epoch_begun = -1
        self.memory.begin_progress()
        return self.choose_team(in_epoch)

    cdef int choose_team(self, bint in_epoch) except -1:
        """How the steps of the call are cut. Returns the size of the team that is expected to be fastest.

        Sizes up to self.largest_team may be tried.
        """
        cdef Run *run = &self.memory.run
        cdef double work_a_thread = limits_in_use().epoch_thread if in_epoch else limits_in_use().call_thread
        cdef Py_ssize_t n_panels = (run.data.microbatch_size - 1) // run.k.lanes + 1
        self.sample_work = 3 * self.network.prediction.sample_work
        cdef double work = run.data.step_size * self.sample_work
        cdef int team = team_size(self.n_threads, work, work_a_thread, n_panels)
        run.cut.long_step = work > limits_in_use().long_step * run.k.lanes * team
        run.cut.fused = (not takes_norm(&run.updater) and run.data.step_size <= run.data.microbatch_size
                         and work < limits_in_use().apart * run.k.lanes * team)
        # With more work a step than this, more threads are faster even where another process wants their cores.
        self.paced = work < limits_in_use().paced
        self.largest_team = team
        if self.paced and in_epoch:
            self.largest_team = max(team, team_size(self.n_threads, work, limits_in_use().tried_thread, n_panels))
        self.memory.choose_narrow(run.data.batch_size)
        self.memory.make_room(n_panels, self.largest_team)
        return team

    cdef int set_order(self, SampleSet samples, bint shuffle, uint64_t seed, uint64_t epoch) except -1:
        """The order in which the call takes the rows."""
        cdef const int64_t[::1] subset = samples.subset
        cdef int64_t *order
        cdef Py_ssize_t i, n_rows = samples.n_samples
        if not shuffle and subset is None:
            return 0
        order = self.memory.order_of(n_rows)
        if shuffle:
            with nogil:
                self.memory.run.k.permutation(seed, epoch, n_rows, order)
                if subset is not None:
                    for i in range(n_rows):
                        order[i] = subset[order[i]]
        else:
            memcpy(order, &subset[0], n_rows * sizeof(int64_t))
        self.memory.run.data.index = order
        return 0

    cdef int take_step_numbers(self, dict step_numbers) except -1:
        """What the updates of the call use, and the memory that they need."""
        cdef Run *run = &self.memory.run
        if step_numbers is not self.step_numbers:
            self.step_numbers = None   # should the following raise
            self.take_new_numbers(step_numbers)
            self.step_numbers = step_numbers
        run.updater.first_step = run.progress.n_steps + 1
        reach_step(&run.updater, run.updater.first_step)
        return 0

    cdef int take_new_numbers(self, dict step_numbers) except -1:
        """Numbers other than those of the call before."""
        cdef Run *run = &self.memory.run
        set_numbers(&run.updater, step_numbers)
        self.schedules = tuple([
            number if isinstance(number, np.ndarray) else None
            for number in (step_numbers["learning_rate"], step_numbers.get("weight_decay"))])
        set_schedules(&run.updater, self.schedules[0], self.schedules[1])
        if takes_norm(&run.updater):
            self.memory.want_squares()
        if run.updater.average_every > 0:
            self.memory.want_averages()
        self.take_stage_numbers(step_numbers)
        self.memory.want_states([name for name in self.memory.state_names if state_wanted(name, step_numbers)])
        return 0

    cdef int take_stage_numbers(self, dict step_numbers) except -1:
        """What differs from stage to stage: factors of the optimizer's numbers, and dropout rates."""
        cdef Py_ssize_t i
        cdef const double[::1] rates
        cdef Stage *stage
        self.factors, self.dropout_rates = step_numbers.get("factors", {}), step_numbers.get("dropout_rates", {})
        cdef bint alike = not (self.factors or self.dropout_rates)
        if alike and self.stages_alike:
            return 0
        self.stages_alike = alike
        for i in range(self.memory.run.n_stages):
            stage = &self.memory.run.stages[i]
            stage.factors = stage.rates = NULL
            if i in self.factors:
                rates = self.factors[i].reshape(-1)
                stage.factors = &rates[0]
            if i in self.dropout_rates:
                rates = self.dropout_rates[i]
                stage.rates = &rates[0]
        return 0

    # ---- Running ----

    cdef bint go(self, SampleSet samples, int team, on_tick, bint every_step=False) except -1:
        """Runs the steps of the call; enters Python for signals and on_tick. False where on_tick ended it early."""
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t first
        cdef double start, until, seconds = look_seconds()
        cdef int size = team
        self.python.pending = None
        weigh_next_step(run)
        if self.paced:
            take_lesson(&self.pace, self.largest_team, team, run.data.step_size * self.sample_work)
        while run.progress.next_row < run.data.n_rows:
            if self.paced:
                size = pace_next(&self.pace, &seconds)
            self.python.go_in()
            first = run.progress.next_row
            start = monotonic_seconds()
            until = start if every_step else start + seconds
            run.progress.next_look = start + look_seconds() / 4
            store_seconds(&run.progress.enter_python_at, until)
            run.barrier.arrived = 0
            try:
                self.run_steps(size)
            finally:
                self.python.go_out()
            if self.paced:
                pace_done(&self.pace, (run.progress.next_row - first) * self.sample_work, monotonic_seconds() - start)
                keep_lesson(&self.pace)
            self.python.raise_pending()
            if run.progress.bad:
                raise self.explain(samples)
            self.python.look()
            if self.leaving:
                return False
            if on_tick is None or (run.progress.next_row < run.data.n_rows and monotonic_seconds() < until):
                continue               # a reader has asked for a pause: it is not yet time
            if on_tick(run.progress.next_row, self.mean_loss()) and run.progress.next_row < run.data.n_rows:
                return False
        return True

    cdef int run_steps(self, int size) except -1:
        """Steps by a team of this size, until the call has ended or Python is to be entered."""
        with nogil:
            self.last_team = run_team(train_share, &self.memory.run, size)
        return 0

    cdef double mean_loss(self) noexcept:
        """Of the samples so far; NaN while all of them weigh nothing."""
        cdef Run *run = &self.memory.run
        cdef double weight = run.progress.weight_done * run.scoring.terms_per_sample
        return run.progress.sums[0] / weight if weight > 0 else NAN

    cdef object explain(self, SampleSet samples):
        """The NonFinite for what the last step met."""
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t i, first = run.progress.bad_row
        cdef Py_ssize_t batch = first // run.data.batch_size
        index = np.arange(first, min(first + run.data.microbatch_size, run.data.n_here))
        if run.data.index != NULL:
            index = self.memory.order[index]
        if run.progress.bad == BAD_INPUTS:
            features = self.network.prediction.features
            row = first_bad_row(samples.rows, index, run.data.X.n_columns, features, self.network.dtype)
            return NonFinite("inputs", batch, row=row)
        if run.progress.bad == BAD_TARGETS:
            features = None if run.scoring.given else self.network.prediction.target_features
            n_outputs = self.network.n_outputs
            row = first_bad_target(samples.targets, index, n_outputs, features, self.network.dtype)
            return NonFinite("targets", batch, row=row)
        for i in range(run.n_stages):
            if not run.k.all_finite(run.stages[i].output.data, self.memory.n_panels * run.stages[i].output.stride):
                return NonFinite("loss", batch, layer=i)
        return NonFinite("loss", batch)

    cdef int check_weights(self) except -1:
        """Raises NonFinite where the last update made a weight overflow, which no loss has shown yet."""
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t layer = self.memory.layer_of_infinity()
        if layer >= 0:
            raise NonFinite("weights", (run.data.n_rows - 1) // run.data.batch_size, layer=layer)
        return 0


def gradients(Network network, SampleSet samples, object loss, int n_threads, bint training=False, dropout_rates=None):
    """Mean loss of all samples and its gradients: (float, [(dW (n_inputs, n_units), db (n_units,)), ...]).

    In training, dropout stages use the rates that a dictionary gives by their number, or else their own.
    """
    session = Session(network, loss, (), "sgd", n_threads)
    session.take_step_numbers({"learning_rate": 0.0, "dropout_rates": dropout_rates or {}})
    return session.gradients(samples, training)
