# A step's batch cut into shards, and the tree in which the shards' gradients are added.
#
# There are 2^depth shards. Node (level, index) of the tree is the sum over shards index * 2^level up to, and without,
# (index + 1) * 2^level: the sum of its two children, in this order. So the sum of all has the same bits however many
# shards are gone through at once, and whoever adds them: threads, or processes that own consecutive shards.

from libc.stdint cimport int64_t

from fastbp.engine.run cimport Run

cdef enum:
    # Shards begin at multiples of this many samples, which are whole panels of every instruction set.
    SHARD_SAMPLES = 16
    MOST_DEPTH = 12
    MOST_NODES = 2 * MOST_DEPTH    # whole subtrees that consecutive shards are made of

# What is added up of a subtree's samples.
cdef struct Partial:
    char *gradients                # laid out like the parameters
    char *statistics               # of each batch_norm that learns: mean, variance, times the samples; or NULL
    double *sums                   # [slot_size]

cdef struct Node:
    int level
    Py_ssize_t index

# Another process's part in a step, by thread 0: 0 where the step goes on, with the sum of all shards in `root`.
ctypedef int (*exchange_function)(void *context, bint sound) noexcept nogil

# What the threads share beside the Run.
cdef struct ShardedRun:
    Run *run
    int depth
    int group_depth                # 2^group_depth shards, at most, go through the stages at once
    Py_ssize_t n_samples           # of the step under way
    Py_ssize_t n_nodes             # that this process computes: one, the root, where it has all shards
    Node nodes[MOST_NODES]
    Partial partials[MOST_NODES]   # of each node
    Partial root
    Partial waiting[MOST_DEPTH]    # the right child of a node one level up, until it is added to the left one
    char *pieces                   # [thread][group_depth + 1][piece_bytes]: gradients of some units
    Py_ssize_t piece_bytes
    Py_ssize_t statistics_bytes    # of Partial.statistics
    const Py_ssize_t *statistics_at    # [n_stages] where a stage's statistics begin in it
    exchange_function exchange     # NULL: this process has all shards
    void *context

cdef inline Py_ssize_t first_row(const ShardedRun *sharded, Py_ssize_t shard) noexcept nogil:
    """Where a shard begins in the step's samples: whole panels, as near to equal as can be; some may be empty."""
    cdef Py_ssize_t blocks = (sharded.n_samples - 1) // SHARD_SAMPLES + 1
    return min(sharded.n_samples, SHARD_SAMPLES * (blocks * shard >> sharded.depth))

cdef inline Py_ssize_t first_row_of(const ShardedRun *sharded, int level, Py_ssize_t index) noexcept nogil:
    return first_row(sharded, index << level)

cdef inline Py_ssize_t rows_of(const ShardedRun *sharded, int level, Py_ssize_t index) noexcept nogil:
    """How many samples a node has."""
    return first_row_of(sharded, level, index + 1) - first_row_of(sharded, level, index)
