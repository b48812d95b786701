/* random.h: counter-based random numbers on vectors, and the permutations made of them.
 *
 * Uses VECTOR_BYTES and NAME alone. Gives words, philox and draw to dropout.h, and permutation to the table.
 *
 * Philox4x32-10 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are theirs):
 * a number is a function of its key and its counter alone. Each 64-bit lane works on one counter and holds a 32-bit
 * word of it in its lower half, which the products read; the upper half is never used.
 */
#if VECTOR_BYTES
#define WORDS (VECTOR_BYTES / 8)
typedef uint64_t NAME(words_t) __attribute__((vector_size(VECTOR_BYTES)));
#else
#define WORDS 1
typedef uint64_t NAME(words_t);
#endif
#define words NAME(words_t)

static INLINE words NAME(every_word)(uint64_t x)
{
#if VECTOR_BYTES
    return x - (words){0};
#else
    return x;
#endif
}

/* The full products of the lanes' lower halves. */
static INLINE words NAME(product)(words a, words b)
{
#if VECTOR_BYTES == 64
    return (words)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif VECTOR_BYTES == 32
    return (words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif VECTOR_BYTES == 16 && defined(__SSE2__)
    return (words)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif VECTOR_BYTES == 16 && defined(__aarch64__)
    return (words)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
    return (a & NAME(every_word)(0xFFFFFFFFu)) * (b & NAME(every_word)(0xFFFFFFFFu));
#endif
}

/* The words w[i][0..3] of n counters a lane -> the random words of these counters, in the lower halves. The rounds of
 * one counter wait for each other, and those of the others fill that time. */
static INLINE void NAME(philox)(words (*w)[4], int n, uint64_t seed)
{
    uint64_t key_0 = seed, key_1 = seed >> 32;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < n; i++) {
            const words p0 = NAME(product)(NAME(every_word)(0xD2511F53u), w[i][0]);
            const words p1 = NAME(product)(NAME(every_word)(0xCD9E8D57u), w[i][2]);
            w[i][0] = (p1 >> 32) ^ w[i][1] ^ NAME(every_word)(key_0);
            w[i][1] = p1;
            w[i][2] = (p0 >> 32) ^ w[i][3] ^ NAME(every_word)(key_1);
            w[i][3] = p0;
        }
        key_0 += 0x9E3779B9u;
        key_1 += 0xBB67AE85u;
    }
}

/* How many counters are computed at once, on every instruction set; each gives two draws of 64 bits. */
#define COUNTERS 16
#define DRAWS (2 * COUNTERS)

/* Draws first .. first + DRAWS - 1 of a stream; `first` is a multiple of DRAWS. Draw first + i, two of the four words
 * of counter (first + i) / 2, is in bits[i % 2][i / 2]. */
static void NAME(draw)(uint64_t seed, uint64_t stream, uint64_t first, uint64_t bits[2][COUNTERS])
{
    const words lower = NAME(every_word)(0xFFFFFFFFu);
    uint64_t counters[COUNTERS];
    for (int i = 0; i < COUNTERS; i++)
        counters[i] = first / 2 + (uint64_t)i;
    for (int at = 0; at < COUNTERS; at += WORDS) {
        words w[1][4];
        memcpy(&w[0][0], counters + at, sizeof w[0][0]);
        w[0][1] = w[0][0] >> 32;
        w[0][2] = NAME(every_word)(stream);
        w[0][3] = NAME(every_word)(stream >> 32);
        NAME(philox)(w, 1, seed);
        w[0][0] = (w[0][1] << 32) | (w[0][0] & lower);
        w[0][2] = (w[0][3] << 32) | (w[0][2] & lower);
        memcpy(bits[0] + at, &w[0][0], sizeof w[0][0]);
        memcpy(bits[1] + at, &w[0][2], sizeof w[0][2]);
    }
}

/* floor(x * n / 2^64): x, uniform over 64 bits, made uniform over 0..n-1 (to within n / 2^64). */
static INLINE uint64_t NAME(scaled_down)(uint64_t x, uint64_t n)
{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 product_of_two;
    return (uint64_t)((product_of_two)x * n >> 64);
#else
    const uint64_t x_low = x & 0xFFFFFFFFu, x_high = x >> 32, n_low = n & 0xFFFFFFFFu, n_high = n >> 32;
    const uint64_t middle = x_high * n_low + (x_low * n_low >> 32);
    const uint64_t other = x_low * n_high + (middle & 0xFFFFFFFFu);
    return x_high * n_high + (middle >> 32) + (other >> 32);
#endif
}

static void NAME(permutation)(uint64_t seed, uint64_t stream, ptrdiff_t n, int64_t *index)
{
    uint64_t bits[2][COUNTERS];
    for (ptrdiff_t first = 0; first < n; first += DRAWS) {
        const ptrdiff_t end = n - first < DRAWS ? n : first + DRAWS;
        NAME(draw)(seed, stream, (uint64_t)first, bits);
        /* Inside-out: element i enters at a random place, and the element that was there moves to the end. */
        for (ptrdiff_t i = first; i < end; i++) {
            const uint64_t j = NAME(scaled_down)(bits[i % 2][(i - first) / 2], (uint64_t)i + 1);
            index[i] = index[j];
            index[j] = i;
        }
    }
}
