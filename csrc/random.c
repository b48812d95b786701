/* random.c: counter-based random numbers. No state: a number is a function of its key and its counter alone, so that any
 * thread may ask for any of them in any order.
 */
#include "fastbp.h"

enum { PHILOX_ROUNDS = 10 };

/* Philox4x32-10: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are theirs. */
void fbp_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
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
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t bits[4] = {0};
    for (ptrdiff_t i = 0; i < n; i++) {
        /* "Inside-out": element i enters at a random place, whose holder moves to the end. Two draws a Philox call. */
        if (i % 2 == 0) {
            const uint64_t pair = (uint64_t)i / 2;
            const uint32_t counter[4] = {(uint32_t)pair, (uint32_t)(pair >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)};
            fbp_philox(counter, key, bits);
        }
        const uint32_t *half = bits + 2 * (i % 2);
        const uint64_t j = scaled_down((uint64_t)half[1] << 32 | half[0], (uint64_t)i + 1);
        index[i] = index[j];
        index[j] = i;
    }
}
