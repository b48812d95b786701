/* narrow_driver.c: the narrow products alone, for compilers and machines without the tests' Python.
 *
 *     narrow_driver
 *
 * For each instruction set and each kind of narrow products, by the CPU's instruction, emulated, or by AMX: random layers and batches of several shapes, each
 * product beside sums in double of the operands as they were rounded. Prints the largest difference, as a share of the
 * sum of the absolute products, and fails where it is above 1e-6 or a rounding is not to the nearest, ties to even.
 */
#include "fastbp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "on_windows.h" /* last: it renames functions of <stdlib.h> */

typedef struct {
    ptrdiff_t n_samples, n_inputs, n_units;
} shape;

static const shape shapes[] = {{1, 1, 1}, {3, 5, 2}, {33, 16, 9}, {50, 70, 37}, {130, 301, 65}, {600, 40, 33}, {31, 32, 32}, {17, 15, 16}, {272, 33, 31}};

static const fbp_kernels *k;
static const fbp_narrow_kernels *narrow;
static double worst;

static float *numbers(ptrdiff_t n)
{
    float *x = aligned_alloc(FBP_ALIGN_BYTES, (size_t)(n + FBP_ALIGN_BYTES) / FBP_ALIGN_BYTES * FBP_ALIGN_BYTES * 4);
    if (!x)
        exit(2);
    return memset(x, 0, (size_t)n * 4);
}

static ptrdiff_t padded(ptrdiff_t n)
{
    return (n + 15) / 16 * 16;
}

/* A copy of n_units times ld weights. */
static float *copy_of_weights(ptrdiff_t n_units, ptrdiff_t ld)
{
    const ptrdiff_t rows = narrow->tile_rows;
    return numbers((n_units + rows - 1) / rows * rows * ((ld + 31) / 32 * 32) / 2);
}

/* A number between -1 and 1. */
static float drawn(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(state >> 11) / 4503599627370496.0 - 1);
}

/* The nearest bfloat16, ties to even, by comparing both neighbours. */
static double rounded(float x)
{
    uint32_t bits;
    float below, above;
    memcpy(&bits, &x, 4);
    const uint32_t down = bits & 0xFFFF0000u, up = down + 0x10000u;
    memcpy(&below, &down, 4);
    memcpy(&above, &up, 4);
    const double to_below = fabs((double)x - (double)below), to_above = fabs((double)above - (double)x);
    return to_below < to_above || (to_below == to_above && !(down & 0x10000u)) ? (double)below : (double)above;
}

static void compare(float got, double sum, double absolute)
{
    const double error = fabs((double)got - sum) / (absolute + 1e-30);
    if (!(error <= worst))
        worst = error;
}

/* Number `i` of panels: sample s, feature f. */
static float *at(fbp_panels panels, ptrdiff_t s, ptrdiff_t f)
{
    return (float *)panels.data + s / k->lanes * panels.stride + f * k->lanes + s % k->lanes;
}

static fbp_panels make_panels(ptrdiff_t n_samples, ptrdiff_t n_features)
{
    const ptrdiff_t stride = padded(n_features) * k->lanes;
    return (fbp_panels){numbers(((n_samples - 1) / k->lanes + 1) * stride), stride};
}

static void check(shape n)
{
    const ptrdiff_t n_panels = (n.n_samples - 1) / k->lanes + 1, ld = padded(n.n_inputs);
    const ptrdiff_t block_stride = n_panels * k->lanes * k->lanes;
    fbp_panels in = make_panels(n.n_samples, n.n_inputs), out = make_panels(n.n_samples, n.n_units);
    fbp_panels dZ = make_panels(n.n_samples, n.n_units), below = make_panels(n.n_samples, n.n_inputs);
    fbp_panels pairs = make_panels(n.n_samples, n.n_inputs + n.n_units), rows = make_panels(n.n_samples, n.n_units);
    float *blocks = numbers(padded(n.n_inputs) / k->lanes * block_stride), *scratch = numbers(narrow->scratch_elements);
    float *W = numbers(n.n_units * ld), *b = numbers(padded(n.n_units)), *dW = numbers(n.n_units * ld);
    float *db = numbers(padded(n.n_units)), *W_rows = copy_of_weights(n.n_units, ld);
    float *W_pairs = copy_of_weights(n.n_units, ld);
    const fbp_panels none = {NULL, 0};
    const fbp_layer layer = {n.n_inputs, n.n_units, ld, W, b, FBP_LINEAR, 0};

    for (ptrdiff_t u = 0; u < n.n_units; u++) {
        b[u] = drawn();
        for (ptrdiff_t i = 0; i < n.n_inputs; i++)
            W[u * ld + i] = drawn();
        for (ptrdiff_t s = 0; s < n.n_samples; s++)
            *at(dZ, s, u) = drawn();
    }
    for (ptrdiff_t s = 0; s < n.n_samples; s++)
        for (ptrdiff_t i = 0; i < n.n_inputs; i++)
            *at(in, s, i) = drawn();
    W[0] = 1 + 0x1p-8f; /* a tie */

    narrow->round_weights(&layer, 0, n.n_units, W_rows, W_pairs);
    narrow->round_panels(in, n.n_inputs, n.n_samples, 0, n_panels, pairs, none, blocks, block_stride);
    narrow->dense_forward(&layer, W_rows, pairs, out, none, 0, n_panels, 0, n.n_units);
    narrow->round_panels(dZ, n.n_units, n.n_samples, 0, n_panels, pairs, rows, NULL, 0);
    narrow->input_gradient(&layer, W_pairs, pairs, &layer, in, none, below, 0, n_panels, 0, n.n_inputs, scratch);
    narrow->weight_gradient(&layer, dZ, rows, blocks, block_stride, n.n_samples, 0, n.n_units, dW, db, 0, NULL);

    for (ptrdiff_t u = 0; u < n.n_units; u++)
        for (ptrdiff_t s = 0; s < n.n_samples; s++) {
            double sum = b[u], absolute = fabs(b[u]);
            for (ptrdiff_t i = 0; i < n.n_inputs; i++) {
                const double x = rounded(W[u * ld + i]) * rounded(*at(in, s, i));
                sum += x;
                absolute += fabs(x);
            }
            compare(*at(out, s, u), sum, absolute);
        }
    for (ptrdiff_t i = 0; i < n.n_inputs; i++) {
        for (ptrdiff_t s = 0; s < n.n_samples; s++) {
            double sum = 0, absolute = 0;
            for (ptrdiff_t u = 0; u < n.n_units; u++) {
                const double x = rounded(W[u * ld + i]) * rounded(*at(dZ, s, u));
                sum += x;
                absolute += fabs(x);
            }
            compare(*at(below, s, i), sum, absolute);
        }
        for (ptrdiff_t u = 0; u < n.n_units; u++) {
            double sum = 0, absolute = 0;
            for (ptrdiff_t s = 0; s < n.n_samples; s++) {
                const double x = rounded(*at(in, s, i)) * rounded(*at(dZ, s, u));
                sum += x;
                absolute += fabs(x);
            }
            compare(dW[u * ld + i], sum, absolute);
        }
    }
    float *const all[] = {in.data, out.data, dZ.data, below.data, pairs.data, rows.data, blocks, scratch, W, b, dW, db,
                          W_rows, W_pairs};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

int main(void)
{
    int failed = 0;
    static const char *const words[] = {
        [FBP_BF16_NATIVE] = "native", [FBP_BF16_EMULATED] = "emulated", [FBP_BF16_AMX] = "amx"};
    for (int i = 0; fbp_isa_names[i]; i++)
        for (fbp_bf16_kind kind = FBP_BF16_NATIVE; kind <= FBP_BF16_AMX; kind++) {
            k = fbp_kernels_for(fbp_isa_names[i], FBP_FLOAT32);
            narrow = fbp_narrow_kernels_for(fbp_isa_names[i], kind);
            if (!k || !narrow || (kind == FBP_BF16_AMX && !fbp_may_use_amx()))
                continue;
            worst = 0;
            for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
                check(shapes[s]);
            printf("%s %s %.2g\n", fbp_isa_names[i], words[kind], worst);
            failed = failed || !(worst <= 1e-6);
        }
    return failed;
}
