"""The coefficients of vmath.h, computed and printed the way they stand there.

Run it with Python 3 and mpmath, and compare with the block of vmath.h that says so::

    python fit_vmath.py

Every function is fitted by the polynomial, or the quotient of polynomials, that agrees with it at Chebyshev's nodes:
within a small factor of the best there is, and found by one linear system. The comment above each array is the largest
relative error that the fit, before its coefficients are rounded, leaves in the function that vmath.h makes of it.
"""

from mpmath import mp, mpf

mp.prec = 240
LN2 = mp.log(2)


def fit(f, low, high, top, bottom=0, place=lambda t: t):
    """Coefficients, lowest power first, of the quotient P / Q that equals f at the Chebyshev nodes of [low, high].

    `top` and `bottom` are the degrees of P and Q, whose constant is 1. `place` maps a node to the argument of f.
    """
    n = top + bottom + 1
    system, right = mp.matrix(n, n), mp.matrix(n, 1)
    for i in range(n):
        node = (low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n))
        x = place(node)
        y = f(x)
        # P(x) / y - (Q(x) - 1) = 1, which keeps the rows alike in size where f spans decades.
        for power in range(top + 1):
            system[i, power] = x**power / y
        for power in range(1, bottom + 1):
            system[i, top + power] = -(x**power)
        right[i] = 1
    solution = list(mp.lu_solve(system, right))
    return solution[: top + 1], [mpf(1), *solution[top + 1 :]]


def worst(f, P, Q, low, high, weight, place=lambda t: t):
    """The largest |P / Q - f| * weight on [low, high], as a power of two."""
    largest = mpf(0)
    for i in range(1, 1000):
        x = place(low + (high - low) * i / 1000)
        largest = max(largest, abs((mp.polyval(P[::-1], x) / mp.polyval(Q[::-1], x) - f(x)) * weight(x)))
    return float(mp.log(largest, 2))


def rounded(x, bits):
    """x rounded to that number of significant bits."""
    with mp.workprec(bits):
        return +x


def literal(x, dtype):
    """The shortest decimal that reads back as x rounded to the dtype."""
    bits, digits = {"f32": (24, 9), "f64": (53, 17)}[dtype]
    x = rounded(x, bits)
    for n in range(1, digits + 1):
        text = mp.nstr(x, n, min_fixed=-4, max_fixed=1, strip_zeros=False)
        if rounded(mpf(text), bits) == x:
            break
    return text + ("f" if dtype == "f32" else "")


def print_array(name, coefficients, dtype, error=None):
    """One C array, highest power first."""
    if error is not None:
        print(f"/* 2^{error:.1f} */")
    words = [literal(c, dtype) for c in reversed(coefficients)]
    line, lines = "   ", []
    for word in words:
        if len(line) + len(word) + 2 > 118:
            lines.append(line)
            line = "   "
        line += f" {word},"
    lines.append(line)
    print(f"static const real NAME({name})[] = {{\n" + "\n".join(lines) + "\n};")


def exp_rest(r):
    """(exp(r) - 1 - r) / r^2"""
    return (mp.expm1(r) - r) / r**2 if abs(r) > mpf(10) ** -20 else mpf(1) / 2 + r / 6


def atanh_rest(z):
    """(2 atanh(s) / s - 2) / z, z = s^2, which is (log((1 + s) / (1 - s)) / s - 2) / z"""
    return (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z


def log1p_rest(v):
    """(log(1 + e) / t - 1) / v, v = t^2, t = 2 e / (2 + e)"""
    return atanh_rest(v / 4) / 8


def tanh_rest(z):
    """(tanh(x) / x - 1) / z, z = x^2"""
    return (mp.tanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z


def mills(a):
    """normal_cdf(-a) * exp(a^2 / 2)"""
    return mp.erfc(a / mp.sqrt(2)) * mp.exp(a**2 / 2) / 2


def sine_rest(z):
    """(sin(2 pi r) / r - 2 pi) / z, z = r^2"""
    r = mp.sqrt(z)
    return (mp.sin(2 * mp.pi * r) / r - 2 * mp.pi) / z


def cosine_rest(z):
    """(cos(2 pi r) - 1) / z, z = r^2"""
    return (mp.cos(2 * mp.pi * mp.sqrt(z)) - 1) / z


def print_turns(dtype, sine_degree, cosine_degree):
    """What the sine and the cosine of turns need; the low part of 2 pi is positive."""
    tau = 2 * mp.pi
    bits = {"f32": 24, "f64": 53}[dtype]
    high = mp.floor(tau * mpf(2) ** (bits - 3)) / mpf(2) ** (bits - 3)
    print(f"static const real NAME(tau_high) = {literal(high, dtype)};")
    print(f"static const real NAME(tau_low) = {literal(tau - high, dtype)};")

    end = mpf(1) / 64
    P, Q = fit(sine_rest, mpf(0), end, sine_degree)
    print_array("sine_rest", P, dtype, worst(sine_rest, P, Q, mpf(0), end, lambda z: z / tau))
    P, Q = fit(cosine_rest, mpf(0), end, cosine_degree)
    print_array("cosine_rest", P, dtype, worst(cosine_rest, P, Q, mpf(0), end, lambda z: z))


def print_coefficients(dtype, exp_degree, log_degree, log1p_degree, tanh_degrees, mills_degrees, far, middle):
    """The block of one dtype. `far` ends the range of mills; half of its nodes lie below `middle`."""
    steps = {"f32": 16, "f64": 42}[dtype]  # bits of ln2_high: n * ln2_high is exact for every n of vexp
    high = rounded(LN2, steps)
    for name, x in (
        ("log2_e", 1 / LN2),
        ("ln2_high", high),
        ("ln2_low", LN2 - high),
        ("sqrt_half", mp.sqrt(mpf(1) / 2)),
        ("density_at_0", 1 / mp.sqrt(2 * mp.pi)),
    ):
        print(f"static const real NAME({name}) = {literal(x, dtype)};")

    end = LN2 / 2 * mpf("1.001")
    P, Q = fit(exp_rest, -end, end, exp_degree)
    print_array("exp_rest", P, dtype, worst(exp_rest, P, Q, -end, end, lambda r: r**2 / mp.exp(r)))

    end = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
    P, Q = fit(atanh_rest, mpf(0), end, log_degree)
    print_array("log_rest", P, dtype, worst(atanh_rest, P, Q, mpf(0), end, lambda z: z / 2))

    end = mpf(4) / 9
    P, Q = fit(log1p_rest, mpf(0), end, log1p_degree)
    print_array("log1p_rest", P, dtype, worst(log1p_rest, P, Q, mpf(0), end, lambda v: v))

    end = mpf("0.625") ** 2
    P, Q = fit(tanh_rest, mpf(0), end, *tanh_degrees)
    print_array("tanh_top", P, dtype, worst(tanh_rest, P, Q, mpf(0), end, lambda z: z))
    print_array("tanh_bottom", Q, dtype)

    def place(t):
        return middle * (1 + t) / (1 - t)

    end = (far - middle) / (far + middle)
    P, Q = fit(mills, mpf(-1), end, *mills_degrees, place)
    print_array("mills_top", P, dtype, worst(mills, P, Q, mpf(-1), end, lambda a: 1 / mills(a), place))
    print_array("mills_bottom", Q, dtype)


if __name__ == "__main__":
    print("#if REAL_BITS == 32")
    print_coefficients("f32", 5, 2, 4, (1, 2), (4, 5), mpf("14.5"), mpf(3))
    print_turns("f32", 3, 3)
    print("#else")
    print_coefficients("f64", 10, 6, 9, (2, 3), (10, 11), mpf(39), mpf(4))
    print_turns("f64", 6, 6)
    print("#endif")
