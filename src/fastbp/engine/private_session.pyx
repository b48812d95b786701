"""Training with differential privacy, some steps a call. private_step.pyx has the step itself.

With shards, and with several processes, sharded_step.pyx has it: all processes draw the same samples, and the noise in
a number of the gradient is a function of the key, the step and the number's place.
"""

from libc.math cimport INFINITY, ceil, log1p, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy

import numpy as np

from fastbp.engine.divided_session cimport DividedSession
from fastbp.engine.gate cimport begin_reading, end_reading
from fastbp.engine.kernels cimport FBP_CLIP, FBP_NORMALIZE
from fastbp.engine.loss cimport BAD_INPUTS
from fastbp.engine.private_step cimport PrivateRun, train_private_share
from fastbp.engine.records cimport SampleSet
from fastbp.engine.run cimport Run
from fastbp.engine.session cimport Session
from fastbp.engine.shards cimport SHARD_SAMPLES
from fastbp.engine.step cimport MICROBATCH_SAMPLES
from fastbp.engine.team cimport look_seconds, monotonic_seconds, run_team

from fastbp.engine.errors import NonFinite

# What "automatic" clipping adds to a norm (Bu et al. 2022, arXiv:2206.07136).
AUTOMATIC_STABILITY = 0.01


cdef class PrivateSteps:
    """Some steps with differential privacy.

    Parameters
    ----------
    n_steps : int
    step_numbers : dict
        As for EpochPlan, without clipping.
    key : bytes
        32 secret bytes. Noise, samples and dropout of a step are a function of them and of the number of the step.
    probability : float
        With which each sample is in a step, above 0 and up to 1.
    divisor : float
        The expected batch size.
    max_grad_norm : float
        C, above 0; infinite: no clipping, without noise only.
    noise_multiplier : float
        sigma, 0 or more.
    clipping : {"flat", "per_layer", "automatic"}
    max_physical_batch_size : int
        The most samples whose gradients are computed at once.
    on_tick : callable, optional
        Called as on_tick(steps of this call done) about every 50 ms. If it returns true, the call ends.
    every_step : bool, default False
        Whether on_tick is called after every step.
    """

    cdef readonly Py_ssize_t n_steps
    cdef readonly dict step_numbers
    cdef readonly bytes key
    cdef readonly double probability
    cdef readonly double divisor
    cdef readonly double max_grad_norm
    cdef readonly double noise_multiplier
    cdef readonly str clipping
    cdef readonly Py_ssize_t max_physical_batch_size
    cdef readonly object on_tick
    cdef readonly bint every_step

    def __cinit__(self, Py_ssize_t n_steps, dict step_numbers, bytes key, double probability, double divisor,
                  double max_grad_norm, double noise_multiplier, str clipping="flat",
                  Py_ssize_t max_physical_batch_size=MICROBATCH_SAMPLES, on_tick=None, bint every_step=False):
        self.n_steps = n_steps
        self.step_numbers = step_numbers
        self.key = key
        self.probability = probability
        self.divisor = divisor
        self.max_grad_norm = max_grad_norm
        self.noise_multiplier = noise_multiplier
        self.clipping = clipping
        self.max_physical_batch_size = max_physical_batch_size
        self.on_tick = on_tick
        self.every_step = every_step


cdef class PrivateSession(DividedSession):
    """A session that can make steps with differential privacy too; its loss is one that the kernels know.

    `cut_into` and `share_with` need not be called.
    """

    cdef PrivateRun private
    cdef object private_rows           # int64 [2][n_rows]: the samples drawn, and those of a step
    cdef object private_counts         # intp [threads]

    def private_steps(self, SampleSet samples, PrivateSteps plan):
        """Makes the steps of a plan; True, or False where on_tick ended it early.

        Raises
        ------
        NonFinite
            A number of X or y, or a weight after the last step, is NaN or infinite; without a row.
        KeyboardInterrupt
            And whatever else a signal's handler raises; the weights are those of a completed step.
        """
        self.call.enter()
        cdef int team
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t physical = min(plan.max_physical_batch_size, <Py_ssize_t>MICROBATCH_SAMPLES, samples.n_samples)
        # Memory for the largest of many batches, which is a constant: or the order of the sums would change.
        cdef double usual = ceil(plan.divisor + 8 * sqrt(plan.divisor)) + 32
        try:
            if plan.n_steps == 0:
                return True
            self.take_step_numbers(plan.step_numbers)
            if self.sharded.run == NULL:
                usual = min(usual, <double>physical)
            self.most_samples = max(min(plan.max_physical_batch_size, <Py_ssize_t>MICROBATCH_SAMPLES)
                                    // SHARD_SAMPLES * SHARD_SAMPLES, <Py_ssize_t>SHARD_SAMPLES)
            team = self.begin(samples, <Py_ssize_t>min(usual, <double>samples.n_samples), True)
            run.cut.updates = True
            run.cut.training = True
            run.cut.fused = False
            self.take_privacy(samples, plan, team)
            if not self.go_privately(plan, team):
                return False
            self.check_weights()
            return True
        finally:
            self.call.leave()

    cdef int take_privacy(self, SampleSet samples, PrivateSteps plan, int team) except -1:
        """Fills in what private steps share; the call's samples are known to the Run."""
        cdef PrivateRun *private = &self.private
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t i, n_stages = 0
        cdef double C = plan.max_grad_norm
        cdef const unsigned char[::1] key = plan.key
        cdef int64_t[:, ::1] rows
        cdef Py_ssize_t[::1] counts
        if self.private_rows is None or self.private_rows.shape[1] != samples.n_samples:
            self.private_rows = np.zeros((2, samples.n_samples), np.int64)
        self.private_counts = np.zeros(team, np.intp)
        rows, counts = self.private_rows, self.private_counts
        for i in range(run.n_stages):
            n_stages += run.stages[i].trained
        private.run = run
        self.sharded.private = private
        private.k = run.k.private_training
        memcpy(private.stream.key, &key[0], sizeof(private.stream.key))
        # A sample's dropout mask depends on its place in the batch, so that nobody may know the masks.
        from hashlib import blake2b    # takes its time, and `import fastbp` does not need it
        run.seed = int.from_bytes(blake2b(plan.key, digest_size=8, person=b"dropout").digest(), "little")
        private.log_missed = log1p(-plan.probability) if plan.probability < 1 else -INFINITY
        private.n_rows = samples.n_samples
        private.taken, private.batch, private.n_taken = &rows[0, 0], &rows[1, 0], &counts[0]
        private.divisor = plan.divisor
        private.deviation = plan.noise_multiplier * C / plan.divisor if plan.noise_multiplier > 0 else 0
        private.rule = FBP_NORMALIZE if plan.clipping == "automatic" else FBP_CLIP
        private.stability = AUTOMATIC_STABILITY / C
        private.per_layer = plan.clipping == "per_layer"
        private.unit = plan.divisor / C if C < INFINITY else 0
        if private.per_layer:              # C_l^2 adds up to C^2 over the stages
            private.unit *= sqrt(<double>max(n_stages, 1))
        private.n_steps_left = plan.n_steps
        run.data.index = private.batch
        return 0

    cdef bint go_privately(self, PrivateSteps plan, int team) except -1:
        """Runs the steps; enters Python for signals and on_tick. False where on_tick ended the call early."""
        cdef Run *run = &self.memory.run
        cdef double start
        self.python.pending = None
        while self.private.n_steps_left > 0:
            self.python.go_in()
            start = monotonic_seconds()
            run.progress.attempt += 1      # of a step that was given up nothing may be taken for touched
            run.progress.next_row = 0
            run.progress.next_look = start + look_seconds() / 4
            run.progress.enter_python_at = start if plan.every_step else start + look_seconds()
            run.barrier.arrived = 0
            try:
                self.run_steps(team)
            finally:
                self.python.go_out()
            self.python.raise_pending()
            if run.progress.bad:
                raise self.explain(self.python.samples)
            self.python.look()
            if self.leaving:
                return False
            if self.sharded.run != NULL and run.data.n_rows > run.data.step_size:
                self.make_room_for(run.data.n_rows, team)
                continue
            if plan.on_tick is not None and plan.on_tick(plan.n_steps - self.private.n_steps_left):
                if self.private.n_steps_left > 0:
                    return False
        return True

    cdef int run_steps(self, int size) except -1:
        if self.sharded.run != NULL:
            return DividedSession.run_steps(self, size)
        with nogil:
            self.last_team = run_team(train_private_share, &self.private, size)
        return 0

    cdef int choose_team(self, bint in_epoch) except -1:
        if self.sharded.run != NULL:
            return DividedSession.choose_team(self, in_epoch)
        return Session.choose_team(self, in_epoch)

    cdef int make_room_for(self, Py_ssize_t n_samples, int team) except -1:
        """Memory for steps of so many samples, where a step has drawn more than there was room for; no sum changes."""
        cdef Run *run = &self.memory.run
        run.data.step_size = n_samples
        self.choose_group()
        self.memory.make_room((run.data.microbatch_size - 1) // run.k.lanes + 1, team)
        self.place_partials()
        return 0

    cdef object explain(self, SampleSet samples):
        """The NonFinite for what the last step met: without a row, which is private."""
        return NonFinite("inputs" if self.memory.run.progress.bad == BAD_INPUTS else "targets", -1)

    def sampled_rows(self):
        """The rows that the latest step took, int64, for the tests."""
        return self.private_rows[1, :self.memory.run.data.n_rows].copy()

    def parameter_digest(self, hasher):
        """Takes the parameters into a hash, as they lie in memory."""
        cdef char[::1] memory
        begin_reading(self.network.prediction.gate)
        try:
            memory = <char[:self.network.parameter_bytes]>self.network.parameters.start
            hasher.update(memory)
        finally:
            end_reading(self.network.prediction.gate)
