"""The layers of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastbp.activations import ACTIVATIONS, Activation
from fastbp.checks import check_int
from fastbp.initializers import INITIALIZERS, Initializer
from fastbp.registry import from_config, resolve, shorthand, to_config
from fastbp.schedules import SCHEDULES, Schedule, as_schedule

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
    rate : float or schedule
        0 <= rate < 1. A schedule gives one for every step or epoch, as for a learning rate; so does a function of the
        number of steps done.

    Raises
    ------
    TypeError, ValueError
        If it is not. A schedule that leaves these bounds is refused by ``fit`` and ``step``.
    """

    rate: float | Schedule

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule(self.rate, "rate", at_least=0, below=1))

    def __repr__(self) -> str:
        return f"Dropout({self.rate!r})" if isinstance(self.rate, Schedule) else f"Dropout({self.rate:g})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data; but a function in it stays one."""
        return {"type": "dropout", "rate": to_config(self.rate) if isinstance(self.rate, Schedule) else self.rate}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Dropout:
        """Return the layer that ``to_config`` wrote down."""
        rate = config["rate"]
        return cls(from_config(rate, SCHEDULES, "rate") if isinstance(rate, Mapping) else rate)


Layer = Dense | Dropout

LAYERS: dict[str, type[Dense] | type[Dropout]] = {"dense": Dense, "dropout": Dropout}
