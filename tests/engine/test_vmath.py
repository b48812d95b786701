"""The vector mathematics of csrc/kernels/vmath.h: accuracy over the whole range, edges, symmetries, odd lengths."""

import math
from functools import cache

import numpy as np
import pytest

from fastbp.engine import kernels

FUNCTIONS = ("exp", "expm1", "log", "tanh", "sigmoid", "normal_cdf", "sine_of_turns", "cosine_of_turns")
DTYPES = (np.float32, np.float64)
ISAS = kernels.available_isas()

# The largest errors, in ulp, that vmath.h states. The normal distribution has another one left of -1.
BOUNDS = {"exp": 1.0, "expm1": 1.5, "log": 0.9, "tanh": 1.5, "sigmoid": 2.0, "normal_cdf": 5.0}
BOUNDS |= {"sine_of_turns": 1.6, "cosine_of_turns": 1.6}
NORMAL_CDF_TAIL_BOUND = 8.0

# Where each function has finite, non-constant values: swept densely on top of every exponent.
RANGES = {
    ("exp", np.float32): (-104, 89),
    ("exp", np.float64): (-746, 710),
    ("expm1", np.float32): (-20, 0),
    ("expm1", np.float64): (-40, 0),
    ("log", np.float32): (0, 8),
    ("log", np.float64): (0, 8),
    ("tanh", np.float32): (-11, 11),
    ("tanh", np.float64): (-23, 23),
    ("sigmoid", np.float32): (-104, 20),
    ("sigmoid", np.float64): (-746, 40),
    ("normal_cdf", np.float32): (-15, 7),
    ("normal_cdf", np.float64): (-39, 9),
    ("sine_of_turns", np.float32): (-3, 3),
    ("sine_of_turns", np.float64): (-3, 3),
    ("cosine_of_turns", np.float32): (-3, 3),
    ("cosine_of_turns", np.float64): (-3, 3),
}

each_isa = pytest.mark.parametrize("isa", ISAS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def evaluate(name, values, dtype, isa):
    return kernels.evaluate_function(name, np.asarray(values, dtype=dtype), isa=isa)


def every_exponent(dtype, mantissas):
    """Finite numbers: the corners of every binade of either sign, the denormals', and some fractions in between."""
    info = np.finfo(dtype)
    unsigned = np.dtype(f"u{info.bits // 8}")
    exponents = np.arange(2 ** (info.bits - 1 - info.nmant) - 1, dtype=unsigned)
    last = 2**info.nmant - 1
    fractions = np.random.default_rng(1).integers(0, last, mantissas, dtype=unsigned, endpoint=True)
    fractions = np.concatenate([np.array([0, 1, 2, last - 1, last], dtype=unsigned), fractions])
    bits = (exponents[:, None] << unsigned.type(info.nmant)) | fractions
    positive = bits.ravel().view(dtype)
    return np.concatenate([positive, -positive])


@cache
def sweep(name, dtype):
    low, high = RANGES[name, dtype]
    dense = np.random.default_rng(2).uniform(low, high, 200_000)
    around_zero = np.random.default_rng(3).uniform(-2, 2, 50_000)
    mantissas = 300 if dtype is np.float32 else 40
    x = np.concatenate([every_exponent(dtype, mantissas), dense.astype(dtype), around_zero.astype(dtype)])
    return x[x > 0] if name == "log" else x[x <= 0] if name == "expm1" else x


def formula(name, x):
    """The function in the arithmetic of x."""
    if name == "sigmoid":
        e = np.exp(-np.abs(x))
        return np.where(x < 0, e, 1) / (1 + e)
    if name == "normal_cdf":
        return np.array([math.erfc(-value * math.sqrt(0.5)) / 2 for value in x.tolist()])
    if name == "sine_of_turns":
        return sine_of_turns(x)
    if name == "cosine_of_turns":
        return sine_of_turns(0.25 - np.abs(x - np.rint(x)))
    return getattr(np, name)(x)


def sine_of_turns(x):
    """sin(2 pi x), with whole and half turns taken off, which is exact."""
    x = x - np.rint(x)
    rest = np.where(np.abs(x) > 0.25, np.copysign(0.5, x) - x, x)
    return np.sin(
        2 * np.pi * rest if x.dtype == np.float64 else np.longdouble("6.28318530717958647692528676655900577") * rest
    )


@cache
def swept_reference(name, dtype):
    """The function over sweep(name, dtype), in an arithmetic with at least eleven bits more."""
    wide = np.float64 if dtype is np.float32 else np.longdouble
    with np.errstate(all="ignore"):
        return formula(name, sweep(name, dtype).astype(wide))


def ulp_errors(y, reference, dtype):
    """|y - reference| in units in the last place of the reference; 0 where both overflow."""
    info = np.finfo(dtype)
    _, exponent = np.frexp(reference)
    ulp = np.ldexp(reference.dtype.type(1), np.maximum(exponent - 1, info.minexp) - info.nmant)
    with np.errstate(all="ignore"):
        both_overflow = np.isinf(reference.astype(dtype)) & (y == reference.astype(dtype))
        return np.where(both_overflow, 0, np.abs(y - reference) / ulp)


def assert_accurate(name, x, y, reference, bound):
    errors = ulp_errors(y, reference, x.dtype.type)
    worst = np.argmax(errors)  # a NaN counts as the largest
    assert errors[worst] <= bound, f"{name}({x[worst]!r}) = {y[worst]!r}: {float(errors[worst]):.3f} ulp"


@each_isa
@each_function
def test_accuracy_in_float32(name, isa):
    x = sweep(name, np.float32)
    y = evaluate(name, x, np.float32, isa)
    reference = swept_reference(name, np.float32)
    tail = (x < -1) & (name == "normal_cdf")
    assert y.dtype == np.float32
    assert_accurate(name, x[~tail], y[~tail], reference[~tail], BOUNDS[name])
    if tail.any():
        assert_accurate(name, x[tail], y[tail], reference[tail], NORMAL_CDF_TAIL_BOUND)


@pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than float64 here: nothing to measure against"
)
@each_isa
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "normal_cdf"])
def test_accuracy_in_float64(name, isa):
    x = sweep(name, np.float64)
    y = evaluate(name, x, np.float64, isa)
    assert y.dtype == np.float64
    assert_accurate(name, x, y, swept_reference(name, np.float64), BOUNDS[name])


@cache
def normal_cdf_points():
    """Float64 arguments of the normal distribution and its values there, as mpmath's numbers of 120 bits."""
    mpmath = pytest.importorskip("mpmath")
    random = np.random.default_rng(4)
    tiny = np.ldexp(random.uniform(-1, 1, 200), random.integers(-1074, 0, 200))
    x = np.concatenate([random.uniform(-39, 9, 2000), random.uniform(-1, 0.5, 2000), tiny])
    with mpmath.workprec(120):
        return x, [mpmath.erfc(-mpmath.mpf(value) / mpmath.sqrt(2)) / 2 for value in x.tolist()]


@each_isa
def test_accuracy_of_normal_cdf_in_float64(isa):
    x, exact = normal_cdf_points()
    y = evaluate("normal_cdf", x, np.float64, isa)
    for argument, value, expected in zip(x.tolist(), y.tolist(), exact, strict=True):
        error = float(abs(value - expected) / math.ulp(float(expected)))
        bound = NORMAL_CDF_TAIL_BOUND if argument < -1 else BOUNDS["normal_cdf"]
        assert error <= bound, f"normal_cdf({argument!r}) = {value!r}: {error:.3f} ulp"


@each_isa
@each_dtype
@pytest.mark.parametrize("name", ["sine_of_turns", "cosine_of_turns"])
def test_turns_of_any_size_against_mpmath(name, dtype, isa):
    """Also where numbers are so large that all of them are whole turns; near the zeros in ulp of what is there."""
    mpmath = pytest.importorskip("mpmath")
    random = np.random.default_rng(6)
    magnitudes = np.ldexp(random.uniform(-1, 1, 2000), random.integers(-140, 120, 2000))
    near_zeros = random.integers(-40, 40, 500) / 4 * (1 + random.integers(-4, 5, 500) * np.finfo(dtype).eps)
    x = np.concatenate([magnitudes, near_zeros, random.uniform(-300, 300, 2000)]).astype(dtype)
    y = evaluate(name, x, dtype, isa)
    assert np.isfinite(y).all()
    function = mpmath.sinpi if name == "sine_of_turns" else mpmath.cospi
    with mpmath.workprec(400):
        exact = [function(2 * mpmath.mpf(value)) for value in x.tolist()]
    for argument, value, expected in zip(x.tolist(), y.tolist(), exact, strict=True):
        ulp = np.spacing(np.maximum(dtype(abs(float(expected))), np.finfo(dtype).tiny))
        error = float(abs(mpmath.mpf(value) - expected) / mpmath.mpf(float(ulp)))
        assert error <= BOUNDS[name], f"{name}({argument!r}) = {value!r}: {error:.3f} ulp"


def edges(name, dtype):
    """Arguments and the exact results, down to the sign of zero."""
    info = np.finfo(dtype)
    inf, nan, tiny, huge, denormal = np.inf, np.nan, info.tiny, info.max, info.smallest_subnormal
    pairs = {
        "exp": [(0.0, 1), (-0.0, 1), (inf, inf), (-inf, 0.0), (huge, inf), (-huge, 0.0), (denormal, 1), (-tiny, 1)],
        "expm1": [(0.0, 0.0), (-inf, -1), (-huge, -1), (-denormal, -denormal), (-tiny, -tiny)],
        "log": [(1, 0.0), (0.0, -inf), (-0.0, -inf), (inf, inf)] + [(x, nan) for x in (-inf, -1, -denormal, -huge)],
        "tanh": [(x, x) for x in (0.0, -0.0, denormal, -denormal, 3 * denormal, tiny, -tiny)]
        + [(inf, 1), (-inf, -1), (huge, 1), (-huge, -1)],
        "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (inf, 1), (-inf, 0.0), (huge, 1), (-huge, 0.0), (denormal, 0.5)],
        "normal_cdf": [(0.0, 0.5), (-0.0, 0.5), (inf, 1), (-inf, 0.0), (huge, 1), (-huge, 0.0), (-denormal, 0.5)],
        "sine_of_turns": [(x, x) for x in (0.0, -0.0)]
        + [(x, nan) for x in (inf, -inf)]
        + [(0.25, 1), (-0.25, -1), (0.75, -1), (1, 0.0), (1e6, 0.0), (huge, 0.0), (-huge, 0.0)],
        "cosine_of_turns": [(x, 1) for x in (0.0, -0.0, denormal, tiny, 1, -1, 1e6, huge, -huge)]
        + [(0.5, -1), (-0.5, -1), (1.5, -1)]
        + [(x, nan) for x in (inf, -inf)],
    }
    return pairs[name] + [(nan, nan), (-nan, nan)]


@each_isa
@each_dtype
@each_function
def test_edges(name, dtype, isa):
    x, expected = np.array(edges(name, dtype), dtype=dtype).T
    y = evaluate(name, x, dtype, isa)
    np.testing.assert_array_equal(y, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[numbers]), np.signbit(expected[numbers]))


@each_isa
@each_dtype
def test_exp_meets_both_ends_of_the_format(dtype, isa):
    """Finite up to log(max), infinite just after; denormal down to log(smallest / 2), zero just after."""
    info = np.finfo(dtype)
    largest = dtype(np.log(info.max))  # rounded: the float below is certainly below log(max), the second above it above
    assert np.isfinite(evaluate("exp", [np.nextafter(largest, dtype(0))], dtype, isa))[0]
    above = np.nextafter(np.nextafter(largest, dtype(np.inf)), dtype(np.inf))
    assert np.isposinf(evaluate("exp", [above], dtype, isa))[0]

    smallest = dtype((info.minexp - info.nmant - 1) * math.log(2))
    inside, outside = smallest * (1 - 4 * info.eps), smallest * (1 + 4 * info.eps)
    assert evaluate("exp", [inside], dtype, isa)[0] == info.smallest_subnormal
    assert evaluate("exp", [outside], dtype, isa)[0] == 0


@each_isa
@each_dtype
def test_powers_of_two(dtype, isa):
    """log(2^k) = k log(2), denormals included."""
    info = np.finfo(dtype)
    k = np.arange(info.minexp - info.nmant, info.maxexp)
    y = evaluate("log", np.ldexp(dtype(1), k), dtype, isa)
    expected = (k * np.log(np.longdouble(2))).astype(dtype)
    assert np.all(np.abs(y - expected) <= np.spacing(np.abs(expected)))


@each_isa
@each_dtype
def test_symmetries(dtype, isa):
    x = np.abs(sweep("tanh", dtype))
    tanh = evaluate("tanh", x, dtype, isa)
    np.testing.assert_array_equal(evaluate("tanh", -x, dtype, isa), -tanh)
    assert np.all(tanh <= 1)
    assert np.all(tanh <= x)
    cdf, tail = evaluate("normal_cdf", x, dtype, isa), evaluate("normal_cdf", -x, dtype, isa)
    np.testing.assert_array_equal(cdf, 1 - tail)
    sigmoid, rest = evaluate("sigmoid", x, dtype, isa), evaluate("sigmoid", -x, dtype, isa)
    assert np.all(np.abs(sigmoid + rest - 1) <= 2 * np.finfo(dtype).eps)


@each_isa
@each_dtype
@each_function
def test_any_length_and_alignment(name, dtype, isa):
    """An element's bits depend neither on its place in a vector nor on how many follow it."""
    x = np.random.default_rng(5).uniform(0.01, 5, 80).astype(dtype)
    whole = evaluate(name, x, dtype, isa)
    for n in range(1, 41):  # every vector's length, one less and one more
        for start in (0, 1, 3):
            part = kernels.evaluate_function(name, x[start : start + n], isa=isa)
            np.testing.assert_array_equal(part, whole[start : start + n])


@each_isa
@each_dtype
@each_function
def test_special_values_stay_in_their_lane(name, dtype, isa):
    ordinary = np.linspace(0.5, 2, 32).astype(dtype)
    expected = evaluate(name, ordinary, dtype, isa)
    for special in (np.nan, np.inf, -np.inf, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal):
        x = ordinary.copy()
        x[::3] = special
        y = evaluate(name, x, dtype, isa)
        keep = np.arange(32) % 3 != 0
        np.testing.assert_array_equal(y[keep], expected[keep])
