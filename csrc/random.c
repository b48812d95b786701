/* random.c: counter-based random numbers. No state: a number is a function of its key and its counter alone, so that
 * any thread may ask for any of them in any order.
 */
#include "fastbp.h"

/* Philox4x32-10 works on `lanes` counters side by side: ten rounds wait for each other, not for the neighbour's. */
enum { ROUNDS = 10, LANES = 8 };

/* J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are theirs. `words`: the
 * counters, and then the random bits, [4][LANES]. */
static void philox_lanes(uint32_t words[4][LANES], uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < LANES; i++) {
            const uint64_t p0 = (uint64_t)0xD2511F53u * words[0][i], p1 = (uint64_t)0xCD9E8D57u * words[2][i];
            words[0][i] = (uint32_t)(p1 >> 32) ^ words[1][i] ^ k0;
            words[1][i] = (uint32_t)p1;
            words[2][i] = (uint32_t)(p0 >> 32) ^ words[3][i] ^ k1;
            words[3][i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

void fbp_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t words[4][LANES] = {{0}};
    for (int j = 0; j < 4; j++)
        words[j][0] = counter[j];
    philox_lanes(words, key[0], key[1]);
    for (int j = 0; j < 4; j++)
        out[j] = words[j][0];
}

/* 64 random bits for each of the draws first .. first + 2 LANES - 1 of a stream: two draws a counter. */
static void draw(uint64_t seed, uint64_t stream, uint64_t first, uint64_t bits[2 * LANES])
{
    uint32_t words[4][LANES];
    for (int i = 0; i < LANES; i++) {
        const uint64_t pair = first / 2 + (uint64_t)i;
        words[0][i] = (uint32_t)pair;
        words[1][i] = (uint32_t)(pair >> 32);
        words[2][i] = (uint32_t)stream;
        words[3][i] = (uint32_t)(stream >> 32);
    }
    philox_lanes(words, (uint32_t)seed, (uint32_t)(seed >> 32));
    for (int i = 0; i < LANES; i++) {
        bits[2 * i] = (uint64_t)words[1][i] << 32 | words[0][i];
        bits[2 * i + 1] = (uint64_t)words[3][i] << 32 | words[2][i];
    }
}

/* floor(x * n / 2^64): x, uniform over 64 bits, made uniform over 0..n-1 (to within n / 2^64). */
static uint64_t scaled_down(uint64_t x, uint64_t n)
{
    const uint64_t x_low = x & 0xFFFFFFFFu, x_high = x >> 32, n_low = n & 0xFFFFFFFFu, n_high = n >> 32;
    const uint64_t middle = x_high * n_low + (x_low * n_low >> 32);
    const uint64_t other = x_low * n_high + (middle & 0xFFFFFFFFu);
    return x_high * n_high + (middle >> 32) + (other >> 32);
}

void fbp_permutation(uint64_t seed, uint64_t stream, ptrdiff_t n, int64_t *index)
{
    uint64_t bits[2 * LANES];
    for (ptrdiff_t first = 0; first < n; first += 2 * LANES) {
        const ptrdiff_t end = n - first < 2 * LANES ? n : first + 2 * LANES;
        draw(seed, stream, (uint64_t)first, bits);
        /* "Inside-out": element i enters at a random place, whose holder moves to the end. */
        for (ptrdiff_t i = first; i < end; i++) {
            const uint64_t j = scaled_down(bits[i - first], (uint64_t)i + 1);
            index[i] = index[j];
            index[j] = i;
        }
    }
}
