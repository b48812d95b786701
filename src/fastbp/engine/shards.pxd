# A step's batch cut into shards, and the tree in which the shards' gradients are added.
#
# There are 2^depth shards. Node (level, index) of the tree is the sum over shards index * 2^level up to, and without,
# (index + 1) * 2^level: the sum of its two children, in this order. So the sum of all has the same bits however many
# shards are gone through at once, and whoever adds them: threads, or processes that own consecutive shards.

from libc.stdint cimport int64_t

from fastbp.engine.private_step cimport PrivateRun
from fastbp.engine.run cimport PartSteps, Run

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

# What processes that share the work exchange in the midst of a step.
cdef enum Exchanged:
    SUMS               # each process gets those of all samples, and of the gradient its own part, in `root`
    SQUARES            # each gets those of all rows of the gradient, in `row_squares`
    WEIGHTS            # each gets the new parameters of all, in place of the gradients

# It is called by thread 0; 0 where the step goes on.
ctypedef int (*exchange_function)(void *context, Exchanged what, bint sound) noexcept nogil

# It is called by thread 0 while gradients are computed that other processes want: so many of `ahead` are done. 0 where
# it need not be called again in this step.
ctypedef int (*ahead_function)(void *context, Py_ssize_t n_done) noexcept nogil

# Units n0..n1 of a stage, whose gradients are computed together and may be sent when they are done.
cdef struct AheadUnits:
    Py_ssize_t stage
    Py_ssize_t n0
    Py_ssize_t n1

# An array of parameters, row by row: a table, the weights of a stage, or its bias, whose rows have one number.
cdef struct ParameterRows:
    Py_ssize_t stage               # its number
    int table                      # its number, or -1
    bint is_bias
    Py_ssize_t offset              # bytes from the first parameter to the first row
    Py_ssize_t ld                  # numbers of a row
    Py_ssize_t n_rows
    Py_ssize_t first_row           # the number of its first row among those of all arrays

# What the threads share beside the Run.
cdef struct ShardedRun:
    Run *run
    PrivateRun *private            # NULL: without privacy
    int depth
    int group_depth                # 2^group_depth shards, at most, go through the stages at once
    Py_ssize_t n_samples           # of the step under way
    # Where the samples lie in parts, one for each shard:
    const int64_t *part_sizes      # [shards], or NULL: a step's samples are cut into shards
    const int64_t *cuts            # [n_steps + 1]: before a step, part i has given (size * cut + i's own phase) // of
    Py_ssize_t cut_of
    PartSteps parts
    int64_t *starts                # [shards + 1] each shard's first row in the step under way
    int64_t *places                # [shards] the same in the memory of this process, of its own shards
    Py_ssize_t first_shard         # of this process
    Py_ssize_t n_nodes             # that this process computes: one, the root, where it has all shards
    Node nodes[MOST_NODES]
    Partial partials[MOST_NODES]   # of each node
    Partial root
    Py_ssize_t parameter_bytes
    Partial waiting[MOST_DEPTH]    # the right child of a node one level up, until it is added to the left one
    char *pieces                   # [thread][group_depth + 1][piece_bytes]: gradients of some units
    Py_ssize_t piece_bytes
    Py_ssize_t statistics_bytes    # of Partial.statistics
    const Py_ssize_t *statistics_at    # [n_stages] where a stage's statistics begin in it
    # Of several processes, each of which updates a part of the parameters:
    exchange_function exchange     # NULL: this process has all shards
    void *context
    Py_ssize_t own_start, own_end  # bytes of the parameters that are this process's part: whole rows
    char *fresh                    # [own_end - own_start] what the step makes of them
    ParameterRows *arrays          # [n_arrays], as they lie in memory
    Py_ssize_t n_arrays
    double *row_squares            # [rows of all arrays], where a norm is clipped
    # Where gradients are sent while others are computed:
    ahead_function go_ahead
    AheadUnits *ahead              # [n_ahead] all units that learn, in the order in which others want them; or NULL
    Py_ssize_t n_ahead             # 0: not in this call
    int *n_done                    # [threads] of them, in the step under way

cdef inline Py_ssize_t first_row(const ShardedRun *sharded, Py_ssize_t shard) noexcept nogil:
    """Where a shard begins in the step's samples: whole panels, as near to equal as can be; some may be empty.

    With parts a shard is not one of whole panels: it passes through the stages alone.
    """
    cdef Py_ssize_t blocks
    if sharded.part_sizes != NULL:
        return sharded.starts[shard]
    blocks = (sharded.n_samples - 1) // SHARD_SAMPLES + 1
    return min(sharded.n_samples, SHARD_SAMPLES * (blocks * shard >> sharded.depth))

cdef inline Py_ssize_t given_before(const ShardedRun *sharded, Py_ssize_t step, Py_ssize_t part) noexcept nogil:
    """How many samples of a part are in the steps before one. Not all parts give their last ones in the same step."""
    cdef Py_ssize_t phase = sharded.cut_of * part >> sharded.depth
    return (sharded.part_sizes[part] * sharded.cuts[step] + phase) // sharded.cut_of

cdef inline Py_ssize_t first_row_of(const ShardedRun *sharded, int level, Py_ssize_t index) noexcept nogil:
    return first_row(sharded, index << level)

cdef inline Py_ssize_t rows_of(const ShardedRun *sharded, int level, Py_ssize_t index) noexcept nogil:
    """How many samples a node has."""
    return first_row_of(sharded, level, index + 1) - first_row_of(sharded, level, index)
