/* noise.h: Gaussian numbers from ChaCha20, and the noise that hides single samples in a gradient.
 *
 * Uses simd.h, vmath.h (vlog) and chacha.h. Gives add_noise to the table.
 *
 * A pair of uniform numbers gives two draws, r cos(t) and r sin(t) (Box and Muller 1958), and two pairs the four draws
 * whose sum is halved. A uniform number has 32 random bits in float32 and 64 in float64: the tail ends at 6.8 and 9.5
 * standard deviations of a draw.
 */

/* The random words of a uniform number, and bits of each of its two halves. */
#define UNIFORM_WORDS (REAL_BITS / 32)
#define HALF_BITS (REAL_BITS / 2)
/* Numbers of a block, which has 16 words, and of a group. */
#define BLOCK_NORMALS (4 / UNIFORM_WORDS)
#define GROUP_NORMALS (BLOCK_NORMALS * GROUP_BLOCKS)
#if REAL_BITS == 32
#define INTEGER_MAGIC 8388608.0f /* 2^23: added to a whole number below it, it leaves that number in the low bits */
#define ANGLE_TERMS 5
#else
#define INTEGER_MAGIC 4503599627370496.0 /* 2^52 */
#define ANGLE_TERMS 9
#endif

/* 1 / k!, for the series of sine and cosine up to a quarter of pi, which leave out less than half an ulp. */
static const real NAME(inverse_factorials)[] = {
    (real)1,
    (real)1,
    (real)0.5,
    (real)(1.0 / 6),
    (real)(1.0 / 24),
    (real)(1.0 / 120),
    (real)(1.0 / 720),
    (real)(1.0 / 5040),
    (real)(1.0 / 40320),
    (real)(1.0 / 362880),
    (real)(1.0 / 3628800),
    (real)(1.0 / 39916800),
    (real)(1.0 / 479001600),
    (real)(1.0 / 6227020800),
    (real)(1.0 / 87178291200),
    (real)(1.0 / 1307674368000),
    (real)(1.0 / 20922789888000),
    (real)(1.0 / 355687428096000),
};

/* Whole numbers of at most HALF_BITS bits as reals. */
static INLINE vec NAME(real_of_half)(ivec half)
{
    const vec magic = NAME(splat)(INTEGER_MAGIC);
    return NAME(from_bits)(half | NAME(bits)(magic)) - magic;
}

/* The two halves of the k-th uniform number of VL blocks from b on. */
static INLINE void NAME(halves)(uint32_t words[16][GROUP_BLOCKS], int k, int b, ivec *high, ivec *low)
{
    integer upper[VL], lower[VL];
    for (int i = 0; i < VL; i++) {
#if REAL_BITS == 32
        upper[i] = (integer)(words[k][b + i] >> 16);
        lower[i] = (integer)(words[k][b + i] & 0xFFFFu);
#else
        upper[i] = (integer)words[2 * k][b + i];
        lower[i] = (integer)words[2 * k + 1][b + i];
#endif
    }
    memcpy(high, upper, sizeof *high);
    memcpy(low, lower, sizeof *low);
}

/* The words of VL blocks from b on as they are, or with a sign, times 2^-32: two instructions where there are any. */
#if VECTOR_BYTES == 64 && REAL_BITS == 32
#define WORDS_CONVERT
static INLINE vec NAME(unsigned_word)(const uint32_t *words)
{
    block_words x;
    memcpy(&x, words, sizeof x);
    return __builtin_convertvector(x, vec) * 0x1p-32f;
}

static INLINE vec NAME(signed_word)(block_words x)
{
    return __builtin_convertvector((ivec)x, vec) * 0x1p-32f;
}
#endif

/* (x + a half of the last bit) / 2^(2 HALF_BITS), above 0 and up to 1, for the integer x with these halves. */
static INLINE vec NAME(unit_interval)(uint32_t words[16][GROUP_BLOCKS], int k, int b)
{
#ifdef WORDS_CONVERT
    return NAME(unsigned_word)(words[k] + b) + 0x1p-33f;
#else
    ivec high, low;
    NAME(halves)(words, k, b, &high, &low);
    const real scale = (real)1 / (real)((uint64_t)1 << HALF_BITS);
    return NAME(real_of_half)(high) * scale + (NAME(real_of_half)(low) + (real)0.5) * (scale * scale);
#endif
}

/* A uniform number's first two bits, and the others as a place from -1/2 to 1/2. */
static INLINE vec NAME(place_in_quarter)(uint32_t words[16][GROUP_BLOCKS], int k, int b, ivec *quarter)
{
#ifdef WORDS_CONVERT
    block_words x;
    memcpy(&x, words[k] + b, sizeof x);
    *quarter = (ivec)(x >> 30);
    return NAME(signed_word)((x << 2) ^ 0x80000000u) + 0x1p-31f;
#else
    ivec high, low;
    NAME(halves)(words, k, b, &high, &low);
    const real scale = (real)1 / (real)((uint64_t)1 << HALF_BITS);
    const integer in_quarter = ((integer)1 << (HALF_BITS - 2)) - 1;
    *quarter = high >> (HALF_BITS - 2);
    return NAME(real_of_half)(high & in_quarter) * (4 * scale)
           + ((NAME(real_of_half)(low) + (real)0.5) * (4 * scale * scale) - (real)0.5);
#endif
}

/* cos(t) + sin(t), t uniform over the circle. */
static INLINE vec NAME(cosine_and_sine)(uint32_t words[16][GROUP_BLOCKS], int word, int b)
{
    ivec quarter;
    const vec place = NAME(place_in_quarter)(words, word, b, &quarter);
    const vec x = place * (real)1.57079632679489661923, z = x * x;
    vec sine = NAME(splat)(0), cosine = NAME(splat)(0);
    for (int k = ANGLE_TERMS - 1; k >= 0; k--) {
        sine = NAME(inverse_factorials)[2 * k + 1] - z * sine;
        cosine = NAME(inverse_factorials)[2 * k] - z * cosine;
    }
    sine *= x;
    /* A quarter turn makes (-sin, cos) of (cos, sin). */
    const ivec one = NAME(isplat)(1), sign = NAME(isplat)((integer)((uint64_t)1 << (REAL_BITS - 1)));
    const ivec minus_cosine = (ivec)(-((quarter >> 1) & one)) & sign;
    const ivec minus_sine = (ivec)(-(((quarter >> 1) ^ quarter) & one)) & sign;
    return NAME(from_bits)(NAME(bits)(cosine) ^ minus_cosine) + NAME(from_bits)(NAME(bits)(sine) ^ minus_sine);
}

/* deviation times the numbers of a group: number j of block b -> numbers[GROUP_BLOCKS j + b]. In a function of its own,
 * so that no caller's sum can be fused with the product. */
static NOINLINE void NAME(normal_group)(const fbp_stream *stream, ptrdiff_t group, real deviation, real *numbers)
{
    uint32_t words[16][GROUP_BLOCKS];
    NAME(chacha_group)(stream, (uint32_t)(group * GROUP_BLOCKS), words);
    for (int j = 0; j < BLOCK_NORMALS; j++)
        for (int b = 0; b < GROUP_BLOCKS; b += VL) {
            vec sum = NAME(splat)(0);
            for (int pair = 0; pair < 2; pair++) {
                const int k = 4 * j + 2 * pair;
                const vec uniform = NAME(unit_interval)(words, k, b);
                const vec radius = NAME(square_root)(NAME(log_of_normal)(uniform, NAME(splat)(0)) * (real)-2);
                sum += radius * NAME(cosine_and_sine)(words, k + 1, b);
            }
            NAME(store_any)(numbers + GROUP_BLOCKS * j + b, sum * (real)0.5 * deviation);
        }
}

static void NAME(add_noise)(const fbp_stream *stream, ptrdiff_t first, ptrdiff_t n_rows, ptrdiff_t n, ptrdiff_t ld,
                            double deviation, void *g)
{
    real numbers[GROUP_NORMALS];
    ptrdiff_t made = -1;
    for (ptrdiff_t r = 0; r < n_rows; r++) {
        real *row = (real *)g + r * ld;
        for (ptrdiff_t i = 0; i < n;) {
            const ptrdiff_t place = first + r * ld + i, group = place / GROUP_NORMALS;
            if (group != made)
                NAME(normal_group)(stream, group, (real)deviation, numbers);
            made = group;
            const ptrdiff_t rest = (group + 1) * GROUP_NORMALS - place, end = n - i < rest ? n : i + rest;
            const real *from = numbers + place % GROUP_NORMALS;
            for (; i < end; i++)
                row[i] += *from++;
        }
    }
}
#undef UNIFORM_WORDS
#undef HALF_BITS
#undef BLOCK_NORMALS
#undef GROUP_NORMALS
#undef INTEGER_MAGIC
#undef WORDS_CONVERT
#undef ANGLE_TERMS
#undef BLOCK_LANES
#undef block_words
#undef GROUP_BLOCKS
