/* softmax.h: the softmax over the units of each sample, and its gradient.
 *
 * Uses simd.h and vmath.h (vexp). Gives softmax_forward and softmax_backward to the table.
 */

/* The samples are the lanes, so that maximum and sum over the units are loops over rows. */
static void NAME(softmax_forward)(fbp_panels Z, ptrdiff_t n_units, ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        real *z = (real *)Z.data + p * Z.stride;
        vec largest = NAME(load)(z), sum = NAME(splat)(0);
        for (ptrdiff_t i = VL; i < n; i += VL)
            largest = NAME(maximum)(NAME(load)(z + i), largest);
        for (ptrdiff_t i = 0; i < n; i += VL) {
            const vec e = NAME(vexp)(NAME(load)(z + i) - largest);
            NAME(store)(z + i, e);
            sum += e;
        }
        const vec scale = NAME(splat)(1) / sum;
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(z + i, NAME(load)(z + i) * scale);
    }
}

/* dZ[n] = A[n] * (dA[n] - sum over m of A[m] * dA[m]) */
static void NAME(softmax_backward)(fbp_panels A, fbp_panels dA, ptrdiff_t n_units, ptrdiff_t p0, ptrdiff_t p1)
{
    const ptrdiff_t n = n_units * VL;
    for (ptrdiff_t p = p0; p < p1; p++) {
        const real *a = (const real *)A.data + p * A.stride;
        real *d = (real *)dA.data + p * dA.stride;
        vec dot = NAME(splat)(0);
        for (ptrdiff_t i = 0; i < n; i += VL)
            dot += NAME(load)(a + i) * NAME(load)(d + i);
        for (ptrdiff_t i = 0; i < n; i += VL)
            NAME(store)(d + i, NAME(load)(a + i) * (NAME(load)(d + i) - dot));
    }
}
