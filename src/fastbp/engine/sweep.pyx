"""A forward pass over many rows: gather, forward, and score or scatter.

Rows pass in groups of panels. Each group goes through all stages on one thread, and the next thread that is free takes
the next group: no result depends on which thread does.
"""

from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from fastbp.engine.arena cimport Arena, aligned
from fastbp.engine.features cimport gather_features
from fastbp.engine.kernels cimport (
    FBP_LINEAR, fbp_kernels, fbp_layer, fbp_panels, flush_denormals, restore_denormals,
)
from fastbp.engine.layout cimport MEAN, Stage, item_size, padded, pairs_stride, panel_stride
from fastbp.engine.loss cimport (
    BAD_INPUTS, BAD_TARGETS, LEAST_TARGETS, gather_sample_weights, gather_targets, keep_outputs, score_panel, takes_Z,
)
from fastbp.engine.stages cimport Microbatch, stage_forward
from fastbp.engine.team cimport fetch_and_add, load_flag, monotonic_seconds, store_flag


cdef class Workspace:
    """The buffers of a forward pass, for each thread."""


cdef Workspace make_workspace(const fbp_kernels *k, const Stage *stages, Py_ssize_t n_stages, Py_ssize_t n_inputs,
                              int n_buffers, int n_threads, bint narrow):
    """The buffers that these stages need."""
    cdef Workspace workspace = Workspace()
    cdef WorkspaceLayout *layout = &workspace.layout
    cdef Py_ssize_t i, size = item_size(k.dtype), widest = n_inputs
    cdef Py_ssize_t n_outputs = stages[n_stages - 1].layer.n_units
    for i in range(n_stages):
        widest = max(widest, stages[i].width)
    workspace.n_threads = n_threads
    layout.panel_stride = panel_stride(widest, k)
    layout.row_stride = padded(widest, k.dtype)
    layout.targets_stride = panel_stride(max(n_outputs, <Py_ssize_t>LEAST_TARGETS), k)
    layout.buffer_bytes = SWEEP_PANELS * layout.panel_stride * size
    layout.targets_offset = n_buffers * layout.buffer_bytes
    layout.labels_offset = layout.targets_offset + SWEEP_PANELS * layout.targets_stride * size
    layout.table_rows_offset = layout.labels_offset + SWEEP_PANELS * k.lanes * <Py_ssize_t>sizeof(int32_t)
    layout.sample_weights_offset = aligned(
        layout.table_rows_offset + SWEEP_PANELS * stages[0].n_tables * k.lanes * <Py_ssize_t>sizeof(int32_t))
    layout.pairs_offset = aligned(layout.sample_weights_offset + k.lanes * <Py_ssize_t>sizeof(double))
    layout.pairs_stride = pairs_stride(widest, k)
    layout.thread_bytes = aligned(layout.pairs_offset + narrow * SWEEP_PANELS * layout.pairs_stride * 4)
    workspace.narrow = narrow
    workspace.memory = Arena()
    workspace.memory.take(layout.thread_bytes * n_threads)
    workspace.memory.allocate()
    return workspace


# A group of rows on its way through the stages, on one thread.
cdef struct Group:
    int number
    Py_ssize_t first               # its first row, in the order of the sweep
    Py_ssize_t n_rows
    Py_ssize_t n_panels
    char *memory                   # [thread_bytes] of the thread
    fbp_panels targets             # [n_panels][n_outputs][VL]
    int32_t *labels                # [n_panels][VL]
    int32_t *table_rows            # [n_panels][n_tables][VL]


cdef void sweep_share(void *job, int t, int n_threads) noexcept nogil:
    """Thread t's groups."""
    cdef Sweep *sweep = <Sweep *>job
    cdef unsigned long former = 0
    if sweep.narrow != NULL:           # narrow products take no denormals, however they are made
        former = flush_denormals()
    _sweep_groups(sweep, t, sweep.workspace + t * sweep.layout.thread_bytes)
    if sweep.narrow != NULL:
        restore_denormals(former)


cdef void _sweep_groups(Sweep *sweep, int t, char *memory) noexcept nogil:
    cdef int group
    while not load_flag(&sweep.n_bad) and not load_flag(&sweep.paused):
        group = fetch_and_add(&sweep.next_group, 1)
        if group >= sweep.n_groups:
            return
        _sweep_group(sweep, group, memory)
        if t == 0 and monotonic_seconds() > sweep.pause_at:
            store_flag(&sweep.paused, 1)


cdef void _sweep_group(Sweep *sweep, int number, char *memory) noexcept nogil:
    """The rows of one group, from X to out or to its slot."""
    cdef Group group
    cdef int bad
    cdef fbp_panels output
    group.number = number
    group.first = number * sweep.group_panels * sweep.k.lanes
    group.n_rows = min(sweep.n_rows - group.first, sweep.group_panels * sweep.k.lanes)
    group.n_panels = (group.n_rows - 1) // sweep.k.lanes + 1
    group.memory = memory
    group.targets = fbp_panels(memory + sweep.layout.targets_offset, sweep.layout.targets_stride)
    group.labels = <int32_t *>(memory + sweep.layout.labels_offset)
    group.table_rows = <int32_t *>(memory + sweep.layout.table_rows_offset)
    bad = _gather_group(sweep, &group)
    if bad:
        if fetch_and_add(&sweep.n_bad, 1) == 0:    # of several the one found first is told
            sweep.bad = bad
            sweep.bad_group = number   # where the search for the row starts
        return
    output = _forward_group(sweep, &group)
    if sweep.scoring == NULL:
        _scatter_group(sweep, &group, output)
    else:
        _score_group(sweep, &group, output)


cdef int _gather_group(const Sweep *sweep, const Group *group) noexcept nogil:
    """The group's rows to panels: inputs, table rows and targets. What is wrong with them, or 0."""
    cdef const fbp_kernels *k = sweep.k
    cdef fbp_panels source = fbp_panels(group.memory, sweep.layout.panel_stride)   # [n_panels][n_inputs][VL]
    cdef Py_ssize_t p, count, row
    cdef const int64_t *index
    for p in range(group.n_panels):
        count = min(group.n_rows - p * k.lanes, <Py_ssize_t>k.lanes)
        row = group.first + p * k.lanes
        index = NULL if sweep.index == NULL else sweep.index + row
        if not gather_features(k, &sweep.X, sweep.features, index, row, count, NULL, 0, p, source, NULL, 0):
            return BAD_INPUTS
        if sweep.codes.n_columns > 0:
            k.read_codes(&sweep.codes, index, row, count, sweep.stages[0].tables,
                         group.table_rows + p * sweep.codes.n_columns * k.lanes)
        if sweep.scoring != NULL and not gather_targets(k, sweep.scoring, index, row, count, NULL, 0, p,
                                                        group.targets, group.labels):
            return BAD_TARGETS
    return 0


cdef fbp_panels _forward_group(const Sweep *sweep, const Group *group) noexcept nogil:
    """The group's panels through all stages. Returns the outputs, [n_panels][n_outputs][VL]."""
    cdef fbp_panels source = fbp_panels(group.memory, sweep.layout.panel_stride)
    cdef Py_ssize_t i, last = sweep.n_stages - 1
    cdef Py_ssize_t first_Z = last - (sweep.stages[last].kind == MEAN)   # a mean's activation is that of its heads
    cdef Stage stage
    cdef Microbatch through
    memset(&through, 0, sizeof(through))
    through.k = sweep.k
    through.narrow = sweep.narrow
    through.n_samples = group.n_rows
    for i in range(sweep.n_stages):
        stage = sweep.stages[i]
        if sweep.scoring != NULL and i >= first_Z and takes_Z(sweep.scoring):
            stage.layer.activation = FBP_LINEAR
        stage.narrow.on = stage.narrow.on and sweep.narrow != NULL
        stage.narrow.source = fbp_panels(group.memory + sweep.layout.pairs_offset, sweep.layout.pairs_stride)
        stage.source = source
        stage.table_rows = group.table_rows
        stage.output.data = group.memory + sweep.routes[i].output * sweep.layout.buffer_bytes
        stage.output.stride = sweep.layout.panel_stride
        stage.other.data = group.memory + sweep.routes[i].other * sweep.layout.buffer_bytes
        stage.other.stride = sweep.layout.panel_stride
        stage_forward(&through, &stage, 0, group.n_panels, 0, stage.layer.n_units)
        source = stage.output
    return source


cdef void _scatter_group(const Sweep *sweep, const Group *group, fbp_panels output) noexcept nogil:
    """The group's outputs to the rows of out."""
    cdef const fbp_kernels *k = sweep.k
    cdef Py_ssize_t p, n_outputs = sweep.stages[sweep.n_stages - 1].layer.n_units
    for p in range(group.n_panels):
        k.scatter_panel(output, p, n_outputs, min(group.n_rows - p * k.lanes, <Py_ssize_t>k.lanes),
                        sweep.out + (group.first + p * k.lanes) * n_outputs * item_size(k.dtype), n_outputs)


cdef void _score_group(const Sweep *sweep, const Group *group, fbp_panels output) noexcept nogil:
    """The group's losses and metrics to its slot, and its outputs to out, if they are wanted."""
    cdef const fbp_kernels *k = sweep.k
    cdef const fbp_layer *last = &sweep.stages[sweep.n_stages - 1].layer
    cdef double *memory = <double *>(group.memory + sweep.layout.sample_weights_offset)
    cdef double *slot = sweep.slots + group.number * sweep.scoring.slot_size
    cdef const double *sample_weights
    cdef Py_ssize_t p, count, row
    for p in range(group.n_panels):
        count = min(group.n_rows - p * k.lanes, <Py_ssize_t>k.lanes)
        row = group.first + p * k.lanes
        sample_weights = gather_sample_weights(sweep.scoring, NULL if sweep.index == NULL else sweep.index + row, row,
                                               count, memory)
        score_panel(k, sweep.scoring, output, group.targets, group.labels, sample_weights, last.n_units, p, count, 0,
                    fbp_panels(NULL, 0), slot)
        if sweep.out != NULL:
            keep_outputs(k, sweep.scoring, last, output, p, count,
                         sweep.out + row * last.n_units * item_size(k.dtype))
