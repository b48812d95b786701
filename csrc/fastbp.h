/* fastbp.h: everything the engine may know about the kernels.
 *
 * The kernels know vector registers, tiles and formulas. They know no thread, no allocation, no Python, no model: their
 * caller says which panels and which units to work on, and owns every buffer.
 *
 * Layouts (VL = `lanes`, the samples of a panel, which is the elements of one vector register):
 *
 *   panels    [panel][feature][VL]        Sample s of a batch is lane s % VL of panel s / VL. Features are padded with
 *                                         zeros to whole vectors, so that a panel consists of whole blocks.
 *   blocks    [feature / VL][sample][VL]  The same numbers with features as lanes: the weight gradient reads them.
 *   weights   [unit][ld]                  One row a unit; ld = inputs padded to FBP_ALIGN_BYTES. The padding is zero
 *                                         and stays zero.
 *
 * Determinism: every sum over inputs, units or samples adds its terms in the order of their index, in lanes and blocks
 * whose size is a constant of the instruction set. How panels and units are divided among threads never changes a bit.
 *
 * Words, here, in kernels/ and in the engine; each means one thing:
 *
 *   panel        VL samples side by side, with all their features: [feature][VL]
 *   block        VL samples times VL features with the features as lanes: [sample][VL]. A cache block is another thing:
 *                the rows, or the terms of a sum, that one level of the cache holds at a time (kernels/blocking.h)
 *   tile         the sums that are in registers at one time: up to tile_rows rows times tile_panels vectors
 *   strip        tiles one below the other, all of the same vectors: what one call of a tile function computes
 *   stage        one computation from panels to panels: a dense layer, a dropout, a normalisation
 *   pass         all stages once: the forward pass, the backward pass
 *   micro-batch  the samples of a step that make a pass together, before the next micro-batch does. A chunk is what a
 *                user's source of data hands over: the kernels never see one
 *   share        what one thread does of a job: some panels, some units, or some rows of a table
 *   piece        a part of a share or of a total, of near-equal size: what split_evenly makes, and what a thread does
 *                between two looks for Ctrl-C
 */
#ifndef FASTBP_H
#define FASTBP_H

#include <stddef.h>
#include <stdint.h>

#include "fastbp_source.h"

/* Compilers with GNU C's attributes, builtins and vectors. clang-cl, which builds the kernels for Windows, is one of them
 * and does not define __GNUC__. */
#if defined(__GNUC__) || defined(__clang__)
#define FBP_GNU_C 1
#else
#define FBP_GNU_C 0
#endif

/* Rows of weights and all buffers start at multiples of this: a cache line, and the widest vector. */
#define FBP_ALIGN_BYTES 64

/* The most numbers a weight that an optimizer keeps from step to step. */
#define FBP_STATES 3
/* The most arrays that an update writes: the weights and the optimizer's states. */
#define FBP_WILL_WRITE (1 + FBP_STATES)

typedef enum { FBP_FLOAT32 = 0, FBP_FLOAT64 = 1 } fbp_dtype;

/* X(constant, name, 1 where forward stores the slope beside the output): one row an activation. */
#define FBP_EACH_ACTIVATION(X)         \
    X(FBP_LINEAR, linear, 0)           \
    X(FBP_RELU, relu, 0)               \
    X(FBP_LEAKY_RELU, leaky_relu, 0)   \
    X(FBP_TANH, tanh, 0)               \
    X(FBP_SIGMOID, sigmoid, 0)         \
    X(FBP_SOFTMAX, softmax, 0)         \
    X(FBP_GELU, gelu, 1)               \
    X(FBP_GELU_TANH, gelu_tanh, 1)     \
    X(FBP_SILU, silu, 1)               \
    X(FBP_ELU, elu, 1)                 \
    X(FBP_SELU, selu, 1)               \
    X(FBP_SOFTPLUS, softplus, 1)       \
    X(FBP_EXP, exp, 1)                 \
    X(FBP_SOFTSIGN, softsign, 1)       \
    X(FBP_MISH, mish, 1)               \
    X(FBP_HARD_SIGMOID, hard_sigmoid, 1) \
    X(FBP_HARD_SWISH, hard_swish, 1)

#define FBP_CONSTANT(constant, name, stores) constant,
typedef enum { FBP_EACH_ACTIVATION(FBP_CONSTANT) } fbp_activation;
#undef FBP_CONSTANT

/* X(constant, name, 1 where it is a sum over the outputs of a function of one output and one target, 1 where it is
 * computed from Z with the last activation built in, 1 where the mean is over samples and outputs and not over the
 * samples alone): one row a loss. `name` is its function in kernels/losses/, where the formula is. */
#define FBP_EACH_LOSS(X)                                                  \
    X(FBP_MSE, mse, 1, 0, 1)                                              \
    X(FBP_MAE, mae, 1, 0, 1)                                              \
    X(FBP_CROSS_ENTROPY, cross_entropy, 0, 1, 0)                          \
    X(FBP_CROSS_ENTROPY_LABELS, cross_entropy_labels, 0, 1, 0)            \
    X(FBP_BINARY_CROSS_ENTROPY, binary_cross_entropy, 1, 1, 1)            \
    X(FBP_HUBER, huber, 1, 0, 1)                                          \
    X(FBP_LOG_COSH, log_cosh, 1, 0, 1)                                    \
    X(FBP_POISSON, poisson, 1, 0, 1)                                      \
    X(FBP_GAMMA, gamma, 1, 0, 1)                                          \
    X(FBP_TWEEDIE, tweedie, 1, 0, 1)                                      \
    X(FBP_HINGE, hinge, 1, 0, 1)                                          \
    X(FBP_SQUARED_HINGE, squared_hinge, 1, 0, 1)                          \
    X(FBP_FOCAL, focal, 1, 1, 1)                                          \
    X(FBP_QUANTILE, quantile, 0, 0, 1)                                    \
    X(FBP_GAUSSIAN_NLL, gaussian_nll, 0, 0, 1)                            \
    X(FBP_COSINE, cosine, 0, 0, 0)                                        \
    X(FBP_POLICY_GRADIENT, policy_gradient, 0, 1, 0)

#define FBP_CONSTANT(constant, name, elementwise, takes_Z, over_outputs) constant,
typedef enum { FBP_EACH_LOSS(FBP_CONSTANT) } fbp_loss;
#undef FBP_CONSTANT

/* The most parameters of a loss: a quantile for each percent. */
#define FBP_LOSS_PARAMETERS 99

/* A loss and its parameters, in the order that its class gives them; unused ones are zero. */
typedef struct {
    fbp_loss loss;
    int n_parameters;
    double parameters[FBP_LOSS_PARAMETERS];
} fbp_objective;

/* What the outputs of a sample predict, and what counts as right. */
typedef enum {
    FBP_ANSWER_LABEL = 0,        /* the class of the largest output; right: the label */
    FBP_ANSWER_DISTRIBUTION = 1, /* the class of the largest output; right: the class of the largest target */
    FBP_ANSWER_BINARY = 2,       /* yes for every output above 0; right: yes for every target above 1/2 */
} fbp_answer;

/* Sums over samples; n is the number of outputs that have targets. RANKS needs classes; the errors ignore fbp_answer;
 * LOG_LOSS and SQUARED_PROBABILITY need Z. */
typedef enum {
    FBP_METRIC_CORRECT = 0,             /* [1] right answers */
    FBP_METRIC_COUNTS = 1,              /* [3 or 4][n] true positives, false positives and false negatives of each
                                           class; with binary answers also true negatives */
    FBP_METRIC_LOG_LOSS = 2,            /* [1] -t log(p), p limited to epsilon .. 1 - epsilon */
    FBP_METRIC_SQUARED_PROBABILITY = 3, /* [1] (p - t)^2 */
    FBP_METRIC_RANKS = 4,               /* [n] sums[k]: samples with k classes ranked above the right one; of equal
                                           outputs the last class ranks first */
    FBP_METRIC_ABSOLUTE_ERROR = 5,      /* [n] |a - t| */
    FBP_METRIC_SQUARED_ERROR = 6,       /* [n] (a - t)^2 */
    FBP_METRIC_PERCENTAGE_ERROR = 7,    /* [n] |a - t| / max(|t|, 2^-52) */
} fbp_metric;

/* X(constant, name, its FBP_STATES states): one row an optimizer, NULL where it has fewer. All start from zero. */
#define FBP_EACH_OPTIMIZER(X)                                                               \
    X(FBP_SGD, sgd, "velocity", NULL, NULL)                                                 \
    X(FBP_ADAM, adam, "first_moment", "second_moment", "largest_second_moment")             \
    X(FBP_RMSPROP, rmsprop, "square_average", "velocity", "gradient_average")               \
    X(FBP_ADAGRAD, adagrad, "square_sum", NULL, NULL)                                       \
    X(FBP_ADADELTA, adadelta, "square_average", "change_average", NULL)                     \
    X(FBP_ADAMAX, adamax, "first_moment", "largest_gradient", NULL)                         \
    X(FBP_NADAM, nadam, "first_moment", "second_moment", NULL)                              \
    X(FBP_RADAM, radam, "first_moment", "second_moment", NULL)                              \
    X(FBP_LION, lion, "first_moment", NULL, NULL)                                           \
    X(FBP_RPROP, rprop, "former_gradient", "step_size", NULL)

#define FBP_CONSTANT(constant, name, state_1, state_2, state_3) constant,
typedef enum { FBP_EACH_OPTIMIZER(FBP_CONSTANT) } fbp_optimizer;
#undef FBP_CONSTANT

/* The numbers of one update, the same for every weight. Unused ones are zero. */
typedef struct {
    double learning_rate;   /* of this step (Adagrad's decays) */
    double momentum;        /* SGD, RMSprop */
    int nesterov;           /* SGD */
    int centered;           /* RMSprop */
    int amsgrad;            /* Adam */
    double beta_1;          /* Adam and its kin, Lion */
    double beta_2;          /* also of the average of squares in RMSprop and Adadelta */
    double epsilon;
    double correction_1;    /* Adam and its kin: 1 / (1 - beta_1^t) */
    double correction_2;    /* Adam and its kin: 1 / (1 - beta_2^t) */
    double moment_share;    /* NAdam: the factor of the first moment in the step, */
    double gradient_share;  /* and the factor of the gradient itself */
    double rectification;   /* RAdam: the factor of Adam's step; 0 in the first steps, which do without it */
    double initial;         /* Adagrad: what the sum of squares starts from */
    double eta_minus;       /* Rprop: the factor of the step size where the gradient's sign changes, */
    double eta_plus;        /* and where it does not */
    double min_step;        /* Rprop */
    double max_step;        /* Rprop */
    double weight_decay;    /* the factor of the weight that is added to the gradient (L2) or, with ... */
    int decoupled_decay;    /* ... subtracted from the weight itself (AdamW, Lion) */
    double average_share;   /* for the caller: the factor of this step's weights in their running average; 0: none */
} fbp_update;

/* Panels of one layer: panel p starts `stride` elements after panel p - 1. */
typedef struct {
    void *data;
    ptrdiff_t stride;
} fbp_panels;

/* One dense layer as the kernels see it. Or a stage with one or two numbers a unit, in which each unit has one input:
 * n_inputs and ld are 1, `weights` and `bias` are [n_units]. */
typedef struct {
    ptrdiff_t n_inputs;
    ptrdiff_t n_units;
    ptrdiff_t ld;              /* elements from one unit's row of weights to the next */
    void *weights;             /* [n_units][ld] */
    void *bias;                /* [n_units], padded */
    fbp_activation activation;
    double alpha;              /* the activation's parameter */
} fbp_layer;

/* The rows of a table are divided into this number of shares: row r belongs to share r % FBP_TABLE_SHARES. It is a
 * constant because squares are summed share by share, and their sum must not depend on the number of threads. */
#define FBP_TABLE_SHARES 32

/* An embedding table: a row for each code 0 .. n_rows - 2 of a category, and a last row for everything else. A training
 * step touches the rows that its samples have, and neither reads nor writes the others. */
typedef struct {
    ptrdiff_t n_rows;
    ptrdiff_t n_features;
    ptrdiff_t ld;              /* elements from one row to the next, whole cache lines */
    ptrdiff_t first_feature;   /* where a row's features begin in a panel */
    void *weights;             /* [n_rows][ld], the padding zero */
    void *gradient;            /* [n_rows][ld], of touched rows */
    int64_t *touched_in_step;  /* [n_rows]: the number of the training step that touched the row last */
    ptrdiff_t share_rows;      /* the most rows of a share */
    int32_t *touched;          /* [FBP_TABLE_SHARES][share_rows]: rows touched in this step, in the samples' order */
    int32_t *n_touched;        /* [FBP_TABLE_SHARES] */
} fbp_table;

/* The kernels of one instruction set and one dtype. Every `void *` points at elements of that dtype. */
typedef struct {
    const char *isa;
    fbp_dtype dtype;
    int lanes;               /* VL */
    int tile_rows;           /* units (or inputs) of a register tile */
    int tile_panels;         /* panels (or vectors of inputs) of a register tile */
    ptrdiff_t scratch_elements; /* elements of scratch that input_gradient needs for each thread */
    int few_rows;            /* the most samples for which forward_rows, with packed weights, is faster than a panel */

    /* X -> panels and blocks. Rows index[0..n_rows) of X (index NULL: rows first, first + 1, ...), n_rows <= VL, become
     * panel p; `blocks` may be NULL. Rows next[0..n_next), n_next <= VL, are those of the next call: they are
     * prefetched. Returns 0 where a number is NaN or infinite (in this dtype), else 1. */
    int (*gather_panel)(const fbp_source *X, const int64_t *index, ptrdiff_t first, ptrdiff_t n_rows,
                        const int64_t *next, ptrdiff_t n_next, ptrdiff_t p, fbp_panels panels, void *blocks,
                        ptrdiff_t block_stride);
    /* The same with features in place of the columns of X, and without blocks. Features, not numbers of X, are checked
     * for NaN and infinity. */
    int (*prepare_panel)(const fbp_source *X, const fbp_features *features, const int64_t *index, ptrdiff_t first,
                         ptrdiff_t n_rows, const int64_t *next, ptrdiff_t n_next, ptrdiff_t p, fbp_panels panels);
    /* panels -> rows: out[r][0..n_columns), for the n_rows samples of panel p, rows `out_stride` elements apart. */
    void (*scatter_panel)(fbp_panels panels, ptrdiff_t p, ptrdiff_t n_columns, ptrdiff_t n_rows, void *out,
                          ptrdiff_t out_stride);
    /* panels p0..p1 -> blocks. */
    void (*transpose_panels)(fbp_panels panels, ptrdiff_t n_features, ptrdiff_t p0, ptrdiff_t p1, void *blocks,
                             ptrdiff_t block_stride);

    /* out = activation(in @ W.T + b) for panels p0..p1 and units n0..n1. `slope` (data NULL: not wanted) receives
     * act'(Z) for the activations for which fbp_stores_slope is 1. Softmax counts as linear here; softmax_forward
     * follows. With `half` only the first half of the lanes of panel p1 - 1 has samples: of the others nothing is
     * computed, where that saves time (fbp_gains_by_half_panels). */
    void (*dense_forward)(const fbp_layer *layer, fbp_panels in, fbp_panels out, fbp_panels slope, ptrdiff_t p0,
                          ptrdiff_t p1, ptrdiff_t n0, ptrdiff_t n1, int half);
    /* dZ_below = (dZ @ W) * act'(below) for panels p0..p1 and inputs k0..k1, where `below` made the outputs A_below
     * (or, where it stores them, the slopes). `half` as in dense_forward. `scratch`: scratch_elements elements. */
    void (*input_gradient)(const fbp_layer *layer, fbp_panels dZ, const fbp_layer *below, fbp_panels A_below,
                           fbp_panels slope_below, fbp_panels dZ_below, ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t k0,
                           ptrdiff_t k1, int half, void *scratch);
    /* dW[n][k] (+)= sum over the samples of dZ[s][n] * A[s][k], db[n] (+)= sum of dZ[s][n], for units n0..n1. dW rows
     * are layer->ld apart and their padding becomes zero. accumulate = 0 does not read dW and db. db may be NULL, here
     * and in unit_squares. `will_write` (or NULL): FBP_WILL_WRITE arrays laid out like dW (each may be NULL) that the update
     * will write next. They are prefetched for writing, which takes them from other cores' caches. */
    void (*weight_gradient)(const fbp_layer *layer, fbp_panels dZ, const void *blocks, ptrdiff_t block_stride,
                            ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW, void *db, int accumulate,
                            const void *const *will_write);

    /* Z -> probabilities over the units, in place; and dA -> dZ, in place, given the probabilities. */
    void (*softmax_forward)(fbp_panels Z, ptrdiff_t n_units, ptrdiff_t p0, ptrdiff_t p1);
    void (*softmax_backward)(fbp_panels A, fbp_panels dA, ptrdiff_t n_units, ptrdiff_t p0, ptrdiff_t p1);
    /* dA -> dZ, in place, for panels p0..p1 of an element-wise activation. */
    void (*activation_backward)(const fbp_layer *layer, fbp_panels A, fbp_panels slope, fbp_panels dA, ptrdiff_t p0,
                                ptrdiff_t p1);

    /* panels p0..p1 of `in` -> activation(in), in place or not; `slope` as in dense_forward. */
    void (*activation_forward)(const fbp_layer *layer, fbp_panels in, fbp_panels out, fbp_panels slope, ptrdiff_t p0,
                               ptrdiff_t p1);
    /* panels p0..p1: out = a + b, or a where b.data is NULL. */
    void (*add_panels)(fbp_panels a, fbp_panels b, fbp_panels out, ptrdiff_t n_features, ptrdiff_t p0, ptrdiff_t p1);

    /* dW[n] (+)= sum over the samples of dZ[s][n] * factor[s][n], db[n] (+)= sum of dZ[s][n], for units n0..n1 of a
     * stage with one number a unit; db may be NULL. */
    void (*vector_gradient)(fbp_panels dZ, fbp_panels factor, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW,
                            void *db, int accumulate);
    /* panels p0..p1: out = weights * h + bias, where h is each sample minus its mean over the features, divided by its
     * deviation, sqrt(variance + epsilon). `kept` (data NULL: not wanted) receives h and, in row n_units, 1 /
     * deviation, from which the backward kernel makes dX, the gradient of `in`. */
    void (*layer_norm_forward)(const fbp_layer *layer, double epsilon, fbp_panels in, fbp_panels out, fbp_panels kept,
                               ptrdiff_t p0, ptrdiff_t p1);
    void (*layer_norm_backward)(const fbp_layer *layer, fbp_panels dZ, fbp_panels kept, fbp_panels dX, ptrdiff_t p0,
                                ptrdiff_t p1);

    /* Of units n0..n1 over all n_samples: the mean; the variance with divisor n_samples - 1; and 1 / sqrt(v + epsilon),
     * v the variance with divisor n_samples. */
    void (*batch_statistics)(fbp_panels in, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, double epsilon, void *mean,
                             void *variance, void *inverse);
    /* panels p0..p1: out = weights * h + bias, h = (in - mean) * inverse; `kept` (data NULL: not wanted) receives h. */
    void (*batch_norm_forward)(const fbp_layer *layer, const void *mean, const void *inverse, fbp_panels in,
                               fbp_panels out, fbp_panels kept, ptrdiff_t p0, ptrdiff_t p1);
    /* panels p0..p1 of dX, the gradient of `in`, from dZ and from dW and db over all samples; dW NULL: mean and inverse
     * are constants. */
    void (*batch_norm_backward)(const fbp_layer *layer, const void *inverse, const void *dW, const void *db,
                                ptrdiff_t n_samples, fbp_panels dZ, fbp_panels kept, fbp_panels dX, ptrdiff_t p0,
                                ptrdiff_t p1);

    /* panels p0..p1: out = in where it is above 0, else weights * in. `kept` (data NULL: not wanted) receives min(in,
     * 0), the factor from which vector_gradient makes the gradient of the weights. prelu_backward makes dX from dZ. */
    void (*prelu_forward)(const fbp_layer *layer, fbp_panels in, fbp_panels out, fbp_panels kept, ptrdiff_t p0,
                          ptrdiff_t p1);
    void (*prelu_backward)(const fbp_layer *layer, fbp_panels in, fbp_panels dZ, fbp_panels dX, ptrdiff_t p0,
                           ptrdiff_t p1);

    /* panels p0..p1: out = weights * in, in place or not. */
    void (*scale_panels)(const fbp_layer *layer, fbp_panels in, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);
    /* The same, and the bias is added; not in place. */
    void (*affine_panels)(const fbp_layer *layer, fbp_panels in, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);

    /* As transpose_panels, where other features follow these in the panels. */
    void (*transpose_member)(fbp_panels panels, ptrdiff_t n_features, ptrdiff_t p0, ptrdiff_t p1, void *blocks,
                             ptrdiff_t block_stride);
    /* Members lie side by side in a panel, n_features each. Panels p0..p1: out = factor times the sum over them. */
    void (*sum_members)(fbp_panels in, ptrdiff_t n_members, ptrdiff_t n_features, double factor, fbp_panels out,
                        ptrdiff_t p0, ptrdiff_t p1);
    /* The members' Z -> a Z to which `activation`, the softmax or the sigmoid, gives the mean of what it gives to theirs
     * (of a softmax up to a constant). */
    void (*mix_logits)(fbp_activation activation, fbp_panels in, ptrdiff_t n_members, ptrdiff_t n_features,
                       fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);

    /* panels p0..p1: out = weights * f(in) + (1 - weights) * in, not in place, f the activation `function`: mish, selu,
     * silu or relu. `kept` (data NULL: not wanted) receives f(in) - in, from which vector_gradient makes the gradient of
     * the weights, and in rows n_units..2 n_units the slope of out, from which the backward kernel makes dX. */
    void (*parametric_forward)(const fbp_layer *layer, fbp_activation function, fbp_panels in, fbp_panels out,
                               fbp_panels kept, ptrdiff_t p0, ptrdiff_t p1);
    void (*parametric_backward)(const fbp_layer *layer, fbp_panels kept, fbp_panels dZ, fbp_panels dX, ptrdiff_t p0,
                                ptrdiff_t p1);

    /* Second derivatives, panels p0..p1: see kernels/curvature.h. */
    void (*activation_curvature)(const fbp_layer *layer, fbp_panels Z, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);
    void (*add_curved)(fbp_panels factor, fbp_panels a, fbp_panels b, fbp_panels out, ptrdiff_t n_features,
                         ptrdiff_t p0, ptrdiff_t p1);
    void (*softmax_curvature)(fbp_panels A, fbp_panels t, fbp_panels dA, fbp_panels out, ptrdiff_t n_units,
                              ptrdiff_t p0, ptrdiff_t p1);
    void (*layer_norm_curvature)(const fbp_layer *layer, fbp_panels kept, fbp_panels t, fbp_panels out, ptrdiff_t p0,
                                 ptrdiff_t p1);
    void (*layer_norm_curvature_backward)(const fbp_layer *layer, fbp_panels kept, fbp_panels t, fbp_panels dZ,
                                          fbp_panels out, ptrdiff_t p0, ptrdiff_t p1);

    /* Codes -> rows: rows[t][0..VL) for the n_rows samples of one panel, `index` and `first` as in gather_panel; each
     * column of `codes` has a table. Lanes without a sample get the last row. */
    void (*read_codes)(const fbp_source *codes, const int64_t *index, ptrdiff_t first, ptrdiff_t n_rows,
                       const fbp_table *tables, int32_t *rows);
    /* Rows of the tables, [panel][table][VL] -> their features in panels p0..p1. */
    void (*embed_forward)(const fbp_table *tables, ptrdiff_t n_tables, const int32_t *rows, fbp_panels out,
                          ptrdiff_t p0, ptrdiff_t p1);
    /* gradient[row] (+)= the sum of the table's features in dZ over the samples that have that row, in their order, for
     * the rows of shares s0..s1, which are marked as touched in training step `step`. `rows` are those of this table in
     * panel 0; those of the next panel follow `rows_stride` elements later. accumulate = 0: the first of the step. */
    void (*embed_gradient)(const fbp_table *table, const int32_t *rows, ptrdiff_t rows_stride, fbp_panels dZ,
                           ptrdiff_t n_samples, ptrdiff_t s0, ptrdiff_t s1, int64_t step, int accumulate);

    /* A few samples alone, with the bits that they have in a panel: row `row` of X -> out[0..n_columns), zeros up to
     * whole vectors. Returns 0 where a number is NaN or infinite (in this dtype), else 1. */
    int (*read_row)(const fbp_source *X, ptrdiff_t row, void *out);
    /* The layer's weights -> packed_for_rows, in the order in which a few samples read them: n_inputs times n_units
     * elements, the units padded to whole vectors. */
    void (*pack_for_rows)(const fbp_layer *layer, void *packed_for_rows);
    /* out[r][0..n_units) = activation(in[r] @ W.T + b), softmax included. Rows are `in_stride` and `out_stride`
     * elements apart, with room for whole vectors. packed_for_rows NULL: the weights are read in place. */
    void (*forward_rows)(const fbp_layer *layer, const void *packed_for_rows, ptrdiff_t n_rows, const void *in,
                         ptrdiff_t in_stride, void *out, ptrdiff_t out_stride);

    /* One panel of n_rows samples: returns the sum of their losses and, unless gradient.data is NULL, stores its
     * gradient times `scale` (unused lanes: zero). `output` is the last layer's result with its activation applied, or
     * Z for the losses for which fbp_takes_Z is 1, which are stable from Z; the gradient is dA, or dZ for those. The
     * targets are labels [VL] or panels. Each sample's loss and gradient are multiplied by sample_weights[r]; NULL: by
     * 1. */
    double (*loss_panel)(const fbp_objective *objective, fbp_panels output, fbp_panels targets, const int32_t *labels,
                         const double *sample_weights, ptrdiff_t n_units, ptrdiff_t p, ptrdiff_t n_rows, double scale,
                         fbp_panels gradient);
    /* Adds the sums of `metric` over one panel to `sums`; `output` and `sample_weights` as in loss_panel. */
    void (*metric_panel)(fbp_metric metric, fbp_answer answer, fbp_panels output, fbp_panels targets,
                         const int32_t *labels, const double *sample_weights, ptrdiff_t n_units, ptrdiff_t p,
                         ptrdiff_t n_rows, double *sums);

    /* squares[n] = the sum of the squares of dW[n][..], bias_squares[n] = the square of db[n], in double, for units
     * n0..n1: the gradient's norm is the root of their sum. */
    void (*unit_squares)(const fbp_layer *layer, const void *dW, const void *db, ptrdiff_t n0, ptrdiff_t n1,
                         double *squares, double *bias_squares);
    /* For units n0..n1: penalties[n] = the sum over W[n] of l1 * |w| + l2 * w * w; its slope is added to dW; and W[n]
     * is shortened to the length `most` where it is longer. */
    void (*unit_penalties)(const fbp_layer *layer, double l1, double l2, ptrdiff_t n0, ptrdiff_t n1, double *penalties);
    void (*add_penalty_slopes)(const fbp_layer *layer, double l1, double l2, ptrdiff_t n0, ptrdiff_t n1, void *dW);
    void (*limit_norms)(const fbp_layer *layer, double most, ptrdiff_t n0, ptrdiff_t n1);
    /* g <- factor * g, limited to -bound .. bound, n elements. */
    void (*clip)(void *g, ptrdiff_t n, double factor, double bound);
    /* w, states <- one update by the gradient g, n elements. states: FBP_STATES arrays, in the order of the optimizer's
     * row above; NULL where it has fewer, or where the numbers need none (a velocity without momentum). */
    void (*update)(fbp_optimizer optimizer, const fbp_update *numbers, void *w, const void *g, void *const *states,
                   ptrdiff_t n);
    /* average += share * (w - average), n elements; a share of 1 copies. */
    void (*average)(void *average, const void *w, ptrdiff_t n, double share);
    /* point = from + place * (to - from), and sum += factor * x, n elements of any alignment. `point` may be `from`. */
    void (*point_of_way)(const void *from, const void *to, double place, ptrdiff_t n, void *point);
    void (*add_scaled)(void *sum, const void *x, double factor, ptrdiff_t n);

    /* 1 where all n elements are finite, else 0. */
    int (*all_finite)(const void *x, ptrdiff_t n);
    /* y[i] = f(x[i]), for the tests: exp, expm1 (x <= 0), log, tanh, sigmoid, erf-based normal distribution,
     * sin(2 pi x), cos(2 pi x). Any alignment. */
    void (*exp)(const void *x, void *y, ptrdiff_t n);
    void (*expm1)(const void *x, void *y, ptrdiff_t n);
    void (*log)(const void *x, void *y, ptrdiff_t n);
    void (*tanh)(const void *x, void *y, ptrdiff_t n);
    void (*sigmoid)(const void *x, void *y, ptrdiff_t n);
    void (*normal_cdf)(const void *x, void *y, ptrdiff_t n);
    void (*sine_of_turns)(const void *x, void *y, ptrdiff_t n);
    void (*cosine_of_turns)(const void *x, void *y, ptrdiff_t n);

    /* index[0..n) <- a random permutation of 0..n-1 (Fisher and Yates): a function of seed, stream and n alone, the
     * same for every instruction set. */
    void (*permutation)(uint64_t seed, uint64_t stream, ptrdiff_t n, int64_t *index);
    /* panels p0..p1 of `in` -> `out` (in place or not): each number zero with probability `rate`, 0 <= rate < 1, rounded
     * down to a multiple of 2^-32, else divided by 1 - rate. Which ones become zero is a function of seed, stream, unit
     * and sample, with samples counted from first_sample on: the same for every instruction set and dtype. */
    void (*dropout)(fbp_panels in, fbp_panels out, ptrdiff_t n_features, ptrdiff_t first_sample, ptrdiff_t p0,
                    ptrdiff_t p1, double rate, uint64_t seed, uint64_t stream);
    /* The same with the masks of version 0.1, which depend on lanes and dtype; panels are counted from first_panel on. */
    void (*dropout_by_lane)(fbp_panels in, fbp_panels out, ptrdiff_t n_features, ptrdiff_t first_panel, ptrdiff_t p0,
                            ptrdiff_t p1, double rate, uint64_t seed, uint64_t stream);
    /* n rounds of independent multiply-adds in registers; returns the floating-point operations done. */
    double (*burn)(ptrdiff_t n, volatile double *sink);
    const struct fbp_private_kernels *private_training; /* see fastbp_privacy.h */
    const struct fbp_group_kernels *groups;             /* see fastbp_groups.h */
} fbp_kernels;

#include "fastbp_bf16.h"
#include "fastbp_groups.h"
#include "fastbp_privacy.h"

/* The instruction sets that are compiled in, best first, ending in NULL; and whether this CPU and OS can run one. */
extern const char *const fbp_isa_names[];
int fbp_isa_available(const char *isa);
/* The kernels of an instruction set, NULL where it is unknown or not available. */
const fbp_kernels *fbp_kernels_for(const char *isa, fbp_dtype dtype);

/* 1 where `will_write` of weight_gradient makes one thread faster on this CPU, else 0. On AMD's CPUs without AVX-512 it
 * saves 3 % of a step of 784-1024-1024-10 (Zen 3). On the others the tiles' own loads wait for the prefetches: they
 * cost 6 % of that step in float32 and 11 % in float64 on a Xeon with AVX-512 (3 % with its AVX2 kernels), 1 % on Zen
 * 5, and there 5 % of a step of 784-256-128-10. CPUs that were not measured count as the others. Several threads use it
 * on every CPU, because the weights that one thread updates were last read by all of them. */
int fbp_prefetches_writes(void);

/* 1 where half of a panel takes half the time: on Zen 4, whose vectors of 64 bytes are computed in two halves. */
int fbp_gains_by_half_panels(void);

/* From here on this thread treats denormal numbers as zero, until the value returned is given to fbp_restore_denormals.
 * The moments of a unit whose gradient stays zero shrink until they are denormal, and every operation on denormal
 * numbers takes a hundred cycles more. */
unsigned long fbp_flush_denormals(void);
void fbp_restore_denormals(unsigned long former);

/* The activation of that name, or -1 where there is none; and 1 where forward stores its slope, 0 where backward
 * derives it from the output. */
int fbp_activation_named(const char *name);
int fbp_stores_slope(fbp_activation activation);

/* The optimizer of that name, or -1 where there is none; and the name of its state i < FBP_STATES, or NULL. */
int fbp_optimizer_named(const char *name);
const char *fbp_state_name(fbp_optimizer optimizer, int i);
/* The loss of that name, or -1 where there is none; and what its row in FBP_EACH_LOSS says. */
int fbp_loss_named(const char *name);
int fbp_takes_Z(fbp_loss loss);
int fbp_averages_outputs(fbp_loss loss);

/* Philox4x32-10 (Salmon et al., SC 2011): 128 random bits for a 128-bit counter and a 64-bit key. */
void fbp_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
