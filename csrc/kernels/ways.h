/* ways.h: points on straight ways between two rows of numbers, and sums over what is found there.
 *
 * Uses simd.h. Gives point_of_way and add_scaled to the table, and point_of_way to elementwise.h. The bits of an element
 * depend on nothing but itself.
 */

static void NAME(point_of_way)(const void *from, const void *to, double place, ptrdiff_t n, void *point)
{
    const real *near = from, *far = to;
    real *out = point;
    const vec share = NAME(splat)((real)place);
    ptrdiff_t i = 0;
    for (; i + VL <= n; i += VL) {
        const vec start = NAME(load_any)(near + i);
        NAME(store_any)(out + i, start + share * (NAME(load_any)(far + i) - start));
    }
    if (i < n) {
        const size_t rest = (size_t)(n - i) * sizeof(real);
        vec start = NAME(splat)(0), end = start;
        memcpy(&start, near + i, rest);
        memcpy(&end, far + i, rest);
        start += share * (end - start);
        memcpy(out + i, &start, rest);
    }
}

static void NAME(add_scaled)(void *sums, const void *numbers, double factor, ptrdiff_t n)
{
    real *sum = sums;
    const real *x = numbers;
    const vec scale = NAME(splat)((real)factor);
    ptrdiff_t i = 0;
    for (; i + VL <= n; i += VL)
        NAME(store_any)(sum + i, NAME(load_any)(sum + i) + scale * NAME(load_any)(x + i));
    if (i < n) {
        const size_t rest = (size_t)(n - i) * sizeof(real);
        vec old = NAME(splat)(0), new = old;
        memcpy(&old, sum + i, rest);
        memcpy(&new, x + i, rest);
        old += scale * new;
        memcpy(sum + i, &old, rest);
    }
}
