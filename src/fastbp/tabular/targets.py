"""What is predicted: classes, or numbers; as the networks learn it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.losses.base import Loss
from fastbp.losses.classification import CrossEntropy
from fastbp.losses.deviances import Poisson
from fastbp.losses.regression import Huber, LogCosh, MeanAbsoluteError, MeanSquaredError

__all__ = [
    "CLASS_LOSSES",
    "NUMBER_LOSSES",
    "ClassTargets",
    "Form",
    "NumberTargets",
    "Targets",
    "candidate_forms",
    "targets_from_config",
]

Array = NDArray[Any]
Floats = NDArray[np.float64]
Form = Literal["plain", "log", "poisson"]

_MARGIN = 0.05  # beyond the targets seen, as a share of their range, that a prediction may be
_LEAST = 1e-30  # of a share or a mean whose logarithm is taken
_SKEWED = 1.0  # the skewness of targets from which their logarithms are tried
_PLAIN_LOSSES: dict[str, type[Loss]] = {
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "log_cosh": LogCosh,
}
CLASS_LOSSES = ("cross_entropy",)
NUMBER_LOSSES = (*_PLAIN_LOSSES, "log", "poisson")


@dataclass(frozen=True)
class ClassTargets:
    """Classes as numbers 0 .. n_classes - 1."""

    n_classes: int
    loss_name: ClassVar[str] = "cross_entropy"

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

    def losses(self, y: Array, predicted: Floats, metric: str = "log_loss") -> Floats:
        """Return the log loss of each row, whatever the metric: it is the smoothest of them."""
        return np.asarray(-np.log(np.clip(predicted[np.arange(len(y)), y], 1e-7, 1)))

    def level(self, y: Array, weights: Floats, metric: str = "log_loss") -> Floats:
        """Return what is predicted best of all rows alike, (n_classes,): how often each class is."""
        return np.asarray(np.bincount(y, weights, minlength=self.n_classes) / weights.sum())

    def before_activation(self, level: Floats) -> Floats:
        """Return the sums of a last layer's units for outputs that are decoded to this."""
        return np.asarray(np.log(np.maximum(level, _LEAST)))

    def n_telling(self, y: Array) -> float:
        """Return how many rows of two even classes tell as much: fewer, where nearly all rows are of one class."""
        shares = np.bincount(y, minlength=self.n_classes) / len(y)
        return len(y) * min(2 * (1 - float((shares**2).sum())), 1.0)

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {"classes": self.n_classes}


@dataclass(frozen=True)
class NumberTargets:
    """Numbers, or their logarithms, standardised; a prediction is bounded by the targets seen, with a margin.

    A network may say anything of a row that is far from all others: one such row would spoil the mean error.

    Parameters
    ----------
    mean, deviation : ndarray of shape (n_outputs,)
        Of the targets, or of their logarithms; 0 and the targets' mean for "poisson".
    lowest, highest : ndarray of shape (n_outputs,)
        Bounds of a prediction.
    form : {"plain", "log", "poisson"}
        What a network learns: the number; its logarithm; or the mean of a count, with an exponential at the end.
    loss_name : str
        The loss, for a plain form.
    spread : ndarray of shape (n_outputs,) or None
        The targets' own deviation, in which errors are measured; None: ``deviation``.
    factor : float
        Of a prediction: the exponential of a mean logarithm is too small a mean.
    """

    mean: Floats
    deviation: Floats
    lowest: Floats
    highest: Floats
    form: Form = "plain"
    loss_name: str = "mse"
    spread: Floats | None = None
    factor: float = 1.0

    @classmethod
    def of(cls, y: Floats, loss: str = "mse") -> NumberTargets:
        """Learn from targets of shape (n_rows, n_outputs), for a loss of NUMBER_LOSSES."""
        low, high = y.min(axis=0), y.max(axis=0)
        margin = _MARGIN * (high - low)
        form: Form = "log" if loss == "log" else "poisson" if loss == "poisson" else "plain"
        if form == "poisson":
            mean, deviation = np.zeros(y.shape[1]), y.mean(axis=0)
        else:
            learned = np.log(y) if form == "log" else y
            mean, deviation = learned.mean(axis=0), _deviation(learned)
        name = loss if form == "plain" else "mse"
        return cls(mean, _above_zero(deviation), low - margin, high + margin, form, name, _above_zero(_deviation(y)))

    @property
    def n_outputs(self) -> int:
        """A number for each column of the targets."""
        return len(self.mean)

    @property
    def activation(self) -> str:
        """Of the last layer."""
        return "exp" if self.form == "poisson" else "linear"

    @property
    def loss(self) -> Loss:
        """The loss of a network."""
        return Poisson() if self.form == "poisson" else _PLAIN_LOSSES[self.loss_name]()

    def encode(self, y: Array) -> Array:
        """Return the targets that the networks learn."""
        learned = np.log(y) if self.form == "log" else y
        return ((learned - self.mean) / self.deviation).astype(np.float32)

    @property
    def in_units(self) -> tuple[Floats, Floats]:
        """The factor and the shift that a last layer's products need for outputs in the targets' units, but for bounds.

        An exponential follows for the forms "log" and "poisson".
        """
        if self.form == "poisson":  # exp(z) * deviation, whose mean is 0
            return np.ones_like(self.deviation), np.log(self.deviation)
        return self.deviation, self.mean + (np.log(self.factor) if self.form == "log" else 0.0)

    def decode(self, outputs: Array) -> Floats:
        """Return predictions in the targets' units, (n_rows, n_outputs)."""
        numbers = outputs.astype(np.float64) * self.deviation + self.mean
        if self.form == "log":
            with np.errstate(over="ignore"):  # infinity is bounded below
                numbers = np.exp(numbers) * self.factor
        bounded: Floats = np.minimum(np.maximum(numbers, self.lowest), self.highest)
        return bounded

    def losses(self, y: Array, predicted: Floats, metric: str = "rmse") -> Floats:
        """Return each row's squared error, or absolute one for "mae", each column in units of its deviation."""
        errors = (y - predicted) / (self.deviation if self.spread is None else self.spread)
        return np.asarray((np.abs(errors) if metric == "mae" else np.square(errors)).mean(axis=1))

    def level(self, y: Floats, weights: Floats, metric: str = "rmse") -> Floats:
        """Return what is predicted best of all rows alike, (n_outputs,): their mean, or their median for "mae"."""
        if metric != "mae":
            return np.asarray(np.average(y, axis=0, weights=weights))
        order = np.argsort(y, axis=0)
        counts = np.cumsum(weights[order], axis=0)
        middle = (counts < counts[-1] / 2).sum(axis=0)
        return np.asarray(np.take_along_axis(y, order, axis=0)[middle, np.arange(y.shape[1])])

    def before_activation(self, level: Floats) -> Floats:
        """Return the sums of a last layer's units for outputs that are decoded to this."""
        if self.form == "plain":
            return np.asarray((level - self.mean) / self.deviation)
        factor, shift = self.in_units
        return np.asarray((np.log(np.maximum(level, _LEAST)) - shift) / factor)

    def n_telling(self, y: Floats) -> float:
        """Return how many rows tell something: all."""
        return len(y)

    def matched(self, y: Floats, predicted: Floats) -> NumberTargets:
        """Return this with the factor by which predictions have the mean of rows held out.

        The mean of what logarithms were predicted for is larger than the exponential of their mean; the factor is the
        ratio of the two means (Snowdon, 1991).
        """
        total = float(predicted.sum())
        return replace(self, factor=self.factor * float(y.sum()) / total) if total > 0 else self

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        config: dict[str, Any] = {name: getattr(self, name).tolist() for name in _BOUNDS}
        spread = None if self.spread is None else self.spread.tolist()
        return {**config, "form": self.form, "loss": self.loss_name, "spread": spread, "factor": self.factor}


Targets = ClassTargets | NumberTargets
_BOUNDS = ("mean", "deviation", "lowest", "highest")


def _deviation(numbers: Floats) -> Floats:
    """Return the standard deviation of each column, also where squares of its numbers are infinite or 0.

    Columns are scaled by powers of 2, which leaves all bits of usual numbers.
    """
    exponents = np.frexp(np.abs(numbers).max(axis=0))[1]
    return np.asarray(np.ldexp(np.ldexp(numbers, -exponents).std(axis=0), exponents))


def _above_zero(deviation: Floats) -> Floats:
    return np.where(deviation > 0, deviation, 1.0)


def candidate_forms(y: Floats) -> list[Form]:
    """Return the forms in which numbers may be learned best, "plain" first.

    Positive numbers, some of which are far above the others, by their logarithms; counts as the means of Poisson
    distributions.

    Parameters
    ----------
    y : ndarray of shape (n_rows, n_outputs)
    """
    low, deviation = float(y.min()), _deviation(y)
    if low < 0 or not (deviation > 0).all():
        return ["plain"]
    skewness = float((((y - y.mean(axis=0)) / deviation) ** 3).mean(axis=0).min())
    forms: list[Form] = ["plain"]
    if low > 0 and skewness > _SKEWED:
        forms.append("log")
    if np.array_equal(y, np.floor(y)) and skewness > 0 and float(y.mean(axis=0).min()) > 0:
        forms.append("poisson")
    return forms


def targets_from_config(config: Mapping[str, Any]) -> Targets:
    """Return what ``to_config`` described."""
    if "classes" in config:
        return ClassTargets(int(config["classes"]))
    mean, deviation, lowest, highest = (np.array(config[name], np.float64) for name in _BOUNDS)
    spread = config.get("spread")
    return NumberTargets(
        mean,
        deviation,
        lowest,
        highest,
        config.get("form", "plain"),
        str(config.get("loss", "mse")),
        None if spread is None else np.array(spread, np.float64),
        float(config.get("factor", 1.0)),
    )
