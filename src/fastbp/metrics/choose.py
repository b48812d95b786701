"""The choice of metrics for a loss, and their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.data.samples import Measured, Samples
from fastbp.losses.base import Loss
from fastbp.metrics.base import Array, Metric, OutputMetric, Seen, Sums
from fastbp.metrics.classification import (
    F1,
    Accuracy,
    BalancedAccuracy,
    Brier,
    LogLoss,
    Precision,
    Recall,
    TopKAccuracy,
)
from fastbp.metrics.function import FunctionMetric
from fastbp.metrics.ranking import ROCAUC, AveragePrecision
from fastbp.metrics.regression import R2, AbsoluteError, PercentageError, RootSquaredError, SquaredError
from fastbp.support.checks import check_list, sentence
from fastbp.support.registry import resolve
from fastbp.support.underflow import underflows_to_zero

__all__ = ["METRICS", "MetricLike", "MetricName", "choose_metrics", "measure"]


METRICS: dict[str, type[Metric]] = {
    cls.name: cls
    for cls in (
        Accuracy,
        TopKAccuracy,
        BalancedAccuracy,
        Precision,
        Recall,
        F1,
        ROCAUC,
        AveragePrecision,
        LogLoss,
        Brier,
        R2,
        AbsoluteError,
        SquaredError,
        RootSquaredError,
        PercentageError,
    )
}

MetricName: TypeAlias = Literal[
    "accuracy",
    "top_k_accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "r2",
    "mae",
    "mse",
    "rmse",
    "mape",
]
MetricLike: TypeAlias = MetricName | str | Metric | Callable[..., float]


def choose_metrics(metrics: MetricLike | Sequence[MetricLike] | None, loss: Loss, n_outputs: int) -> tuple[Metric, ...]:
    """Return the metrics that an argument names; None means the loss's default metrics."""
    if metrics is None:
        metrics = loss.metrics
    elif isinstance(metrics, (str, Metric)) or callable(metrics):
        metrics = [metrics]
    elif not isinstance(metrics, Sequence):
        raise TypeError(sentence("metrics", metrics, "a list such as ['accuracy'], or None"))
    chosen = tuple(map(_as_metric, check_list(metrics, "metrics", "a list such as ['accuracy'], or None")))
    for metric in chosen:
        if not isinstance(metric, FunctionMetric):
            _check_fits(metric, loss)
        metric.check(loss, n_outputs)
    figures = [metric.figure for metric in chosen]
    if len(set(figures)) < len(figures):
        raise ValueError(f"metrics is {figures}; expected each once.")
    return chosen


def _as_metric(metric: MetricLike) -> Metric:
    if isinstance(metric, FunctionMetric):
        return metric
    if callable(metric) and not isinstance(metric, type):
        return FunctionMetric(metric)
    return resolve(metric, METRICS, "metrics")  # type: ignore[arg-type]


def _check_fits(metric: Metric, loss: Loss) -> None:
    if loss.name in metric.losses:
        return
    fitting = [repr(name) for name, cls in METRICS.items() if loss.name in cls.losses]
    raise ValueError(
        f"metrics has {metric.name!r} and loss is {loss.name!r}; expected metrics for this loss: "
        f"{', '.join([*fitting, 'functions of (y_true, y_pred)'])}."
    )


@underflows_to_zero
def measure(
    metrics: Sequence[Metric],
    sums: Mapping[str, Sums],
    data: Measured,
    outputs: Array | None = None,
    rows: NDArray[np.int64] | None = None,
) -> dict[str, float]:
    """Return the figures.

    Parameters
    ----------
    metrics : sequence of Metric
    sums : dict of str to ndarray
        The engine's sums over all samples.
    data : Measured
        The data that the figures describe; Samples if there are outputs.
    outputs : ndarray of shape (n_samples, n_outputs) or None
        The outputs, if a metric needs them. Unknown ones are NaN; then these metrics are NaN too.
    rows : int64 ndarray of shape (n_samples,) or None
        The row of X for each row of the outputs; None: the same.
    """
    seen = None
    if outputs is not None and isinstance(data, Samples) and not np.isnan(outputs).any():
        seen = _see(data, outputs, rows)
    figures = {}
    for metric in metrics:
        if not isinstance(metric, OutputMetric):
            assert metric.sums is not None
            figures[metric.figure] = metric.value(sums[metric.sums], data)
        else:
            figures[metric.figure] = float("nan") if seen is None else metric.of_outputs(seen, data.loss)
    return figures


def _see(data: Samples, outputs: Array, rows: NDArray[np.int64] | None) -> Seen:
    """Return outputs, targets and sample weights in the order of the rows."""
    if rows is None:
        return Seen(data.y, outputs, data.sample_weights)
    order = np.argsort(rows)
    rows = rows[order]
    return Seen(data.y[rows], outputs[order], None if data.sample_weights is None else data.sample_weights[rows])
