"""The layers of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastbp.activations import ACTIVATIONS, Activation
from fastbp.checks import check_int, check_number
from fastbp.initializers import INITIALIZERS, Initializer
from fastbp.registry import from_config, resolve, shorthand, to_config

__all__ = ["LAYERS", "Dense", "Dropout", "Layer"]


@dataclass(frozen=True, init=False, repr=False)
class Dense:
    """A layer in which every unit sees every input: A = activation(X @ W + b).

    Parameters
    ----------
    units : int
        How many outputs the layer has.
    activation : str or Activation, default "linear"
        "linear", "relu", "leaky_relu", "tanh", "sigmoid", "softmax", "gelu", "gelu_tanh", "silu", "elu", "selu",
        "softplus", "softsign", "mish", "hard_sigmoid", "hard_swish", or an object such as ``fb.LeakyReLU(slope=0.2)``.
    initializer : str or Initializer, default "auto"
        How W begins: "he", "glorot", "lecun", "zeros", "normal", "uniform", or an object such as
        ``fb.He("uniform")``. "auto" is Glorot for linear and the activations that level off on both sides (tanh,
        sigmoid, softmax, softsign, hard_sigmoid), LeCun for selu, and He for the others. b begins at zero.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.
    """

    units: int
    activation: Activation
    initializer: Initializer

    def __init__(
        self, units: int, activation: Activation | str = "linear", initializer: Initializer | str = "auto"
    ) -> None:
        function = resolve(activation, ACTIVATIONS, "activation")
        if isinstance(initializer, str) and initializer == "auto":
            initializer = function.initializer
        object.__setattr__(self, "units", check_int(units, "units"))
        object.__setattr__(self, "activation", function)
        object.__setattr__(self, "initializer", resolve(initializer, INITIALIZERS, "initializer"))

    def __repr__(self) -> str:
        text = f"Dense({self.units}, {shorthand(self.activation, ACTIVATIONS)}"
        if self.initializer != INITIALIZERS[self.activation.initializer]():
            text += f", initializer={shorthand(self.initializer, INITIALIZERS)}"
        return f"{text})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {
            "type": "dense",
            "units": self.units,
            "activation": to_config(self.activation),
            "initializer": to_config(self.initializer),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Dense:
        """Return the layer that ``to_config`` wrote down."""
        return cls(
            config["units"],
            from_config(config["activation"], ACTIVATIONS, "activation"),
            from_config(config["initializer"], INITIALIZERS, "initializer"),
        )


@dataclass(frozen=True)
class Dropout:
    """In training, each number that passes becomes 0 with probability ``rate``, and the others grow by 1 / (1 - rate).

    Which ones is drawn anew for every step, from the trainer's seed, the step's number and the number's place. In
    ``predict``, ``evaluate`` and ``loss_and_gradients`` all numbers pass as they are (Srivastava et al., 2014).

    Parameters
    ----------
    rate : float
        0 <= rate < 1.

    Raises
    ------
    TypeError, ValueError
        If it is not.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", check_number(self.rate, "rate", at_least=0, below=1))

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": "dropout", "rate": self.rate}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Dropout:
        """Return the layer that ``to_config`` wrote down."""
        return cls(config["rate"])


Layer = Dense | Dropout

LAYERS: dict[str, type[Dense] | type[Dropout]] = {"dense": Dense, "dropout": Dropout}
