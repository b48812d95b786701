"""The functions of a C file, of which it gets those that it calls.

``real`` is float or double; ``REAL(0.5)`` is a constant and ``MATH(exp)`` a function of that type. No function makes a
number of NaN: a gap in the inputs is seen in the outputs.
"""

from __future__ import annotations

__all__ = ["ACTIVATIONS", "FUNCTIONS"]

FUNCTIONS = {
    "dense": """\
/* y[m] = x[n] W[n][m] + b[m]; b may be left out. Four inputs at a time; compilers make vectors of the outputs. */
static void dense(const real *x, int n, const real *W, const real *b, real *y, int m)
{
    int i = 0;
    for (int j = 0; j < m; j++)
        y[j] = b ? b[j] : REAL(0.0);
    for (; i + 4 <= n; i += 4) {
        const real x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
        const real *w0 = W, *w1 = w0 + m, *w2 = w1 + m, *w3 = w2 + m;
        for (int j = 0; j < m; j++)
            y[j] = y[j] + x0 * w0[j] + x1 * w1[j] + x2 * w2[j] + x3 * w3[j];
        W = w3 + m;
    }
    for (; i < n; i++, W += m)
        for (int j = 0; j < m; j++)
            y[j] += x[i] * W[j];
}
""",
    "copy": """\
static void copy(const real *x, real *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = x[i];
}
""",
    "add": """\
static void add(const real *x, real *a, int n)
{
    for (int i = 0; i < n; i++)
        a[i] += x[i];
}
""",
    "affine": """\
/* a[n] = (a - centre) * factor + shift */
static void affine(real *a, int n, const real *centre, const real *factor, const real *shift)
{
    for (int i = 0; i < n; i++)
        a[i] = (a[i] - centre[i]) * factor[i] + shift[i];
}
""",
    "scale": """\
/* a[n] = factor * a */
static void scale(real *a, int n, const real *factor)
{
    for (int i = 0; i < n; i++)
        a[i] *= factor[i];
}
""",
    "waves": """\
/* y = cos(2 pi (w x + b)) of each of so many columns of x[n], then x itself; whole turns are taken off first */
static void waves(const real *x, int n, const int *column, const real *w, const real *b, int columns, int size, real *y)
{
    for (int i = 0; i < columns; i++)
        for (int j = 0; j < size; j++, w++, b++) {
            const real turns = *w * x[column[i]] + *b;
            *y++ = MATH(cos)(REAL(6.283185307179586) * (turns - MATH(floor)(turns)));
        }
    for (int i = 0; i < n; i++)
        y[i] = x[i];
}
""",
    "ramps": """\
/* y = w x + b of each of so many columns of x[n], limited to 0 .. 1, then x itself; NaN stays */
static void ramps(const real *x, int n, const int *column, const real *w, const real *b, int columns, int size, real *y)
{
    for (int i = 0; i < columns; i++)
        for (int j = 0; j < size; j++, w++, b++) {
            const real a = *w * x[column[i]] + *b;
            *y++ = a < REAL(0.0) ? REAL(0.0) : a > REAL(1.0) ? REAL(1.0) : a;
        }
    for (int i = 0; i < n; i++)
        y[i] = x[i];
}
""",
    "grouped": """\
/* y[size] = W[inputs][size] times a group of x[n], + b, for each group, then what is left of x */
static void grouped(const real *x, int n, const real *W, const real *b, int groups, int inputs, int size, real *y)
{
    const real *end = x + n;
    for (int g = 0; g < groups; g++, b += size, y += size) {
        for (int j = 0; j < size; j++)
            y[j] = b[j];
        for (int i = 0; i < inputs; i++, x++, W += size)
            for (int j = 0; j < size; j++)
                y[j] += *x * W[j];
    }
    while (x < end)
        *y++ = *x++;
}
""",
    "layer_norm": """\
/* a[n] = gain * (a - mean) / sqrt(variance + epsilon) + shift */
static void layer_norm(real *a, int n, const real *gain, const real *shift, real epsilon)
{
    real mean = REAL(0.0), variance = REAL(0.0);
    for (int i = 0; i < n; i++)
        mean += a[i];
    mean /= (real)n;
    for (int i = 0; i < n; i++)
        variance += (a[i] - mean) * (a[i] - mean);
    const real factor = REAL(1.0) / MATH(sqrt)(variance / (real)n + epsilon);
    for (int i = 0; i < n; i++)
        a[i] = gain[i] * ((a[i] - mean) * factor) + shift[i];
}
""",
    "prelu": """\
static void prelu(real *a, int n, const real *slope)
{
    for (int i = 0; i < n; i++)
        a[i] = a[i] > REAL(0.0) ? a[i] : slope[i] * a[i];
}
""",
    "embed": """\
/* y[dim] = the row of the table for a code; the last one for a code that is unknown, not whole or not a number */
static void embed(real code, const real *table, int n_codes, real *y, int dim)
{
    int row = n_codes;
    if (code >= REAL(0.0) && code < (real)n_codes && MATH(floor)(code) == code)
        row = (int)code;
    table += (ptrdiff_t)row * dim;
    for (int i = 0; i < dim; i++)
        y[i] = table[i];
}
""",
    "bounded": """\
/* x / sqrt(1 + (x / bound)^2), between -bound and bound; NaN stays. */
static double bounded(double x, double bound)
{
    const double largest = 1e100 * bound;
    const double y = x > largest ? largest : x < -largest ? -largest : x;
    return y / sqrt(1.0 + (y / bound) * (y / bound));
}
""",
    "code_of": """\
/* The place of x among n rising values, -1 where it is not among them; NaN stays. */
static double code_of(double x, const double *values, int n)
{
    int below = 0, end = n;
    while (below < end) {
        const int middle = below + (end - below) / 2;
        if (values[middle] < x)
            below = middle + 1;
        else
            end = middle;
    }
    if (x != x)
        return x;
    return below < n && values[below] == x ? (double)below : -1.0;
}
""",
    "log1p_of_exp": """\
/* log(1 + exp(x)) */
static real log1p_of_exp(real x)
{
    return (x < REAL(0.0) ? REAL(0.0) : x) + MATH(log1p)(MATH(exp)(-MATH(fabs)(x)));
}
""",
    "softmax": """\
/* a[n] = exp(a) / sum of exp(a) */
static void softmax(real *a, int n)
{
    real largest = a[0], sum = REAL(0.0);
    for (int i = 1; i < n; i++)
        if (a[i] > largest)
            largest = a[i];
    for (int i = 0; i < n; i++) {
        a[i] = MATH(exp)(a[i] - largest);
        sum += a[i];
    }
    for (int i = 0; i < n; i++)
        a[i] /= sum;
}
""",
}

# An element-wise activation: the value for z, where p is its parameter.
ACTIVATIONS = {
    "relu": "z < REAL(0.0) ? REAL(0.0) : z",
    "leaky_relu": "z < REAL(0.0) ? p * z : z",
    "tanh": "MATH(tanh)(z)",
    "sigmoid": "REAL(1.0) / (REAL(1.0) + MATH(exp)(-z))",
    "gelu": "REAL(0.5) * z * MATH(erfc)(z * REAL(-0.70710678118654752440))",
    "gelu_tanh": (
        "REAL(0.5) * z * (REAL(1.0) + MATH(tanh)(REAL(0.79788456080286535588) * (z + REAL(0.044715) * z * z * z)))"
    ),
    "silu": "z / (REAL(1.0) + MATH(exp)(-z))",
    "elu": "z > REAL(0.0) ? z : p * MATH(expm1)(z)",
    "selu": "REAL(1.0507009873554804934) * (z > REAL(0.0) ? z : REAL(1.6732632423543772848) * MATH(expm1)(z))",
    "softplus": "log1p_of_exp(z)",
    "exp": "MATH(exp)(z)",
    "softsign": "z / (REAL(1.0) + MATH(fabs)(z))",
    "mish": "z * MATH(tanh)(log1p_of_exp(z))",
    "hard_sigmoid": "z < REAL(-3.0) ? REAL(0.0) : z > REAL(3.0) ? REAL(1.0) : (z + REAL(3.0)) / REAL(6.0)",
    "hard_swish": "z < REAL(-3.0) ? REAL(0.0) : z > REAL(3.0) ? z : z * ((z + REAL(3.0)) / REAL(6.0))",
}

FUNCTIONS |= {
    f"parametric_{name}": f"""\
/* a[n] = alpha * {name}(a) + (1 - alpha) * a */
static void parametric_{name}(real *a, int n, const real *alpha)
{{
    for (int i = 0; i < n; i++) {{
        const real z = a[i];
        a[i] = alpha[i] * ({ACTIVATIONS[name]}) + (REAL(1.0) - alpha[i]) * z;
    }}
}}
"""
    for name in ("mish", "selu", "silu", "relu")
}
