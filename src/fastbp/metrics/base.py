"""What a metric is: a figure that is reported beside the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastbp.data.samples import LossOfSamples, Measured
from fastbp.losses.base import Loss

__all__ = ["Array", "Metric", "OutputMetric", "Seen", "Sums"]


Array = NDArray[Any]

Sums = NDArray[np.float64]

# The losses whose first outputs estimate the targets themselves.
REGRESSION_LOSSES = ("mse", "mae", "huber", "log_cosh", "gaussian_nll", "poisson", "gamma", "tweedie")

# Those whose outputs are probabilities.
PROBABILITY_LOSSES = ("cross_entropy", "binary_cross_entropy", "focal")

# What an epoch's figures have beside metrics.
RESERVED_FIGURES = ("loss", "seconds", "epoch", "step", "samples")


@dataclass(frozen=True)
class Metric:
    """What all metrics have: a name, the engine's sums that they are made from, and the losses that they go with."""

    name: ClassVar[str]
    sums: ClassVar[str | None]  # what the engine calls them; None: it keeps the outputs instead
    losses: ClassVar[tuple[str, ...]]

    @property
    def figure(self) -> str:
        """What the history calls it."""
        return self.name

    def check(self, loss: Loss, n_outputs: int) -> None:
        """Refuse a model that the metric's parameters do not fit."""

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the figure, given the engine's sums over all samples."""
        raise NotImplementedError


@dataclass(frozen=True)
class Seen:
    """What the model made of some samples, and what would have been right.

    Attributes
    ----------
    targets : ndarray of shape (n,) or (n, n_targets)
        Rows of y, as the loss takes them.
    outputs : ndarray of shape (n, n_outputs)
    sample_weights : float64 ndarray of shape (n,) or None
    """

    targets: Array
    outputs: Array
    sample_weights: NDArray[np.float64] | None

    def columns(self) -> Iterator[tuple[NDArray[np.bool_], Array]]:
        """Return for each class, or output of yes and no, what is one and its probability; of two classes the last."""
        n_outputs = self.outputs.shape[1]
        for n in range(1 if n_outputs == 2 and self.targets.ndim == 1 else 0, n_outputs):
            yes = self.targets == n if self.targets.ndim == 1 else self.targets[:, n] > 0.5
            yield yes, self.outputs[:, n]


@dataclass(frozen=True)
class OutputMetric(Metric):
    """A metric that needs the outputs of all samples; of training those of each batch before its step."""

    sums = None

    def of_outputs(self, seen: Seen, loss: LossOfSamples) -> float:
        """Return the figure."""
        raise NotImplementedError
