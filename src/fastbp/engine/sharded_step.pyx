"""One training step whose batch is cut into shards, beside the plain one in step.pyx.

1. Each thread takes its share of the panels of a group of shards through gather, forward, loss and backward. Barrier.
2. Each thread computes the weight gradients of its units, shard by shard, and adds them in the order of the tree. Where
   the group is the whole batch, it updates the weights by them, piece by piece. Barrier.
3. Where there are several groups, their sums are added by the same tree, each thread those of its units.
4. Each thread updates its units. Barrier. Where other processes have the other shards, divided_update.pyx does this.

A loss that is a Python function, and stages that use the whole batch, see one shard at a time.

With differential privacy (see private_step.pyx) a step begins with drawing its samples, and a sample's gradient is
clipped after the backward pass; noise is added to the sum over all shards, by whoever updates the unit.
"""

from libc.string cimport memset

from fastbp.engine.divided_update cimport divided_update, exchange
from fastbp.engine.kernels cimport flush_denormals, restore_denormals
from fastbp.engine.private_step cimport begin_private_step, clip_samples, draw_batch, finish_private_step
from fastbp.engine.run cimport Run
from fastbp.engine.sharded_gradient cimport (
    add_partial, complete_gradients, gradients_ahead, group_gradients, group_sums,
)
from fastbp.engine.shards cimport SUMS, Node, Partial, ShardedRun, first_row_of, given_before, rows_of
from fastbp.engine.step cimport (
    ThreadStep, backward, begin_microbatch, begin_step, finish_step, forward, found_bad, gather, loss,
)
from fastbp.engine.team cimport wait_for_all
from fastbp.engine.update_rules cimport takes_norm
from fastbp.engine.weight_update cimport square_gradients, update_parameters


cdef void train_sharded_share(void *job, int t, int n_threads) noexcept nogil:
    """Thread t's part of the steps of a call, until the call has ended or Python is to be entered."""
    cdef ShardedRun *sharded = <ShardedRun *>job
    cdef unsigned long former = flush_denormals()
    if t == 0:
        sharded.run.python.float_mode = former
    while _sharded_step(sharded, t, n_threads):
        pass
    restore_denormals(former)


cdef bint _sharded_step(ShardedRun *sharded, int t, int n_threads) noexcept nogil:
    """Thread t's part of the next step. Returns whether the next one follows at once: the same for all threads."""
    cdef Run *run = sharded.run
    cdef ThreadStep step
    cdef bint sound = True
    cdef Py_ssize_t i
    if sharded.private == NULL:
        step = begin_step(run, t, n_threads)
    else:
        draw_batch(sharded.private, t, n_threads)
        if run.data.n_rows > run.data.step_size:
            return False               # there is not enough memory for so many: see private_session.pyx
        step = begin_private_step(sharded.private, t, n_threads)
    if t == 0:
        sharded.n_samples = step.n_samples
        if sharded.part_sizes != NULL:
            _place_parts(sharded)
        if sharded.n_ahead > 0:
            memset(sharded.n_done, 0, n_threads * sizeof(int))
        if step.n_samples == 0:        # only with privacy
            memset(sharded.root.gradients, 0, sharded.parameter_bytes)
    wait_for_all(&run.barrier, n_threads)
    for i in range(sharded.n_nodes):
        sound = sound and _pass_node(sharded, &step, sharded.nodes[i].level, sharded.nodes[i].index,
                                     &sharded.partials[i])
    if sharded.exchange != NULL:
        sound = exchange(sharded, &step, SUMS, sound) and divided_update(sharded, &step, True)
    if not sound:
        return False
    if not step.fused and sharded.exchange == NULL:
        complete_gradients(sharded, &step)
        if step.updates:
            _update(sharded, &step)
    if t == 0:
        _finish(sharded, &step)
    wait_for_all(&run.barrier, n_threads)
    return not run.progress.halted


cdef void _update(ShardedRun *sharded, const ThreadStep *step) noexcept nogil:
    """Of this thread's units, where all gradients were computed before."""
    cdef Run *run = sharded.run
    if takes_norm(&run.updater):
        square_gradients(run, step.t, step.n_threads)
        wait_for_all(&run.barrier, step.n_threads)
    update_parameters(run, &step.numbers, step.t, step.n_threads)


cdef void _place_parts(ShardedRun *sharded) noexcept nogil:
    """Where the samples that each part gives to the step lie, in the step and in the memory of this process."""
    cdef Py_ssize_t i, before = 0, n = 0, step = sharded.parts.step, n_shards = <Py_ssize_t>1 << sharded.depth
    for i in range(n_shards):
        sharded.starts[i] = n
        n += given_before(sharded, step + 1, i) - given_before(sharded, step, i)
        if i >= sharded.first_shard:   # the parts of this process lie one after the other
            sharded.places[i] = before + given_before(sharded, step, i)
            before += sharded.part_sizes[i]
    sharded.starts[n_shards] = n


cdef void _finish(ShardedRun *sharded, const ThreadStep *step) noexcept nogil:
    """Thread 0, before the last barrier."""
    cdef Run *run = sharded.run
    cdef Py_ssize_t j
    if sharded.private != NULL:
        finish_private_step(sharded.private, step)
        return
    for j in range(run.scoring.slot_size):
        run.progress.sums[j] += sharded.root.sums[j]
    finish_step(run, step)


# ---- Nodes of the tree ---------------------------------------------------------------------------------------------


cdef bint _pass_node(ShardedRun *sharded, ThreadStep *step, int level, Py_ssize_t index, Partial *out) noexcept nogil:
    """All samples of a node through the stages, their gradients and sums to `out`. False: the step is given up."""
    cdef Partial *right
    if rows_of(sharded, level, index) == 0:
        return True
    if level <= sharded.group_depth:
        return _pass_group(sharded, step, level, index, out)
    if rows_of(sharded, level - 1, 2 * index) == 0:
        return _pass_node(sharded, step, level - 1, 2 * index + 1, out)
    if not _pass_node(sharded, step, level - 1, 2 * index, out):
        return False
    if rows_of(sharded, level - 1, 2 * index + 1) == 0:
        return True
    right = &sharded.waiting[level - 1]
    if not _pass_node(sharded, step, level - 1, 2 * index + 1, right):
        return False
    add_partial(sharded, step.t, step.n_threads, out, right)
    return True


cdef bint _goes_ahead(const ShardedRun *sharded, const ThreadStep *step, int level) noexcept nogil:
    """Whether this micro-batch is all that this process computes in the step, and others want its gradients soon."""
    cdef const Node *node = &sharded.nodes[0]
    return (sharded.n_ahead > 0 and sharded.n_nodes == 1 and level == node.level
            and step.microbatch.n_samples == rows_of(sharded, level, node.index))


cdef bint _pass_group(ShardedRun *sharded, ThreadStep *step, int level, Py_ssize_t index, Partial *out) noexcept nogil:
    """The same for so few shards that they pass at once; or for one that passes in several micro-batches."""
    cdef Run *run = sharded.run
    cdef Py_ssize_t end = first_row_of(sharded, level, index + 1)
    cdef bint accumulate = False
    step.n_done = first_row_of(sharded, level, index)
    while step.n_done < end:
        step.microbatch.first_sample = step.n_done
        step.microbatch.first_panel = step.n_done // run.k.lanes
        begin_microbatch(run, step, end)
        if sharded.part_sizes != NULL:     # one shard alone
            step.first = sharded.places[index] + step.n_done - sharded.starts[index]
        gather(run, step)
        forward(run, step)
        loss(run, step)
        backward(run, step)
        if sharded.private != NULL and step.going:
            clip_samples(sharded.private, step)
        wait_for_all(&run.barrier, step.n_threads)
        if run.progress.stop_samples or found_bad(run, step, sharded.private == NULL):
            return False
        if step.t == 0 and sharded.private == NULL:
            group_sums(sharded, step, level, index, out.sums, accumulate)
        if _goes_ahead(sharded, step, level):
            gradients_ahead(sharded, step, level, index, out)
        else:
            group_gradients(sharded, step, level, index, out, &step.numbers if step.fused else NULL, accumulate)
        wait_for_all(&run.barrier, step.n_threads)
        step.n_done += step.microbatch.n_samples
        accumulate = True
    return True
