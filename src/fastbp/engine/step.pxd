# A training step, as each thread of a team runs it.

from fastbp.engine.kernels cimport fbp_update
from fastbp.engine.run cimport Run

cdef enum:
    # Samples whose gradients are computed at once, at most; a constant, or the order of the sums would change.
    MICROBATCH_SAMPLES = 4096

# Runs steps until the call has ended or Python is to be entered. The job is a Run.
cdef void train_share(void *job, int t, int n_threads) noexcept nogil
# The sum of the sample weights of the next step, to run.progress.next_weight: before the first step of a call.
cdef void weigh_next_step(Run *run) noexcept nogil
# A step is done, by these numbers; `updates`: the parameters have changed.
cdef void count_step(Run *run, const fbp_update *numbers, bint updates) noexcept nogil
