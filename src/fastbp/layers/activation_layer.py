"""An activation as a layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.activations import ACTIVATIONS, ActivationLike
from fastbp.layers.activations import Activation as Function
from fastbp.layers.base import Layer, Parameter, Stage, activation_parameters, first_parameters, with_activation
from fastbp.support.registry import from_config, resolve, shorthand, to_config

__all__ = ["Activation"]


@dataclass(frozen=True, init=False, repr=False)
class Activation(Layer):
    """An activation as a separate layer: A = activation(X).

    Directly after a layer without an activation, it is computed together with that layer: Dense(64), Activation("relu")
    is as fast as Dense(64, "relu").

    Parameters
    ----------
    activation : str or Activation
        As in ``fb.Dense``: "relu", "softmax", ``fb.LeakyReLU(slope=0.2)``, and so on.

    Raises
    ------
    TypeError, ValueError
        If it is not one of those.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(4, use_bias=False), fb.BatchNorm(), fb.Activation("relu"), fb.Dense(1)], inputs=3)
    >>> model.n_parameters  # 3 * 4, then 2 * 4, then 4 + 1
    33
    """

    activation: Function
    name = "activation"

    def __init__(self, activation: ActivationLike) -> None:
        object.__setattr__(self, "activation", resolve(activation, ACTIVATIONS, "activation"))

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the slopes or alphas, if the activation has some."""
        return activation_parameters(self.activation, n_inputs)

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return the initial slopes or alphas."""
        return first_parameters(self.activation, n_inputs)

    def stages(self) -> list[Stage]:
        """Return one stage, which ``plan`` may merge with the stage before."""
        return with_activation([], self.activation)

    def __repr__(self) -> str:
        return f"Activation({shorthand(self.activation, ACTIVATIONS)})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "activation": to_config(self.activation)}

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        return cls(from_config(config["activation"], ACTIVATIONS, "activation"))
