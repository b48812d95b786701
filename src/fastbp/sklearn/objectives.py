"""An estimator's objective, and the reported loss: scikit-learn's value for scikit-learn's losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.losses.all_losses import LOSSES
from fastbp.losses.base import Loss
from fastbp.losses.classification import BinaryCrossEntropy, CrossEntropy, Focal
from fastbp.losses.deviances import Poisson
from fastbp.losses.regression import MeanSquaredError
from fastbp.support.checks import sentence
from fastbp.support.registry import resolve

__all__ = [
    "CLASSIFIER_LOSSES",
    "REGRESSOR_LOSSES",
    "Objective",
    "classifier_objective",
    "objective_named",
    "regressor_objective",
]

CLASSIFIER_LOSSES = ("log_loss", "focal")
_OF_POSITIVE = ("poisson", "gamma", "tweedie")  # with a log link
_OF_NUMBERS = ("mse", "mae", "huber", "log_cosh", "quantile")
REGRESSOR_LOSSES = ("squared_error", *_OF_POSITIVE, *_OF_NUMBERS)

_OUTPUTS = {"identity": "linear", "logistic": "sigmoid", "softmax": "softmax", "exp": "exp"}  # ours for out_activation_


@dataclass(frozen=True)
class Objective:
    """A loss, its output activation, and how the loss is reported.

    Attributes
    ----------
    loss : Loss
    out_activation : str
        scikit-learn's name of the output activation.
    factor : float
        Factor of the loss in training.
    excess : float
        Multiple of the mean squared error that is subtracted from the reported loss: with several outputs,
        scikit-learn's gradient is of the sum of their losses, and its loss their mean.
    """

    loss: Loss
    out_activation: str
    factor: float = 1.0
    excess: float = 0.0

    @property
    def last(self) -> str:
        """fastbp's name of the output activation."""
        return _OUTPUTS[self.out_activation]

    @property
    def metrics(self) -> list[str]:
        """The trainer's metrics that ``reported`` needs."""
        return ["mse"] if self.excess else []

    def reported(self, figures: Mapping[str, float], constant: float, prefix: str = "") -> float:
        """Return the reported loss from a trainer's figures."""
        loss = figures[f"{prefix}loss"] + constant
        return loss - self.excess * figures[f"{prefix}mse"] if self.excess else loss

    def constant(self, y: NDArray[Any], weights: NDArray[np.float64] | None) -> float:
        """Return scikit-learn's constant in the loss of targets (n, n_outputs): its Poisson deviance has minimum 0."""
        if not isinstance(self.loss, Poisson):
            return 0.0
        of_samples = (y * np.log(np.where(y > 0, y, 1)) - y).sum(axis=1)
        return float(np.average(of_samples, weights=weights))


def objective_named(out_activation: str) -> str:
    """Return fastbp's name of an output activation from scikit-learn's."""
    return _OUTPUTS[out_activation]


def classifier_objective(loss: Any, multiclass: bool, n_outputs: int) -> Objective:
    """Return the objective: a softmax for several classes, a sigmoid for two classes per output."""
    function = _as_loss(loss, {"log_loss": CrossEntropy() if multiclass else BinaryCrossEntropy()}, CLASSIFIER_LOSSES)
    expected: tuple[type[Loss], ...] = (CrossEntropy,) if multiclass else (BinaryCrossEntropy, Focal)
    if not isinstance(function, expected):
        kind = "of three or more classes" if multiclass else "of two classes, or of several labels"
        names = " or ".join(f"fb.{cls.__name__}" for cls in expected)
        raise ValueError(f"loss is {loss!r} and y is {kind}; expected 'log_loss', {names}.")
    if multiclass:
        return Objective(function, "softmax")
    return Objective(function, "logistic", factor=n_outputs)


def regressor_objective(loss: Any, n_outputs: int) -> Objective:
    """Return the objective for n_outputs targets."""
    if isinstance(loss, str) and loss == "squared_error":
        return Objective(MeanSquaredError(), "identity", factor=n_outputs / 2, excess=(n_outputs - 1) / 2)
    if isinstance(loss, str) and loss == "poisson":
        return Objective(Poisson(), "exp", factor=n_outputs)
    function = _as_loss(loss, {}, REGRESSOR_LOSSES)
    if function.name in _OF_POSITIVE:
        return Objective(function, "exp")
    if function.name not in _OF_NUMBERS or function.n_targets(n_outputs) != n_outputs:
        remedy = "fb.Trainer takes every loss."
        raise ValueError(sentence("loss", loss, "a loss with one output for each target", remedy))
    return Objective(function, "identity")


def _as_loss(loss: Any, theirs: dict[str, Loss], names: tuple[str, ...]) -> Loss:
    if isinstance(loss, str):
        if loss in theirs:
            return theirs[loss]
        if loss not in names:
            raise ValueError(sentence("loss", loss, "one of " + ", ".join(map(repr, names))))
    function: Loss = resolve(loss, LOSSES, "loss")
    return function
