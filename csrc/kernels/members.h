/* members.h: what a batch ensemble (Wen, Tran and Ba 2020; Gorishniy et al. 2024, TabM) needs beside the stages that all
 * its members share. The features of a panel are those of the members, one member after the other.
 *
 * Uses simd.h, vmath.h (vexp, vlog, vlog1p_of_exp) and transpose.h (load_transposed, store_block). Gives affine_panels,
 * transpose_member, sum_members and mix_logits to the table.
 */

/* panels p0..p1 -> blocks, as transpose_panels. What follows a member's features are not zeros, but the next one's. */
static void NAME(transpose_member)(fbp_panels panels, ptrdiff_t n_features, ptrdiff_t p0, ptrdiff_t p1, void *blocks,
                                   ptrdiff_t block_stride)
{
    const ptrdiff_t n_vectors = (n_features + VL - 1) / VL;
    const vec nothing = NAME(splat)(0);
    for (ptrdiff_t p = p0; p < p1; p++)
        for (ptrdiff_t v = 0; v < n_vectors; v++) {
            const real *features[VL];
            real *to = (real *)blocks + v * block_stride + p * VL * VL;
            vec rows[VL];
            for (int i = 0; i < VL; i++)
                features[i] = v * VL + i < n_features
                                  ? (const real *)panels.data + p * panels.stride + (v * VL + i) * VL
                                  : (const real *)&nothing;
            NAME(load_transposed)(features, 0, rows);
            NAME(store_block)(rows, to, v + 1 < n_vectors ? block_stride : 0);
        }
}

/* in -> the unit's factor times in, plus the unit's bias. */
static void NAME(affine_panels)(const fbp_layer *layer, fbp_panels in, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *factor = layer->weights, *bias = layer->bias;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t i = 0; i < layer->n_units; i++)
            NAME(store)(to + i * VL, NAME(load)(from + i * VL) * NAME(splat)(factor[i]) + NAME(splat)(bias[i]));
    }
}

/* out = factor times the sum over the members, in their order; each has n_features. */
static void NAME(sum_members)(fbp_panels in, ptrdiff_t n_members, ptrdiff_t n_features, double factor, fbp_panels out,
                              ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = n_features * VL;
    const vec times = NAME(splat)((real)factor);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t i = 0; i < n; i += VL) {
            vec sum = NAME(load)(from + i);
            for (ptrdiff_t m = 1; m < n_members; m++)
                sum += NAME(load)(from + m * n + i);
            NAME(store)(to + i, sum * times);
        }
    }
}

/* log(exp(a) + exp(b)) */
static INLINE vec NAME(log_add)(vec a, vec b)
{
    return NAME(maximum)(a, b) + NAME(vlog1p_of_exp)(-NAME(absolute)(a - b));
}

/* The members' Z -> a Z whose softmax is the mean of theirs, up to a constant: the sum over the members of exp(z - log
 * of the sum of exp), as a logarithm, so that nothing becomes 0. */
static void NAME(mix_softmax)(const real *in, ptrdiff_t n_members, ptrdiff_t n, real *out)
{
    for (ptrdiff_t m = 0; m < n_members; m++, in += n) {
        vec top = NAME(load)(in), sum = NAME(splat)(0);
        for (ptrdiff_t i = VL; i < n; i += VL)
            top = NAME(maximum)(NAME(load)(in + i), top);
        for (ptrdiff_t i = 0; i < n; i += VL)
            sum += NAME(vexp)(NAME(load)(in + i) - top);
        const vec whole = top + NAME(vlog)(sum);
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec own = NAME(load)(in + i) - whole;
            NAME(store)(out + i, m ? NAME(log_add)(NAME(load)(out + i), own) : own);
        }
    }
}

/* The members' Z -> the Z whose sigmoid is the mean of theirs: log of the sum of sigmoid(z), less that of sigmoid(-z). */
static void NAME(mix_sigmoid)(const real *in, ptrdiff_t n_members, ptrdiff_t n, real *out)
{
    for (ptrdiff_t i = 0; i < n; i += VL) {
        vec yes = -NAME(vlog1p_of_exp)(-NAME(load)(in + i)), no = -NAME(vlog1p_of_exp)(NAME(load)(in + i));
        for (ptrdiff_t m = 1; m < n_members; m++) {
            const vec z = NAME(load)(in + m * n + i);
            yes = NAME(log_add)(yes, -NAME(vlog1p_of_exp)(-z));
            no = NAME(log_add)(no, -NAME(vlog1p_of_exp)(z));
        }
        NAME(store)(out + i, yes - no);
    }
}

/* Z of the members' mean prediction, of their Z; `activation` is the softmax or the sigmoid. */
static void NAME(mix_logits)(fbp_activation activation, fbp_panels in, ptrdiff_t n_members, ptrdiff_t n_features,
                             fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        if (activation == FBP_SOFTMAX)
            NAME(mix_softmax)(from, n_members, n_features * VL, to);
        else
            NAME(mix_sigmoid)(from, n_members, n_features * VL, to);
    }
}
