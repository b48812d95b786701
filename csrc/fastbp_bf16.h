/* fastbp_bf16.h: narrow products, which are those of a dense layer in float32 with operands rounded to bfloat16.
 *
 * Rounding is to the nearest, ties to even, and makes zero of denormals. Operands lie two side by side; sums are float32.
 * Every sum adds its pairs in the order of their index, and within a pair as the instruction does.
 *
 * Layouts of the rounded copies, whose strides count pairs of 32 bits:
 *
 *   pairs of features   [panel][feature / 2][VL][2]            what forward and the input gradient stream
 *   rows of samples     [panel][feature][VL]                   dZ, of which the weight gradient broadcasts two samples
 *   blocks              [feature / VL][sample / 2][VL][2]      what the weight gradient streams
 *   weights, rows       [unit][ld]                             forward
 *   weights, pairs      [unit / 2][ld][2]                      input gradient
 *
 * Where features, samples or units are odd in number, the last pair ends in a zero.
 *
 * By AMX a step of a sum is 32 numbers, in tiles of 16 rows. Panels and blocks lie as above, pairs of features filled up
 * with zeros to whole steps; the weights lie in tiles, zero beyond the layer's:
 *
 *   weights, rows       [unit / 16][input / 32][16 units][32 inputs]
 *   weights, pairs      [input / 16][unit / 32][16 inputs][32 units]
 */
#ifndef FASTBP_BF16_H
#define FASTBP_BF16_H

/* How pairs are multiplied: by a vector instruction (vdpbf16ps, bfdot), "native"; by the bits of vdpbf16ps from float32
 * multiply-adds, "emulated"; in the tiles of AMX, "amx". Each has bits of its own, but for the first two on x86. */
typedef enum { FBP_BF16_NATIVE, FBP_BF16_EMULATED, FBP_BF16_AMX } fbp_bf16_kind;

typedef struct {
    const char *isa;            /* of the float32 kernels that they go with: lanes are the same */
    fbp_bf16_kind kind;
    int lanes;
    int tile_rows;              /* units and inputs of a register tile. A copy of the weights has room for whole tiles of
                                 * units, and for inputs up to a multiple of 32 from ld on */
    ptrdiff_t scratch_elements; /* of 32 bits, that input_gradient needs for each thread */

    /* panels p0..p1 of float32 -> their copies; each may be NULL. Samples from n_samples on become zero. */
    void (*round_panels)(fbp_panels from, ptrdiff_t n_features, ptrdiff_t n_samples, ptrdiff_t p0, ptrdiff_t p1,
                         fbp_panels pairs, fbp_panels rows, void *blocks, ptrdiff_t block_stride);
    /* The layer's weights of units n0..n1, n0 even, -> their copies; `pairs` may be NULL. n1 is even or the last. */
    void (*round_weights)(const fbp_layer *layer, ptrdiff_t n0, ptrdiff_t n1, void *rows, void *pairs);
    /* As in fbp_kernels. `in` and dZ are pairs of features; what is put out is float32. In weight_gradient dZ is float32,
     * for db, and dZ_rows its rows of samples. */
    void (*dense_forward)(const fbp_layer *layer, const void *rows, fbp_panels in, fbp_panels out, fbp_panels slope,
                          ptrdiff_t p0, ptrdiff_t p1, ptrdiff_t n0, ptrdiff_t n1);
    void (*input_gradient)(const fbp_layer *layer, const void *pairs, fbp_panels dZ, const fbp_layer *below,
                           fbp_panels A_below, fbp_panels slope_below, fbp_panels dZ_below, ptrdiff_t p0, ptrdiff_t p1,
                           ptrdiff_t k0, ptrdiff_t k1, void *scratch);
    void (*weight_gradient)(const fbp_layer *layer, fbp_panels dZ, fbp_panels dZ_rows, const void *blocks,
                            ptrdiff_t block_stride, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW, void *db,
                            int accumulate, const void *const *will_write);
} fbp_narrow_kernels;

/* 1 where this CPU multiplies pairs of bfloat16 in vectors; and 1 where that is faster than float32, and so not on Intel's
 * CPUs, whose vdpbf16ps takes four times as long as a multiply-add for twice the work (measured on family 6, model 207). */
int fbp_has_bf16(void);
int fbp_gains_by_bf16(void);
/* 1 where this CPU and its system have AMX; and 1 where this process may use it, for which the first call asks the system.
 * From then on the system refuses alternative signal stacks without room for tiles: so it is asked late. It says no where
 * a thread has such a small one already. */
int fbp_has_amx(void);
int fbp_may_use_amx(void);
/* The narrow products of a kind that go with an instruction set's kernels; NULL where there are none, or this CPU cannot
 * run them. Those by AMX need fbp_may_use_amx before they run. */
const fbp_narrow_kernels *fbp_narrow_kernels_for(const char *isa, fbp_bf16_kind kind);

#endif
