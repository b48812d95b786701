"""Layers that normalise: over the features of a sample, and over the samples of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.session import LARGEST_BATCH
from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.support.checks import check_number, sentence

__all__ = ["BatchNorm", "LayerNorm"]


@dataclass(frozen=True)
class LayerNorm(Layer):
    """A = gain * (X - mean) / sqrt(variance + epsilon) + shift, mean and variance over the features of each sample.

    Gain and shift are trained, one of each per feature, and start at 1 and 0; weight decay applies to them only with
    ``decay_biases=True``. Training and ``predict`` do the same (Ba, Kiros and Hinton, 2016; PyTorch's definition).

    Parameters
    ----------
    epsilon : float, default 1e-5
        Added to the variance, so that it is not 0; above 0.

    Raises
    ------
    TypeError, ValueError
        If it is not.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.LayerNorm(), fb.Dense(1)], inputs=2, dtype="float64")
    >>> model.activations([[1.0, 3.0], [10.0, 30.0]], layer=0).round(2).tolist()  # each row has mean 0, variance 1
    [[-1.0, 1.0], [-1.0, 1.0]]
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
    def _described(cls, config: Mapping[str, Any]) -> Self:
        return cls(config["epsilon"])


@dataclass(frozen=True)
class BatchNorm(Layer):
    """A = gain * (X - mean) / sqrt(variance + epsilon) + shift, mean and variance of each feature over the batch.

    This holds in training; ``predict``, ``evaluate`` and ``loss_and_gradients`` use running averages instead: running =
    (1 - momentum) * running + momentum * batch, starting at mean 0 and variance 1, where the batch's variance has the
    divisor n - 1 (Ioffe and Szegedy, 2015; PyTorch's definition). Gain and shift are trained, one of each per feature,
    and start at 1 and 0; weight decay applies to them only with ``decay_biases=True``. ``get_weights`` returns gain,
    shift, mean and variance.

    The statistics are of the whole batch, on any number of threads; a shorter last batch has its own. With
    ``accumulate`` each batch of a step has its own statistics and updates the running averages. Every row counts once
    in them, whatever its sample weight. A batch of one sample, which has no variance, or of more than 4,096 is refused.
    Directly after an ``fb.Dense`` without an activation, with or without a dropout between them, it becomes part of
    that layer in ``predict`` and ``evaluate`` and costs no time.

    Parameters
    ----------
    momentum : float, default 0.1
        Weight of the latest batch in the running averages, 0 < momentum <= 1; Keras's momentum is 1 minus this.
    epsilon : float, default 1e-5
        Added to the variance, so that it is not 0; above 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.BatchNorm(), fb.Dense(1)], inputs=2, dtype="float64")
    >>> trainer = fb.Trainer(model, "mse", batch_size=None)
    >>> history = trainer.fit([[0.0, 5.0], [2.0, 7.0]], [0.0, 1.0], epochs=200)
    >>> [array.round(2).tolist() for array in model.get_weights()[2:4]]  # the running mean and variance
    [[1.0, 6.0], [2.0, 2.0]]
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    name = "batch_norm"

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """From 2 samples, for a variance, to the most that can be normalised together."""
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
    def _described(cls, config: Mapping[str, Any]) -> Self:
        return cls(config["momentum"], config["epsilon"])
