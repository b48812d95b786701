"""The base of all metrics: figures that are reported beside the loss."""

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

# Losses whose first outputs estimate the targets.
REGRESSION_LOSSES = ("mse", "mae", "huber", "log_cosh", "gaussian_nll", "poisson", "gamma", "tweedie")

# Losses whose outputs are probabilities.
PROBABILITY_LOSSES = ("cross_entropy", "binary_cross_entropy", "focal")

# An epoch's figures beside the metrics.
RESERVED_FIGURES = ("loss", "seconds", "epoch", "step", "samples")


@dataclass(frozen=True)
class Metric:
    """The base of all metrics: a name, the engine's sums that they use, and the losses that they can be used with."""

    name: ClassVar[str]
    sums: ClassVar[str | None]  # the engine's name of the sums; None: it stores the outputs instead
    losses: ClassVar[tuple[str, ...]]

    @property
    def figure(self) -> str:
        """Its name in the history."""
        return self.name

    def check(self, loss: Loss, n_outputs: int) -> None:
        """Refuse a model that does not fit the metric's parameters."""

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the figure from the engine's sums over all samples."""
        raise NotImplementedError


@dataclass(frozen=True)
class Seen:
    """A model's outputs for some samples, and the targets.

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
        """Yield which samples are positive, and scores, for each class or two-class output; of two classes the last."""
        n_outputs = self.outputs.shape[1]
        for n in range(1 if n_outputs == 2 and self.targets.ndim == 1 else 0, n_outputs):
            yes = self.targets == n if self.targets.ndim == 1 else self.targets[:, n] > 0.5
            yield yes, self.outputs[:, n]


@dataclass(frozen=True)
class OutputMetric(Metric):
    """A metric that needs the outputs of all samples; in training, those of each batch before its step."""

    sums = None

    def of_outputs(self, seen: Seen, loss: LossOfSamples) -> float:
        """Return the figure."""
        raise NotImplementedError
