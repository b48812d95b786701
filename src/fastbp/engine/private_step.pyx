"""One training step with differential privacy (DP-SGD: Abadi et al. 2016), beside the plain one in step.pyx.

    g = (sum over the samples taken of c_i g_i  +  N(0, sigma^2 C^2)) / L,    c_i |g_i| <= C

1. Each thread draws which of its part of the samples the step takes: each with the same probability, independently.
   Two barriers make one list of them, of any length.
2. As in a plain step each thread takes its panels through gather, forward, loss and backward, micro-batch by
   micro-batch. Before the barrier A and dZ of a sample are at hand: their norms give the norm of the sample's gradient,
   and its lane of dZ, times c_i, gives the clipped gradient. The loss has the divisor L, not the number of samples.
3. Each thread computes the weight gradients of its units, after the last micro-batch adds the noise, and updates.

A sample whose gradient is not finite counts as if it were not there: it must not show in the weights as a NaN. Nothing
of a loss is told. A step without samples is noise alone. Noise goes to every row of a table, touched or not.
"""

from libc.stdint cimport uint32_t
from libc.string cimport memcpy, memset

from fastbp.engine.kernels cimport (
    FBP_ALIGN_BYTES, FBP_FOR_NOISE, FBP_FOR_SAMPLING, FBP_TABLE_SHARES, fbp_purpose, fbp_table, flush_denormals,
    restore_denormals,
)
from fastbp.engine.layout cimport DENSE, TABULAR, Stage, item_size, units_of_share
from fastbp.engine.penalty cimport add_penalty_slopes
from fastbp.engine.step cimport (
    ThreadStep, backward, begin_microbatch, count_step, forward, found_bad, gather, loss,
)
from fastbp.engine.tables cimport shares_of_thread
from fastbp.engine.team cimport load_seconds, monotonic_seconds, wait_for_all
from fastbp.engine.update_rules cimport numbers_of_step
from fastbp.engine.weight_update cimport compute_gradients, update_parameters


cdef void train_private_share(void *job, int t, int n_threads) noexcept nogil:
    """Thread t's part of the steps of a call, until the call has ended or Python is to be entered."""
    cdef PrivateRun *private = <PrivateRun *>job
    cdef unsigned long former = flush_denormals()
    if t == 0:
        private.run.python.float_mode = former
    while private_step(private, t, n_threads):
        pass
    restore_denormals(former)


cdef bint private_step(PrivateRun *private, int t, int n_threads) noexcept nogil:
    """Thread t's part of the next step. Returns whether the next one follows at once: the same for all threads."""
    cdef Run *run = private.run
    cdef ThreadStep step
    draw_batch(private, t, n_threads)
    step = begin_private_step(private, t, n_threads)
    while step.n_done < step.n_samples:
        begin_microbatch(run, &step, step.n_samples)
        gather(run, &step)
        forward(run, &step)
        loss(run, &step)
        backward(run, &step)
        if step.going:
            clip_samples(private, &step)
        wait_for_all(&run.barrier, n_threads)
        if run.progress.stop_samples or found_bad(run, &step, False):
            return False
        compute_gradients(run, &step.microbatch, NULL, t, n_threads)
        step.n_done += step.microbatch.n_samples
        step.microbatch.first_sample = step.n_done
        step.microbatch.first_panel += step.n_panels
        if step.n_done < step.n_samples:
            wait_for_all(&run.barrier, n_threads)
            if run.progress.stop_weights:
                return False
    if step.n_samples == 0:
        clear_gradients(run, &step)
    else:
        wait_for_all(&run.barrier, n_threads)
        if run.progress.stop_weights:
            return False
    add_noise(private, &step)
    update_parameters(run, &step.numbers, t, n_threads)
    if t == 0:
        finish_private_step(private, &step)
    wait_for_all(&run.barrier, n_threads)
    return not run.progress.halted


# ---- The course of a step ----


cdef ThreadStep begin_private_step(const PrivateRun *private, int t, int n_threads) noexcept nogil:
    """The step before its first micro-batch; its samples are drawn."""
    cdef const Run *run = private.run
    cdef ThreadStep step
    memset(&step, 0, sizeof(step))
    step.t = t
    step.n_threads = n_threads
    step.numbers = numbers_of_step(&run.updater, run.progress.n_steps + 1)
    step.n_samples = run.data.n_rows
    step.scale = 1 / (private.divisor * run.scoring.terms_per_sample)
    step.updates = True
    step.microbatch.k = run.k
    step.microbatch.training = True
    step.microbatch.seed = run.seed
    step.microbatch.step = run.progress.n_steps
    step.microbatch.attempt = run.progress.attempt
    step.microbatch.step_l2 = run.scoring.l2 / private.divisor
    step.microbatch.step_of_call = run.progress.n_steps + 1 - run.updater.first_step
    step.microbatch.scratch = run.buffers.scratch + t * run.buffers.scratch_bytes
    return step


cdef void finish_private_step(PrivateRun *private, const ThreadStep *step) noexcept nogil:
    """Thread 0, before the last barrier: the step is counted."""
    cdef Run *run = private.run
    count_step(run, &step.numbers, True)
    private.n_steps_left -= 1
    run.progress.halted = private.n_steps_left == 0 or (
        monotonic_seconds() > load_seconds(&run.progress.enter_python_at))


# ---- Which samples ----


cdef fbp_stream stream_of_step(const PrivateRun *private, uint64_t step, fbp_purpose purpose) noexcept nogil:
    """Random numbers of the step after so many: no two steps, and no two purposes, share any."""
    cdef fbp_stream stream = private.stream
    stream.nonce[0] = <uint32_t>step
    stream.nonce[1] = <uint32_t>(step >> 32)
    stream.nonce[2] = <uint32_t>purpose
    return stream


cdef void draw_batch(PrivateRun *private, int t, int n_threads) noexcept nogil:
    """The rows that the step takes, in rising order, to private.batch; their number to run.data.n_rows."""
    cdef Run *run = private.run
    cdef fbp_stream stream = stream_of_step(private, run.progress.n_steps, FBP_FOR_SAMPLING)
    cdef Py_ssize_t r0 = private.n_rows * t // n_threads, r1 = private.n_rows * (t + 1) // n_threads
    cdef Py_ssize_t i, first = 0
    cdef int64_t *own = private.taken + r0
    private.n_taken[t] = private.k.poisson_rows(&stream, private.log_missed, r0, r1, own)
    wait_for_all(&run.barrier, n_threads)
    for i in range(t):
        first += private.n_taken[i]
    memcpy(private.batch + first, own, private.n_taken[t] * sizeof(int64_t))
    if t == n_threads - 1:
        run.data.n_rows = first + private.n_taken[t]
    wait_for_all(&run.barrier, n_threads)


# ---- Clipping ----


cdef void clip_samples(PrivateRun *private, ThreadStep *step) noexcept nogil:
    """dZ of this thread's panels, each sample's times its factor, in all stages that learn."""
    cdef Run *run = private.run
    cdef Py_ssize_t i, p, count
    cdef char squares[FBP_ALIGN_BYTES]     # [VL]
    for p in range(step.p0, step.p1):
        count = min(step.microbatch.n_samples - p * run.k.lanes, <Py_ssize_t>run.k.lanes)
        memset(squares, 0, sizeof(squares))
        for i in range(run.first_trained, run.n_stages):
            if not run.stages[i].trained:
                continue
            add_squares(private, &run.stages[i], p, squares)
            if private.per_layer:
                scale_samples(private, i, i + 1, p, count, squares)
                memset(squares, 0, sizeof(squares))
        if not private.per_layer:
            scale_samples(private, run.first_trained, run.n_stages, p, count, squares)


cdef void add_squares(const PrivateRun *private, const Stage *stage, Py_ssize_t p, void *squares) noexcept nogil:
    """The squared norms of panel p's gradients with respect to this stage's parameters, divided by C^2."""
    cdef Py_ssize_t features
    if stage.kind == DENSE:
        private.k.dense_squares(&stage.layer, stage.source, stage.gradient, stage.has_bias, private.unit, p, squares)
    elif stage.kind == TABULAR:
        features = stage.layer.n_units - stage.n_numeric
        private.k.row_squares(stage.gradient, stage.n_numeric, features, private.unit, p, squares)
    else:
        private.k.vector_squares(&stage.layer, stage.saved, stage.gradient, stage.has_bias, private.unit, p, squares)


cdef void scale_samples(PrivateRun *private, Py_ssize_t i0, Py_ssize_t i1, Py_ssize_t p, Py_ssize_t n_samples,
                        const void *squares) noexcept nogil:
    """Panel p of dZ in those of stages i0..i1 that learn, by the factors that follow from these squared norms."""
    cdef Run *run = private.run
    cdef Stage *stage
    cdef Py_ssize_t i
    cdef char factors[FBP_ALIGN_BYTES]     # [VL]
    cdef bint forgets = private.k.clip_factors(private.rule, private.stability, squares, n_samples, factors)
    for i in range(i0, i1):
        stage = &run.stages[i]
        if not stage.trained:
            continue
        private.k.scale_lanes(stage.gradient, stage.layer.n_units, p, factors)
        if forgets:
            forget_samples(private, stage, p, factors)


cdef void forget_samples(PrivateRun *private, Stage *stage, Py_ssize_t p, const void *factors) noexcept nogil:
    """Zeros where the factor is 0, in all that the weight gradient reads: zero times infinity would be NaN."""
    cdef Run *run = private.run
    private.k.clear_lanes(stage.gradient, stage.layer.n_units, p, factors)
    if stage.kind == DENSE:
        private.k.clear_lanes(stage.source, stage.layer.n_inputs, p, factors)
        run.k.transpose_panels(stage.source, stage.layer.n_inputs, p, p + 1, stage.source_blocks, stage.block_stride)
    elif stage.kind != TABULAR:
        private.k.clear_lanes(stage.saved, stage.layer.n_units, p, factors)


# ---- The gradient ----


cdef void clear_gradients(Run *run, const ThreadStep *step) noexcept nogil:
    """The gradient of a step without samples, of this thread's units: zero, but for the penalties."""
    cdef Py_ssize_t i, n0, n1, s, size = item_size(run.k.dtype)
    cdef Stage *stage
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if stage.kind == TABULAR:
            shares_of_thread(step.t, step.n_threads, &n0, &n1)
            for t in range(stage.n_tables):
                for s in range(n0, n1):
                    stage.tables[t].n_touched[s] = 0
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, step.t, step.n_threads, &n0, &n1)
        if n0 == n1:
            continue
        memset(<char *>stage.dW + n0 * stage.layer.ld * size, 0, (n1 - n0) * stage.layer.ld * size)
        if stage.db != NULL:
            memset(<char *>stage.db + n0 * size, 0, (n1 - n0) * size)
        add_penalty_slopes(run.k, stage, step.microbatch.step_l2, n0, n1)


cdef void add_noise(PrivateRun *private, const ThreadStep *step) noexcept nogil:
    """Noise to the gradient of this thread's units and rows of tables; all of these rows are updated then."""
    cdef Run *run = private.run
    cdef Py_ssize_t i, n0, n1
    cdef Stage *stage
    for i in range(run.n_stages):
        stage = &run.stages[i]
        if not stage.trained:
            continue
        if stage.kind == TABULAR:
            shares_of_thread(step.t, step.n_threads, &n0, &n1)
            for t in range(stage.n_tables):
                noise_to_rows(private, step, &stage.tables[t], n0, n1)
            continue
        units_of_share(run.k, run.stages, run.n_stages, i, step.t, step.n_threads, &n0, &n1)
        if n0 < n1:
            noise_to_weights(private, step.microbatch.step, stage, n0, n1)
            noise_to_biases(private, step.microbatch.step, stage, n0, n1)


cdef Py_ssize_t place_of(const PrivateRun *private, const void *parameters) noexcept nogil:
    """The place of some numbers among all parameters: their noise depends on that."""
    return (<const char *>parameters - private.run.memory.parameters) // item_size(private.run.k.dtype)


cdef void noise_to_weights(const PrivateRun *private, uint64_t step, const Stage *stage, Py_ssize_t n0,
                           Py_ssize_t n1) noexcept nogil:
    cdef fbp_stream stream = stream_of_step(private, step, FBP_FOR_NOISE)
    cdef Py_ssize_t ld = stage.layer.ld, first = place_of(private, stage.layer.weights) + n0 * ld
    cdef char *dW = <char *>stage.dW + n0 * ld * item_size(private.run.k.dtype)
    if private.deviation == 0:
        return
    if ld == 1:
        private.k.add_noise(&stream, first, 1, n1 - n0, 0, private.deviation, dW)
    else:
        private.k.add_noise(&stream, first, n1 - n0, stage.layer.n_inputs, ld, private.deviation, dW)


cdef void noise_to_biases(const PrivateRun *private, uint64_t step, const Stage *stage, Py_ssize_t n0,
                          Py_ssize_t n1) noexcept nogil:
    cdef fbp_stream stream = stream_of_step(private, step, FBP_FOR_NOISE)
    if private.deviation > 0 and stage.db != NULL:
        private.k.add_noise(&stream, place_of(private, stage.layer.bias) + n0, 1, n1 - n0, 0, private.deviation,
                            <char *>stage.db + n0 * item_size(private.run.k.dtype))


cdef void noise_to_rows(const PrivateRun *private, const ThreadStep *step, fbp_table *table, Py_ssize_t s0,
                        Py_ssize_t s1) noexcept nogil:
    """Noise to all rows of table shares s0..s1; those that no sample had are touched now, with a gradient of zero."""
    cdef int64_t attempt = step.microbatch.attempt
    cdef Py_ssize_t s, row, row_bytes = table.ld * item_size(private.run.k.dtype)
    for s in range(s0, s1):
        row = s
        while row < table.n_rows:
            if table.touched_in_step[row] != attempt:
                table.touched_in_step[row] = attempt
                memset(<char *>table.gradient + row * row_bytes, 0, row_bytes)
                table.touched[s * table.share_rows + table.n_touched[s]] = <int>row
                table.n_touched[s] += 1
            noise_to_row(private, step.microbatch.step, table, row)
            row += FBP_TABLE_SHARES


cdef void noise_to_row(const PrivateRun *private, uint64_t step, const fbp_table *table, Py_ssize_t row) noexcept nogil:
    cdef fbp_stream stream = stream_of_step(private, step, FBP_FOR_NOISE)
    if private.deviation > 0:
        private.k.add_noise(&stream, place_of(private, table.weights) + row * table.ld, 1, table.n_features, 0,
                            private.deviation,
                            <char *>table.gradient + row * table.ld * item_size(private.run.k.dtype))
