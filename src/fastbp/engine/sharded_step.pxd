# A training step whose batch is cut into shards, as each thread of a team runs it.

# Runs steps until the call has ended or Python is to be entered. The job is a ShardedRun.
cdef void train_sharded_share(void *job, int t, int n_threads) noexcept nogil
