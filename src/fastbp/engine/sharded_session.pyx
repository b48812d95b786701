"""Training whose batches are cut into shards, alone or with other processes. sharded_step.pyx has the step itself."""

from libc.stdint cimport int64_t

import numpy as np

from fastbp.engine.arena cimport Arena, aligned
from fastbp.engine.kernels cimport flush_denormals, restore_denormals
from fastbp.engine.layout cimport BATCH_NORM, item_size
from fastbp.engine.run cimport PartSteps, Run
from fastbp.engine.sharded_gradient cimport piece_bytes_of
from fastbp.engine.sharded_step cimport train_sharded_share
from fastbp.engine.shards cimport (
    MOST_DEPTH, SHARD_SAMPLES, Node, Partial, ShardedRun, first_row_of, rows_of,
)
from fastbp.engine.session cimport Session
from fastbp.engine.step cimport MICROBATCH_SAMPLES
from fastbp.engine.team cimport run_team

# The most shards that a batch is cut into.
MOST_SHARDS = 1 << MOST_DEPTH


def subtrees(Py_ssize_t first, Py_ssize_t end):
    """The largest whole subtrees that shards first..end are made of: a list of (level, index), in their order."""
    result = []
    while first < end:
        level = 0
        while first % (2 << level) == 0 and first + (2 << level) <= end:
            level += 1
        result.append((level, first >> level))
        first += 1 << level
    return result


cdef class ShardedSession(Session):
    """A session that cuts each batch into shards, once `cut_into` has been called."""

    def __cinit__(self):
        self.most_samples = MICROBATCH_SAMPLES

    def cut_into(self, Py_ssize_t n_shards, Py_ssize_t first=0, end=None):
        """Cuts each batch into n_shards, a power of two, of which this process computes first..end."""
        cdef int i, level
        cdef Py_ssize_t index
        self.sharded.run = &self.memory.run
        self.sharded.parameter_bytes = self.memory.network.parameter_bytes
        self.sharded.depth = n_shards.bit_length() - 1
        nodes = subtrees(first, n_shards if end is None else end)
        self.sharded.n_nodes = len(nodes)
        for i, (level, index) in enumerate(nodes):
            self.sharded.nodes[i] = Node(level, index)
        self.arenas = None
        self.sums_of_partials = None   # its memory, like that of the arenas, depends on the number of nodes

    def use_parts(self, parts):
        """Until parts are None, the samples of an epoch lie in parts, one for each shard, and not all of them here.

        Those that a call gets are the parts of this process's shards, one after the other. ``parts`` is (sizes, cuts,
        cut_of, ends, weights, batch_size, first): the size of each part, int64; before step s, part i of V has given
        (size * cuts[s] + cut_of * i // V) // cut_of samples, int64 [n_steps + 1]; the samples before each step, int64
        [n_steps + 1]; the sample weights of each step, float64 [n_steps]; how many samples a step has at most about;
        and the first shard of this process.
        """
        cdef int64_t[::1] numbers
        cdef const int64_t[::1] sizes, cuts, ends
        cdef const double[::1] weights
        self.parts = parts
        self.sharded.part_sizes = NULL
        self.memory.run.data.parts = NULL
        if parts is None:
            return
        sizes, cuts, _, ends, weights, *_ = parts
        self.sharded.part_sizes = &sizes[0]
        self.sharded.cuts = &cuts[0]
        self.sharded.cut_of = parts[2]
        self.sharded.parts = PartSteps(&ends[0], &weights[0], 0)
        self.sharded.first_shard = parts[6]
        numbers = self.places = np.zeros(2 * sizes.shape[0] + 1, np.int64)
        self.sharded.starts = &numbers[0]
        self.sharded.places = &numbers[sizes.shape[0] + 1]
        self.memory.run.data.parts = &self.sharded.parts

    def own_rows(self, Py_ssize_t n_samples):
        """The samples of this process's shards in a step of n_samples: the first, and the one after the last."""
        cdef ShardedRun sharded = self.sharded     # a copy: another thread may ask during a step
        cdef const Node *last = &sharded.nodes[sharded.n_nodes - 1]
        sharded.n_samples = n_samples
        return (first_row_of(&sharded, sharded.nodes[0].level, sharded.nodes[0].index),
                first_row_of(&sharded, last.level, last.index + 1))

    # ---- The sums of a step ----

    @property
    def partials(self):
        """The partial sums of this process: a list of (level, index, gradients, statistics, sums), memory of the step.

        The arrays are flat; gradients are laid out like the parameters.
        """
        cdef int i
        return [(self.sharded.nodes[i].level, self.sharded.nodes[i].index, *self.arrays_of(&self.sharded.partials[i]))
                for i in range(self.sharded.n_nodes)]

    @property
    def root(self):
        """Where the sum of all shards goes: gradients, statistics, sums."""
        return self.arrays_of(&self.sharded.root)

    @property
    def n_samples(self):
        """Of the step under way, of all processes."""
        return self.sharded.n_samples

    @property
    def n_statistics(self):
        """How many numbers the statistics of a step are."""
        self.place_statistics()
        return self.sharded.statistics_bytes // item_size(self.memory.run.k.dtype)

    def has_samples(self, int level, Py_ssize_t index):
        """Whether a node of the tree has samples in the step under way; a node without any is left out of all sums."""
        return rows_of(&self.sharded, level, index) > 0

    def add(self, total, x):
        """total += x, as the engine adds: flat arrays of the network's dtype."""
        cdef char[::1] to = total.view(np.int8)
        cdef const char[::1] of = x.view(np.int8)
        cdef unsigned long former
        cdef Py_ssize_t n = to.shape[0] // item_size(self.memory.run.k.dtype)
        if n > 0:
            with nogil:
                former = flush_denormals()
                self.memory.run.k.add_scaled(&to[0], &of[0], 1, n)
                restore_denormals(former)

    cdef tuple arrays_of(self, const Partial *partial):
        cdef Py_ssize_t n = self.memory.network.parameter_bytes, n_statistics = self.sharded.statistics_bytes
        cdef char[::1] gradients = <char[:n]>partial.gradients
        cdef double[::1] sums = <double[:self.memory.run.scoring.slot_size]>partial.sums
        dtype = self.network.dtype
        statistics = np.empty(0, dtype)
        cdef char[::1] of_stages
        if n_statistics > 0:
            of_stages = <char[:n_statistics]>partial.statistics
            statistics = np.asarray(of_stages).view(dtype)
        return np.asarray(gradients).view(dtype), statistics, np.asarray(sums)

    # ---- The set-up of a call ----

    cdef int choose_team(self, bint in_epoch) except -1:
        cdef Run *run = &self.memory.run
        cdef int team
        if self.parts is not None:
            run.data.n_rows = self.parts[3][len(self.parts[3]) - 1]
            run.data.batch_size = self.parts[5]
            run.data.step_size = np.diff(self.parts[3]).max()
            self.sharded.parts.step = 0
        self.choose_group()
        team = Session.choose_team(self, in_epoch)
        run.cut.fused = (run.cut.fused and self.sharded.exchange == NULL
                         and self.sharded.group_depth == self.sharded.depth and run.stages[0].n_tables == 0)
        self.place_partials()
        return team

    cdef int choose_group(self) except -1:
        """How many shards pass through the stages at once: as many as have samples for one micro-batch.

        No sum depends on it.
        """
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t blocks = (run.data.step_size - 1) // SHARD_SAMPLES + 1
        cdef Py_ssize_t i
        cdef int depth = 0
        cdef bint alone = run.scoring.custom or self.parts is not None
        for i in range(run.n_stages):
            alone = alone or run.stages[i].meets
        if not alone:
            while (depth < self.sharded.depth
                   and _rows_at_most(blocks, self.sharded.depth, depth + 1) <= self.most_samples):
                depth += 1
        self.sharded.group_depth = depth
        run.data.microbatch_size = max(_rows_at_most(blocks, self.sharded.depth, depth), <Py_ssize_t>1)
        if self.parts is not None:     # no part gives more to a step than its share of the cuts, and one
            most = self.parts[0].max() * np.diff(self.parts[1]).max()
            run.data.microbatch_size = int((most - 1) // self.parts[2] + 2)
        if not run.scoring.custom:
            run.data.microbatch_size = min(run.data.microbatch_size, self.most_samples)
        if depth == self.sharded.depth:
            run.data.microbatch_size = min(run.data.microbatch_size, max(run.data.step_size, <Py_ssize_t>1))
        return 0

    cdef int place_partials(self) except -1:
        """Memory for the partial sums, and for pieces of gradients; what is there already is kept."""
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t i, n_bytes = 0, slot_size = run.scoring.slot_size
        cdef Py_ssize_t n_partials = MOST_DEPTH + self.sharded.n_nodes + 1
        cdef double[:, ::1] sums
        if self.arenas is None:
            self.arenas = [None] * n_partials
            self.place_statistics()
        if self.sums_of_partials is None or self.sums_of_partials.shape[1] != slot_size:
            self.sums_of_partials = np.zeros((n_partials, slot_size))
        sums = self.sums_of_partials
        for i in range(self.sharded.depth):
            self.sharded.waiting[i].sums = &sums[i, 0]
            if i >= self.sharded.group_depth or run.stages[0].n_tables > 0:
                self.place_partial(&self.sharded.waiting[i], i, True)
        for i in range(self.sharded.n_nodes):
            self.sharded.partials[i].sums = &sums[MOST_DEPTH + i, 0]
            self.place_partial(&self.sharded.partials[i], MOST_DEPTH + i, i > 0)
        if self.sharded.exchange == NULL:
            self.sharded.root = self.sharded.partials[0]
        else:
            self.sharded.root.sums = &sums[n_partials - 1, 0]
            self.place_partial(&self.sharded.root, n_partials - 1, False)
        for i in range(run.n_stages):
            if run.stages[i].fused_units > 0:
                n_bytes = max(n_bytes, piece_bytes_of(&run.stages[i], item_size(run.k.dtype)))
        self.sharded.piece_bytes = aligned(n_bytes)
        self.place_pieces(self.largest_team * (self.sharded.group_depth + 1) * self.sharded.piece_bytes)
        return 0

    cdef int place_partial(self, Partial *partial, Py_ssize_t place, bint own) except -1:
        """Memory for gradients and statistics; without `own`, the gradients are where those of the session are."""
        cdef Arena arena
        cdef Py_ssize_t n_bytes = aligned(self.memory.network.parameter_bytes) if own else 0
        if self.arenas[place] is None:
            arena = Arena()
            arena.take(n_bytes + self.sharded.statistics_bytes)
            arena.allocate()
            self.arenas[place] = arena
        arena = self.arenas[place]
        partial.gradients = arena.start if own else self.memory.run.memory.gradients
        partial.statistics = NULL if self.sharded.statistics_bytes == 0 else arena.start + n_bytes
        return 0

    cdef int place_statistics(self) except -1:
        """Where the statistics of each batch_norm that learns lie: mean, then variance."""
        cdef Run *run = &self.memory.run
        cdef Py_ssize_t i
        cdef Py_ssize_t[::1] offsets
        self.statistics_at = np.zeros(run.n_stages, np.intp)
        offsets = self.statistics_at
        self.sharded.statistics_bytes = 0
        for i in range(run.n_stages):
            offsets[i] = self.sharded.statistics_bytes
            if run.stages[i].kind == BATCH_NORM and run.stages[i].trained:
                self.sharded.statistics_bytes += 2 * run.stages[i].layer.n_units * item_size(run.k.dtype)
        self.sharded.statistics_at = &offsets[0]
        return 0

    cdef int place_pieces(self, Py_ssize_t n_bytes) except -1:
        cdef Arena arena
        if self.pieces is None or self.pieces.memory.shape[0] < n_bytes:
            arena = Arena()
            arena.take(n_bytes)
            arena.allocate()
            self.pieces = arena
        self.sharded.pieces = self.pieces.start
        return 0

    cdef int run_steps(self, int size) except -1:
        self.leaving = False
        with nogil:
            self.last_team = run_team(train_sharded_share, &self.sharded, size)
        return 0


cdef Py_ssize_t _rows_at_most(Py_ssize_t blocks, int depth, int level) noexcept:
    """The most samples of a node of this level, where a batch has so many blocks of SHARD_SAMPLES."""
    return SHARD_SAMPLES * (((blocks << level) - 1 >> depth) + 1)
