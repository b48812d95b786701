"""Metrics for numbers, from the engine's sums."""

from __future__ import annotations

import numpy as np

from fastbp.data.samples import Measured
from fastbp.metrics.base import REGRESSION_LOSSES, Metric, Sums

__all__ = ["AbsoluteError", "PercentageError", "R2", "RootSquaredError", "SquaredError"]


class R2(Metric):
    """The share of the targets' variance that the model explains: 1 is perfect, 0 is no better than their mean.

    With several outputs it is the mean over the outputs. An output whose targets are all equal counts as 1 if it is
    predicted exactly, else as 0. For a single sample it is NaN.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> trainer = fb.Trainer(model, "mse", metrics=[fb.R2()])
    >>> figures = trainer.evaluate([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0])
    >>> round(figures["r2"], 4)
    0.5
    """

    name = "r2"
    sums = "squared_error"
    losses = REGRESSION_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the coefficient of determination."""
        if len(data) < 2:
            return float("nan")
        alike = data.spread == 0
        ratio = sums / np.where(alike, 1.0, data.spread)
        return float(np.mean(np.where(alike, sums == 0, 1 - ratio)))


class AbsoluteError(Metric):
    """The mean over samples and outputs of |A - Y|.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> trainer = fb.Trainer(model, "mse", metrics=[fb.AbsoluteError()])
    >>> figures = trainer.evaluate([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0])
    >>> round(figures["mae"], 4)
    0.3333
    """

    name = "mae"
    sums = "absolute_error"
    losses = REGRESSION_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)


class SquaredError(Metric):
    """The mean over samples and outputs of (A - Y)².

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> trainer = fb.Trainer(model, "mse", metrics=[fb.SquaredError()])
    >>> figures = trainer.evaluate([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0])
    >>> round(figures["mse"], 4)
    0.3333
    """

    name = "mse"
    sums = "squared_error"
    losses = REGRESSION_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)


class RootSquaredError(Metric):
    """The square root of the mean over samples of (A - Y)²; with several outputs the mean of their roots.

    scikit-learn's root_mean_squared_error.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> trainer = fb.Trainer(model, "mse", metrics=[fb.RootSquaredError()])
    >>> figures = trainer.evaluate([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0])
    >>> round(figures["rmse"], 4)
    0.5774
    """

    name = "rmse"
    sums = "squared_error"
    losses = REGRESSION_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the root."""
        return float(np.mean(np.sqrt(sums / data.total_weight)))


class PercentageError(Metric):
    """The mean over samples and outputs of |A - Y| / max(|Y|, 2^-52): 0.1 is 10 %; not usable with targets of 0.

    scikit-learn's mean_absolute_percentage_error.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> trainer = fb.Trainer(model, "mse", metrics=[fb.PercentageError()])
    >>> figures = trainer.evaluate([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0])
    >>> round(figures["mape"], 4)
    0.1111
    """

    name = "mape"
    sums = "percentage_error"
    losses = REGRESSION_LOSSES

    def value(self, sums: Sums, data: Measured) -> float:
        """Return the mean."""
        return float(sums.sum()) / (data.total_weight * data.n_targets)
