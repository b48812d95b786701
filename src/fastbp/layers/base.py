"""What all layers have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.activations import Activation as Function
from fastbp.layers.activations import PReLU

__all__ = ["Layer", "Parameter", "Stage"]


Stage = dict[str, Any]


class Parameter(NamedTuple):
    """One array of a layer: its name, its shape, whether training changes it by its gradient, and a lower bound.

    The name of an array of a layer inside the layer starts with that one's place: "0.W".
    """

    name: str
    shape: tuple[int, ...]
    trained: bool = True
    at_least: float = -math.inf


class Layer:
    """What all layers have; by default, as many outputs as inputs, no parameters and no arithmetic worth counting."""

    name: ClassVar[str]
    layers: tuple[Layer, ...] = ()  # those inside this one

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """The smallest and the largest batch that the layer can be trained with."""
        return 1, math.inf

    def n_outputs(self, n_inputs: int) -> int:
        """Return how many numbers come out where so many go in."""
        return n_inputs

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the arrays of the layer, in the order of ``get_weights``."""
        return []

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return what the arrays begin with; each layer that leaves it to chance takes a generator of its own."""
        return []

    def flops(self, n_inputs: int) -> int:
        """Return the multiplications and additions that a sample takes."""
        return 0

    def stages(self) -> list[Stage]:
        """Return the layer as the engine runs it, first stage first, each as fastbp.engine.network.Network takes it."""
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """Return the layer that ``to_config`` wrote down."""
        raise NotImplementedError


def slope_parameters(activation: Function, n_units: int, trained: bool = True) -> list[Parameter]:
    """Return the array of an activation that has one."""
    return [Parameter("slope", (n_units,), trained)] if isinstance(activation, PReLU) else []


def first_slopes(activation: Function, n_units: int) -> list[NDArray[np.float64]]:
    return [np.full(n_units, activation.slope)] if isinstance(activation, PReLU) else []


def with_activation(stages: list[Stage], activation: Function, trainable: bool = True) -> list[Stage]:
    """Return these stages, one or none, and the activation: in the stage, or as a stage of its own."""
    if isinstance(activation, PReLU):
        return [*stages, {"kind": "prelu", "trainable": trainable}]
    function = {"activation": activation.name, "parameter": activation.parameter}
    return [stage | function for stage in stages] or [{"kind": "activation", **function}]
