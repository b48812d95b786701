/* random.c: Philox for one counter at a time, as its authors write it; kernels/random.h does many at once. */
#include "fastbp.h"

/* J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are theirs. */
void fbp_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    for (int i = 0; i < 4; i++)
        out[i] = counter[i];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * out[0], p1 = (uint64_t)0xCD9E8D57u * out[2];
        out[0] = (uint32_t)(p1 >> 32) ^ out[1] ^ k0;
        out[1] = (uint32_t)p1;
        out[2] = (uint32_t)(p0 >> 32) ^ out[3] ^ k1;
        out[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}
