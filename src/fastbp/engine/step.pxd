# A training step, as each thread of a team runs it.

from fastbp.engine.kernels cimport fbp_update
from fastbp.engine.run cimport Run
from fastbp.engine.stages cimport Microbatch

cdef enum:
    # Samples whose gradients are computed at once, at most; a constant, or the order of the sums would change.
    MICROBATCH_SAMPLES = 4096

# A thread's own view of the step under way.
cdef struct ThreadStep:
    int t                      # the number of the thread
    int n_threads
    fbp_update numbers         # the optimizer's numbers of this step
    Py_ssize_t n_samples       # of the step
    double scale               # of the losses' gradient: 1 / (sum of the sample weights * terms_per_sample)
    bint updates               # the parameters change: not where all samples weigh nothing
    bint fused                 # each weight gradient is used for the update at once
    Py_ssize_t n_done          # samples in the micro-batches before; with shards, before those of other processes too
    # The micro-batch under way.
    Microbatch microbatch
    Py_ssize_t first           # its first row, in the order of the call
    Py_ssize_t n_panels
    Py_ssize_t p0, p1          # this thread's panels
    bint is_last               # of the step
    bint summed                # thread 0: the epoch's sums have losses of this step, and those before it are kept
    bint going                 # the thread has panels, and the step is not given up

# Runs steps until the call has ended or Python is to be entered. The job is a Run.
cdef void train_share(void *job, int t, int n_threads) noexcept nogil
# The sum of the sample weights of the next step, to run.progress.next_weight: before the first step of a call.
cdef void weigh_next_step(Run *run) noexcept nogil
# A step is done, by these numbers; `updates`: the parameters have changed.
cdef void count_step(Run *run, const fbp_update *numbers, bint updates) noexcept nogil

# The parts of a step, which private_step and sharded_step put together in another way; step.pyx says what they read and
# write.
cdef ThreadStep begin_step(Run *run, int t, int n_threads) noexcept nogil
cdef bint found_bad(Run *run, const ThreadStep *step, bint losses) noexcept nogil
cdef void finish_step(Run *run, const ThreadStep *step) noexcept nogil
cdef void begin_microbatch(const Run *run, ThreadStep *step, Py_ssize_t end) noexcept nogil
cdef void gather(Run *run, ThreadStep *step) noexcept nogil
cdef void forward(Run *run, ThreadStep *step) noexcept nogil
cdef void loss(Run *run, ThreadStep *step) noexcept nogil
cdef void backward(Run *run, ThreadStep *step) noexcept nogil
