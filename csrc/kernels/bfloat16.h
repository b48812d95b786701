/* bfloat16.h: pairs of bfloat16 as operands: their type, the rounding of float32 to them, and what a product does.
 *
 * Uses simd.h (float32 alone), platform.h. Gives pair, pair_vec, round_pairs, store_rounded, and to the products
 * broadcast_operand, load_operands and add_product.
 *
 * A bfloat16 is the upper half of a float32: sign, eight bits of exponent, seven of fraction. A pair is two of them in
 * 32 bits, the first one in the lower half. Rounding is to the nearest, ties to even; denormal numbers count as zero.
 *
 * NATIVE_BF16, set by the stub: 1 where the instruction set multiplies pairs. 0: the same bits as x86's vdpbf16ps,
 * from float32 multiply-adds. On x86 both need denormals flushed (fbp_flush_denormals): vdpbf16ps always flushes them.
 */
typedef uint32_t NAME(pair_t);
#define pair NAME(pair_t)
typedef pair NAME(pair_vec_t) __attribute__((vector_size(VECTOR_BYTES)));
#define pair_vec NAME(pair_vec_t) /* VL pairs */

static INLINE pair_vec NAME(load_operands)(const pair *p)
{
    return *(const pair_vec *)p;
}

static INLINE void NAME(store_pairs)(pair *p, pair_vec x)
{
    *(pair_vec *)p = x;
}

static INLINE pair_vec NAME(broadcast_operand)(const pair *p)
{
    return *p - (pair_vec){0};
}

/* ---- sum + x * y of both numbers of each pair ---- */

#if NATIVE_BF16 && VECTOR_BYTES == 64

static INLINE vec NAME(add_product)(vec sum, pair_vec x, pair_vec y)
{
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)y);
}

#elif NATIVE_BF16

static INLINE vec NAME(add_product)(vec sum, pair_vec x, pair_vec y)
{
#if defined(__clang__) /* whose arm_neon.h has the function only where the whole file is compiled for it */
    __asm__("bfdot %0.4s, %1.8h, %2.8h" : "+w"(sum) : "w"(x), "w"(y));
    return sum;
#else
    return (vec)vbfdotq_f32((float32x4_t)sum, (bfloat16x8_t)x, (bfloat16x8_t)y);
#endif
}

#else

/* sum + x * y, rounded once. */
static INLINE vec NAME(fused)(vec sum, vec x, vec y)
{
#if VECTOR_BYTES > 16
    return sum + x * y; /* -ffp-contract=fast makes one instruction of it */
#else
    real a[VL], b[VL], c[VL];
    memcpy(a, &x, sizeof a);
    memcpy(b, &y, sizeof b);
    memcpy(c, &sum, sizeof c);
    for (int i = 0; i < VL; i++)
        c[i] = fmaf(a[i], b[i], c[i]);
    memcpy(&sum, c, sizeof sum);
    return sum;
#endif
}

/* vdpbf16ps adds the product of the second numbers first, then that of the first, and rounds after each. (Intel's
 * manual gives the order; compared with the instruction on two million random triples on Zen 5.) */
static INLINE vec NAME(add_product)(vec sum, pair_vec x, pair_vec y)
{
    sum = NAME(fused)(sum, (vec)(x & 0xFFFF0000u), (vec)(y & 0xFFFF0000u));
    return NAME(fused)(sum, (vec)(x << 16), (vec)(y << 16));
}

#endif

/* ---- float32 -> bfloat16 ---- */

#if NATIVE_BF16 && VECTOR_BYTES == 64

/* Lane i: the pair (first[i], second[i]). And `first`, then `second`, one after the other. */
static INLINE pair_vec NAME(rounded_in_sequence)(vec first, vec second)
{
    return (pair_vec)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

static INLINE pair_vec NAME(interleave)(pair_vec in_sequence)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                           5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (pair_vec)_mm512_permutexvar_epi16(order, (__m512i)in_sequence);
}

#else

/* Each number, rounded, in the upper half of its lane; zeros in the lower half. */
static INLINE pair_vec NAME(rounded)(vec x)
{
    const pair_vec bits = (pair_vec)x, magnitude = bits & 0x7FFFFFFFu;
    const pair_vec nearest = bits + (0x7FFFu + (bits >> 16 & 1u));
    const pair_vec is_nan = (pair_vec)(magnitude > 0x7F800000u), is_denormal = (pair_vec)(magnitude < 0x00800000u);
    const pair_vec number = (nearest & ~is_denormal) | (bits & is_denormal & 0x80000000u);
    return ((number & ~is_nan) | ((bits | 0x00400000u) & is_nan)) & 0xFFFF0000u;
}

/* `first`, then `second`, one after the other: lane i < VL / 2 holds numbers 2 i and 2 i + 1 of `first`. */
static INLINE pair_vec NAME(rounded_in_sequence)(vec first, vec second)
{
    pair a[2 * VL], packed[VL];
    const pair_vec x = NAME(rounded)(first), y = NAME(rounded)(second);
    memcpy(a, &x, sizeof x);
    memcpy(a + VL, &y, sizeof y);
    for (int i = 0; i < VL; i++)
        packed[i] = a[2 * i] >> 16 | a[2 * i + 1];
    pair_vec result;
    memcpy(&result, packed, sizeof result);
    return result;
}

/* Lane i: number i of the first half of the numbers in sequence, and number i of the second half. */
static INLINE pair_vec NAME(interleave)(pair_vec in_sequence)
{
    uint16_t numbers[2 * VL];
    pair pairs[VL];
    memcpy(numbers, &in_sequence, sizeof numbers);
    for (int i = 0; i < VL; i++)
        pairs[i] = (pair)numbers[i] | (pair)numbers[VL + i] << 16;
    pair_vec result;
    memcpy(&result, pairs, sizeof result);
    return result;
}

#endif
