# A training step with differential privacy, as each thread of a team runs it.

from libc.stdint cimport int64_t, uint64_t

from fastbp.engine.kernels cimport fbp_clipping, fbp_private_kernels, fbp_stream, fbp_table
from fastbp.engine.layout cimport Stage
from fastbp.engine.run cimport Run
from fastbp.engine.step cimport ThreadStep

# What the threads share beside the Run. The probability, the divisor and all that follows from C are the same in all
# steps.
cdef struct PrivateRun:
    Run *run
    const fbp_private_kernels *k
    fbp_stream stream              # the key; the nonce is written for each use
    # Which samples a step takes.
    double log_missed              # log(1 - the probability)
    Py_ssize_t n_rows              # samples that there are
    int64_t *taken                 # [n_rows] each thread's, where its part of the samples begins
    Py_ssize_t *n_taken            # [threads]
    int64_t *batch                 # [n_rows] the rows of the step: run.data.index
    # What is made of their gradients.
    double divisor                 # the expected batch size, L
    fbp_clipping rule
    double stability               # of FBP_NORMALIZE, divided by C
    bint per_layer                 # each stage that learns has a C of its own
    double unit                    # L / C, for the C of a norm
    double deviation               # of the noise in a number of the gradient: sigma C / L; 0: none
    Py_ssize_t n_steps_left        # of the call

# Runs steps until the call has ended or Python is to be entered. The job is a PrivateRun.
cdef void train_private_share(void *job, int t, int n_threads) noexcept nogil

# The parts of a step, which sharded_step and divided_update put together in another way.
cdef void draw_batch(PrivateRun *private, int t, int n_threads) noexcept nogil
cdef ThreadStep begin_private_step(const PrivateRun *private, int t, int n_threads) noexcept nogil
cdef void finish_private_step(PrivateRun *private, const ThreadStep *step) noexcept nogil
cdef void clip_samples(PrivateRun *private, ThreadStep *step) noexcept nogil
# Noise to the gradient of units n0..n1 of a stage that learns, in the step after so many; or to that of a table's row.
cdef void noise_to_weights(const PrivateRun *private, uint64_t step, const Stage *stage, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil
cdef void noise_to_biases(const PrivateRun *private, uint64_t step, const Stage *stage, Py_ssize_t n0,
                          Py_ssize_t n1) noexcept nogil
cdef void noise_to_row(const PrivateRun *private, uint64_t step, const fbp_table *table, Py_ssize_t row) noexcept nogil
