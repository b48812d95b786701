# A stage and its numbers' layout; the work of a dense layer; and who owns which weights.

from libc.stdint cimport int32_t

from fastbp.engine.arena cimport Arena
from fastbp.engine.kernels cimport FBP_FLOAT32, fbp_dtype, fbp_kernels, fbp_layer, fbp_panels, fbp_table

# What a stage does with its source; what that means is in _stages.pyx.
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

# Of each unit, what normalising takes: the mean, and 1 / sqrt(variance + epsilon). [n_units] each.
cdef struct Statistics:
    void *mean
    void *variance
    void *inverse

# One step of the way from inputs to outputs: what it is, and in a training run all the buffers of a step.
# VL: the kernels' lanes.
cdef struct Stage:
    StageKind kind
    Py_ssize_t number          # its place
    fbp_layer layer            # without a product, as many units as inputs: ld 0, or 1 with a number a unit
    bint trained               # it has weights, and they change
    bint has_bias              # else the bias, where the kernels want one, is zero and stays so
    bint meets                 # in training the team meets before it goes forward, and before it goes back
    fbp_panels source          # inputs                [panel][n_inputs][VL]
    void *source_blocks        # the same numbers      [n_inputs / VL][sample][VL], for a dense layer
    Py_ssize_t block_stride    # elements from one block to the next
    fbp_panels output          # A                     [panel][n_units][VL]
    fbp_panels slope           # act'(Z), or NULL      [panel][n_units][VL]
    fbp_panels gradient        # dZ                    [panel][n_units][VL]
    void *dW                   # [n_units][ld]
    void *db                   # [n_units], or NULL
    Py_ssize_t fused_units     # so many at a time have their gradients computed and then used for the update
    double rate_factor         # this stage's learning rate over that of the optimizer
    double decay_factor        # and its weight decay
    double l1                  # dense: of the penalty on its weights
    double l2
    double max_norm            # dense: the length of a unit's weights at most, or 0
    Py_ssize_t partner         # fork and add: the number of the other
    fbp_panels other           # add: the output of its fork; fork: the gradient of its add
    fbp_panels kept            # what backward needs too, [panel][n_units + 1][VL]
    double rate                # dropout
    const double *rates        # dropout: the rate of each step of this call, or NULL: always `rate`
    double epsilon             # what normalising adds to the variance
    double momentum            # the share of a batch in the running statistics
    Statistics batch           # of this batch,
    Statistics running         # over the batches so far,
    Statistics moved           # and as those are to be behind the step
    void *batch_dW             # the gradient of this batch alone
    void *batch_db
    Py_ssize_t n_numeric       # tabular: the columns that are numbers,
    Py_ssize_t n_tables        # and those of codes, which have a table each
    fbp_table *tables
    int32_t *rows              # of the tables         [panel][n_tables][VL]

cdef inline Py_ssize_t item_size(fbp_dtype dtype) noexcept nogil:
    return 4 if dtype == FBP_FLOAT32 else 8

cdef Py_ssize_t padded(Py_ssize_t n, fbp_dtype dtype) noexcept nogil
cdef Py_ssize_t leading_dimension(Py_ssize_t n_inputs, fbp_dtype dtype) noexcept nogil
cdef Py_ssize_t panel_stride(Py_ssize_t n_features, const fbp_kernels *k) noexcept nogil
cdef fbp_panels take_panels(Arena arena, Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept
cdef void *take_blocks(Arena arena, Py_ssize_t n_features, Py_ssize_t n_panels, const fbp_kernels *k) noexcept
cdef Py_ssize_t block_stride(Py_ssize_t n_panels, const fbp_kernels *k) noexcept nogil

cdef inline double forward_work(const fbp_layer *layer) noexcept nogil:
    """Floating-point operations a sample; each of the other two products has as many."""
    return 2.0 * layer.n_inputs * layer.n_units if layer.ld > 1 else 0.0

cdef void activation_gradient(const fbp_kernels *k, Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
cdef void units_of_share(const fbp_kernels *k, Stage *stages, Py_ssize_t n_stages, Py_ssize_t i, int t, int n_threads,
                         Py_ssize_t *n0, Py_ssize_t *n1) noexcept nogil
