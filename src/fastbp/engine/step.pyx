"""One training step: gather, forward, loss, backward, update. The GIL is released, and all threads run `train_step`.

1. Each thread takes its share of the batch's panels through gather, forward, loss and backward, down to dZ of the first
   stage that learns. Samples are independent, so no thread waits for another, with one exception: before a stage that
   uses the whole batch (batch_norm) all threads meet, each computes what is needed for its share of the units, and all
   meet again.
2. Barrier. Every thread looks at every panel's verdict, so that all decide alike whether the step goes on.
3. Each thread computes the weight gradients of its share of the units, and updates those weights.
4. Barrier.

A batch of more than MICROBATCH_SAMPLES passes as several micro-batches, whose weight gradients are added up in their
order. So does a step over several batches (gradient accumulation), each of which is one micro-batch or several.

Ctrl-C can give up a long step until its first weight changes: the weights are always those of a completed step. Where
step 3 itself is long, where the norm of the gradient is clipped, and where there are several micro-batches, all
gradients are computed first, and then all weights are updated, after one more barrier.

A loss that is a Python function is called between forward and backward, by one thread with the GIL held, while the
others wait.
"""

from libc.math cimport NAN, isfinite
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastbp.engine.features cimport gather_features
from fastbp.engine.kernels cimport fbp_kernels, fbp_panels, fbp_update, flush_denormals, restore_denormals
from fastbp.engine.layout cimport DENSE, HEADS, MEAN, Stage, activation_gradient, item_size, stage_work, tile_rows
from fastbp.engine.loss cimport (
    BAD_INPUTS, BAD_TARGETS, each_loss, gather_sample_weights, gather_targets, keep_outputs, score_members,
    score_outputs, score_outputs_of_members, score_panel, takes_Z, total_sample_weight,
)
from fastbp.engine.members cimport inputs_of_member, transpose_source
from fastbp.engine.penalty cimport sum_of_penalties
from fastbp.engine.run cimport PartSteps, Run, is_given_up, piece_units, scores_members
from fastbp.engine.stages cimport (
    Microbatch, stage_backward, stage_forward, stage_meet_backward, stage_meet_forward, stage_round_gradient,
)
from fastbp.engine.team cimport limits_in_use, load_flag, load_seconds, monotonic_seconds, store_flag, wait_for_all
from fastbp.engine.update_rules cimport numbers_of_step, reach_step
from fastbp.engine.weight_update cimport compute_gradients, compute_penalties, update_parameters


cdef void train_share(void *job, int t, int n_threads) noexcept nogil:
    """Thread t's part of the steps of a call, until the call has ended or Python is to be entered."""
    cdef Run *run = <Run *>job
    cdef unsigned long former = flush_denormals()
    if t == 0:
        run.python.float_mode = former
    while train_step(run, t, n_threads):
        pass
    restore_denormals(former)


cdef bint train_step(Run *run, int t, int n_threads) noexcept nogil:
    """Thread t's part of the next step. Returns whether the next one follows at once: the same for all threads."""
    cdef ThreadStep step = begin_step(run, t, n_threads)
    while step.n_done < step.n_samples:
        begin_microbatch(run, &step, step.n_samples)

        # X [n_rows][n_inputs], y -> source [panel][n_inputs][VL], targets [panel][n_outputs][VL] or labels [panel][VL]
        gather(run, &step)

        # stage by stage: source -> A [panel][n_units][VL], the source of the next stage
        forward(run, &step)

        # A of the last stage, targets -> slots [panel][slot_size]; gradient [panel][n_outputs][VL] of the last stage
        loss(run, &step)

        # stage by stage, last one first: dZ [panel][n_units][VL] -> dZ [panel][n_inputs][VL] of the stage below
        backward(run, &step)

        # stage by stage: dZ, source -> dW [n_units][ld], db [n_units]; and W, b -= what the optimizer makes of them
        if not (is_sound(run, &step) and update(run, &step)):
            if step.summed:
                take_back_sums(run)
            return False
    return not run.progress.halted


# ---- The course of a step ------------------------------------------------------------------------------------------


cdef ThreadStep begin_step(Run *run, int t, int n_threads) noexcept nogil:
    """The next step, before its first micro-batch; and the penalties on the weights as they are now."""
    cdef ThreadStep step
    cdef Microbatch *mb = &step.microbatch
    cdef double weight = run.progress.next_weight
    step.t = t
    step.n_threads = n_threads
    step.numbers = numbers_of_step(&run.updater, run.progress.n_steps + 1)
    step.n_samples = min(run.data.step_size, run.data.n_rows - run.progress.next_row)
    # Samples that all weigh nothing are looked at, and nothing is learned from them.
    step.scale = 1 / (weight * run.scoring.terms_per_sample) if weight > 0 else 0
    step.updates = run.cut.updates and weight > 0
    step.fused = run.cut.fused and step.updates
    step.n_done = 0
    step.summed = False
    mb.k = run.k
    mb.narrow = run.narrow
    mb.n_samples = 0
    mb.first_sample = 0
    mb.first_panel = 0
    mb.training = run.cut.training
    mb.accumulate = False
    mb.seed = run.seed
    mb.by_lane = run.by_lane
    mb.step = run.progress.n_steps
    mb.attempt = run.progress.attempt
    mb.step_l2 = run.scoring.l2 / weight if weight > 0 else 0
    mb.step_of_call = run.progress.n_steps + 1 - run.updater.first_step
    mb.scratch = run.buffers.scratch + t * run.buffers.scratch_bytes
    if run.memory.penalties != NULL:
        compute_penalties(run, mb.step_l2, t, n_threads)
    return step


cdef void begin_microbatch(const Run *run, ThreadStep *step, Py_ssize_t end) noexcept nogil:
    """The next micro-batch, up to sample `end` of the step at most, and this thread's panels of it."""
    cdef Microbatch *mb = &step.microbatch
    mb.n_samples = min(end - step.n_done, run.data.microbatch_size)
    mb.accumulate = step.n_done > 0
    step.first = run.progress.next_row + step.n_done
    step.is_last = step.n_done + mb.n_samples == step.n_samples
    step.n_panels = (mb.n_samples - 1) // run.k.lanes + 1
    mb.half_end = step.n_panels if half_is_enough(mb) else 0
    step.p0 = step.n_panels * step.t // step.n_threads
    step.p1 = step.n_panels * (step.t + 1) // step.n_threads
    step.going = step.p0 < step.p1


cdef bint half_is_enough(const Microbatch *mb) noexcept nogil:
    """Whether the last panel has samples in the first half of its lanes alone, and this CPU gains by that."""
    return limits_in_use().half_panels and 0 < mb.n_samples % mb.k.lanes <= mb.k.lanes // 2


cdef bint is_sound(Run *run, ThreadStep *step) noexcept nogil:
    """After the first barrier: whether the step goes on. Thread 0 adds the micro-batch's sums to the epoch's."""
    wait_for_all(&run.barrier, step.n_threads)
    if run.progress.stop_samples or found_bad(run, step, True):
        return False
    if step.t == 0:
        keep_sums(run, step)
        add_sums(run, step.n_panels)
    return True


cdef bint found_bad(Run *run, const ThreadStep *step, bint losses) noexcept nogil:
    """Whether something is wrong with what the micro-batch reads, or with its losses, if these are looked at.

    All threads find the same; thread 0 writes down what and where.
    """
    cdef int bad = find_bad(run, step.n_panels, losses)
    if bad and step.t == 0:
        run.progress.bad = bad
        run.progress.bad_row = step.first
    return bad != 0


cdef int find_bad(const Run *run, Py_ssize_t n_panels, bint losses) noexcept nogil:
    """What is wrong with the micro-batch: 0, BAD_INPUTS, BAD_TARGETS, or -1 where the loss is not finite."""
    cdef Py_ssize_t p
    cdef double loss = 0
    for p in range(n_panels):
        if run.buffers.verdicts[p]:
            return run.buffers.verdicts[p]
        if losses:
            loss += run.buffers.slots[p * run.scoring.slot_size]
    return 0 if isfinite(loss) else -1


cdef void keep_sums(Run *run, ThreadStep *step) noexcept nogil:
    """The epoch's sums as they are before a step that may be given up after its first losses."""
    if not step.summed and (run.cut.long_step or not step.is_last):
        memcpy(run.progress.sums_before, run.progress.sums, run.scoring.slot_size * sizeof(double))
        step.summed = True


cdef void take_back_sums(Run *run) noexcept nogil:
    """The epoch's sums without those of the step that is given up: it will be done again, or never."""
    memcpy(run.progress.sums, run.progress.sums_before, run.scoring.slot_size * sizeof(double))


cdef void add_sums(Run *run, Py_ssize_t n_panels) noexcept nogil:
    """The panels' sums to the epoch's, in the order of the panels."""
    cdef Py_ssize_t p, j
    for p in range(n_panels):
        for j in range(run.scoring.slot_size):
            run.progress.sums[j] += run.buffers.slots[p * run.scoring.slot_size + j]


cdef bint update(Run *run, ThreadStep *step) noexcept nogil:
    """Weight gradients and update of this thread's units, and the second barrier. False where the step is given up."""
    cdef bint updates_now = step.fused and step.is_last
    compute_gradients(run, &step.microbatch, &step.numbers if updates_now else NULL, step.t, step.n_threads)
    if step.t == 0 and updates_now:
        finish_step(run, step)
    wait_for_all(&run.barrier, step.n_threads)
    if run.progress.stop_weights:
        return False
    step.n_done += step.microbatch.n_samples
    step.microbatch.first_sample = step.n_done
    step.microbatch.first_panel += step.n_panels
    if step.is_last and not step.fused:
        if step.updates:
            update_parameters(run, &step.numbers, step.t, step.n_threads)
        if step.t == 0:
            finish_step(run, step)
        wait_for_all(&run.barrier, step.n_threads)
    return True


cdef void finish_step(Run *run, const ThreadStep *step) noexcept nogil:
    """Thread 0, before the last barrier: the step is counted and the next one weighed."""
    cdef double weight = run.progress.next_weight
    if weight > 0 and run.memory.penalties != NULL:
        run.progress.sums[0] += (sum_of_penalties(run.memory.penalties, run.memory.n_units) * weight
                                 * run.scoring.terms_per_sample)
    run.progress.next_row += step.n_samples
    run.progress.weight_done += weight
    weigh_next_step(run)
    count_step(run, &step.numbers, step.updates)
    run.progress.halted = (run.progress.next_row >= run.data.n_rows
                           or monotonic_seconds() > load_seconds(&run.progress.enter_python_at))


cdef void count_step(Run *run, const fbp_update *numbers, bint updates) noexcept nogil:
    if updates and numbers.average_share > 0:
        run.updater.n_averaged += 1
    run.progress.n_steps += run.cut.updates
    run.progress.attempt += 1
    reach_step(&run.updater, run.progress.n_steps + 1)


cdef void weigh_next_step(Run *run) noexcept nogil:
    cdef PartSteps *parts = run.data.parts
    if parts != NULL:
        if run.progress.next_row < run.data.n_rows:
            while parts.ends[parts.step] != run.progress.next_row:
                parts.step += 1
            run.data.step_size = parts.ends[parts.step + 1] - parts.ends[parts.step]
            run.progress.next_weight = parts.weights[parts.step]
        return
    run.progress.next_weight = total_sample_weight(
        &run.scoring, run.data.index, run.progress.next_row,
        min(run.data.step_size, run.data.n_rows - run.progress.next_row))


# ---- Gather --------------------------------------------------------------------------------------------------------


cdef void gather(Run *run, ThreadStep *step) noexcept nogil:
    """Inputs and targets of this thread's panels. A panel that is not finite gets a verdict."""
    cdef const fbp_kernels *k = run.k
    cdef const Stage *stage = &run.stages[0]
    cdef Py_ssize_t n = step.microbatch.n_samples, p, count, row, next_row, n_next
    cdef const int64_t *index
    cdef const int64_t *next_index     # the rows of the next panel, to be prefetched
    for p in range(step.p0, step.p1):
        if is_given_up(run, &run.progress.stop_samples, step.t):
            step.going = False
            return
        count = min(n - p * k.lanes, <Py_ssize_t>k.lanes)
        row = step.first + p * k.lanes
        index = NULL
        next_index = NULL
        n_next = 0
        if run.data.index != NULL:
            index = run.data.index + row
            next_row = row + k.lanes if p + 1 < step.p1 else step.first + n + step.p0 * k.lanes
            next_index = run.data.index + next_row
            n_next = max(0, min(run.data.n_here - next_row, <Py_ssize_t>k.lanes))
        run.buffers.verdicts[p] = 0
        if not gather_features(k, &run.data.X, run.data.features, index, row, count, next_index, n_next, p,
                               stage.source, stage.source_blocks, stage.block_stride):
            run.buffers.verdicts[p] = BAD_INPUTS
        if run.data.codes.n_columns > 0:
            k.read_codes(&run.data.codes, index, row, count, stage.tables,
                         stage.table_rows + p * run.data.codes.n_columns * k.lanes)
        if not gather_targets(k, &run.scoring, index, row, count, next_index, n_next, p, run.buffers.targets,
                              run.buffers.labels):
            run.buffers.verdicts[p] = BAD_TARGETS


# ---- Forward -------------------------------------------------------------------------------------------------------


cdef void forward(Run *run, ThreadStep *step) noexcept nogil:
    """This thread's panels through all stages.

    A thread that has no panels, or finds the step given up, comes to every meeting: others may be waiting there.
    """
    cdef Stage *stage = run.stages
    cdef Stage *end = run.stages + run.n_stages
    while stage < end:
        if stage.meets and step.microbatch.training:
            meet(run, step, stage, True)
        step.going = step.going and forward_stage(run, step, stage)
        if step.going and stage + 1 < end and (stage + 1).source_blocks != NULL:
            transpose_source(run.k, stage + 1, step.p0, step.p1)
        stage += 1


cdef Py_ssize_t _piece(const Run *run, const ThreadStep *step, const Stage *stage, Py_ssize_t n) noexcept nogil:
    """How many of n units, or inputs, one call takes: of all stages only a product may be called for some."""
    if stage.kind != DENSE and stage.kind != HEADS:
        return n
    return piece_units(run, stage, stage_work(stage) * (step.p1 - step.p0) * run.k.lanes, n)


cdef bint forward_stage(Run *run, const ThreadStep *step, Stage *stage) noexcept nogil:
    """One stage, piece by piece. False where the step is to be given up."""
    cdef Py_ssize_t n = 0, end, n_units = stage.layer.n_units
    cdef Py_ssize_t piece = _piece(run, step, stage, n_units)
    while n < n_units:
        if is_given_up(run, &run.progress.stop_samples, step.t):
            return False
        end = min(n + piece, n_units)
        stage_forward(&step.microbatch, stage, step.p0, step.p1, n, end)
        n = end
    return True


cdef void meet(Run *run, const ThreadStep *step, Stage *stage, bint forward) noexcept nogil:
    """All threads compute what the stage needs from all panels, each for its share of the units."""
    cdef Py_ssize_t n0 = stage.layer.n_units * step.t // step.n_threads
    cdef Py_ssize_t n1 = stage.layer.n_units * (step.t + 1) // step.n_threads
    wait_for_all(&run.barrier, step.n_threads)
    if forward:
        stage_meet_forward(&step.microbatch, stage, n0, n1)
    else:
        stage_meet_backward(&step.microbatch, stage, n0, n1)
    wait_for_all(&run.barrier, step.n_threads)


# ---- Loss ----------------------------------------------------------------------------------------------------------


cdef void loss(Run *run, ThreadStep *step) noexcept nogil:
    """The losses of this thread's panels, and their gradient with respect to what the last layer puts out."""
    if not run.scoring.custom:
        if step.going:
            score_panels(run, step)
        return
    wait_for_all(&run.barrier, step.n_threads)
    if step.t == 0 and not run.progress.stop_samples:
        store_flag(&run.progress.stop_samples, run.python.score(
            run.python.context, step.first, step.microbatch.n_samples, step.scale))
    wait_for_all(&run.barrier, step.n_threads)
    step.going = step.going and not load_flag(&run.progress.stop_samples)  # thread 0 may be further, and set it again


cdef void score_panels(Run *run, ThreadStep *step) noexcept nogil:
    """Each panel's loss and metrics to its slot, and the gradient of the loss to the last stage.

    Where that is the mean of members, each of them has its own loss, and the gradient goes to the heads.
    """
    cdef const fbp_kernels *k = run.k
    cdef Stage *last = &run.stages[run.n_stages - 1]
    cdef bint of_members = scores_members(run)
    cdef Py_ssize_t p, count, row
    cdef double *slot
    cdef const double *sample_weights
    for p in range(step.p0, step.p1):
        if is_given_up(run, &run.progress.stop_samples, step.t):
            step.going = False
            return
        slot = run.buffers.slots + p * run.scoring.slot_size
        memset(slot, 0, run.scoring.slot_size * sizeof(double))
        count = min(step.microbatch.n_samples - p * k.lanes, <Py_ssize_t>k.lanes)
        row = step.first + p * k.lanes
        if run.scoring.given or run.scoring.all_output_weights != NULL:
            slot[0] = special_score(run, step, last, p, row, count)
            continue
        sample_weights = gather_sample_weights(
            &run.scoring, NULL if run.data.index == NULL else run.data.index + row, row, count,
            run.buffers.sample_weights + p * k.lanes)
        score_panel(k, &run.scoring, last.output, run.buffers.targets, run.buffers.labels, sample_weights,
                    last.layer.n_units, p, count, step.scale,
                    fbp_panels(NULL, 0) if of_members else last.gradient, slot)
        if of_members:
            slot[0] = score_members(k, &run.scoring, last - 1, run.buffers.targets, run.buffers.labels, sample_weights,
                                    p, count, step.scale)
        if run.data.losses != NULL:
            each_loss(k, &run.scoring, last.output, run.buffers.targets, run.buffers.labels, last.layer.n_units, p,
                      count, run.data.losses + row)
        if run.data.outputs != NULL and isfinite(slot[0]):  # else the search for the bad layer reads last.output
            keep_outputs(k, &run.scoring, &run.last_layer, last.output, p, count,
                         run.data.outputs + row * last.layer.n_units * item_size(k.dtype))


cdef double special_score(Run *run, const ThreadStep *step, Stage *last, Py_ssize_t p, Py_ssize_t row,
                          Py_ssize_t count) noexcept nogil:
    """The loss of panel p, and its gradient to the last stage, where a gradient is given or outputs have weights.

    With a given gradient there is no loss: it is 0, or NaN where outputs are not finite.
    """
    cdef const fbp_kernels *k = run.k
    cdef Py_ssize_t size = item_size(k.dtype)
    if not run.scoring.given:
        if run.data.losses != NULL:
            each_loss(k, &run.scoring, last.output, run.buffers.targets, run.buffers.labels, last.layer.n_units, p,
                      count, run.data.losses + row)
        if scores_members(run):
            return score_outputs_of_members(k, &run.scoring, last - 1, run.buffers.targets, p, row, count, step.scale,
                                            run.buffers.sample_weights + p * k.lanes)
        return score_outputs(k, &run.scoring, last.output, run.buffers.targets, last.layer.n_units, p, row, count,
                             step.scale, run.buffers.sample_weights + p * k.lanes, last.gradient)
    k.add_panels(run.buffers.targets, fbp_panels(NULL, 0), last.gradient, last.layer.n_units, p, p + 1)
    if k.all_finite(<char *>last.output.data + p * last.output.stride * size, last.layer.n_units * k.lanes):
        return 0
    return NAN


# ---- Backward ------------------------------------------------------------------------------------------------------


cdef void backward(Run *run, ThreadStep *step) noexcept nogil:
    """From the gradient of the last stage's outputs to dZ of the first stage that learns; meetings as in forward."""
    cdef Stage *stage
    cdef Py_ssize_t i, last = run.n_stages - 1
    last -= scores_members(run)
    if step.going and not takes_Z(&run.scoring) and run.stages[last].kind != MEAN:
        activation_gradient(run.k, &run.stages[last], step.p0, step.p1)
    for i in range(last, run.first_trained - 1, -1):
        stage = &run.stages[i]
        if step.going:
            stage_round_gradient(&step.microbatch, stage, step.p0, step.p1)
        if i == run.first_trained:
            break
        if stage.meets and step.microbatch.training:
            meet(run, step, stage, False)
        step.going = step.going and backward_stage(run, step, stage)


cdef bint backward_stage(Run *run, const ThreadStep *step, Stage *stage) noexcept nogil:
    """dZ of the stage below, piece by piece. False where the step is to be given up."""
    cdef Stage *below = stage - 1
    cdef Py_ssize_t i = 0, end, n_inputs = inputs_of_member(stage, below)
    cdef Py_ssize_t piece = _piece(run, step, stage, n_inputs)
    if below.n_numeric > 0:  # nobody reads the gradient of numeric columns: whole tiles of them are left out
        i = below.n_numeric // tile_rows(run.k, stage) * tile_rows(run.k, stage)
    while i < n_inputs:
        if is_given_up(run, &run.progress.stop_samples, step.t):
            return False
        end = min(i + piece, n_inputs)
        stage_backward(&step.microbatch, stage, below, step.p0, step.p1, i, end)
        i = end
    return True
