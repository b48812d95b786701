/* kernel_driver.c: one training step on the kernels alone, for compilers and machines without the tests' Python.
 *
 *     kernel_driver ISA < problems > solutions
 *     kernel_driver                           checks that no table lacks a kernel, and scratch; prints the tables
 *
 * One program solves problem after problem: an emulator takes longer to start than a problem to be solved.
 * Everything is a double, whatever the dtype. A problem, as test_kernel_driver.py writes it:
 *   dtype, loss, n_parameters, the loss's parameters, n_targets (columns),
 *   n_samples, n_inputs, n_layers, learning rate (Adam's), n_points,
 *   a layer: n_units, activation, alpha, W [n_units][n_inputs], b [n_units],
 *   X [n_samples][n_inputs], targets: labels [n_samples] or [n_samples][n_targets],
 *   points [n_points]
 * Its solution:
 *   mean loss, what the last layer puts out, a layer: dW, db, W and b after one step of Adam,
 *   exp, log of |.|, tanh, sigmoid and normal_cdf of the points,
 *   the points after the first step of every optimizer, their gradient being the points from the last to the first,
 *   X with four of ten numbers dropped out, as samples 7 and on, by seed 2^40 + 5 and stream 2^33 + 2.
 * With a loss that is taken from Z the last activation is given as linear.
 *
 * It fails where samples alone do not have the bits that they have in the panels, where a kernel is missing, and where
 * input_gradient writes beyond its scratch.
 */
#include "fastbp.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "on_windows.h" /* last: it renames functions of <stdlib.h> */

enum { MAX_LAYERS = 8 };

typedef struct {
    fbp_layer layer;
    fbp_panels input, output, slope, gradient; /* gradient: dA, then dZ */
    void *blocks;                              /* the input again, features as lanes */
    void *dW, *db;
} stage;

static const fbp_kernels *k;
static size_t item;
static ptrdiff_t n_panels;
static int problem; /* counted from 0 */

static double number(void)
{
    double x;
    if (fread(&x, sizeof x, 1, stdin) != 1) {
        fprintf(stderr, "kernel_driver: problem %d ends too early\n", problem);
        exit(2);
    }
    return x;
}

static void *memory(ptrdiff_t n_elements)
{
    const size_t n_bytes = ((size_t)n_elements * item + FBP_ALIGN_BYTES - 1) / FBP_ALIGN_BYTES * FBP_ALIGN_BYTES;
    void *p = aligned_alloc(FBP_ALIGN_BYTES, n_bytes + FBP_ALIGN_BYTES);
    if (!p) {
        fputs("kernel_driver: no memory\n", stderr);
        exit(2);
    }
    return memset(p, 0, n_bytes + FBP_ALIGN_BYTES);
}

static void set(void *x, ptrdiff_t i, double value)
{
    if (k->dtype == FBP_FLOAT32)
        ((float *)x)[i] = (float)value;
    else
        ((double *)x)[i] = value;
}

static void put(const void *x, ptrdiff_t i)
{
    const double value = k->dtype == FBP_FLOAT32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
    fwrite(&value, sizeof value, 1, stdout);
}

static ptrdiff_t padded(ptrdiff_t n)
{
    const ptrdiff_t line = FBP_ALIGN_BYTES / (ptrdiff_t)item;
    return (n + line - 1) / line * line;
}

static fbp_panels make_panels(ptrdiff_t n_features)
{
    const ptrdiff_t stride = padded(n_features) * k->lanes;
    return (fbp_panels){memory(n_panels * stride), stride};
}

static ptrdiff_t block_stride(void)
{
    return n_panels * k->lanes * k->lanes;
}

static void *make_blocks(ptrdiff_t n_features)
{
    return memory(padded(n_features) / k->lanes * block_stride());
}

static void read_layer(stage *s, ptrdiff_t n_inputs)
{
    fbp_layer *layer = &s->layer;
    layer->n_inputs = n_inputs;
    layer->n_units = (ptrdiff_t)number();
    layer->activation = (fbp_activation)number();
    layer->alpha = number();
    layer->ld = padded(n_inputs);
    layer->weights = memory(layer->n_units * layer->ld);
    layer->bias = memory(padded(layer->n_units));
    s->dW = memory(layer->n_units * layer->ld);
    s->db = memory(padded(layer->n_units));
    for (ptrdiff_t n = 0; n < layer->n_units; n++)
        for (ptrdiff_t i = 0; i < n_inputs; i++)
            set(layer->weights, n * layer->ld + i, number());
    for (ptrdiff_t n = 0; n < layer->n_units; n++)
        set(layer->bias, n, number());
    s->blocks = make_blocks(n_inputs);
    s->output = make_panels(layer->n_units);
    s->slope = fbp_stores_slope(layer->activation) ? make_panels(layer->n_units) : (fbp_panels){NULL, 0};
    s->gradient = make_panels(layer->n_units);
}

/* n_samples rows of doubles from the problem into panels, and into blocks where they are wanted. */
static void read_rows(ptrdiff_t n_samples, ptrdiff_t n_columns, fbp_panels panels, void *blocks)
{
    double *rows = calloc((size_t)(n_samples * n_columns) + 1, sizeof *rows);
    for (ptrdiff_t i = 0; i < n_samples * n_columns; i++)
        rows[i] = number();
    const fbp_source source = {.data = rows, .row_stride = n_columns * (ptrdiff_t)sizeof *rows,
                               .column_stride = sizeof *rows, .n_columns = n_columns, .type = FBP_SRC_FLOAT64};
    for (ptrdiff_t p = 0; p < n_panels; p++) {
        const ptrdiff_t first = p * k->lanes, left = n_samples - first;
        if (!k->gather_panel(&source, NULL, first, left < k->lanes ? left : k->lanes, NULL, 0, p, panels, blocks,
                             block_stride()))
            fprintf(stderr, "kernel_driver: problem %d: a number is not finite\n", problem);
    }
    free(rows);
}

static fbp_objective read_objective(void)
{
    fbp_objective objective = {.loss = (fbp_loss)number()};
    objective.n_parameters = (int)number();
    for (int i = 0; i < objective.n_parameters; i++)
        objective.parameters[i] = number();
    return objective;
}

/* Whether the last panel has samples in the first half of its lanes alone. */
static int half_is_enough(ptrdiff_t n_samples)
{
    const ptrdiff_t used = n_samples % k->lanes;
    return used > 0 && used <= k->lanes / 2;
}

static void forward(stage *stages, int n_layers, ptrdiff_t n_samples)
{
    for (int i = 0; i < n_layers; i++) {
        stage *s = &stages[i];
        if (i > 0) {
            s->input = stages[i - 1].output;
            k->transpose_panels(s->input, s->layer.n_inputs, 0, n_panels, s->blocks, block_stride());
        }
        const ptrdiff_t middle = s->layer.n_units / 2; /* any two ranges of units give the same bits */
        k->dense_forward(&s->layer, s->input, s->output, s->slope, 0, n_panels, 0, middle, 0);
        k->dense_forward(&s->layer, s->input, s->output, s->slope, 0, n_panels, middle, s->layer.n_units,
                         half_is_enough(n_samples));
        if (s->layer.activation == FBP_SOFTMAX)
            k->softmax_forward(s->output, s->layer.n_units, 0, n_panels);
    }
}

/* The first n_rows samples of panels -> rows, `stride` elements apart. */
static void scatter_rows(fbp_panels panels, ptrdiff_t n_features, ptrdiff_t n_rows, void *rows, ptrdiff_t stride)
{
    for (ptrdiff_t p = 0; p * k->lanes < n_rows; p++) {
        const ptrdiff_t first = p * k->lanes, left = n_rows - first;
        k->scatter_panel(panels, p, n_features, left < k->lanes ? left : k->lanes,
                         (char *)rows + (size_t)(first * stride) * item, stride);
    }
}

/* The first samples alone, one and several, with the layer's weights in place and packed for rows. */
static void check_rows_alone(const stage *s, ptrdiff_t n_samples)
{
    const fbp_layer *layer = &s->layer;
    const ptrdiff_t most = n_samples < 14 ? n_samples : 14; /* more than pass together on any instruction set */
    const ptrdiff_t in_stride = padded(layer->n_inputs), out_stride = padded(layer->n_units);
    void *in = memory(most * in_stride), *wanted = memory(most * out_stride), *out = memory(most * out_stride);
    void *packed = memory(layer->n_inputs * out_stride);
    scatter_rows(s->input, layer->n_inputs, most, in, in_stride);
    scatter_rows(s->output, layer->n_units, most, wanted, out_stride);
    k->pack_for_rows(layer, packed);
    for (ptrdiff_t n_rows = 1; n_rows <= most; n_rows++)
        for (int packs = 0; packs < 2; packs++) {
            memset(out, 0, (size_t)(most * out_stride) * item);
            k->forward_rows(layer, packs ? packed : NULL, n_rows, in, in_stride, out, out_stride);
            for (ptrdiff_t r = 0; r < n_rows; r++) {
                const size_t start = (size_t)(r * out_stride) * item, size = (size_t)layer->n_units * item;
                if (memcmp((char *)out + start, (char *)wanted + start, size) != 0) {
                    fprintf(stderr, "kernel_driver: problem %d: row %td of %td alone differs, packed %d\n", problem, r,
                            n_rows, packs);
                    exit(3);
                }
            }
        }
}

/* The mean loss; dZ of the last layer is left in its gradient. */
static double judge(stage *last, const fbp_objective *objective, fbp_panels targets, const int32_t *labels,
                    ptrdiff_t n_samples)
{
    const ptrdiff_t terms = fbp_averages_outputs(objective->loss) ? last->layer.n_units : 1;
    const double scale = 1.0 / (double)(n_samples * terms);
    double sum = 0;
    for (ptrdiff_t p = 0; p < n_panels; p++) {
        const ptrdiff_t left = n_samples - p * k->lanes;
        sum += k->loss_panel(objective, last->output, targets, labels + p * k->lanes, NULL, last->layer.n_units,
                             p, left < k->lanes ? left : k->lanes, scale, last->gradient);
    }
    if (last->layer.activation == FBP_SOFTMAX)
        k->softmax_backward(last->output, last->gradient, last->layer.n_units, 0, n_panels);
    else
        k->activation_backward(&last->layer, last->output, last->slope, last->gradient, 0, n_panels);
    return sum * scale;
}

static void backward(stage *stages, int n_layers, ptrdiff_t n_samples)
{
    void *scratch = memory(k->scratch_elements);
    for (int i = n_layers - 1; i >= 0; i--) {
        stage *s = &stages[i], *below = s - 1;
        if (i > 0) {
            const ptrdiff_t ends[] = {0, s->layer.n_inputs / 2, s->layer.n_inputs};
            for (int j = 0; j < 2; j++)
                k->input_gradient(&s->layer, s->gradient, &below->layer, below->output, below->slope, below->gradient,
                                  0, n_panels, ends[j], ends[j + 1], j && half_is_enough(n_samples), scratch);
            if (below->layer.activation == FBP_SOFTMAX)
                k->softmax_backward(below->output, below->gradient, below->layer.n_units, 0, n_panels);
        }
        k->weight_gradient(&s->layer, s->gradient, s->blocks, block_stride(), n_samples, 0, s->layer.n_units, s->dW,
                           s->db, 0, NULL);
    }
}

static void put_layer(stage *s)
{
    const fbp_layer *layer = &s->layer;
    for (ptrdiff_t n = 0; n < layer->n_units; n++)
        for (ptrdiff_t i = 0; i < layer->n_inputs; i++)
            put(s->dW, n * layer->ld + i);
    for (ptrdiff_t n = 0; n < layer->n_units; n++)
        put(s->db, n);
}

static void put_updated_layer(stage *s, double learning_rate)
{
    const fbp_layer *layer = &s->layer;
    const fbp_update numbers = {.learning_rate = learning_rate, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8,
                                .correction_1 = 1 / (1 - 0.9), .correction_2 = 1 / (1 - 0.999)};
    const ptrdiff_t n_weights = layer->n_units * layer->ld;
    void *const of_weights[FBP_STATES] = {memory(n_weights), memory(n_weights)};
    void *const of_biases[FBP_STATES] = {memory(layer->n_units), memory(layer->n_units)};
    k->update(FBP_ADAM, &numbers, layer->weights, s->dW, of_weights, n_weights);
    k->update(FBP_ADAM, &numbers, layer->bias, s->db, of_biases, layer->n_units);
    for (ptrdiff_t n = 0; n < layer->n_units; n++)
        for (ptrdiff_t i = 0; i < layer->n_inputs; i++)
            put(layer->weights, n * layer->ld + i);
    for (ptrdiff_t n = 0; n < layer->n_units; n++)
        put(layer->bias, n);
}

static void put_functions(const double *points, ptrdiff_t n)
{
    void (*const functions[])(const void *, void *, ptrdiff_t) = {k->exp, k->log, k->tanh, k->sigmoid, k->normal_cdf};
    void *x = memory(n), *absolute = memory(n), *y = memory(n);
    for (ptrdiff_t i = 0; i < n; i++) {
        set(x, i, points[i]);
        set(absolute, i, fabs(points[i]));
    }
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        functions[f](functions[f] == k->log ? absolute : x, y, n);
        for (ptrdiff_t i = 0; i < n; i++)
            put(y, i);
    }
}

/* The numbers of the first step, weights decaying by 0.1; beta_1 is 0.9, beta_2 0.999. */
static void put_first_steps(double learning_rate, const double *points, ptrdiff_t n)
{
#define CONSTANT(constant, name, state_1, state_2, state_3) constant,
    static const fbp_optimizer optimizers[] = {FBP_EACH_OPTIMIZER(CONSTANT)};
#undef CONSTANT
    const double momentum = 0.9 * (1 - 0.5 * pow(0.96, 0.004)), next = 0.9 * (1 - 0.5 * pow(0.96, 0.008));
    const fbp_update numbers = {.learning_rate = learning_rate, .momentum = 0.9, .centered = 1, .amsgrad = 1,
                                .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-8, .correction_1 = 1 / (1 - 0.9),
                                .correction_2 = 1 / (1 - 0.999), .moment_share = next / (1 - momentum * next),
                                .gradient_share = 1, .initial = 0.1, .eta_minus = 0.5, .eta_plus = 1.2,
                                .min_step = 1e-6, .max_step = 50, .weight_decay = 0.1};
    void *w = memory(n), *g = memory(n);
    for (size_t o = 0; o < sizeof optimizers / sizeof *optimizers; o++) {
        void *const states[FBP_STATES] = {memory(n), memory(n), memory(n)};
        for (ptrdiff_t i = 0; i < n; i++) {
            set(w, i, points[i]);
            set(g, i, points[n - 1 - i]);
        }
        k->update(optimizers[o], &numbers, w, g, states, n);
        for (ptrdiff_t i = 0; i < n; i++)
            put(w, i);
    }
}

static void put_dropped(fbp_panels X, ptrdiff_t n_samples, ptrdiff_t n_inputs)
{
    const fbp_panels dropped = make_panels(n_inputs);
    void *rows = memory(n_samples * n_inputs);
    k->dropout(X, dropped, n_inputs, 7, 0, n_panels, 0.4, ((uint64_t)1 << 40) + 5, ((uint64_t)1 << 33) + 2);
    scatter_rows(dropped, n_inputs, n_samples, rows, n_inputs);
    for (ptrdiff_t i = 0; i < n_samples * n_inputs; i++)
        put(rows, i);
}

/* All members of fbp_kernels after few_rows are pointers to functions: how many of them are NULL, each named by its
 * place. A member that is added to the struct and forgotten in kernels/all.h is NULL. */
static int missing_kernels(const fbp_kernels *table)
{
    typedef void (*function)(void);
    enum { FIRST = offsetof(fbp_kernels, gather_panel), COUNT = (sizeof(fbp_kernels) - FIRST) / sizeof(function) };
    static_assert(FIRST <= offsetof(fbp_kernels, few_rows) + sizeof(function), "a member before gather_panel");
    static_assert(COUNT * sizeof(function) + FIRST == sizeof(fbp_kernels), "a member that is no pointer");
    function kernels[COUNT];
    int missing = 0;
    memcpy(kernels, (const char *)table + FIRST, sizeof kernels);
    for (int i = 0; i < COUNT; i++)
        if (!kernels[i]) {
            fprintf(stderr, "kernel_driver: %s, %s: kernel %d, counted from gather_panel as 0, is missing\n",
                    table->isa, table->dtype == FBP_FLOAT32 ? "float32" : "float64", i);
            missing++;
        }
    return missing;
}

/* How many tables (0 or 1) let input_gradient write beyond its scratch: with the inputs and units of the largest blocks
 * that are packed, on each instruction set. */
static int overflows(const fbp_kernels *table)
{
    static const ptrdiff_t shapes[][2] = {{224, 448}, {711, 288}, {426, 240}};
    enum { BEYOND = 1 << 14 };
    k = table;
    item = k->dtype == FBP_FLOAT32 ? sizeof(float) : sizeof(double);
    n_panels = 8;
    char *const scratch = memory(k->scratch_elements + BEYOND), *const end = scratch + (size_t)k->scratch_elements * item;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const ptrdiff_t n_inputs = shapes[s][0], n_units = shapes[s][1], ld = padded(n_inputs);
        const fbp_layer layer = {n_inputs, n_units, ld, memory(n_units * ld), memory(n_units), FBP_LINEAR, 0};
        const fbp_panels none = {NULL, 0}, dZ = make_panels(n_units), below = make_panels(n_inputs);
        for (ptrdiff_t i = 0; i < n_units * ld; i++)
            set(layer.weights, i, 1);
        k->input_gradient(&layer, dZ, &layer, below, none, below, 0, n_panels, 0, n_inputs, 0, scratch);
    }
    for (size_t i = 0; i < BEYOND * item; i++)
        if (end[i]) {
            fprintf(stderr, "kernel_driver: %s, %s: input_gradient writes beyond its scratch\n", k->isa,
                    k->dtype == FBP_FLOAT32 ? "float32" : "float64");
            return 1;
        }
    return 0;
}

/* Every table that this CPU can run. */
static int check_tables(void)
{
    int wrong = 0;
    for (int i = 0; fbp_isa_names[i]; i++)
        for (int dtype = FBP_FLOAT32; dtype <= FBP_FLOAT64; dtype++) {
            const fbp_kernels *table = fbp_kernels_for(fbp_isa_names[i], (fbp_dtype)dtype);
            if (!table)
                continue;
            wrong += missing_kernels(table) || overflows(table);
            printf("%s %s\n", table->isa, table->dtype == FBP_FLOAT32 ? "float32" : "float64");
        }
    return wrong ? 4 : 0;
}

/* What comes after the kernels' table in a problem, and its solution. What it takes of memory goes with the program. */
static void solve(void)
{
    stage stages[MAX_LAYERS] = {0};
    const fbp_objective objective = read_objective();
    const ptrdiff_t n_targets = (ptrdiff_t)number();
    const ptrdiff_t n_samples = (ptrdiff_t)number(), n_inputs = (ptrdiff_t)number();
    const int n_layers = (int)number();
    const double learning_rate = number();
    const ptrdiff_t n_points = (ptrdiff_t)number();
    n_panels = (n_samples + k->lanes - 1) / k->lanes;

    for (int i = 0; i < n_layers; i++)
        read_layer(&stages[i], i ? stages[i - 1].layer.n_units : n_inputs);
    stages[0].input = make_panels(n_inputs);
    read_rows(n_samples, n_inputs, stages[0].input, stages[0].blocks);

    stage *last = &stages[n_layers - 1];
    fbp_panels targets = make_panels(n_targets > last->layer.n_units ? n_targets : last->layer.n_units);
    int32_t *labels = calloc((size_t)(n_panels * k->lanes), sizeof *labels);
    if (objective.loss == FBP_CROSS_ENTROPY_LABELS)
        for (ptrdiff_t i = 0; i < n_samples; i++)
            labels[i] = (int32_t)number();
    else
        read_rows(n_samples, n_targets, targets, NULL);
    double *points = calloc((size_t)n_points + 1, sizeof *points);
    for (ptrdiff_t i = 0; i < n_points; i++)
        points[i] = number();

    forward(stages, n_layers, n_samples);
    for (int i = 0; i < n_layers; i++)
        check_rows_alone(&stages[i], n_samples);
    const double mean_loss = judge(last, &objective, targets, labels, n_samples);
    backward(stages, n_layers, n_samples);

    fwrite(&mean_loss, sizeof mean_loss, 1, stdout);
    void *rows = memory(n_panels * k->lanes * last->layer.n_units);
    scatter_rows(last->output, last->layer.n_units, n_samples, rows, last->layer.n_units);
    for (ptrdiff_t i = 0; i < n_samples * last->layer.n_units; i++)
        put(rows, i);
    for (int i = 0; i < n_layers; i++)
        put_layer(&stages[i]);
    for (int i = 0; i < n_layers; i++)
        put_updated_layer(&stages[i], learning_rate);
    put_functions(points, n_points);
    put_first_steps(learning_rate, points, n_points);
    put_dropped(stages[0].input, n_samples, n_inputs);
}

/* Whether the problems are not over yet. */
static int another_problem(void)
{
    const int next = getchar();
    return next != EOF && ungetc(next, stdin) != EOF;
}

int main(int argc, char **argv)
{
    PIPES_AS_THEY_ARE();
    if (argc == 1)
        return check_tables();
    for (problem = 0; another_problem(); problem++) {
        const fbp_dtype dtype = (fbp_dtype)number();
        k = argc == 2 ? fbp_kernels_for(argv[1], dtype) : NULL;
        if (!k) {
            fprintf(stderr, "kernel_driver: no kernels for %s here\n", argc == 2 ? argv[1] : "nothing");
            return 2;
        }
        item = dtype == FBP_FLOAT32 ? sizeof(float) : sizeof(double);
        solve();
    }
    return 0;
}
