/* groups.h: features of single numbers, and products of groups of features, as fastbp_groups.h says.
 *
 * Uses simd.h, vmath.h, transpose.h (sum_each), blocking.h (ceil_divide) and bias_gradient.h (bias_gradient,
 * store_or_add). Gives all its kernels to the table of groups.
 */

/* What a unit's weight is multiplied by in dZ / dx: waves count in turns. */
#define TURN(groups) NAME(splat)((groups)->waves ? (real)6.283185307179586476925 : (real)1)
#define N_FEATURES(groups) ((groups)->n_groups * (groups)->size)

/* act(Z) of one unit, with act'(Z) to *slope. */
static INLINE vec NAME(basis)(int waves, vec x, real w, real b, vec *slope)
{
    if (waves) {
        vec cosine;
        *slope = -NAME(vsine_of_turns)(x * w + b * (real)0.15915494309189533577, &cosine);
        return cosine;
    }
    const vec zero = NAME(splat)(0), one = NAME(splat)(1), z = x * w + b;
    *slope = NAME(keep)(MASK(z > zero) & MASK(z < one), one);
    return NAME(maximum)(zero, NAME(minimum)(one, z));
}

static void NAME(basis_forward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels in, fbp_panels out,
                                fbp_panels kept, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *w = layer->weights, *b = layer->bias;
    const ptrdiff_t n = N_FEATURES(groups), size = groups->size;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        real *keep = kept.data ? (real *)kept.data + p * kept.stride : NULL;
        for (ptrdiff_t g = 0; g < groups->n_groups; g++) {
            const vec x = NAME(load)(from + groups->columns[g] * VL);
            for (ptrdiff_t u = g * size; u < (g + 1) * size; u++) {
                vec slope;
                NAME(store)(to + u * VL, NAME(basis)(groups->waves, x, w[u], b[u], &slope));
                if (keep)
                    NAME(store)(keep + u * VL, slope);
            }
        }
        memcpy(to + n * VL, from, (size_t)((layer->n_units - n) * VL) * sizeof(real));
    }
}

static void NAME(basis_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels dZ,
                                 fbp_panels dX, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *w = layer->weights;
    const ptrdiff_t n = N_FEATURES(groups), size = groups->size;
    const vec turn = TURN(groups);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *d = (const real *)dZ.data + p * dZ.stride, *slope = (const real *)kept.data + p * kept.stride;
        real *to = (real *)dX.data + p * dX.stride;
        memcpy(to, d + n * VL, (size_t)((layer->n_units - n) * VL) * sizeof(real));
        for (ptrdiff_t g = 0; g < groups->n_groups; g++) {
            real *x = to + groups->columns[g] * VL;
            vec sum = NAME(splat)(0);
            for (ptrdiff_t u = g * size; u < (g + 1) * size; u++)
                sum += NAME(load)(d + u * VL) * NAME(load)(slope + u * VL) * NAME(splat)(w[u]);
            NAME(store)(x, NAME(load)(x) + sum * turn);
        }
    }
}

static void NAME(basis_tangent)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels t,
                                fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *w = layer->weights;
    const ptrdiff_t n = N_FEATURES(groups), size = groups->size;
    const vec turn = TURN(groups);
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)t.data + p * t.stride, *slope = (const real *)kept.data + p * kept.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t g = 0; g < groups->n_groups; g++) {
            const vec x = NAME(load)(from + groups->columns[g] * VL) * turn;
            for (ptrdiff_t u = g * size; u < (g + 1) * size; u++)
                NAME(store)(to + u * VL, x * NAME(load)(slope + u * VL) * NAME(splat)(w[u]));
        }
        memcpy(to + n * VL, from, (size_t)((layer->n_units - n) * VL) * sizeof(real));
    }
}

/* Zeros (unless `accumulate`) to the gradient of the units n0..n1 that have no parameters. */
static void NAME(clear_passed)(const fbp_layer *layer, ptrdiff_t n0, ptrdiff_t n1, real *dW, real *db, int accumulate)
{
    if (accumulate || n0 >= n1)
        return;
    memset(dW + n0 * layer->ld, 0, (size_t)((n1 - n0) * layer->ld) * sizeof(real));
    memset(db + n0, 0, (size_t)(n1 - n0) * sizeof(real));
}

/* Whole panels are added, in their order; then the lanes of each unit. Lanes without a sample are left out: they are not
 * zero where an output of theirs is infinite. */
static void NAME(basis_gradient)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels kept, fbp_panels in,
                                 fbp_panels dZ, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW, void *db,
                                 int accumulate)
{
    const ptrdiff_t n_panels = NAME(ceil_divide)(n_samples, VL), n = N_FEATURES(groups), end = n1 < n ? n1 : n;
    const vec turn = TURN(groups);
    for (ptrdiff_t u = n0; u < end; u += VL) {
        const ptrdiff_t n_units = end - u < VL ? end - u : VL;
        vec products[VL] = {0}, sums[VL] = {0};
        ptrdiff_t at[VL]; /* where a panel has the input of each unit */
        for (ptrdiff_t i = 0; i < n_units; i++)
            at[i] = groups->columns[(u + i) / groups->size] * VL;
        for (ptrdiff_t p = 0; p < n_panels; p++) {
            const ivec used = NAME(first_lanes_mask)(n_samples - p * VL);
            const real *d = (const real *)dZ.data + p * dZ.stride + u * VL;
            const real *slope = (const real *)kept.data + p * kept.stride + u * VL;
            const real *x = (const real *)in.data + p * in.stride;
            for (ptrdiff_t i = 0; i < n_units; i++) {
                const vec gradient = NAME(keep)(used, NAME(load)(d + i * VL) * NAME(load)(slope + i * VL));
                products[i] += gradient * NAME(keep)(used, NAME(load)(x + at[i]));
                sums[i] += gradient;
            }
        }
        NAME(store_or_add)(NAME(sum_each)(products) * turn, (real *)dW + u, n_units, accumulate);
        NAME(store_or_add)(NAME(sum_each)(sums), (real *)db + u, n_units, accumulate);
    }
    NAME(clear_passed)(layer, n0 > n ? n0 : n, n1, dW, db, accumulate);
}

static void NAME(basis_curvature)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels A, fbp_panels t,
                                  fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *w = layer->weights;
    const ptrdiff_t size = groups->size;
    const vec turn = TURN(groups);
    for (ptrdiff_t p = p0; groups->waves && p < p1; p++) {
        const real *a = (const real *)A.data + p * A.stride, *from = (const real *)t.data + p * t.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t g = 0; g < groups->n_groups; g++) {
            const vec x = NAME(load)(from + groups->columns[g] * VL) * turn;
            for (ptrdiff_t u = g * size; u < (g + 1) * size; u++) {
                const vec change = x * NAME(splat)(w[u]);
                NAME(store)(to + u * VL, NAME(load)(to + u * VL) - NAME(load)(a + u * VL) * change * change);
            }
        }
    }
}

static void NAME(basis_curvature_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels A, fbp_panels t,
                                           fbp_panels dA, fbp_panels out, ptrdiff_t p0, ptrdiff_t p1)
{
    const real *w = layer->weights;
    const ptrdiff_t size = groups->size;
    const vec turn = TURN(groups);
    for (ptrdiff_t p = p0; groups->waves && p < p1; p++) {
        const real *a = (const real *)A.data + p * A.stride, *from = (const real *)t.data + p * t.stride;
        const real *d = (const real *)dA.data + p * dA.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t g = 0; g < groups->n_groups; g++) {
            const ptrdiff_t at = groups->columns[g] * VL;
            vec sum = NAME(splat)(0);
            for (ptrdiff_t u = g * size; u < (g + 1) * size; u++) {
                const vec factor = NAME(splat)(w[u]) * turn;
                sum += NAME(load)(a + u * VL) * NAME(load)(d + u * VL) * factor * factor;
            }
            NAME(store)(to + at, NAME(load)(to + at) - sum * NAME(load)(from + at));
        }
    }
}

static void NAME(product_forward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels in, fbp_panels out,
                                 ptrdiff_t p0, ptrdiff_t p1)
{
    const real *b = layer->bias;
    const ptrdiff_t K = layer->n_inputs, n = N_FEATURES(groups), size = groups->size;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *from = (const real *)in.data + p * in.stride;
        real *to = (real *)out.data + p * out.stride;
        for (ptrdiff_t g = 0; g < groups->n_groups; g++, from += K * VL)
            for (ptrdiff_t u = g * size; u < (g + 1) * size; u++) {
                const real *w = (const real *)layer->weights + u * layer->ld;
                vec sum = NAME(splat)(b[u]);
                for (ptrdiff_t k = 0; k < K; k++)
                    sum += NAME(load)(from + k * VL) * NAME(splat)(w[k]);
                NAME(store)(to + u * VL, sum);
            }
        memcpy(to + n * VL, from, (size_t)((layer->n_units - n) * VL) * sizeof(real));
    }
}

static void NAME(product_backward)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels dZ, fbp_panels dX,
                                  ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t K = layer->n_inputs, n = N_FEATURES(groups), size = groups->size;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *d = (const real *)dZ.data + p * dZ.stride;
        real *to = (real *)dX.data + p * dX.stride;
        for (ptrdiff_t g = 0; g < groups->n_groups; g++, to += K * VL)
            for (ptrdiff_t k = 0; k < K; k++) {
                vec sum = NAME(splat)(0);
                for (ptrdiff_t u = g * size; u < (g + 1) * size; u++)
                    sum += NAME(load)(d + u * VL) * NAME(splat)(((const real *)layer->weights)[u * layer->ld + k]);
                NAME(store)(to + k * VL, sum);
            }
        memcpy(to, d + n * VL, (size_t)((layer->n_units - n) * VL) * sizeof(real));
    }
}

static void NAME(product_gradient)(const fbp_layer *layer, const fbp_groups *groups, fbp_panels in, fbp_panels dZ,
                                  ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, void *dW, void *db, int accumulate)
{
    const ptrdiff_t n_panels = NAME(ceil_divide)(n_samples, VL), K = layer->n_inputs;
    const ptrdiff_t n = N_FEATURES(groups), end = n1 < n ? n1 : n;
    NAME(clear_passed)(layer, n0, n1, dW, db, accumulate);
    for (ptrdiff_t u = n0; u < end; u++)
        for (ptrdiff_t k = 0; k < K; k += VL) {
            const ptrdiff_t n_here = K - k < VL ? K - k : VL;
            const real *d = (const real *)dZ.data + u * VL;
            const real *x = (const real *)in.data + (u / groups->size * K + k) * VL;
            vec products[VL] = {0};
            for (ptrdiff_t p = 0; p < n_panels; p++, d += dZ.stride, x += in.stride) {
                const ivec used = NAME(first_lanes_mask)(n_samples - p * VL);
                const vec gradient = NAME(keep)(used, NAME(load)(d));
                for (ptrdiff_t i = 0; i < n_here; i++)
                    products[i] += gradient * NAME(keep)(used, NAME(load)(x + i * VL));
            }
            NAME(store_or_add)(NAME(sum_each)(products), (real *)dW + u * layer->ld + k, n_here, accumulate);
        }
    if (n0 < end)
        NAME(bias_gradient)(dZ, n_samples, n0, end, db, accumulate);
}

#undef TURN
#undef N_FEATURES
