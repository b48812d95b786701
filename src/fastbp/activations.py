"""What a layer makes of its weighted sums: A = activation(Z).

A new activation is a class here, an entry in ACTIVATIONS and its formula in csrc/kernels/activation.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastbp.checks import check_number

__all__ = ["ACTIVATIONS", "GELU", "Activation", "LeakyReLU", "Linear", "ReLU", "SiLU", "Sigmoid", "Softmax", "Tanh"]


@dataclass(frozen=True)
class Activation:
    """What all activations have: a name, the initializer that suits them, and at most one parameter."""

    name: ClassVar[str]
    initializer: ClassVar[str]  # what "auto" stands for in a layer with this activation

    @property
    def parameter(self) -> float:
        """The number that the kernel wants beside Z."""
        return 0.0


class Linear(Activation):
    """A = Z: no activation."""

    name = "linear"
    initializer = "glorot"


class ReLU(Activation):
    """A = max(Z, 0); the slope at 0 is 0."""

    name = "relu"
    initializer = "he"


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """A = Z where Z > 0, else slope * Z.

    Parameters
    ----------
    slope : float, default 0.01
        The slope below zero, 0 <= slope < 1.
    """

    slope: float = 0.01
    name = "leaky_relu"
    initializer = "he"

    def __post_init__(self) -> None:
        object.__setattr__(self, "slope", check_number(self.slope, "slope", at_least=0, below=1))

    @property
    def parameter(self) -> float:
        """The slope below zero."""
        return self.slope


class Tanh(Activation):
    """A = tanh(Z), between -1 and 1."""

    name = "tanh"
    initializer = "glorot"


class Sigmoid(Activation):
    """A = 1 / (1 + exp(-Z)), between 0 and 1: the probability of yes, for each unit by itself."""

    name = "sigmoid"
    initializer = "glorot"


class Softmax(Activation):
    """A = exp(Z) / sum over the units of exp(Z): a probability for each unit, one in all."""

    name = "softmax"
    initializer = "glorot"


class GELU(Activation):
    """A = Z * Phi(Z) with the normal distribution function Phi, computed exactly and not by the tanh formula."""

    name = "gelu"
    initializer = "he"


class SiLU(Activation):
    """A = Z * sigmoid(Z), also known as swish."""

    name = "silu"
    initializer = "he"


ACTIVATIONS: dict[str, type[Activation]] = {
    cls.name: cls for cls in (Linear, ReLU, LeakyReLU, Tanh, Sigmoid, Softmax, GELU, SiLU)
}
