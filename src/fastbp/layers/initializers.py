"""Initial weights of a layer; biases are initially zero.

He, Glorot and LeCun keep the variance of the activations constant from layer to layer: He for rectifiers, which set
half of them to zero; Glorot (also known as Xavier) for symmetric activations, forward and backward; LeCun forward only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.support.checks import check_number, check_word

__all__ = [
    "INITIALIZERS",
    "Glorot",
    "He",
    "Initializer",
    "InitializerLike",
    "InitializerName",
    "LeCun",
    "Normal",
    "Uniform",
    "Zeros",
    "make_generator",
]

Distribution = Literal["normal", "uniform"]
Weights = NDArray[np.float64]


def make_generator(seed: int, layer: int) -> np.random.Generator:
    """Return the random number generator of one layer: a separate stream for each seed and layer."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, layer], dtype=np.uint64)))


@dataclass(frozen=True)
class Initializer:
    """The base of all initializers: a name, and a method that draws the weights of a layer."""

    name: ClassVar[str]

    def draw(self, generator: np.random.Generator, n_inputs: int, n_units: int) -> Weights:
        """Return W of shape (n_inputs, n_units), float64."""
        raise NotImplementedError


@dataclass(frozen=True)
class _ScaledByFan(Initializer):
    """Random weights of mean 0 and a variance that depends on the numbers of inputs and units."""

    distribution: Distribution = "normal"

    def __post_init__(self) -> None:
        check_word(self.distribution, "distribution", ("normal", "uniform"))

    def variance(self, n_inputs: int, n_units: int) -> float:
        raise NotImplementedError

    def draw(self, generator: np.random.Generator, n_inputs: int, n_units: int) -> Weights:
        """Return W of shape (n_inputs, n_units), float64."""
        variance = self.variance(n_inputs, n_units)
        shape = (n_inputs, n_units)
        if self.distribution == "normal":
            return generator.normal(0.0, math.sqrt(variance), shape)
        limit = math.sqrt(3.0 * variance)  # the uniform distribution on [-limit, limit] has this variance
        return generator.uniform(-limit, limit, shape)


class He(_ScaledByFan):
    """Variance 2 / inputs (He et al., 2015): for the relu family and its smooth relatives.

    Parameters
    ----------
    distribution : {"normal", "uniform"}, default "normal"

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1000, initializer=fb.He())], inputs=50, seed=0)
    >>> round(float(model.get_weights()[0].std()), 2)
    0.2
    """

    name = "he"

    def variance(self, n_inputs: int, n_units: int) -> float:
        """Return the variance of the weights."""
        return 2.0 / n_inputs


@dataclass(frozen=True)
class Glorot(_ScaledByFan):
    """Variance 2 / (inputs + units) (Glorot and Bengio, 2010): for linear, tanh, sigmoid and softmax.

    Parameters
    ----------
    distribution : {"uniform", "normal"}, default "uniform"

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1000, initializer=fb.Glorot())], inputs=50, seed=0)
    >>> round(float(model.get_weights()[0].std()), 2)
    0.04
    """

    distribution: Distribution = "uniform"
    name = "glorot"

    def variance(self, n_inputs: int, n_units: int) -> float:
        """Return the variance of the weights."""
        return 2.0 / (n_inputs + n_units)


class LeCun(_ScaledByFan):
    """Variance 1 / inputs (LeCun et al., 1998).

    Parameters
    ----------
    distribution : {"normal", "uniform"}, default "normal"

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1000, initializer=fb.LeCun())], inputs=50, seed=0)
    >>> round(float(model.get_weights()[0].std()), 2)
    0.14
    """

    name = "lecun"

    def variance(self, n_inputs: int, n_units: int) -> float:
        """Return the variance of the weights."""
        return 1.0 / n_inputs


class Zeros(Initializer):
    """All weights 0. Units that begin equal stay equal, so use it in networks of one layer only.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.Model([fb.Dense(2, initializer="zeros")], inputs=1).get_weights()[0].tolist()
    [[0.0, 0.0]]
    """

    name = "zeros"

    def draw(self, generator: np.random.Generator, n_inputs: int, n_units: int) -> Weights:
        """Return W of shape (n_inputs, n_units), float64."""
        return np.zeros((n_inputs, n_units))


@dataclass(frozen=True)
class Normal(Initializer):
    """Weights from a normal distribution.

    Parameters
    ----------
    mean : float, default 0.0
    standard_deviation : float, default 0.05

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1000, initializer=fb.Normal(standard_deviation=0.1))], inputs=50, seed=0)
    >>> round(float(model.get_weights()[0].std()), 2)
    0.1
    """

    mean: float = 0.0
    standard_deviation: float = 0.05
    name = "normal"

    def __post_init__(self) -> None:
        _store(self, "mean", check_number(self.mean, "mean"))
        deviation = check_number(self.standard_deviation, "standard_deviation", at_least=0)
        _store(self, "standard_deviation", deviation)

    def draw(self, generator: np.random.Generator, n_inputs: int, n_units: int) -> Weights:
        """Return W of shape (n_inputs, n_units), float64."""
        return generator.normal(self.mean, self.standard_deviation, (n_inputs, n_units))


@dataclass(frozen=True)
class Uniform(Initializer):
    """Weights from a uniform distribution.

    Parameters
    ----------
    low : float, default -0.05
    high : float, default 0.05
        Above ``low``.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1000, initializer=fb.Uniform(-0.1, 0.1))], inputs=50, seed=0)
    >>> round(float(model.get_weights()[0].std()), 2)
    0.06
    """

    low: float = -0.05
    high: float = 0.05
    name = "uniform"

    def __post_init__(self) -> None:
        _store(self, "low", check_number(self.low, "low"))
        _store(self, "high", check_number(self.high, "high", above=self.low))
        check_number(self.high - self.low, "high - low")

    def draw(self, generator: np.random.Generator, n_inputs: int, n_units: int) -> Weights:
        """Return W of shape (n_inputs, n_units), float64."""
        return generator.uniform(self.low, self.high, (n_inputs, n_units))


def _store(frozen: Initializer, field: str, value: Any) -> None:
    object.__setattr__(frozen, field, value)


InitializerName: TypeAlias = Literal["he", "glorot", "lecun", "zeros", "normal", "uniform"]
InitializerLike: TypeAlias = Literal["auto"] | InitializerName | str | Initializer

INITIALIZERS: dict[str, type[Initializer]] = {cls.name: cls for cls in (He, Glorot, LeCun, Zeros, Normal, Uniform)}
