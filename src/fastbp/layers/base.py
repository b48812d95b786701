"""The base of all layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.activations import Activation as Function
from fastbp.layers.activations import Parametric
from fastbp.support.registry import blaming_config

__all__ = ["Layer", "Parameter", "Stage"]


Stage = dict[str, Any]


class Parameter(NamedTuple):
    """One array of a layer: its name, its shape, whether training changes it by its gradient, and a lower bound.

    In a layer made of layers, the name starts with the inner layer's index: "0.W".
    """

    name: str
    shape: tuple[int, ...]
    trained: bool = True
    at_least: float = -math.inf


class Layer:
    """The base of all layers; by default it has as many outputs as inputs, no parameters and counts no FLOPs."""

    name: ClassVar[str]
    layers: tuple[Layer, ...] = ()  # the layers inside this one
    closing: ClassVar[bool] = False  # it can only be a model's last layer

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """The smallest and the largest batch size in training."""
        return 1, math.inf

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of outputs for a number of inputs."""
        return n_inputs

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the arrays of the layer, in the order of ``get_weights``."""
        return []

    def arrays(self) -> list[Parameter]:
        """Return the arrays of the layer for any number of inputs; the shapes are those for one."""
        return self.parameters(1)

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return the initial arrays; each layer that draws random numbers takes the next generator."""
        return []

    def flops(self, n_inputs: int) -> int:
        """Return the number of multiplications and additions for one sample."""
        return 0

    def stages(self) -> list[Stage]:
        """Return the layer's stages for the engine, in order, each as fastbp.engine.network.Network takes it."""
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the layer described by ``to_config``.

        Raises
        ------
        TypeError, ValueError
            If it describes something else.
        """
        with blaming_config(config, cls.__name__):
            return cls._described(config)

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        """Return the layer; anything may be raised for what ``to_config`` did not return."""
        raise NotImplementedError


def activation_parameters(activation: Function, n_units: int, trained: bool = True) -> list[Parameter]:
    """Return the array of an activation that has one: slopes, or alphas."""
    return [] if activation.array is None else [Parameter(activation.array, (n_units,), trained)]


def first_parameters(activation: Function, n_units: int) -> list[NDArray[np.float64]]:
    return [] if activation.array is None else [np.full(n_units, activation.first)]


def with_activation(stages: list[Stage], activation: Function, trainable: bool = True) -> list[Stage]:
    """Return these stages, one or none, with the activation inside the stage or as a separate stage."""
    if activation.array is not None:
        stage: Stage = {"kind": activation.name, "trainable": trainable}
        return [*stages, stage | ({"function": activation.function} if isinstance(activation, Parametric) else {})]
    function = {"activation": activation.name, "parameter": activation.parameter}
    return [stage | function for stage in stages] or [{"kind": "activation", **function}]
