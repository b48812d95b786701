/* chacha.h: ChaCha20, many blocks at a time (Bernstein 2008; RFC 8439, section 2.3).
 *
 * Uses VECTOR_BYTES and NAME alone. Gives chacha_group to noise.h; random_blocks and poisson_rows to the table. A lane
 * holds one word of one block, so that no word ever changes its lane.
 */
#if VECTOR_BYTES
#define BLOCK_LANES (VECTOR_BYTES / 4)
typedef uint32_t NAME(block_words_t) __attribute__((vector_size(VECTOR_BYTES)));
#else
#define BLOCK_LANES 1
typedef uint32_t NAME(block_words_t);
#endif
#define block_words NAME(block_words_t)

/* Blocks that are made together, on every instruction set. */
#define GROUP_BLOCKS 16

static INLINE block_words NAME(every_block)(uint32_t x)
{
#if VECTOR_BYTES
    return x - (block_words){0};
#else
    return x;
#endif
}

/* By whole bytes AVX2 rotates with one shuffle; AVX-512 has an instruction, which compilers find. */
static INLINE block_words NAME(rotate)(block_words x, int n)
{
#if VECTOR_BYTES == 32
    if (n == 16)
        return (block_words)_mm256_shuffle_epi8(
            (__m256i)x, _mm256_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2, 13, 12, 15, 14, 9, 8, 11,
                                        10, 5, 4, 7, 6, 1, 0, 3, 2));
    if (n == 8)
        return (block_words)_mm256_shuffle_epi8(
            (__m256i)x, _mm256_set_epi8(14, 13, 12, 15, 10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3, 14, 13, 12, 15, 10, 9, 8,
                                        11, 6, 5, 4, 7, 2, 1, 0, 3));
#endif
    return (x << n) | (x >> (32 - n));
}

#define QUARTER_ROUND(a, b, c, d)       \
    a += b, d = NAME(rotate)(d ^ a, 16), \
    c += d, b = NAME(rotate)(b ^ c, 12), \
    a += b, d = NAME(rotate)(d ^ a, 8),  \
    c += d, b = NAME(rotate)(b ^ c, 7)

/* Word w of block first + b -> words[w][b], for the blocks of a group. */
static NOINLINE void NAME(chacha_group)(const fbp_stream *stream, uint32_t first,
                                        uint32_t words[16][GROUP_BLOCKS])
{
    static const uint32_t sigma[4] = {0x61707865u, 0x3320646Eu, 0x79622D32u, 0x6B206574u}; /* "expand 32-byte k" */
    uint32_t counters[GROUP_BLOCKS];
    for (uint32_t b = 0; b < GROUP_BLOCKS; b++)
        counters[b] = first + b;
    for (int at = 0; at < GROUP_BLOCKS; at += BLOCK_LANES) {
        block_words start[16], x[16];
        for (int i = 0; i < 4; i++)
            start[i] = NAME(every_block)(sigma[i]);
        for (int i = 0; i < 8; i++)
            start[4 + i] = NAME(every_block)(stream->key[i]);
        memcpy(&start[12], counters + at, sizeof start[12]);
        for (int i = 0; i < 3; i++)
            start[13 + i] = NAME(every_block)(stream->nonce[i]);
        memcpy(x, start, sizeof x);
        for (int round = 0; round < 10; round++) {
            QUARTER_ROUND(x[0], x[4], x[8], x[12]);
            QUARTER_ROUND(x[1], x[5], x[9], x[13]);
            QUARTER_ROUND(x[2], x[6], x[10], x[14]);
            QUARTER_ROUND(x[3], x[7], x[11], x[15]);
            QUARTER_ROUND(x[0], x[5], x[10], x[15]);
            QUARTER_ROUND(x[1], x[6], x[11], x[12]);
            QUARTER_ROUND(x[2], x[7], x[8], x[13]);
            QUARTER_ROUND(x[3], x[4], x[9], x[14]);
        }
        for (int i = 0; i < 16; i++) {
            const block_words sum = x[i] + start[i];
            memcpy(words[i] + at, &sum, sizeof sum);
        }
    }
}
#undef QUARTER_ROUND

static void NAME(random_blocks)(const fbp_stream *stream, uint32_t first, ptrdiff_t n, uint32_t *out)
{
    uint32_t words[16][GROUP_BLOCKS];
    for (ptrdiff_t done = 0; done < n; done += GROUP_BLOCKS) {
        NAME(chacha_group)(stream, first + (uint32_t)done, words);
        for (ptrdiff_t b = 0; b < GROUP_BLOCKS && done + b < n; b++)
            for (int i = 0; i < 16; i++)
                out[(done + b) * 16 + i] = words[i][b];
    }
}

/* Rows of a chunk, which has random numbers of its own, and the most blocks that they take: 64 bits a row. */
#define CHUNK_ROWS 4096
#define CHUNK_BLOCKS (CHUNK_ROWS * 2 / 16)

/* From one row that is taken to the next it is a geometric number of rows (Devroye 1986, section X.2): the work is that
 * of the rows taken, not of all. As that has no memory, each chunk begins anew, and threads may share them out. */
static ptrdiff_t NAME(poisson_rows)(const fbp_stream *stream, double log_missed, ptrdiff_t r0, ptrdiff_t r1,
                                    int64_t *rows)
{
    uint32_t words[16][GROUP_BLOCKS];
    const uint32_t *flat = words[0];
    enum { GROUP_DRAWS = 16 * GROUP_BLOCKS / 2 };
    ptrdiff_t n = 0;
    for (ptrdiff_t chunk = r0 / CHUNK_ROWS; chunk * CHUNK_ROWS < r1; chunk++) {
        const ptrdiff_t end = (chunk + 1) * CHUNK_ROWS < r1 ? (chunk + 1) * CHUNK_ROWS : r1;
        ptrdiff_t row = chunk * CHUNK_ROWS;
        for (ptrdiff_t draw = 0; row < end; draw++) {
            const ptrdiff_t i = draw % GROUP_DRAWS;
            if (i == 0)
                NAME(chacha_group)(stream, (uint32_t)(chunk * CHUNK_BLOCKS + draw / GROUP_DRAWS * GROUP_BLOCKS), words);
            const uint64_t bits = (uint64_t)flat[2 * i] << 32 | flat[2 * i + 1];
            const double uniform = ((double)(bits >> 11) + 0.5) * (1.0 / 9007199254740992.0); /* above 0, below 1 */
            const double missed = floor(log(uniform) / log_missed);
            if (!(missed < (double)(end - row)))
                break;
            row += (ptrdiff_t)missed;
            if (row >= r0)
                rows[n++] = row;
            row++;
        }
    }
    return n;
}
#undef CHUNK_ROWS
#undef CHUNK_BLOCKS
