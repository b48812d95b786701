# A forward pass over many rows, and its buffers.

from libc.stdint cimport int64_t

from fastbp.engine.arena cimport Arena
from fastbp.engine.kernels cimport fbp_features, fbp_kernels, fbp_narrow_kernels, fbp_source
from fastbp.engine.layout cimport Stage
from fastbp.engine.loss cimport Scoring

cdef enum:
    # Panels that one thread carries through all stages at a time, at most. Where sums are made, every group but the
    # last has this many: a constant, or the order of the sums would change.
    SWEEP_PANELS = 12

# The numbers of the buffers that a planned stage reads and writes.
cdef struct Route:
    int source
    int output
    int other                      # add: the buffer that is added

# Where the buffers of a thread lie: bytes from the start of its part of the workspace; strides in elements.
cdef struct WorkspaceLayout:
    Py_ssize_t thread_bytes
    Py_ssize_t buffer_bytes        # of each of the n_buffers: [SWEEP_PANELS][widest][VL], or [few_rows][widest]
    Py_ssize_t targets_offset      # [SWEEP_PANELS][n_outputs][VL]
    Py_ssize_t labels_offset       # int32 [SWEEP_PANELS][VL]
    Py_ssize_t table_rows_offset   # int32 [SWEEP_PANELS][n_tables][VL]
    Py_ssize_t sample_weights_offset   # double [VL]
    Py_ssize_t pairs_offset        # a narrow stage's inputs [SWEEP_PANELS][widest / 2][VL][2]
    Py_ssize_t pairs_stride        # from panel to panel of them
    Py_ssize_t panel_stride        # from panel to panel
    Py_ssize_t row_stride          # from row to row, where a few rows pass without panels
    Py_ssize_t targets_stride      # from panel to panel of the targets

# The buffers of a forward pass, for each thread.
cdef class Workspace:
    cdef Arena memory              # [n_threads][thread_bytes]
    cdef WorkspaceLayout layout
    cdef int n_threads
    cdef bint narrow               # it has room for narrow copies

# One forward pass over all rows of a call. The threads share it.
cdef struct Sweep:
    const fbp_kernels *k
    const fbp_narrow_kernels *narrow   # for the stages that are narrow; NULL: all products are float32
    const Stage *stages            # [n_stages]
    const Route *routes            # [n_stages]
    Py_ssize_t n_stages
    char *workspace                # [n_threads][thread_bytes]
    const WorkspaceLayout *layout
    fbp_source X                   # [rows][numeric columns] of the user's array
    fbp_source codes               # [rows][n_tables] of the user's array
    const fbp_features *features   # made of X, or NULL: its columns themselves
    Py_ssize_t n_rows
    const int64_t *index           # [n_rows] the rows of X, or NULL: the first n_rows
    Py_ssize_t group_panels        # panels of a group
    int n_groups
    int next_group                 # shared: the next thread that is free takes it
    char *out                      # [n_rows][n_outputs], or NULL
    const Scoring *scoring         # or NULL: outputs only
    double *slots                  # [n_groups][slot_size]
    int n_bad                      # shared: groups that are bad; the threads return
    int bad, bad_group             # what is wrong, or 0; and in which group: the first one found
    int paused                     # the threads return, so that Python can handle signals
    double pause_at                # seconds of the clock

cdef Workspace make_workspace(const fbp_kernels *k, const Stage *stages, Py_ssize_t n_stages, Py_ssize_t n_inputs,
                              int n_buffers, int n_threads, bint narrow)
cdef void sweep_share(void *job, int t, int n_threads) noexcept nogil
