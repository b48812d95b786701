"""What is predicted: classes, or numbers; as the networks learn it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.losses.base import Loss
from fastbp.losses.classification import CrossEntropy
from fastbp.losses.regression import MeanSquaredError

__all__ = ["ClassTargets", "NumberTargets", "Targets", "targets_from_config"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MARGIN = 0.05  # beyond the targets seen, as a share of their range, that a prediction may be


@dataclass(frozen=True)
class ClassTargets:
    """Classes as numbers 0 .. n_classes - 1."""

    n_classes: int

    @property
    def n_outputs(self) -> int:
        """A probability for each class."""
        return self.n_classes

    @property
    def activation(self) -> str:
        """Of the last layer."""
        return "softmax"

    @property
    def loss(self) -> Loss:
        """The loss of a network."""
        return CrossEntropy()

    def encode(self, y: Array) -> Array:
        """Return the targets that the networks learn."""
        return y.astype(np.int32)

    def decode(self, outputs: Array) -> Floats:
        """Return probabilities, (n_rows, n_classes); their sum is 1 in float64 too."""
        probabilities = outputs.astype(np.float64)
        decoded: Floats = probabilities / probabilities.sum(axis=1, keepdims=True)
        return decoded

    def error(self, y: Array, predicted: Floats) -> float:
        """Return the mean log loss."""
        return float(-np.log(np.clip(predicted[np.arange(len(y)), y], 1e-7, 1)).mean())

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {"classes": self.n_classes}


@dataclass(frozen=True)
class NumberTargets:
    """Numbers, standardised; a prediction is bounded by the targets seen, with a margin.

    A network may say anything of a row that is far from all others: one such row would spoil the mean error.
    """

    mean: Floats  # (n_outputs,)
    deviation: Floats
    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, y: Floats) -> NumberTargets:
        """Learn from targets of shape (n_rows, n_outputs)."""
        deviation = y.std(axis=0)
        low, high = y.min(axis=0), y.max(axis=0)
        margin = _MARGIN * (high - low)
        return cls(y.mean(axis=0), np.where(deviation > 0, deviation, 1.0), low - margin, high + margin)

    @property
    def n_outputs(self) -> int:
        """A number for each column of the targets."""
        return len(self.mean)

    @property
    def activation(self) -> str:
        """Of the last layer."""
        return "linear"

    @property
    def loss(self) -> Loss:
        """The loss of a network."""
        return MeanSquaredError()

    def encode(self, y: Array) -> Array:
        """Return the targets that the networks learn."""
        return ((y - self.mean) / self.deviation).astype(np.float32)

    def decode(self, outputs: Array) -> Floats:
        """Return predictions in the targets' units, (n_rows, n_outputs)."""
        return np.clip(outputs.astype(np.float64) * self.deviation + self.mean, self.lowest, self.highest)

    def error(self, y: Array, predicted: Floats) -> float:
        """Return the mean squared error, each column in units of its deviation."""
        return float((((y - predicted) / self.deviation) ** 2).mean())

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {name: getattr(self, name).tolist() for name in ("mean", "deviation", "lowest", "highest")}


Targets = ClassTargets | NumberTargets


def targets_from_config(config: Mapping[str, Any]) -> Targets:
    """Return what ``to_config`` described."""
    if "classes" in config:
        return ClassTargets(int(config["classes"]))
    return NumberTargets(*(np.array(config[name], np.float64) for name in ("mean", "deviation", "lowest", "highest")))
