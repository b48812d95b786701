# The contract of csrc/fastbp.h, as Cython sees it; the comments are there.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "fastbp.h":
    enum:
        FBP_ALIGN_BYTES
        FBP_STATES
        FBP_WILL_WRITE
        FBP_LOSS_PARAMETERS
        FBP_TABLE_SHARES

    ctypedef enum fbp_dtype:
        FBP_FLOAT32
        FBP_FLOAT64

    ctypedef enum fbp_activation:
        FBP_LINEAR
        FBP_SOFTMAX
        # ... and those that fastbp.h lists; the engine knows these two apart.

    ctypedef enum fbp_source_type:
        FBP_SRC_BOOL
        FBP_SRC_INT8
        FBP_SRC_UINT8
        FBP_SRC_INT16
        FBP_SRC_UINT16
        FBP_SRC_INT32
        FBP_SRC_UINT32
        FBP_SRC_INT64
        FBP_SRC_UINT64
        FBP_SRC_FLOAT16
        FBP_SRC_FLOAT32
        FBP_SRC_FLOAT64

    ctypedef struct fbp_source:
        const void *data
        Py_ssize_t row_stride
        Py_ssize_t column_stride
        Py_ssize_t n_columns
        fbp_source_type type
        const int64_t *starts
        const int32_t *columns

    int32_t fbp_read_once(const int32_t *index) noexcept nogil

    ctypedef enum fbp_step_kind:
        FBP_STEP_FILL
        FBP_STEP_AFFINE
        FBP_STEP_CLIP
        FBP_STEP_MISSING
        FBP_STEP_EQUALS
        FBP_STEP_CODE

    ctypedef struct fbp_step:
        fbp_step_kind kind
        const double *a
        const double *b
        const double *c
        const double *const *values
        const Py_ssize_t *n_values

    ctypedef struct fbp_run:
        Py_ssize_t n_features
        Py_ssize_t column
        Py_ssize_t column_step
        const fbp_step *steps
        Py_ssize_t n_steps

    ctypedef struct fbp_features:
        const fbp_run *runs
        Py_ssize_t n_runs
        Py_ssize_t n_features

    ctypedef enum fbp_loss:
        FBP_CROSS_ENTROPY
        FBP_CROSS_ENTROPY_LABELS
        # ... and those that fastbp.h lists; the engine knows these two apart.

    ctypedef struct fbp_objective:
        fbp_loss loss
        int n_parameters
        double parameters[FBP_LOSS_PARAMETERS]

    ctypedef enum fbp_answer:
        FBP_ANSWER_LABEL
        FBP_ANSWER_DISTRIBUTION
        FBP_ANSWER_BINARY

    ctypedef enum fbp_metric:
        FBP_METRIC_CORRECT
        FBP_METRIC_COUNTS
        FBP_METRIC_LOG_LOSS
        FBP_METRIC_SQUARED_PROBABILITY
        FBP_METRIC_RANKS
        FBP_METRIC_ABSOLUTE_ERROR
        FBP_METRIC_SQUARED_ERROR
        FBP_METRIC_PERCENTAGE_ERROR

    ctypedef enum fbp_optimizer:
        FBP_SGD
        FBP_NADAM
        FBP_RADAM
        # ... and those that fastbp.h lists; the engine knows these two apart.

    ctypedef struct fbp_update:
        double learning_rate
        double momentum
        int nesterov
        int centered
        int amsgrad
        double beta_1
        double beta_2
        double epsilon
        double correction_1
        double correction_2
        double moment_share
        double gradient_share
        double rectification
        double initial
        double eta_minus
        double eta_plus
        double min_step
        double max_step
        double weight_decay
        int decoupled_decay
        double average_share

    ctypedef struct fbp_panels:
        void *data
        Py_ssize_t stride

    ctypedef struct fbp_layer:
        Py_ssize_t n_inputs
        Py_ssize_t n_units
        Py_ssize_t ld
        void *weights
        void *bias
        fbp_activation activation
        double alpha

    ctypedef struct fbp_table:
        Py_ssize_t n_rows
        Py_ssize_t n_features
        Py_ssize_t ld
        Py_ssize_t first_feature
        void *weights
        void *gradient
        int64_t *touched_in_step
        Py_ssize_t share_rows
        int32_t *touched
        int32_t *n_touched

    # In fastbp_privacy.h.
    ctypedef enum fbp_purpose:
        FBP_FOR_NOISE
        FBP_FOR_SAMPLING

    ctypedef enum fbp_clipping:
        FBP_CLIP
        FBP_NORMALIZE

    ctypedef struct fbp_stream:
        uint32_t key[8]
        uint32_t nonce[3]

    ctypedef struct fbp_private_kernels:
        void (*random_blocks)(const fbp_stream *stream, uint32_t first, Py_ssize_t n, uint32_t *words) noexcept nogil
        Py_ssize_t (*poisson_rows)(const fbp_stream *stream, double log_missed, Py_ssize_t r0, Py_ssize_t r1,
                                   int64_t *rows) noexcept nogil
        void (*add_noise)(const fbp_stream *stream, Py_ssize_t first, Py_ssize_t n_rows, Py_ssize_t n, Py_ssize_t ld,
                          double deviation, void *g) noexcept nogil
        void (*dense_squares)(const fbp_layer *layer, fbp_panels source, fbp_panels dZ, int with_bias, double unit,
                              Py_ssize_t p, void *squares) noexcept nogil
        void (*vector_squares)(const fbp_layer *layer, fbp_panels factor, fbp_panels dZ, int with_bias, double unit,
                               Py_ssize_t p, void *squares) noexcept nogil
        void (*row_squares)(fbp_panels dZ, Py_ssize_t first, Py_ssize_t n_features, double unit, Py_ssize_t p,
                            void *squares) noexcept nogil
        int (*clip_factors)(fbp_clipping rule, double stability, const void *squares, Py_ssize_t n_samples,
                            void *factors) noexcept nogil
        void (*scale_lanes)(fbp_panels x, Py_ssize_t n_features, Py_ssize_t p, const void *factors) noexcept nogil
        void (*clear_lanes)(fbp_panels x, Py_ssize_t n_features, Py_ssize_t p, const void *factors) noexcept nogil

    # In fastbp_groups.h.
    ctypedef struct fbp_groups:
        Py_ssize_t n_groups
        Py_ssize_t size
        const int32_t *columns
        bint waves

    ctypedef struct fbp_group_kernels:
        void (*basis_forward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels source, fbp_panels out,
                              fbp_panels kept, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*basis_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels dZ,
                               fbp_panels dX, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*basis_tangent)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels t,
                              fbp_panels out, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*basis_gradient)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels source,
                               fbp_panels dZ, Py_ssize_t n_samples, Py_ssize_t n0, Py_ssize_t n1, void *dW, void *db,
                               int accumulate) noexcept nogil
        void (*basis_curvature)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels A, fbp_panels t,
                                fbp_panels out, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*basis_curvature_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels A, fbp_panels t,
                                         fbp_panels dA, fbp_panels out, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*product_forward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels source, fbp_panels out,
                                Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*product_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels dZ, fbp_panels dX,
                                 Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*product_gradient)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels source, fbp_panels dZ,
                                 Py_ssize_t n_samples, Py_ssize_t n0, Py_ssize_t n1, void *dW, void *db,
                                 int accumulate) noexcept nogil

    ctypedef struct fbp_kernels:
        const char *isa
        fbp_dtype dtype
        int lanes
        int tile_rows
        int tile_panels
        Py_ssize_t scratch_elements
        int few_rows
        int (*gather_panel)(const fbp_source *X, const int64_t *index, Py_ssize_t first, Py_ssize_t n_rows,
                            const int64_t *next, Py_ssize_t n_next, Py_ssize_t p, fbp_panels panels, void *blocks,
                            Py_ssize_t block_stride) noexcept nogil
        int (*prepare_panel)(const fbp_source *X, const fbp_features *features, const int64_t *index, Py_ssize_t first,
                             Py_ssize_t n_rows, const int64_t *next, Py_ssize_t n_next, Py_ssize_t p,
                             fbp_panels panels) noexcept nogil
        void (*scatter_panel)(fbp_panels panels, Py_ssize_t p, Py_ssize_t n_columns, Py_ssize_t n_rows, void *out,
                              Py_ssize_t out_stride) noexcept nogil
        void (*transpose_panels)(fbp_panels panels, Py_ssize_t n_features, Py_ssize_t p0, Py_ssize_t p1, void *blocks,
                                 Py_ssize_t block_stride) noexcept nogil
        void (*dense_forward)(const fbp_layer *layer, fbp_panels source, fbp_panels out, fbp_panels slope,
                              Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0, Py_ssize_t n1, bint half) noexcept nogil
        void (*input_gradient)(const fbp_layer *layer, fbp_panels dZ, const fbp_layer *below, fbp_panels A_below,
                               fbp_panels slope_below, fbp_panels dZ_below, Py_ssize_t p0, Py_ssize_t p1,
                               Py_ssize_t k0, Py_ssize_t k1, bint half, void *scratch) noexcept nogil
        void (*weight_gradient)(const fbp_layer *layer, fbp_panels dZ, const void *blocks, Py_ssize_t block_stride,
                                Py_ssize_t n_samples, Py_ssize_t n0, Py_ssize_t n1, void *dW, void *db,
                                int accumulate, const void *const *will_write) noexcept nogil
        void (*softmax_forward)(fbp_panels Z, Py_ssize_t n_units, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*softmax_backward)(fbp_panels A, fbp_panels dA, Py_ssize_t n_units, Py_ssize_t p0,
                                 Py_ssize_t p1) noexcept nogil
        void (*activation_backward)(const fbp_layer *layer, fbp_panels A, fbp_panels slope, fbp_panels dA,
                                    Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*activation_forward)(const fbp_layer *layer, fbp_panels source, fbp_panels out, fbp_panels slope,
                                   Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*add_panels)(fbp_panels a, fbp_panels b, fbp_panels out, Py_ssize_t n_features, Py_ssize_t p0,
                           Py_ssize_t p1) noexcept nogil
        void (*vector_gradient)(fbp_panels dZ, fbp_panels factor, Py_ssize_t n_samples, Py_ssize_t n0, Py_ssize_t n1,
                                void *dW, void *db, int accumulate) noexcept nogil
        void (*layer_norm_forward)(const fbp_layer *layer, double epsilon, fbp_panels source, fbp_panels out,
                                   fbp_panels kept, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*layer_norm_backward)(const fbp_layer *layer, fbp_panels dZ, fbp_panels kept, fbp_panels dX,
                                    Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*batch_statistics)(fbp_panels source, Py_ssize_t n_samples, Py_ssize_t n0, Py_ssize_t n1, double epsilon,
                                 void *mean, void *variance, void *inverse) noexcept nogil
        void (*batch_norm_forward)(const fbp_layer *layer, const void *mean, const void *inverse, fbp_panels source,
                                   fbp_panels out, fbp_panels kept, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*batch_norm_backward)(const fbp_layer *layer, const void *inverse, const void *dW, const void *db,
                                    Py_ssize_t n_samples, fbp_panels dZ, fbp_panels kept, fbp_panels dX,
                                    Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*prelu_forward)(const fbp_layer *layer, fbp_panels source, fbp_panels out, fbp_panels kept,
                              Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*prelu_backward)(const fbp_layer *layer, fbp_panels source, fbp_panels dZ, fbp_panels dX,
                               Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*scale_panels)(const fbp_layer *layer, fbp_panels source, fbp_panels out, Py_ssize_t p0,
                             Py_ssize_t p1) noexcept nogil
        void (*affine_panels)(const fbp_layer *layer, fbp_panels source, fbp_panels out, Py_ssize_t p0,
                              Py_ssize_t p1) noexcept nogil
        void (*transpose_member)(fbp_panels panels, Py_ssize_t n_features, Py_ssize_t p0, Py_ssize_t p1, void *blocks,
                                 Py_ssize_t block_stride) noexcept nogil
        void (*sum_members)(fbp_panels source, Py_ssize_t n_members, Py_ssize_t n_features, double factor,
                            fbp_panels out, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*mix_logits)(fbp_activation activation, fbp_panels source, Py_ssize_t n_members, Py_ssize_t n_features,
                           fbp_panels out, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*parametric_forward)(const fbp_layer *layer, fbp_activation function, fbp_panels source, fbp_panels out,
                                   fbp_panels kept, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*parametric_backward)(const fbp_layer *layer, fbp_panels kept, fbp_panels dZ, fbp_panels dX,
                                    Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*activation_curvature)(const fbp_layer *layer, fbp_panels Z, fbp_panels out, Py_ssize_t p0,
                                     Py_ssize_t p1) noexcept nogil
        void (*add_curved)(fbp_panels factor, fbp_panels a, fbp_panels b, fbp_panels out, Py_ssize_t n_features,
                           Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*softmax_curvature)(fbp_panels A, fbp_panels t, fbp_panels dA, fbp_panels out, Py_ssize_t n_units,
                                  Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*layer_norm_curvature)(const fbp_layer *layer, fbp_panels kept, fbp_panels t, fbp_panels out,
                                     Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*layer_norm_curvature_backward)(const fbp_layer *layer, fbp_panels kept, fbp_panels t, fbp_panels dZ,
                                              fbp_panels out, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*read_codes)(const fbp_source *codes, const int64_t *index, Py_ssize_t first, Py_ssize_t n_rows,
                           const fbp_table *tables, int32_t *rows) noexcept nogil
        void (*embed_forward)(const fbp_table *tables, Py_ssize_t n_tables, const int32_t *rows, fbp_panels out,
                              Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
        void (*embed_gradient)(const fbp_table *table, const int32_t *rows, Py_ssize_t rows_stride, fbp_panels dZ,
                               Py_ssize_t n_samples, Py_ssize_t s0, Py_ssize_t s1, int64_t step,
                               int accumulate) noexcept nogil
        int (*read_row)(const fbp_source *X, Py_ssize_t row, void *out) noexcept nogil
        void (*pack_for_rows)(const fbp_layer *layer, void *packed) noexcept nogil
        void (*forward_rows)(const fbp_layer *layer, const void *packed, Py_ssize_t n_rows, const void *inputs,
                             Py_ssize_t inputs_stride, void *out, Py_ssize_t out_stride) noexcept nogil
        double (*loss_panel)(const fbp_objective *objective, fbp_panels output, fbp_panels targets,
                             const int32_t *labels, const double *sample_weights, Py_ssize_t n_units, Py_ssize_t p,
                             Py_ssize_t n_rows, double scale, fbp_panels gradient) noexcept nogil
        void (*metric_panel)(fbp_metric metric, fbp_answer answer, fbp_panels output, fbp_panels targets,
                             const int32_t *labels, const double *sample_weights, Py_ssize_t n_units, Py_ssize_t p,
                             Py_ssize_t n_rows, double *sums) noexcept nogil
        void (*unit_squares)(const fbp_layer *layer, const void *dW, const void *db, Py_ssize_t n0, Py_ssize_t n1,
                             double *squares, double *bias_squares) noexcept nogil
        void (*unit_penalties)(const fbp_layer *layer, double l1, double l2, Py_ssize_t n0, Py_ssize_t n1,
                               double *penalties) noexcept nogil
        void (*add_penalty_slopes)(const fbp_layer *layer, double l1, double l2, Py_ssize_t n0, Py_ssize_t n1,
                                   void *dW) noexcept nogil
        void (*limit_norms)(const fbp_layer *layer, double most, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
        void (*clip)(void *g, Py_ssize_t n, double factor, double bound) noexcept nogil
        void (*update)(fbp_optimizer optimizer, const fbp_update *numbers, void *w, const void *g, void *const *states,
                       Py_ssize_t n) noexcept nogil
        void (*average)(void *average, const void *w, Py_ssize_t n, double share) noexcept nogil
        void (*point_of_way)(const void *start, const void *end, double place, Py_ssize_t n,
                             void *point) noexcept nogil
        void (*add_scaled)(void *sum, const void *x, double factor, Py_ssize_t n) noexcept nogil
        int (*all_finite)(const void *x, Py_ssize_t n) noexcept nogil
        void (*exp)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*expm1)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*log)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*tanh)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*sigmoid)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*normal_cdf)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*sine_of_turns)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*cosine_of_turns)(const void *x, void *y, Py_ssize_t n) noexcept nogil
        void (*permutation)(uint64_t seed, uint64_t stream, Py_ssize_t n, int64_t *index) noexcept nogil
        void (*dropout)(fbp_panels panels, fbp_panels out, Py_ssize_t n_features, Py_ssize_t first_sample,
                        Py_ssize_t p0, Py_ssize_t p1, double rate, uint64_t seed, uint64_t stream) noexcept nogil
        void (*dropout_by_lane)(fbp_panels panels, fbp_panels out, Py_ssize_t n_features, Py_ssize_t first_panel,
                                Py_ssize_t p0, Py_ssize_t p1, double rate, uint64_t seed,
                                uint64_t stream) noexcept nogil
        double (*burn)(Py_ssize_t n, double *sink) noexcept nogil
        const fbp_private_kernels *private_training
        const fbp_group_kernels *groups

    # In fastbp_bf16.h.
    ctypedef enum fbp_bf16_kind:
        FBP_BF16_NATIVE
        FBP_BF16_EMULATED
        FBP_BF16_AMX

    ctypedef struct fbp_narrow_kernels:
        fbp_bf16_kind kind
        int tile_rows
        Py_ssize_t scratch_elements
        void (*round_panels)(fbp_panels source, Py_ssize_t n_features, Py_ssize_t n_samples, Py_ssize_t p0,
                             Py_ssize_t p1, fbp_panels pairs, fbp_panels rows, void *blocks,
                             Py_ssize_t block_stride) noexcept nogil
        void (*round_weights)(const fbp_layer *layer, Py_ssize_t n0, Py_ssize_t n1, void *rows,
                              void *pairs) noexcept nogil
        void (*dense_forward)(const fbp_layer *layer, const void *rows, fbp_panels source, fbp_panels out,
                              fbp_panels slope, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                              Py_ssize_t n1) noexcept nogil
        void (*input_gradient)(const fbp_layer *layer, const void *pairs, fbp_panels dZ, const fbp_layer *below,
                               fbp_panels A_below, fbp_panels slope_below, fbp_panels dZ_below, Py_ssize_t p0,
                               Py_ssize_t p1, Py_ssize_t k0, Py_ssize_t k1, void *scratch) noexcept nogil
        void (*weight_gradient)(const fbp_layer *layer, fbp_panels dZ, fbp_panels dZ_rows, const void *blocks,
                                Py_ssize_t block_stride, Py_ssize_t n_samples, Py_ssize_t n0, Py_ssize_t n1, void *dW,
                                void *db, int accumulate, const void *const *will_write) noexcept nogil

    # The C functions proper belong to kernels.pyx alone, the one module that links csrc.


# The kernels in use for a dtype.
cdef const fbp_kernels *kernels_in_use(fbp_dtype dtype) noexcept nogil
# The narrow products that go with the float32 ones, or NULL. The first call asks the system for what they need.
cdef const fbp_narrow_kernels *narrow_in_use() noexcept
# Whether they are faster than the float32 ones, or asked for all the same.
cdef bint narrow_pays() noexcept nogil
# The activation of that name, which must be one.
cdef fbp_activation activation_named(str name) except *
# 1 where forward stores the activation's slope.
cdef bint stores_slope(fbp_activation activation) noexcept nogil
# The optimizer of that name, which must be one, and the names of its states.
cdef fbp_optimizer optimizer_named(str name) except *
cdef list state_names(fbp_optimizer optimizer)
# The loss of that name, which must be one; and what csrc/fastbp.h says of it.
cdef fbp_loss loss_named(str name) except *
cdef bint loss_takes_Z(fbp_loss loss) noexcept nogil
cdef bint averages_outputs(fbp_loss loss) noexcept nogil
# Whether to tell weight_gradient, on one thread, what the update will write.
cdef bint prefetches_writes() noexcept nogil
cdef bint gains_by_half_panels() noexcept nogil
# Denormal numbers are zero to this thread, until the former state is restored.
cdef unsigned long flush_denormals() noexcept nogil
cdef void restore_denormals(unsigned long former) noexcept nogil
