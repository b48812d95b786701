"""Layers that normalise: over the features of a sample, and over the samples of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.session import LARGEST_BATCH
from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.support.checks import check_number, sentence

__all__ = ["BatchNorm", "LayerNorm"]


@dataclass(frozen=True)
class LayerNorm(Layer):
    """A = gain * (X - mean) / sqrt(variance + epsilon) + shift, mean and variance over the features of each sample.

    Gain and shift are learned, one of each a feature, from 1 and 0 on; they decay only with ``decay_biases=True``.
    Every sample is by itself, in training as in ``predict`` (Ba, Kiros and Hinton, 2016; PyTorch's definition).

    Parameters
    ----------
    epsilon : float, default 1e-5
        What keeps the variance away from 0; above 0.

    Raises
    ------
    TypeError, ValueError
        If it is not.
    """

    epsilon: float = 1e-5
    name = "layer_norm"

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon", above=0))

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return gain and shift."""
        return [Parameter("gain", (n_inputs,)), Parameter("shift", (n_inputs,))]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return ones and zeros."""
        return [np.ones(n_inputs), np.zeros(n_inputs)]

    def stages(self) -> list[Stage]:
        """Return one stage."""
        return [{"kind": self.name, "epsilon": self.epsilon}]

    def __repr__(self) -> str:
        return f"LayerNorm(epsilon={self.epsilon!r})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "epsilon": self.epsilon}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LayerNorm:
        """Return the layer that ``to_config`` wrote down."""
        return cls(config["epsilon"])


@dataclass(frozen=True)
class BatchNorm(Layer):
    """A = gain * (X - mean) / sqrt(variance + epsilon) + shift, mean and variance of each feature over the batch.

    So in training; ``predict``, ``evaluate`` and ``loss_and_gradients`` take running averages of them instead,
    running = (1 - momentum) * running + momentum * batch, from mean 0 and variance 1 on, the batch's variance for that
    with n - 1 as its divisor (Ioffe and Szegedy, 2015; PyTorch's definition). Gain and shift are learned, one of each a
    feature, from 1 and 0 on; they decay only with ``decay_biases=True``. ``get_weights`` has gain, shift, mean and
    variance.

    The statistics span the whole batch, however many threads work on it, and the last short batch has its own. With
    ``accumulate`` each of the batches of a step has its own, and moves the running averages in its turn. Every row
    counts once in them, whatever its sample weight. A batch of one sample, which has no variance, or of more than 4,096
    is refused. Directly behind a ``fb.Dense`` without an activation, with or without a dropout between them, it becomes
    part of that layer in ``predict`` and ``evaluate`` and costs nothing.

    Parameters
    ----------
    momentum : float, default 0.1
        The share of the latest batch in the running averages, 0 < momentum <= 1; Keras counts the other way round.
    epsilon : float, default 1e-5
        What keeps the variance away from 0; above 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    name = "batch_norm"

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """Two samples at least, for a variance; and what can be normalised together."""
        return 2, LARGEST_BATCH

    def __post_init__(self) -> None:
        momentum = check_number(self.momentum, "momentum", above=0)
        if momentum > 1:
            raise ValueError(sentence("momentum", self.momentum, "a number above 0 and up to 1"))
        object.__setattr__(self, "momentum", momentum)
        object.__setattr__(self, "epsilon", check_number(self.epsilon, "epsilon", above=0))

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return gain, shift, and the running mean and variance."""
        return [
            Parameter("gain", (n_inputs,)),
            Parameter("shift", (n_inputs,)),
            Parameter("mean", (n_inputs,), trained=False),
            Parameter("variance", (n_inputs,), trained=False, at_least=0.0),
        ]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return ones, zeros, zeros and ones."""
        return [np.ones(n_inputs), np.zeros(n_inputs), np.zeros(n_inputs), np.ones(n_inputs)]

    def stages(self) -> list[Stage]:
        """Return one stage."""
        return [{"kind": self.name, "momentum": self.momentum, "epsilon": self.epsilon}]

    def __repr__(self) -> str:
        return f"BatchNorm(momentum={self.momentum!r}, epsilon={self.epsilon!r})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "momentum": self.momentum, "epsilon": self.epsilon}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BatchNorm:
        """Return the layer that ``to_config`` wrote down."""
        return cls(config["momentum"], config["epsilon"])
