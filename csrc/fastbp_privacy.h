/* fastbp_privacy.h: the kernels of training with differential privacy; fastbp.h includes it.
 *
 * ChaCha20 (RFC 8439): 64 random bytes for a key of 256 bits, a nonce of 96 and a counter of 32. The nonce is the step
 * (64 bits) and a purpose, the counter a place: who knows the key makes the same numbers again, on any number of
 * threads, and nobody else can tell them from chance.
 */
#ifndef FASTBP_PRIVACY_H
#define FASTBP_PRIVACY_H

#include "fastbp.h"

/* What a nonce's last word says the numbers are for. */
typedef enum { FBP_FOR_NOISE = 0, FBP_FOR_SAMPLING = 1 } fbp_purpose;

/* How a sample's gradient g is brought to a norm of at most C; s is |g| / C. */
typedef enum {
    FBP_CLIP = 0,      /* times min(1, 1 / s) */
    FBP_NORMALIZE = 1, /* times 1 / (s + stability): Bu et al. 2022, automatic clipping */
} fbp_clipping;

typedef struct {
    uint32_t key[8];
    uint32_t nonce[3];
} fbp_stream;

/* Every `void *` points at elements of the table's dtype, `squares` and `factors` at one number for each lane. */
typedef struct fbp_private_kernels {
    /* Blocks first .. first + n - 1 of a stream, [n][16], as the RFC writes them. */
    void (*random_blocks)(const fbp_stream *stream, uint32_t first, ptrdiff_t n, uint32_t *words);
    /* The rows among r0..r1 that a step takes, rising, to `rows` (room for r1 - r0); returns how many. Each is taken with
     * the same probability, independently: log_missed is log(1 - probability), -infinity for all. Whether a row is taken
     * is a function of the stream and log_missed alone, whatever r0 and r1 are. */
    ptrdiff_t (*poisson_rows)(const fbp_stream *stream, double log_missed, ptrdiff_t r0, ptrdiff_t r1, int64_t *rows);
    /* g[r][i] += deviation times a Gaussian number, for n_rows rows, `ld` apart, of n elements each. The number is a
     * function of the stream and of the element's place, first + r * ld + i, alone. Each is four draws, added and
     * halved: the floats that one draw can be are few, and would give the sum beneath away (Mironov 2012; Holohan and
     * Braghin 2021). */
    void (*add_noise)(const fbp_stream *stream, ptrdiff_t first, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t ld,
                      double deviation, void *g);

    /* For the samples of panel p: squares += the squared norm of the sample's gradient with respect to the parameters of
     * a layer, times unit^2. Dense: |dZ|^2 (|A|^2 + 1), the 1 with a bias only. A stage with one or two numbers a unit:
     * the sum of (dZ factor)^2 and, with a bias, of dZ^2. Rows of tables: the sum of dZ^2 over features first .. first +
     * n_features - 1. */
    void (*dense_squares)(const fbp_layer *layer, fbp_panels source, fbp_panels dZ, int with_bias, double unit,
                          ptrdiff_t p, void *squares);
    void (*vector_squares)(const fbp_layer *layer, fbp_panels factor, fbp_panels dZ, int with_bias, double unit,
                           ptrdiff_t p, void *squares);
    void (*row_squares)(fbp_panels dZ, ptrdiff_t first, ptrdiff_t n_features, double unit, ptrdiff_t p, void *squares);
    /* squares, of s, -> the factors of the samples' gradients. A factor is a little below the formula, so that rounding
     * does not take a norm above C; where `squares` is infinite or NaN it is 0. Returns 1 where there is such a lane
     * among the first n_samples, else 0. */
    int (*clip_factors)(fbp_clipping rule, double stability, const void *squares, ptrdiff_t n_samples, void *factors);
    /* panel p of x: each lane times its factor. clear_lanes: zero, whatever it was, where the factor is 0. */
    void (*scale_lanes)(fbp_panels x, ptrdiff_t n_features, ptrdiff_t p, const void *factors);
    void (*clear_lanes)(fbp_panels x, ptrdiff_t n_features, ptrdiff_t p, const void *factors);
} fbp_private_kernels;

#endif
