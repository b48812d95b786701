# What a stage is and how its buffers lie in memory; the work of a stage; and which thread owns which weights.

from libc.stdint cimport int32_t

from fastbp.engine.arena cimport Arena
from fastbp.engine.kernels cimport (
    FBP_FLOAT32, fbp_activation, fbp_dtype, fbp_groups, fbp_kernels, fbp_layer, fbp_panels, fbp_table,
)

# What a stage does with its source; stages.pyx says what that means.
cdef enum StageKind:
    DENSE
    DROPOUT
    ACTIVATION
    LAYER_NORM
    BATCH_NORM
    FORK
    ADD
    PRELU
    TABULAR
    SCALING
    PARAMETRIC
    BASIS
    GROUPED
    REPEAT
    MEMBER_AFFINE
    HEADS
    MEAN

# What normalising uses of each unit: mean, variance, and 1 / sqrt(variance + epsilon).
cdef struct Statistics:
    void *mean                 # [n_units]
    void *variance             # [n_units]
    void *inverse              # [n_units]

# What a dense stage with narrow products has beside its float32 buffers: copies rounded to bfloat16, in pairs.
cdef struct NarrowCopies:
    bint on                    # its products are narrow
    int tile_rows              # units and inputs of a register tile
    void *rows                 # of the weights, as csrc/fastbp_bf16.h says
    void *pairs                # of the weights, or NULL: no gradient is passed back
    fbp_panels source          # inputs                [panel][n_inputs / 2][VL][2]
    void *blocks               # inputs                [n_inputs / VL][sample / 2][VL][2], or NULL: not trained
    Py_ssize_t block_stride    # pairs from one block to the next
    fbp_panels gradient        # dZ                    [panel][n_units / 2][VL][2], or NULL
    fbp_panels gradient_rows   # dZ                    [panel][n_units][VL], or NULL
    Py_ssize_t pairs_bytes     # from one member's source and gradient to the next one's; 0: all use the same, in turn
    Py_ssize_t blocks_bytes    # the same of blocks
    Py_ssize_t rows_bytes      # and of gradient_rows

# One stage of the way from inputs to outputs: what it is, and in training all buffers of a step.
# VL: the kernels' lanes.
cdef struct Stage:
    StageKind kind
    Py_ssize_t number          # its place among the stages, from 0; files of optimizer states use it
    fbp_layer layer            # without a product: n_units = n_inputs, and ld 0, or 1 with a parameter a unit
    Py_ssize_t width           # features of the output: n_units, or as many for each member
    Py_ssize_t members         # that go through the stage one by one, their features side by side: see members.pxd
    Py_ssize_t own             # members that the stage itself tells apart, or their parameters are; else 1
    bint trained               # it has parameters, and training changes them
    bint has_bias              # else the bias that the kernels read is zero and stays zero
    bint meets                 # it uses the whole batch: in training all threads meet before it, forward and backward
    fbp_panels source          # inputs                [panel][n_inputs][VL]
    void *source_blocks        # the same numbers      [n_inputs / VL][sample][VL], for a dense layer
    Py_ssize_t block_stride    # elements from one block to the next
    Py_ssize_t blocks_bytes    # from one member's source_blocks to the next one's
    fbp_panels output          # A                     [panel][width][VL]
    fbp_panels slope           # act'(Z), or NULL      [panel][width][VL]
    fbp_panels gradient        # dZ                    [panel][width][VL]
    NarrowCopies narrow
    void *dW                   # [n_units][ld]
    void *db                   # [n_units], or NULL
    Py_ssize_t fused_units     # units of one piece: gradients computed and then used for the update at once
    const double *factors      # [array][FACTORS] of the optimizer's numbers, or NULL: see weight_update.pyx
    double l1                  # dense: its own penalty, l1 * sum(|W|) + l2 * sum(W^2): see penalty.pxd
    double l2
    double max_norm            # dense: the largest norm that a unit's weights may have, or 0
    Py_ssize_t partner         # fork and add: the number of the other
    fbp_panels other           # add: the output of its fork; fork: the gradient of its add [panel][n_units][VL]
    fbp_panels saved           # by forward, for backward    [panel][saved_features][VL]; scaling, grouped: the source
    Py_ssize_t saved_bytes     # from one member's first row of it to the next one's
    fbp_activation function    # parametric: what its output has a share of
    double rate                # dropout: the share of numbers that become zero
    const double *rates        # dropout: [steps of this call] the rate of each, or NULL: always `rate`
    double epsilon             # what normalising adds to the variance
    double momentum            # how much of the running statistics a batch replaces, 0 to 1
    Statistics batch           # of this batch
    Statistics running         # over the batches so far
    Statistics moved           # what `running` becomes after the step
    void *batch_dW             # [n_units] the gradient of this batch alone
    void *batch_db             # [n_units]
    Py_ssize_t n_numeric       # tabular: the columns that are numbers
    Py_ssize_t n_tables        # tabular: the columns of codes, each with a table
    fbp_table *tables          # [n_tables]
    fbp_groups groups          # basis and grouped: their groups, and whose numbers they are made from
    int32_t *table_rows        # each code's row in its table [panel][n_tables][VL]

cdef inline Py_ssize_t item_size(fbp_dtype dtype) noexcept nogil:
    return 4 if dtype == FBP_FLOAT32 else 8

# Panels that start so many bytes later; NULL stays NULL.
cdef inline fbp_panels moved(fbp_panels panels, Py_ssize_t n_bytes) noexcept nogil:
    return panels if panels.data == NULL else fbp_panels(<char *>panels.data + n_bytes, panels.stride)

# Those of member m, where the members lie side by side with n_features each.
cdef inline fbp_panels panels_of_member(const fbp_kernels *k, fbp_panels panels, Py_ssize_t m,
                                        Py_ssize_t n_features) noexcept nogil:
    return moved(panels, m * n_features * k.lanes * item_size(k.dtype))

cdef Py_ssize_t padded(Py_ssize_t n, fbp_dtype dtype) noexcept nogil
cdef Py_ssize_t leading_dimension(Py_ssize_t n_inputs, fbp_dtype dtype) noexcept nogil
cdef Py_ssize_t panel_stride(Py_ssize_t n_features, const fbp_kernels *k) noexcept nogil
cdef fbp_panels take_panels(Arena arena, Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept
cdef Py_ssize_t blocks_bytes(Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil
cdef Py_ssize_t block_stride(Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil
cdef Py_ssize_t pairs_stride(Py_ssize_t n_features, const fbp_kernels *k) noexcept nogil
cdef fbp_panels take_pairs(Arena arena, Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept
cdef Py_ssize_t narrow_blocks_bytes(Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil
cdef Py_ssize_t whole_steps(Py_ssize_t n) noexcept nogil
cdef Py_ssize_t narrow_block_stride(Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil

cdef inline double forward_work(const fbp_layer *layer) noexcept nogil:
    """Floating-point operations of the forward product, a sample; each of the other two products has as many."""
    return 2.0 * layer.n_inputs * layer.n_units if layer.ld > 1 else 0.0

cdef inline double stage_work(const Stage *stage) noexcept nogil:
    """The same of all members that share the stage."""
    return forward_work(&stage.layer) * (stage.width // stage.layer.n_units)

cdef inline double stages_work(const Stage *stages, Py_ssize_t n_stages) noexcept nogil:
    """Floating-point operations of all forward products, a sample."""
    cdef double work = 0
    cdef Py_ssize_t i
    for i in range(n_stages):
        work += stage_work(&stages[i])
    return work

# Every add belongs to the last fork before it that has no add yet.
cdef int find_partners(Stage *stages, Py_ssize_t n_stages) except -1
cdef void activation_gradient(const fbp_kernels *k, Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil

# Units (or inputs) of a register tile of the stage's products: work is cut at multiples of it.
cdef inline int tile_rows(const fbp_kernels *k, const Stage *stage) noexcept nogil:
    return stage.narrow.tile_rows if stage.narrow.on else k.tile_rows

cdef void units_of_share(const fbp_kernels *k, Stage *stages, Py_ssize_t n_stages, Py_ssize_t i, int t, int n_threads,
                         Py_ssize_t *n0, Py_ssize_t *n1) noexcept nogil
