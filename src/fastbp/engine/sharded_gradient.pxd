# The weight gradients of a group of shards, added in the order of the tree, piece by piece while they are in the cache.

from fastbp.engine.kernels cimport fbp_update
from fastbp.engine.layout cimport Stage
from fastbp.engine.shards cimport Partial, ShardedRun
from fastbp.engine.step cimport ThreadStep

# The gradients of thread t's units over the samples of a node that has gone through the stages, to `out`; or, with
# numbers, the update by them. `accumulate`: added to what is there, for a shard that passes in several micro-batches.
cdef void group_gradients(ShardedRun *sharded, const ThreadStep *step, int level, Py_ssize_t index, Partial *out,
                          const fbp_update *numbers, bint accumulate) noexcept nogil
# The same, where it is the whole of what this process computes: other processes get gradients while it goes on.
cdef void gradients_ahead(ShardedRun *sharded, const ThreadStep *step, int level, Py_ssize_t index,
                          Partial *out) noexcept nogil
# The losses' and the metrics' sums of the same samples.
cdef void group_sums(const ShardedRun *sharded, const ThreadStep *step, int level, Py_ssize_t index, double *sums,
                     bint accumulate) noexcept nogil
# Thread t's share of one partial sum is added to another.
cdef void add_partial(ShardedRun *sharded, int t, int n_threads, Partial *sum, const Partial *x) noexcept nogil
# What an update needs beside the samples' gradients, for thread t's units: penalties, statistics, rows to be updated.
cdef void complete_gradients(ShardedRun *sharded, const ThreadStep *step) noexcept nogil
# The running statistics of units n0..n1 of a batch_norm take in the mean over all shards of theirs.
cdef void use_statistics(const ShardedRun *sharded, const ThreadStep *step, Stage *stage, Py_ssize_t n0,
                         Py_ssize_t n1) noexcept nogil
# The bytes of one piece of a stage's gradients, in which they are added.
cdef Py_ssize_t piece_bytes_of(const Stage *stage, Py_ssize_t item) noexcept nogil
