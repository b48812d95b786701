/* bias_gradient.h: db[n] = sum over s of dZ[n][s], of a dense layer.
 *
 * Uses simd.h, transpose.h (sum_each). Gives bias_gradient to the products' tables and store_or_add to normalize.h.
 */

/* total -> out[0..n), added to what is there or not. A whole vector takes no call of memcpy. */
static INLINE void NAME(store_or_add)(vec total, real *out, ptrdiff_t n, int accumulate)
{
    if (n == VL) {
        NAME(store_any)(out, accumulate ? NAME(load_any)(out) + total : total);
        return;
    }
    if (accumulate) {
        vec before = NAME(splat)(0);
        memcpy(&before, out, (size_t)n * sizeof(real));
        total += before;
    }
    memcpy(out, &total, (size_t)n * sizeof(real));
}

/* db[n] (+)= sum over the samples of dZ[n]. Whole panels are added, VL units side by side, and then the lanes of each
 * unit. Lanes without a sample are left out: they are not zero where an output of theirs is infinite. */
static void NAME(bias_gradient)(fbp_panels dZ, ptrdiff_t n_samples, ptrdiff_t n0, ptrdiff_t n1, real *db, int accumulate)
{
    const ptrdiff_t n_whole = n_samples / VL;
    const ivec used = NAME(first_lanes_mask)(n_samples % VL);
    for (ptrdiff_t n = n0; n < n1; n += VL) {
        const ptrdiff_t n_units = n1 - n < VL ? n1 - n : VL;
        const real *panel = (const real *)dZ.data + n * VL;
        vec sums[VL];
        UNROLL
        for (int i = 0; i < VL; i++)
            sums[i] = NAME(splat)(0);
        if (n_units == VL) {
            for (ptrdiff_t p = 0; p < n_whole; p++, panel += dZ.stride) {
                UNROLL
                for (int i = 0; i < VL; i++)
                    sums[i] += NAME(load)(panel + i * VL);
            }
        } else {
            for (ptrdiff_t p = 0; p < n_whole; p++, panel += dZ.stride)
                for (ptrdiff_t i = 0; i < n_units; i++)
                    sums[i] += NAME(load)(panel + i * VL);
        }
        if (n_whole * VL < n_samples)
            for (ptrdiff_t i = 0; i < n_units; i++)
                sums[i] += NAME(keep)(used, NAME(load)(panel + i * VL));
        NAME(store_or_add)(NAME(sum_each)(sums), db + n, n_units, accumulate);
    }
}
