"""The activations as ONNX operators.

Only operators that ONNX Runtime computes in both dtypes: it has no float64 kernel for Elu, Selu, Softplus, Softsign,
HardSigmoid, HardSwish, Gelu, Mish and Erf, so these are composed. A composition is exact where a limit would otherwise
give infinity minus infinity, or an overflow.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import DTypeLike

from fastbp.exchange.onnx_graph import Graph

__all__ = ["activate"]

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848  # Klambauer et al., 2017
_ERFC_TERMS, _ERFC_CENTRE = 29, 2.5


def activate(graph: Graph, x: str, name: str, parameter: float, dtype: DTypeLike) -> str:
    """Return the activation of that name of x, shape (rows, units).

    Parameters
    ----------
    graph : Graph
    x : str
    name : str
        As in the registry of activations; all but prelu and parametric, which are stages.
    parameter : float
        The slope of leaky_relu, the alpha of elu.
    dtype : float32 or float64
        Of x.
    """
    return _FUNCTIONS[name](_Numbers(graph, dtype), x, parameter)


class _Numbers:
    """Operators between tensors, and with numbers, of one dtype."""

    def __init__(self, graph: Graph, dtype: DTypeLike) -> None:
        self.graph, self.dtype = graph, np.dtype(dtype)

    def do(self, operator: str, *inputs: str | float) -> str:
        """Return the result of an operator; numbers become constants."""
        return self.graph.add(operator, *(each if isinstance(each, str) else self.number(each) for each in inputs))

    def number(self, value: float) -> str:
        return self.graph.constant(value, self.dtype)

    def negative_part(self, x: str) -> str:
        """min(x, 0); NaN stays."""
        return self.do("Where", self.do("Greater", x, 0.0), 0.0, x)


def _same(n: _Numbers, x: str, parameter: float) -> str:
    return x


def _relu(n: _Numbers, x: str, parameter: float) -> str:
    return n.graph.add("Relu", x)


def _leaky_relu(n: _Numbers, x: str, parameter: float) -> str:
    return n.do("Where", n.do("Less", x, 0.0), n.do("Mul", x, parameter), x)


def _one(operator: str, **attributes: int) -> Callable[[_Numbers, str, float], str]:
    """Return the function that is one operator."""
    return lambda n, x, parameter: n.graph.add(operator, x, **attributes)


def _silu(n: _Numbers, x: str, parameter: float) -> str:
    return n.do("Mul", x, n.graph.add("Sigmoid", x))


def _elu(n: _Numbers, x: str, alpha: float) -> str:
    """x above 0, alpha (exp(x) - 1) below."""
    below = n.do("Mul", n.do("Sub", n.do("Exp", n.negative_part(x)), 1.0), alpha)
    return n.do("Where", n.do("Greater", x, 0.0), x, below)


def _selu(n: _Numbers, x: str, parameter: float) -> str:
    return n.do("Mul", _elu(n, x, _SELU_ALPHA), _SELU_SCALE)


def _softplus(n: _Numbers, x: str, parameter: float) -> str:
    """max(x, 0) + log(1 + exp(-|x|))."""
    small = n.do("Log", n.do("Add", n.do("Exp", n.do("Neg", n.do("Abs", x))), 1.0))
    return n.do("Add", n.do("Relu", x), small)


def _softsign(n: _Numbers, x: str, parameter: float) -> str:
    return n.do("Div", x, n.do("Add", n.do("Abs", x), 1.0))


def _mish(n: _Numbers, x: str, parameter: float) -> str:
    return n.do("Mul", x, n.do("Tanh", _softplus(n, x, parameter)))


def _hard_sigmoid(n: _Numbers, x: str, parameter: float) -> str:
    return n.do("Clip", n.do("Mul", n.do("Add", x, 3.0), 1 / 6), 0.0, 1.0)


def _hard_swish(n: _Numbers, x: str, parameter: float) -> str:
    return n.do("Mul", x, _hard_sigmoid(n, x, parameter))


def _gelu_tanh(n: _Numbers, x: str, parameter: float) -> str:
    """x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3); beyond 30 the tanh is 1, where x^3 may overflow."""
    near = n.do("Clip", x, -30.0, 30.0)
    cubic = n.do("Add", n.do("Mul", n.do("Mul", near, near), 0.044715), 1.0)
    u = n.do("Mul", n.do("Mul", near, math.sqrt(2 / math.pi)), cubic)
    return n.do("Mul", x, n.do("Mul", n.do("Add", n.do("Tanh", u), 1.0), 0.5))


def _gelu(n: _Numbers, x: str, parameter: float) -> str:
    """x (1 + erf(x / sqrt(2))) / 2."""
    if n.dtype == np.float64:
        return n.do("Mul", x, _normal(n, x))
    erf = n.do("Erf", n.do("Div", x, math.sqrt(2)))
    return n.do("Mul", n.do("Mul", x, n.do("Add", erf, 1.0)), 0.5)


def _normal(n: _Numbers, x: str) -> str:
    """The normal distribution function, erfc(-x / sqrt(2)) / 2, of basic operators.

    erfc(y) = exp(-y^2) p(u) for y >= 0, u = (y - c) / (y + c) from -1 to 1 and p a polynomial. It goes on to y = 27,
    beyond which erfc is 0.
    """
    y = n.do("Clip", n.do("Div", n.do("Abs", x), math.sqrt(2)), 0.0, 27.0)
    u = n.do("Div", n.do("Sub", y, _ERFC_CENTRE), n.do("Add", y, _ERFC_CENTRE))
    *rest, highest = _erfc_coefficients()
    p = n.number(highest)
    for coefficient in reversed(rest):
        p = n.do("Add", n.do("Mul", p, u), coefficient)
    half = n.do("Mul", n.do("Mul", n.do("Exp", n.do("Neg", n.do("Mul", y, y))), p), 0.5)  # of erfc(|x| / sqrt(2))
    return n.do("Where", n.do("Greater", x, 0.0), n.do("Sub", 1.0, half), half)


@functools.cache
def _erfc_coefficients() -> tuple[float, ...]:
    """Return the polynomial in u whose product with exp(-y^2) is erfc(y), by Chebyshev interpolation; error 1e-14."""

    def scaled(u: float) -> float:
        y = _ERFC_CENTRE * (1 + u) / (1 - u)
        if y < 6:
            return math.erfc(y) * math.exp(y * y)
        tail = 0.0  # Laplace's continued fraction (Abramowitz and Stegun, 7.1.14)
        for k in range(60, 0, -1):
            tail = k / 2 / (y + tail)
        return 1 / math.sqrt(math.pi) / (y + tail)

    fit = chebyshev.chebinterpolate(np.vectorize(scaled), _ERFC_TERMS - 1)
    return tuple(float(each) for each in chebyshev.cheb2poly(fit))


_FUNCTIONS: dict[str, Callable[[_Numbers, str, float], str]] = {
    "linear": _same,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "tanh": _one("Tanh"),
    "sigmoid": _one("Sigmoid"),
    "softmax": _one("Softmax", axis=1),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "elu": _elu,
    "selu": _selu,
    "softplus": _softplus,
    "exp": _one("Exp"),
    "softsign": _softsign,
    "mish": _mish,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _hard_swish,
}
