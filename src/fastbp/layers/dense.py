"""The dense layer: a product with a weight matrix, a bias, an activation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.activations import ACTIVATIONS, ActivationLike
from fastbp.layers.activations import Activation as Function
from fastbp.layers.base import Layer, Parameter, Stage, activation_parameters, first_parameters, with_activation
from fastbp.layers.initializers import INITIALIZERS, Initializer, InitializerLike
from fastbp.support.checks import check_flag, check_int, check_number
from fastbp.support.registry import from_config, resolve, shorthand, to_config

__all__ = ["Dense"]


@dataclass(frozen=True, init=False, repr=False)
class Dense(Layer):
    """A fully connected layer: A = activation(X @ W + b).

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str or Activation, default "linear"
        "linear", "relu", "leaky_relu", "prelu", "parametric", "tanh", "sigmoid", "softmax", "gelu", "gelu_tanh",
        "silu", "elu", "selu", "softplus", "exp", "softsign", "mish", "hard_sigmoid", "hard_swish", or an object such as
        ``fb.LeakyReLU(slope=0.2)``.
    initializer : str or Initializer, default "auto"
        Initial values of W: "he", "glorot", "lecun", "zeros", "normal", "uniform", or an object such as
        ``fb.He("uniform")``. "auto" is Glorot for linear, exp and the activations that saturate on both sides (tanh,
        sigmoid, softmax, softsign, hard_sigmoid), LeCun for selu, and He for the others. b is initially zero.
    use_bias : bool, default True
        Whether there is a b. It has no effect directly before a layer that normalises to mean 0.
    trainable : bool, default True
        Whether training changes W and b. If not, their gradient is not computed, nor is the gradient of the layer's
        inputs where no layer before it is trainable; ``loss_and_gradients`` returns zeros for it.
    l1, l2 : float, default 0.0
        Penalties: l1 * sum(|W|) + l2 * sum(W²) is added to the loss in training, ``evaluate`` and
        ``loss_and_gradients``, and so l1 * sign(W) + 2 * l2 * W to the gradient, before any clipping; Keras's
        definition. b has no penalty, and a frozen layer has none. An optimizer's weight_decay applies to all dense
        layers and is not in the loss.
    max_norm : float or None, default None
        Largest Euclidean norm of the weights W[:, j] of one unit: larger ones are scaled down to it after each update
        (Srebro and Shraibman, 2005).

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(2, "relu"), fb.Dense(1)], inputs=3)
    >>> [W.shape for W in model.get_weights()]  # W and b of each layer
    [(3, 2), (2,), (2, 1), (1,)]
    """

    units: int
    activation: Function
    initializer: Initializer
    use_bias: bool
    trainable: bool
    l1: float
    l2: float
    max_norm: float | None

    def __init__(
        self,
        units: int,
        activation: ActivationLike = "linear",
        initializer: InitializerLike = "auto",
        *,
        use_bias: bool = True,
        trainable: bool = True,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | None = None,
    ) -> None:
        function = resolve(activation, ACTIVATIONS, "activation")
        if isinstance(initializer, str) and initializer == "auto":
            initializer = function.initializer
        object.__setattr__(self, "units", check_int(units, "units"))
        object.__setattr__(self, "activation", function)
        object.__setattr__(self, "initializer", resolve(initializer, INITIALIZERS, "initializer"))
        object.__setattr__(self, "use_bias", check_flag(use_bias, "use_bias"))
        object.__setattr__(self, "trainable", check_flag(trainable, "trainable"))
        object.__setattr__(self, "l1", check_number(l1, "l1", at_least=0))
        object.__setattr__(self, "l2", check_number(l2, "l2", at_least=0))
        longest = None if max_norm is None else check_number(max_norm, "max_norm", above=0)
        object.__setattr__(self, "max_norm", longest)

    def _options(self) -> dict[str, Any]:
        """Return the keyword arguments that differ from their defaults."""
        defaults = {"use_bias": True, "trainable": True, "l1": 0.0, "l2": 0.0, "max_norm": None}
        return {name: getattr(self, name) for name, value in defaults.items() if getattr(self, name) != value}

    name = "dense"

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of units."""
        return self.units

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return W, b if there is one, and the slopes or alphas of an activation that has some."""
        W = Parameter("W", (n_inputs, self.units), self.trainable)
        b = [Parameter("b", (self.units,), self.trainable)] if self.use_bias else []
        return [W, *b, *activation_parameters(self.activation, self.units, self.trainable)]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return W from the initializer, b of zeros, and the slopes or alphas."""
        W = self.initializer.draw(next(generators), n_inputs, self.units)
        b = [np.zeros(self.units)] if self.use_bias else []
        return [W, *b, *first_parameters(self.activation, self.units)]

    def flops(self, n_inputs: int) -> int:
        """Return the FLOPs of the product."""
        return 2 * n_inputs * self.units

    def stages(self) -> list[Stage]:
        """Return the product's stage; it includes the activation unless that has parameters."""
        product = {"kind": "dense", "units": self.units, **self._options()}
        return with_activation([product], self.activation, self.trainable)

    def __repr__(self) -> str:
        text = f"Dense({self.units}, {shorthand(self.activation, ACTIVATIONS)}"
        if self.initializer != INITIALIZERS[self.activation.initializer]():
            text += f", initializer={shorthand(self.initializer, INITIALIZERS)}"
        return text + "".join(f", {name}={value!r}" for name, value in self._options().items()) + ")"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {
            "type": "dense",
            "units": self.units,
            "activation": to_config(self.activation),
            "initializer": to_config(self.initializer),
            **self._options(),
        }

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        options = dict(config)
        del options["type"]
        options["activation"] = from_config(config["activation"], ACTIVATIONS, "activation")
        options["initializer"] = from_config(config["initializer"], INITIALIZERS, "initializer")
        return cls(**options)
