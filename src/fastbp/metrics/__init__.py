"""Metrics, reported beside the loss, one family per file.
It imports data, losses and support.
"""

from fastbp.metrics.base import Array, Metric, OutputMetric, Seen, Sums
from fastbp.metrics.choose import METRICS, MetricLike, choose_metrics, measure
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

__all__ = [
    "AbsoluteError",
    "Accuracy",
    "Array",
    "AveragePrecision",
    "BalancedAccuracy",
    "Brier",
    "F1",
    "FunctionMetric",
    "LogLoss",
    "METRICS",
    "Metric",
    "MetricLike",
    "OutputMetric",
    "PercentageError",
    "Precision",
    "R2",
    "ROCAUC",
    "Recall",
    "RootSquaredError",
    "Seen",
    "SquaredError",
    "Sums",
    "TopKAccuracy",
    "choose_metrics",
    "measure",
]
