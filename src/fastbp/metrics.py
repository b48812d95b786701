"""What a Trainer reports beside the loss, from sums that the engine makes on the way.

A new metric is a class here and an entry in METRICS; a sum that the engine does not make yet is a kernel of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastbp.checks import sentence
from fastbp.losses import Loss
from fastbp.registry import resolve
from fastbp.samples import Samples

__all__ = ["METRICS", "R2", "Accuracy", "AbsoluteError", "Metric", "SquaredError", "choose_metrics"]

Sums = NDArray[np.float64]

# The losses whose first outputs estimate the targets themselves.
_REGRESSION = ("mse", "mae", "huber", "log_cosh", "gaussian_nll", "poisson", "gamma", "tweedie")


@dataclass(frozen=True)
class Metric:
    """What all metrics have: a name, the engine's sums that they are made from, and the losses that they go with."""

    name: ClassVar[str]
    sums: ClassVar[str]  # what the engine calls them
    losses: ClassVar[tuple[str, ...]]

    def value(self, sums: Sums, data: Samples) -> float:
        """Return the figure, given the engine's sums over all samples: one a count, else one a target."""
        raise NotImplementedError


class Accuracy(Metric):
    """The share of right answers.

    For cross_entropy a sample is right if its likeliest class is the target's, for binary_cross_entropy and focal an
    output is right if it is on the target's side of 1/2, for the hinge losses if it has the target's sign.
    """

    name = "accuracy"
    sums = "correct"
    losses = ("cross_entropy", "binary_cross_entropy", "focal", "hinge", "squared_hinge")

    def value(self, sums: Sums, data: Samples) -> float:
        """Return the share, from 0 to 1."""
        n_answers = data.total_weight * (1 if data.loss.name == "cross_entropy" else data.n_targets)
        return float(sums[0]) / n_answers


class R2(Metric):
    """The share of the targets' variance that the model explains: 1 is perfect, 0 is no better than their mean.

    With several outputs the mean of theirs. An output whose targets are all alike counts 1 if it is hit exactly, else
    0. Of a single sample it is NaN.
    """

    name = "r2"
    sums = "squared_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Samples) -> float:
        """Return the coefficient of determination."""
        if len(data) < 2:
            return float("nan")
        alike = data.spread == 0
        ratio = sums / np.where(alike, 1.0, data.spread)
        return float(np.mean(np.where(alike, sums == 0, 1 - ratio)))


class AbsoluteError(Metric):
    """The mean over samples and outputs of |A - Y|."""

    name = "mae"
    sums = "absolute_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Samples) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)


class SquaredError(Metric):
    """The mean over samples and outputs of (A - Y)²."""

    name = "mse"
    sums = "squared_error"
    losses = _REGRESSION

    def value(self, sums: Sums, data: Samples) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)


METRICS: dict[str, type[Metric]] = {cls.name: cls for cls in (Accuracy, R2, AbsoluteError, SquaredError)}


def choose_metrics(metrics: str | Metric | Sequence[str | Metric] | None, loss: Loss) -> tuple[Metric, ...]:
    """Return the metrics that an argument names; None are those that go with the loss."""
    if metrics is None:
        metrics = loss.metrics
    elif isinstance(metrics, (str, Metric)):
        metrics = [metrics]
    elif not isinstance(metrics, Sequence):
        raise TypeError(sentence("metrics", metrics, "a list such as ['accuracy'], or None"))
    chosen = tuple(resolve(metric, METRICS, "metrics") for metric in metrics)
    for metric in chosen:
        if loss.name not in metric.losses:
            fitting = ", ".join(repr(name) for name, cls in METRICS.items() if loss.name in cls.losses) or "none"
            raise ValueError(f"metrics has {metric.name!r} and loss is {loss.name!r}; with that loss go {fitting}.")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"metrics is {[metric.name for metric in chosen]}; expected each once.")
    return chosen
