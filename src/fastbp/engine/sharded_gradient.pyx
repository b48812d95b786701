"""The weight gradients of a group of shards: computed shard by shard, added in the order of the tree.

A group is a node of the tree whose samples have gone through the stages together. A thread takes a piece of its units,
computes their gradient of each shard, and adds: of a tree of 2^d shards d + 1 pieces are needed at a time, which stay
in the cache. Whole gradients of all shards would pass through main memory several times.

Rows of tables are added for all rows at once, as there is no saying which rows a shard has; a row whose gradient is
zero in the end is left as it is.
"""

from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset

from fastbp.engine.arena cimport aligned
from fastbp.engine.kernels cimport FBP_TABLE_SHARES, fbp_table
from fastbp.engine.layout cimport BATCH_NORM, TABULAR, item_size, units_of_share
from fastbp.engine.penalty cimport add_penalty_slopes
from fastbp.engine.private_step cimport noise_to_biases, noise_to_row, noise_to_weights
from fastbp.engine.run cimport Run
from fastbp.engine.shards cimport AheadUnits, first_row_of, rows_of
from fastbp.engine.stages cimport Microbatch, stage_gradient_of_samples, stage_move_statistics
from fastbp.engine.tables cimport shares_of_thread
from fastbp.engine.team cimport fetch_and_add, limits_in_use, monotonic_seconds
from fastbp.engine.weight_update cimport clear_padding, update_units

# Some units of a stage, in one micro-batch.
cdef struct Piece:
    ShardedRun *sharded
    const ThreadStep *step
    Stage *stage
    Py_ssize_t n0, n1              # its units
    Py_ssize_t first_row           # of the micro-batch, counted from the step's first
    char *statistics               # of the stage, for a batch_norm, or NULL
    char *scratch                  # [group_depth + 1][piece_bytes] of this thread
    bint accumulate


cdef Py_ssize_t piece_bytes_of(const Stage *stage, Py_ssize_t item) noexcept nogil:
    return aligned(stage.fused_units * stage.layer.ld * item) + aligned(stage.fused_units * item)


cdef char *_scratch_of(const Piece *piece, int level) noexcept nogil:
    return piece.scratch + level * piece.sharded.piece_bytes


cdef char *_bias_in(const Piece *piece, char *dW) noexcept nogil:
    """Where db of a piece lies whose dW is in scratch."""
    return dW + aligned(piece.stage.fused_units * piece.stage.layer.ld * item_size(piece.sharded.run.k.dtype))


# ---- Units ---------------------------------------------------------------------------------------------------------


cdef Piece _pieces_of_thread(ShardedRun *sharded, const ThreadStep *step, bint accumulate) noexcept nogil:
    """What all pieces of a thread in a micro-batch have in common; no stage and no units yet."""
    cdef Piece piece
    piece.sharded = sharded
    piece.step = step
    piece.stage = NULL
    piece.n0 = piece.n1 = 0
    piece.first_row = step.microbatch.first_sample
    piece.statistics = NULL
    piece.scratch = sharded.pieces + step.t * (sharded.group_depth + 1) * sharded.piece_bytes
    piece.accumulate = accumulate
    return piece


cdef void group_gradients(ShardedRun *sharded, const ThreadStep *step, int level, Py_ssize_t index, Partial *out,
                          const fbp_update *numbers, bint accumulate) noexcept nogil:
    cdef Run *run = sharded.run
    cdef Py_ssize_t i, n0, n1
    cdef Piece piece = _pieces_of_thread(sharded, step, accumulate)
    for i in range(run.n_stages):
        piece.stage = &run.stages[i]
        if piece.stage.kind == TABULAR:
            shares_of_thread(step.t, step.n_threads, &piece.n0, &piece.n1)
            _node_of_tables(&piece, level, index, out.gradients)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, step.t, step.n_threads, &n0, &n1)
        piece.statistics = NULL if out.statistics == NULL else out.statistics + sharded.statistics_at[i]
        if n0 < n1:
            _clear_scratch(&piece, n1 - n0)
            _units_of_group(&piece, level, index, out, numbers, n0, n1)


cdef void gradients_ahead(ShardedRun *sharded, const ThreadStep *step, int level, Py_ssize_t index,
                          Partial *out) noexcept nogil:
    cdef Py_ssize_t i, n0, n
    cdef const AheadUnits *units
    cdef Piece piece = _pieces_of_thread(sharded, step, False)
    cdef bint wanted = step.t == 0 and sharded.go_ahead(sharded.context, 0)
    cdef double now, then = monotonic_seconds()
    for i in range(sharded.n_ahead):
        units = &sharded.ahead[i]
        piece.stage = &sharded.run.stages[units.stage]
        n = units.n1 - units.n0
        n0 = units.n0 + n * step.t // step.n_threads
        n = units.n0 + n * (step.t + 1) // step.n_threads - n0
        if n > 0:
            _clear_scratch(&piece, n)
            _units_of_group(&piece, level, index, out, NULL, n0, n0 + n)
        fetch_and_add(&sharded.n_done[step.t], 1)
        if wanted:
            now = monotonic_seconds()
            if now - then > limits_in_use().ahead_seconds:
                then = now
                wanted = sharded.go_ahead(sharded.context, _done_by_all(sharded, step.n_threads))


cdef Py_ssize_t _done_by_all(ShardedRun *sharded, int n_threads) noexcept nogil:
    """How many of the units to be sent ahead all threads have done."""
    cdef int t, done = <int>sharded.n_ahead
    for t in range(n_threads):
        done = min(done, fetch_and_add(&sharded.n_done[t], 0))
    return done


cdef void _clear_scratch(const Piece *piece, Py_ssize_t n_units) noexcept nogil:
    """The padding of rows in scratch, which is added, and updated, like the rest."""
    cdef int level
    cdef const Stage *stage = piece.stage
    if stage.layer.ld > 1:
        for level in range(piece.sharded.group_depth + 1):
            clear_padding(piece.sharded.run.k, &stage.layer, _scratch_of(piece, level),
                          min(n_units, stage.fused_units))


cdef void _units_of_group(Piece *piece, int level, Py_ssize_t index, Partial *out, const fbp_update *numbers,
                          Py_ssize_t n0, Py_ssize_t n1) noexcept nogil:
    """Units n0..n1 of one stage, piece by piece; or their update."""
    cdef Run *run = piece.sharded.run
    cdef Stage *stage = piece.stage
    cdef Stage own = stage[0]
    cdef Py_ssize_t item = item_size(run.k.dtype), row_bytes = stage.layer.ld * item
    cdef char *W = out.gradients + (<char *>stage.layer.weights - run.memory.parameters)
    cdef char *b = out.gradients + (<char *>stage.layer.bias - run.memory.parameters)
    cdef char *dW
    cdef char *db
    piece.n1 = n0
    while piece.n1 < n1:
        piece.n0 = piece.n1
        piece.n1 = min(piece.n0 + stage.fused_units, n1)
        if numbers == NULL:
            _node_of_units(piece, level, index, W + piece.n0 * row_bytes, b + piece.n0 * item)
            continue
        dW = _scratch_of(piece, piece.sharded.group_depth)
        db = _bias_in(piece, dW)
        _node_of_units(piece, level, index, dW, db)
        own.dW = dW - piece.n0 * row_bytes     # so that unit n0's row lies at the start of the scratch
        if stage.db != NULL:
            own.db = db - piece.n0 * item
        add_penalty_slopes(run.k, &own, piece.step.microbatch.step_l2, piece.n0, piece.n1)
        update_units(run, numbers, &own, 1, piece.n0, piece.n1)


cdef void _node_of_units(const Piece *piece, int level, Py_ssize_t index, char *dW, char *db) noexcept nogil:
    """The gradient of the piece's units over the samples of a node: dW and db of its first unit, and on from there."""
    cdef ShardedRun *sharded = piece.sharded
    cdef char *right
    if level == 0:
        _shard_of_units(piece, index, dW, db)
        return
    if rows_of(sharded, level - 1, 2 * index) == 0:
        _node_of_units(piece, level - 1, 2 * index + 1, dW, db)
        return
    _node_of_units(piece, level - 1, 2 * index, dW, db)
    if rows_of(sharded, level - 1, 2 * index + 1) == 0:
        return
    right = _scratch_of(piece, level - 1)
    _node_of_units(piece, level - 1, 2 * index + 1, right, _bias_in(piece, right))
    sharded.run.k.add_scaled(dW, right, 1, (piece.n1 - piece.n0) * piece.stage.layer.ld)
    if piece.stage.db != NULL:
        sharded.run.k.add_scaled(db, _bias_in(piece, right), 1, piece.n1 - piece.n0)


cdef void _shard_of_units(const Piece *piece, Py_ssize_t shard, char *dW, char *db) noexcept nogil:
    """The same of one shard, or of the part of it in this micro-batch."""
    cdef ShardedRun *sharded = piece.sharded
    cdef const Stage *stage = piece.stage
    cdef Py_ssize_t item = item_size(sharded.run.k.dtype)
    cdef Stage own = stage[0]
    cdef Microbatch mb = _microbatch_of(piece, shard, &own)
    own.dW = dW - piece.n0 * stage.layer.ld * item
    if stage.db != NULL:
        own.db = db - piece.n0 * item
    stage_gradient_of_samples(&mb, &own, piece.n0, piece.n1, NULL)
    if stage.kind == BATCH_NORM and piece.statistics != NULL:
        _keep_statistics(piece, &mb)


cdef Microbatch _microbatch_of(const Piece *piece, Py_ssize_t shard, Stage *own) noexcept nogil:
    """The samples of one shard as a micro-batch, whose panels `own` points to from here on."""
    cdef const Run *run = piece.sharded.run
    cdef Microbatch mb = piece.step.microbatch
    cdef Py_ssize_t panel, lanes = run.k.lanes, item = item_size(run.k.dtype)
    cdef Py_ssize_t first = first_row_of(piece.sharded, 0, shard) - piece.first_row
    mb.accumulate = piece.accumulate
    if first <= 0:                     # the first shard of the micro-batch, or a further part of a large one
        first = 0
    panel = first // lanes
    mb.n_samples = min(rows_of(piece.sharded, 0, shard), mb.n_samples - first)
    if panel == 0:
        return mb
    own.gradient.data = <char *>own.gradient.data + panel * own.gradient.stride * item
    own.source.data = <char *>own.source.data + panel * own.source.stride * item
    if own.saved.data != NULL:
        own.saved.data = <char *>own.saved.data + panel * own.saved.stride * item
    if own.source_blocks != NULL:
        own.source_blocks = <char *>own.source_blocks + panel * lanes * lanes * item
    if own.table_rows != NULL:
        own.table_rows += panel * own.n_tables * lanes
    if own.narrow.on:                  # pairs of 32 bits
        own.narrow.gradient_rows.data = (<char *>own.narrow.gradient_rows.data
                                         + panel * own.narrow.gradient_rows.stride * 4)
        own.narrow.blocks = <char *>own.narrow.blocks + panel * (lanes * lanes // 2) * 4
    return mb


cdef void _keep_statistics(const Piece *piece, const Microbatch *mb) noexcept nogil:
    """Mean and variance of the shard's units, each as often as it has samples: to be added like gradients.

    The variance of a single sample is not known, and counts as none.
    """
    cdef const Stage *stage = piece.stage
    cdef Py_ssize_t item = item_size(mb.k.dtype), n = piece.n1 - piece.n0
    cdef char *mean = piece.statistics + piece.n0 * item
    cdef char *variance = mean + stage.layer.n_units * item
    memcpy(mean, <char *>stage.batch.mean + piece.n0 * item, n * item)
    memcpy(variance, <char *>stage.batch.variance + piece.n0 * item, n * item)
    mb.k.clip(mean, n, mb.n_samples, INFINITY)
    if mb.n_samples == 1:
        memset(variance, 0, n * item)
    mb.k.clip(variance, n, mb.n_samples, INFINITY)


# ---- Rows of tables ------------------------------------------------------------------------------------------------


cdef void _node_of_tables(const Piece *piece, int level, Py_ssize_t index, char *gradients) noexcept nogil:
    """The gradient of all rows of table shares n0..n1 over the samples of a node."""
    cdef ShardedRun *sharded = piece.sharded
    if level == 0:
        _shard_of_tables(piece, index, gradients)
        return
    if rows_of(sharded, level - 1, 2 * index) == 0:
        _node_of_tables(piece, level - 1, 2 * index + 1, gradients)
        return
    _node_of_tables(piece, level - 1, 2 * index, gradients)
    if rows_of(sharded, level - 1, 2 * index + 1) == 0:
        return
    _node_of_tables(piece, level - 1, 2 * index + 1, sharded.waiting[level - 1].gradients)
    _add_rows(sharded, piece.stage, piece.n0, piece.n1, gradients, sharded.waiting[level - 1].gradients)


cdef void _shard_of_tables(const Piece *piece, Py_ssize_t shard, char *gradients) noexcept nogil:
    cdef Run *run = piece.sharded.run
    cdef Stage own = piece.stage[0]
    cdef Microbatch mb = _microbatch_of(piece, shard, &own)
    cdef Py_ssize_t i, s, row, row_bytes
    cdef fbp_table table
    for i in range(own.n_tables):
        table = own.tables[i]
        table.gradient = gradients + (<char *>table.weights - run.memory.parameters)
        row_bytes = table.ld * item_size(run.k.dtype)
        if not mb.accumulate:
            for s in range(piece.n0, piece.n1):
                row = s
                while row < table.n_rows:
                    memset(<char *>table.gradient + row * row_bytes, 0, row_bytes)
                    row += FBP_TABLE_SHARES
        # A row that is touched is set to zero once, or was so already: nothing was added to it before.
        run.k.embed_gradient(&table, own.table_rows + i * run.k.lanes, own.n_tables * run.k.lanes, own.gradient,
                             mb.n_samples, piece.n0, piece.n1, mb.attempt, mb.accumulate)


cdef void _add_rows(const ShardedRun *sharded, const Stage *stage, Py_ssize_t s0, Py_ssize_t s1, char *sum,
                    const char *x) noexcept nogil:
    """Rows of table shares s0..s1 of each table of one partial sum, to those of another."""
    cdef const Run *run = sharded.run
    cdef Py_ssize_t i, s, row, place
    cdef const fbp_table *table
    for i in range(stage.n_tables):
        table = &stage.tables[i]
        for s in range(s0, s1):
            row = s
            while row < table.n_rows:
                place = (<char *>table.weights - run.memory.parameters) + row * table.ld * item_size(run.k.dtype)
                run.k.add_scaled(sum + place, x + place, 1, table.ld)
                row += FBP_TABLE_SHARES


cdef void _list_rows(Run *run, const Stage *stage, Py_ssize_t s0, Py_ssize_t s1) noexcept nogil:
    """The rows of table shares s0..s1 that have a gradient, to the lists of rows that the update goes through."""
    cdef Py_ssize_t i, s, row, j, words
    cdef fbp_table *table
    cdef const uint64_t *numbers
    cdef uint64_t bits
    for i in range(stage.n_tables):
        table = &stage.tables[i]
        words = table.ld * item_size(run.k.dtype) // 8
        for s in range(s0, s1):
            table.n_touched[s] = 0
            row = s
            while row < table.n_rows:
                numbers = <const uint64_t *>(<char *>table.gradient + row * words * 8)
                bits = 0
                for j in range(words):
                    bits |= numbers[j]
                if bits:
                    table.touched[s * table.share_rows + table.n_touched[s]] = <int>row
                    table.n_touched[s] += 1
                row += FBP_TABLE_SHARES


# ---- Whole partial sums --------------------------------------------------------------------------------------------


cdef void add_partial(ShardedRun *sharded, int t, int n_threads, Partial *sum, const Partial *x) noexcept nogil:
    cdef Run *run = sharded.run
    cdef Stage *stage
    cdef Py_ssize_t i, j, n0, n1, W, b, item = item_size(run.k.dtype)
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind == TABULAR:
            shares_of_thread(t, n_threads, &n0, &n1)
            _add_rows(sharded, stage, n0, n1, sum.gradients, x.gradients)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, t, n_threads, &n0, &n1)
        if n0 == n1:
            continue
        W = <char *>stage.layer.weights - run.memory.parameters + n0 * stage.layer.ld * item
        b = <char *>stage.layer.bias - run.memory.parameters + n0 * item
        run.k.add_scaled(sum.gradients + W, x.gradients + W, 1, (n1 - n0) * stage.layer.ld)
        if stage.db != NULL:
            run.k.add_scaled(sum.gradients + b, x.gradients + b, 1, n1 - n0)
        if stage.kind == BATCH_NORM:
            for j in range(2):
                b = sharded.statistics_at[i] + (j * stage.layer.n_units + n0) * item
                run.k.add_scaled(sum.statistics + b, x.statistics + b, 1, n1 - n0)
    if t == 0:
        for j in range(run.scoring.slot_size):
            sum.sums[j] += x.sums[j]


cdef void complete_gradients(ShardedRun *sharded, const ThreadStep *step) noexcept nogil:
    cdef Run *run = sharded.run
    cdef Stage *stage
    cdef Py_ssize_t i, n0, n1
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind == TABULAR:
            shares_of_thread(step.t, step.n_threads, &n0, &n1)
            if sharded.private != NULL:
                _noise_to_tables(sharded, step, stage, n0, n1)
            _list_rows(run, stage, n0, n1)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, step.t, step.n_threads, &n0, &n1)
        if n0 == n1:
            continue
        add_penalty_slopes(run.k, stage, step.microbatch.step_l2, n0, n1)
        if sharded.private != NULL and stage.trained:
            noise_to_weights(sharded.private, step.microbatch.step, stage, n0, n1)
            noise_to_biases(sharded.private, step.microbatch.step, stage, n0, n1)
        if stage.kind == BATCH_NORM and step.microbatch.training:
            use_statistics(sharded, step, stage, n0, n1)


cdef void _noise_to_tables(const ShardedRun *sharded, const ThreadStep *step, const Stage *stage, Py_ssize_t s0,
                           Py_ssize_t s1) noexcept nogil:
    """Noise to all rows of table shares s0..s1, whether samples had them or not."""
    cdef Py_ssize_t i, s, row
    if not stage.trained:
        return
    for i in range(stage.n_tables):
        for s in range(s0, s1):
            row = s
            while row < stage.tables[i].n_rows:
                noise_to_row(sharded.private, step.microbatch.step, &stage.tables[i], row)
                row += FBP_TABLE_SHARES


cdef void use_statistics(const ShardedRun *sharded, const ThreadStep *step, Stage *stage, Py_ssize_t n0,
                         Py_ssize_t n1) noexcept nogil:
    cdef const Run *run = sharded.run
    cdef Py_ssize_t item = item_size(run.k.dtype)
    cdef const char *mean = sharded.root.statistics + sharded.statistics_at[stage.number]
    memcpy(<char *>stage.batch.mean + n0 * item, mean + n0 * item, (n1 - n0) * item)
    memcpy(<char *>stage.batch.variance + n0 * item, mean + (stage.layer.n_units + n0) * item, (n1 - n0) * item)
    run.k.clip(<char *>stage.batch.mean + n0 * item, n1 - n0, 1.0 / step.n_samples, INFINITY)
    run.k.clip(<char *>stage.batch.variance + n0 * item, n1 - n0, 1.0 / step.n_samples, INFINITY)
    stage_move_statistics(run.k, stage, n0, n1)


# ---- Losses and metrics --------------------------------------------------------------------------------------------


cdef void group_sums(const ShardedRun *sharded, const ThreadStep *step, int level, Py_ssize_t index, double *sums,
                     bint accumulate) noexcept nogil:
    cdef const Run *run = sharded.run
    cdef Py_ssize_t first, count, p, j, n = run.scoring.slot_size
    cdef double *right
    if level > 0:
        if rows_of(sharded, level - 1, 2 * index) == 0:
            group_sums(sharded, step, level - 1, 2 * index + 1, sums, accumulate)
            return
        group_sums(sharded, step, level - 1, 2 * index, sums, accumulate)
        if rows_of(sharded, level - 1, 2 * index + 1) == 0:
            return
        right = sharded.waiting[level - 1].sums
        group_sums(sharded, step, level - 1, 2 * index + 1, right, accumulate)
        for j in range(n):
            sums[j] += right[j]
        return
    first = max(first_row_of(sharded, 0, index) - step.microbatch.first_sample, <Py_ssize_t>0)
    count = min(rows_of(sharded, 0, index), step.microbatch.n_samples - first)
    if not accumulate:
        memset(sums, 0, n * sizeof(double))
    for p in range(first // run.k.lanes, (first + count - 1) // run.k.lanes + 1):
        for j in range(n):
            sums[j] += run.buffers.slots[p * n + j]
