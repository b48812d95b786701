/* groups_driver.c: the kernels of fastbp_groups.h alone, for compilers and machines without the tests' Python.
 *
 *     groups_driver
 *
 * For each instruction set and dtype: random stages of several shapes, waves and ramps, each kernel beside the formula in
 * double with C's own cosine. Prints the instruction set, and fails where a number differs by more than rounding.
 */
#include "fastbp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "on_windows.h" /* last: it renames functions of <stdlib.h> */

#define TAU 6.28318530717958647692
#define MOST 600 /* numbers of a sample, at most */

typedef struct {
    ptrdiff_t n_samples, n_inputs, n_groups, size, units; /* a basis of `size`, and a product of groups of `units` */
} shape;

static const shape shapes[] = {{1, 1, 1, 1, 1}, {5, 3, 2, 4, 3}, {37, 7, 7, 17, 5}, {70, 20, 9, 16, 3}};

static const fbp_kernels *k;
static const char *at;
static double tolerance;

static double get(const void *x, ptrdiff_t i)
{
    return k->dtype == FBP_FLOAT32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

static void set(void *x, ptrdiff_t i, double value)
{
    if (k->dtype == FBP_FLOAT32)
        ((float *)x)[i] = (float)value;
    else
        ((double *)x)[i] = value;
}

/* A number between -1 and 1. */
static double drawn(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 4503599627370496.0 - 1;
}

static void *numbers(ptrdiff_t n, int random)
{
    const size_t bytes = (size_t)n * 8;
    void *x = aligned_alloc(FBP_ALIGN_BYTES, (bytes + FBP_ALIGN_BYTES) / FBP_ALIGN_BYTES * FBP_ALIGN_BYTES);
    if (!x)
        exit(2);
    memset(x, 0, bytes);
    for (ptrdiff_t i = 0; random && i < n; i++)
        set(x, i, drawn());
    return x;
}

static void compare(const char *what, double found, double wanted)
{
    if (!(fabs(found - wanted) <= tolerance)) {
        fprintf(stderr, "%s, %s: %.17g, expected %.17g\n", at, what, found, wanted);
        exit(1);
    }
}

static fbp_panels panels(ptrdiff_t n_panels, int random)
{
    const fbp_panels made = {numbers(n_panels * MOST * k->lanes, random), MOST * k->lanes};
    return made;
}

/* Feature i of sample s. */
static double of(fbp_panels x, ptrdiff_t s, ptrdiff_t i)
{
    return get(x.data, s / k->lanes * x.stride + i * k->lanes + s % k->lanes);
}

static double act(int waves, double z)
{
    return waves ? cos(z) : z < 0 ? 0 : z > 1 ? 1 : z;
}

static double slope(int waves, double z)
{
    return waves ? -sin(z) : z > 0 && z < 1;
}

static void try_basis(const shape *sh, int waves)
{
    const ptrdiff_t G = sh->n_groups, S = sh->size, n = sh->n_inputs, N = sh->n_samples, P = (N - 1) / k->lanes + 1;
    const double turn = waves ? TAU : 1;
    int32_t columns[MOST];
    for (ptrdiff_t g = 0; g < G; g++)
        columns[g] = (int32_t)((g * 3 + 1) % n == 0 ? 0 : n - 1 - g);
    const fbp_groups groups = {G, S, columns, waves};
    const fbp_layer layer = {1, G * S + n, 1, numbers(G * S + n, 1), numbers(G * S + n, 1), FBP_LINEAR, 0};
    const fbp_panels x = panels(P, 1), t = panels(P, 1), dA = panels(P, 1), kept = panels(P, 0), A = panels(P, 0);
    const fbp_panels dX = panels(P, 0), tangent = panels(P, 0), bent = panels(P, 0), back = panels(P, 0);
    void *dW = numbers(G * S + n, 1), *db = numbers(G * S + n, 1);
    k->groups->basis_forward(&layer, &groups, x, A, kept, 0, P);
    k->groups->basis_backward(&layer, &groups, kept, dA, dX, 0, P);
    k->groups->basis_tangent(&layer, &groups, kept, t, tangent, 0, P);
    k->groups->basis_curvature(&layer, &groups, A, t, bent, 0, P);
    k->groups->basis_curvature_backward(&layer, &groups, A, t, dA, back, 0, P);
    k->groups->basis_gradient(&layer, &groups, kept, x, dA, N, 0, G * S + n, dW, db, 0);
    double of_w[MOST] = {0}, of_b[MOST] = {0};
    for (ptrdiff_t s = 0; s < N; s++) {
        double of_x[MOST], second[MOST] = {0};
        for (ptrdiff_t i = 0; i < n; i++) {
            of_x[i] = of(dA, s, G * S + i);
            compare("a number that is passed on", of(A, s, G * S + i), of(x, s, i));
            compare("its tangent", of(tangent, s, G * S + i), of(t, s, i));
        }
        for (ptrdiff_t u = 0; u < G * S; u++) {
            const ptrdiff_t c = columns[u / S];
            const double w = get(layer.weights, u) * turn, z = w * of(x, s, c) + get(layer.bias, u);
            const double curve = waves ? -cos(z) : 0, d = of(dA, s, u), change = w * of(t, s, c);
            compare("a feature", of(A, s, u), act(waves, z));
            compare("a tangent", of(tangent, s, u), slope(waves, z) * change);
            compare("a curvature", of(bent, s, u), curve * change * change);
            of_x[c] += d * slope(waves, z) * w;
            second[c] += d * curve * w * change;
            of_w[u] += d * slope(waves, z) * turn * of(x, s, c);
            of_b[u] += d * slope(waves, z);
        }
        for (ptrdiff_t i = 0; i < n; i++) {
            compare("dX", of(dX, s, i), of_x[i]);
            compare("a curvature backward", of(back, s, i), second[i]);
        }
    }
    for (ptrdiff_t u = 0; u < G * S + n; u++) { /* also the zeros of the units that pass numbers on */
        compare("dW", get(dW, u), of_w[u]);
        compare("db", get(db, u), of_b[u]);
    }
}

static void try_product(const shape *sh)
{
    const ptrdiff_t G = sh->n_groups, K = sh->size, U = sh->units, n = sh->n_inputs, N = sh->n_samples;
    const ptrdiff_t P = (N - 1) / k->lanes + 1, ld = K + 5, n_units = G * U + n;
    const fbp_groups groups = {G, U, NULL, 0};
    const fbp_layer layer = {K, n_units, ld, numbers(n_units * ld, 1), numbers(n_units, 1), FBP_LINEAR, 0};
    const fbp_panels x = panels(P, 1), dA = panels(P, 1), A = panels(P, 0), dX = panels(P, 0);
    void *dW = numbers(n_units * ld, 0), *db = numbers(n_units, 1);
    k->groups->product_forward(&layer, &groups, x, A, 0, P);
    k->groups->product_backward(&layer, &groups, dA, dX, 0, P);
    for (ptrdiff_t n0 = 0; n0 < n_units; n0 += 4) /* in pieces, as threads have them */
        k->groups->product_gradient(&layer, &groups, x, dA, N, n0, n0 + 4 < n_units ? n0 + 4 : n_units, dW, db, 0);
    for (ptrdiff_t s = 0; s < N; s++) {
        for (ptrdiff_t i = 0; i < n; i++) {
            compare("a number that is passed on", of(A, s, G * U + i), of(x, s, G * K + i));
            compare("its gradient", of(dX, s, G * K + i), of(dA, s, G * U + i));
        }
        for (ptrdiff_t u = 0; u < G * U; u++) {
            double sum = get(layer.bias, u);
            for (ptrdiff_t i = 0; i < K; i++)
                sum += get(layer.weights, u * ld + i) * of(x, s, u / U * K + i);
            compare("a sum", of(A, s, u), sum);
        }
        for (ptrdiff_t i = 0; i < G * K; i++) {
            double sum = 0;
            for (ptrdiff_t u = i / K * U; u < (i / K + 1) * U; u++)
                sum += of(dA, s, u) * get(layer.weights, u * ld + i % K);
            compare("dX of a group", of(dX, s, i), sum);
        }
    }
    for (ptrdiff_t u = 0; u < n_units; u++) {
        double of_b = 0;
        for (ptrdiff_t s = 0; u < G * U && s < N; s++)
            of_b += of(dA, s, u);
        compare("db of a group", get(db, u), of_b);
        for (ptrdiff_t i = 0; i < ld; i++) {
            double of_w = 0;
            for (ptrdiff_t s = 0; u < G * U && i < K && s < N; s++)
                of_w += of(dA, s, u) * of(x, s, u / U * K + i);
            compare("dW of a group", get(dW, u * ld + i), of_w);
        }
    }
}

int main(void)
{
    for (int i = 0; fbp_isa_names[i]; i++)
        for (int dtype = 0; dtype < 2 && fbp_isa_available(fbp_isa_names[i]); dtype++) {
            k = fbp_kernels_for(fbp_isa_names[i], dtype ? FBP_FLOAT64 : FBP_FLOAT32);
            at = k->isa;
            tolerance = dtype ? 1e-12 : 2e-4;
            for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
                try_basis(&shapes[j], 1);
                try_basis(&shapes[j], 0);
                try_product(&shapes[j]);
            }
            printf("%s float%d\n", at, dtype ? 64 : 32);
        }
    return 0;
}
