# A network's parameters in the kernels' layout.

from libc.stdint cimport int64_t

from fastbp.engine.arena cimport Arena
from fastbp.engine.layout cimport Stage
from fastbp.engine.features cimport Features
from fastbp.engine.kernels cimport fbp_dtype, fbp_features, fbp_kernels, fbp_source, fbp_table
from fastbp.engine.loss cimport Judge
from fastbp.engine.rows cimport Rows

# Which of a thread's buffers a planned stage reads and writes.
cdef struct Route:
    int source
    int output
    int other                      # what is added

# Bytes from the start of a thread's workspace; features of the widest layer and of the targets, padded.
cdef struct SweepPlan:
    Py_ssize_t thread_bytes
    Py_ssize_t buffer_bytes        # of each of the network's buffers: [SWEEP_PANELS][widest][VL]
    Py_ssize_t targets_offset      # [SWEEP_PANELS][n_outputs][VL]
    Py_ssize_t labels_offset       # int32 [SWEEP_PANELS][VL]
    Py_ssize_t rows_offset         # int32 [SWEEP_PANELS][n_tables][VL]
    Py_ssize_t weights_offset      # double [VL]
    Py_ssize_t stride              # elements from panel to panel
    Py_ssize_t row_stride          # from row to row, of samples alone: [few_rows][widest]
    Py_ssize_t targets_stride

# A few activations' worth of memory a thread.
cdef class Workspace:
    cdef Arena memory
    cdef SweepPlan plan
    cdef int n_threads

# One forward pass over all rows.
cdef struct Sweep:
    const fbp_kernels *k
    Stage *stages
    const Route *routes
    Py_ssize_t n_stages
    char *workspace
    SweepPlan *plan
    fbp_source X                   # its numeric columns,
    fbp_source codes               # and those of codes, if any
    const fbp_features *features   # made of X, or NULL: its columns themselves
    Py_ssize_t n_rows
    const int64_t *index           # which they are, or NULL
    Py_ssize_t chunk_panels
    int n_chunks
    int next_chunk                 # shared: whoever is free takes it
    char *out                      # [n_rows][n_outputs], or NULL
    Judge *judge                   # or NULL
    double *slots                  # [n_chunks][slot_size]
    int bad, bad_chunk
    int paused
    double look_again

cdef class Network:
    cdef const fbp_kernels *k
    cdef fbp_dtype dtype_code
    cdef readonly str dtype
    cdef readonly Py_ssize_t n_inputs, n_outputs, n_parameters
    cdef readonly Py_ssize_t n_layers     # the number of stages
    cdef readonly Features features       # that the first stage is fed with, or None: the columns of X themselves
    cdef readonly Features target_features    # that outputs are compared with, or None: the targets themselves
    cdef fbp_table *tables                # of the first stage, or NULL
    cdef Stage *stages                    # without the buffers of a step
    cdef Stage *planned                   # what a prediction passes through: no dropout, batch_norm folded into dense
    cdef Route *routes                    # of the planned stages
    cdef int n_buffers                    # that they go through
    cdef Py_ssize_t n_planned
    cdef list folded                      # (number of the dense stage, of the batch_norm stage, of the planned one)
    cdef Arena folded_parameters
    cdef Arena statistics                 # mean, variance and its inverse root, of each batch_norm stage
    cdef bint stale                       # the parameters have changed since what follows from them was made
    cdef public bint interrupted          # by any thread: the call under way, and each after it, ends by Interrupted
    cdef bint penalised                   # a stage has a penalty on its weights
    cdef bint single                      # all planned stages know how to take samples alone
    cdef void **turned                    # [planned stage] weights in such samples' order, or NULL
    cdef Arena turned_weights             # where they are, once there were enough such samples, or None
    cdef bint is_turned                   # they are those of now
    cdef int n_alone                      # calls for them since the parameters changed, as far as TURN_AFTER + 1
    cdef bint turnable                    # they are small enough, and nobody writes to the parameters without a word
    cdef bint all_turned                  # no product's weights stay as they are
    cdef Arena parameters
    cdef Py_ssize_t parameter_bytes
    cdef Workspace workspace          # of the last forward pass, unless it is in use

    cdef void place(self, Arena arena) noexcept
    cdef void place_statistics(self, Arena arena) noexcept
    cdef void find_partners(self) noexcept
    cdef int plan(self) except -1
    cdef void place_folded(self, Arena arena) noexcept
    cdef object vector(self, Arena arena, const void *start, Py_ssize_t n)
    cdef list statistic_views(self, Py_ssize_t i)
    cdef int refresh(self) except -1
    cdef int refresh_inverse(self, Stage *norm) except -1
    cdef int fold(self, Py_ssize_t dense, Py_ssize_t norm, Py_ssize_t planned) except -1
    cdef list views(self, Arena arena, Py_ssize_t i)
    cdef object table_view(self, Arena arena, Py_ssize_t j)
    cdef tuple layer_copy(self, Arena arena, Py_ssize_t i)
    cdef double sample_work(self) noexcept nogil
    cdef bint takes_alone(self, Rows rows) except -1
    cdef int turn(self) except -1
    cdef void place_turned(self, Arena arena) noexcept
    cdef int forward_alone(self, Rows rows, char *out) except -1
    cdef int sweep(self, Sweep *sweep, Rows rows, int n_threads, targets=*, subset=*) except -1
