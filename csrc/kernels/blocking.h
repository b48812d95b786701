/* blocking.h: how the products of a dense layer are cut up: near-even splits, the loops, and the size of each block.
 *
 * Uses operand.h, VL and, from the stub, MR, NV, KC, SC, L2_BYTES. Gives ceil_divide, split_evenly, needs_prefetch and the
 * sizes below. few_rows.h and normalize.h split their work by it too.
 *
 * The loops are numbered as in BLIS (Van Zee and van de Geijn, ACM TOMS 41(3), 2015). Rows are BLIS's m, vectors of
 * samples or inputs its n, steps of the sum its k:
 *
 *   loop   over                        forward    input gradient   weight gradient
 *   5      vectors, a thread's share   panels     panels           vectors of inputs   (the caller's, or all)
 *   4      steps, at most KC or SC     inputs     units            samples
 *   3      rows, a cache block in L2   units      inputs           units
 *   2      vectors, at most NV         panels     panels           vectors of inputs
 *   1      rows, at most MR            units      inputs           units               = a strip of tiles (tiles.h)
 *   0      steps, one by one                                                           = multiply_add (microkernel.h)
 *
 * The order, outermost first, is 5 3 4 2 1 in forward and in the input gradient. BLIS has 5 4 3 2 1, in which it packs
 * the streamed operands once for all rows. Panels need no packing, and with loop 3 outside loop 4 only the sums of one
 * cache block of rows wait in memory until their last step, and not those of all rows. In the weight gradient it is
 * 5 3 2 4 1: its steps are the samples of a batch, which mostly are one cache block, and the sums of a strip of dW are
 * complete before the next strip begins.
 *
 * No order and no size below changes a bit: between two cache blocks of steps a sum waits in the output in the type
 * that it is summed in, so that it is not rounded, and every sum adds its steps one by one from the first to the last.
 * tests/engine/test_same_bits.py compares threads and shares, whose splits differ, bit by bit.
 *
 * MR, NV   registers. MR * NV sums, NV streamed vectors and 1 broadcast operand are live at a time, one register more
 *          where multiply and add are two instructions: 6 * 2 + 2 + 1 = 15 of AVX2's 16, 8 * 3 + 3 + 1 = 28 of the 32
 *          of AVX-512 and Neon, 4 * 2 + 2 + 1 + 1 = 12 of SSE2's 16. A step does MR + NV loads and MR * NV
 *          multiply-adds. A core starts two of each a cycle, so that loads are not the bound, and needs 8 sums or more
 *          to fill the four cycles that a multiply-add takes.
 *
 * KC       L1, steps of a cache block. All tiles of a strip read the same NV vectors. Each reads MR operands a step of
 *          its own, which push the vectors out where both do not fit. So L1 has to be larger than
 *          KC * (NV * VECTOR_BYTES + MR * sizeof(real)) bytes. A larger KC loads and stores each sum less often.
 *
 *                     float32            float64            L1
 *          baseline   448:  21.0 kB      448:  28.0 kB      32 kB
 *          avx2       224:  19.3 kB      224:  24.5 kB      32 kB on all CPUs with AVX2
 *          avx512     144:  31.5 kB      120:  30.0 kB      32 kB (Skylake-SP, Zen 4), 48 kB (Ice Lake, Zen 5)
 *          neon       448:  35.0 kB      448:  49.0 kB      64 kB (Neoverse), 128 kB (Apple); not measured on hardware
 *
 *          With AVX-512, 144 would be 36.0 kB in float64. On a Xeon with an L1 of 48 kB, 120 is as fast: a training
 *          step takes 0.98 to 1.00 times as long as with 144 (784-256-128-10 and 784-1024-1024-10, batch 128).
 *
 * SC       L1, samples of a cache block in the weight gradient. The broadcast operands of a unit lie VL to a panel and
 *          the panels a stride apart, so that they fall into few sets of the cache: with AVX2 SC is less than KC. A
 *          batch of up to KC samples is never split. SC = 112 with AVX-512 in float64 would split a batch of 128: it
 *          makes a step of 784-1024-1024-10 2 % faster on that Xeon and one of 784-256-128-10 1 % slower.
 *
 * L2_BYTES L2, rows of a cache block: their operands stay while all vectors pass by. 200 kB fit an L2 of 256 kB, the
 *          smallest with AVX2; 400 kB one of 512 kB, the smallest with AVX-512.
 */

/* ---- Near-even splits ---- */

/* How many pieces of at most `most` a total makes: total / most, rounded up. */
static INLINE ptrdiff_t NAME(ceil_divide)(ptrdiff_t total, ptrdiff_t most)
{
    return (total + most - 1) / most;
}

/* A total in n near-equal pieces: first `larger` pieces of least + 1, then pieces of `least` (10 units in tiles of at
 * most 8 are 5 + 5 and not 8 + 2). Its one division takes as long as a hundred multiply-adds, so that there is none for
 * one piece, which is what small layers have. */
typedef struct {
    ptrdiff_t n, least, larger;
} NAME(split_t);
#define split NAME(split_t)

static INLINE split NAME(split_evenly)(ptrdiff_t total, ptrdiff_t most)
{
    const ptrdiff_t n = NAME(ceil_divide)(total, most);
    return n > 1 ? (split){n, total / n, total % n} : (split){n, total, 0};
}

static INLINE ptrdiff_t NAME(size_of_piece)(split pieces, ptrdiff_t i)
{
    return pieces.least + (i < pieces.larger);
}

static INLINE ptrdiff_t NAME(size_of_largest)(split pieces)
{
    return NAME(size_of_piece)(pieces, 0);
}

/* ---- Sizes ---- */

#define L2_OPERANDS (L2_BYTES / (ptrdiff_t)sizeof(operand))

/* Weight gradient: fewer tiles in a cache block of rows would read the inputs, all of which pass by once for each such
 * block, more often than keeping dZ in L2 gains. */
#define MIN_TILES 6

/* Input gradient: from this size on, W read in place down its columns misses the caches (measured: 0.6 to 0.8 of the
 * speed with packed weights). */
#define PACK_FROM_BYTES (128 * 1024)

/* Input gradient: the most inputs of a cache block, which is packed for KC units at a time; and the elements that one
 * packed block takes, whose last tile may be narrower than MR. */
#define PACK_INPUTS (L2_OPERANDS / KC)
#define PACK_ELEMENTS ((PACK_INPUTS + MR) * KC)

/* Layers up to this size need no prefetching: what they read and write stays in the caches from one training step to
 * the next. */
#define NEAR_BYTES (48 * 1024)

/* What the weights take that a product reads. */
static INLINE ptrdiff_t NAME(weight_bytes)(const fbp_layer *layer)
{
    return layer->n_units * layer->ld / TERMS * (ptrdiff_t)sizeof(operand);
}

static INLINE int NAME(needs_prefetch)(const fbp_layer *layer)
{
    return NAME(weight_bytes)(layer) > NEAR_BYTES;
}

/* The most elements of a vector to prefetch at a time: 512 bytes, 8 cache lines of each of NV vectors. A core has no
 * more than 10 to 24 misses under way, and the tile's own loads wait for those ahead of them. */
#define MAX_PREFETCH (512 / (ptrdiff_t)sizeof(operand))
