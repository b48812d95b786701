"""Curves over all thresholds of a probability, and how far a probability can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.metrics.threshold_curves import positives_by_threshold

__all__ = [
    "ClassCurve",
    "Family",
    "Reliability",
    "calibration_error",
    "interval_of_share",
    "labels_with_curves",
    "precision_recall_curve",
    "precision_recall_family",
    "reliability",
    "roc_curve",
    "roc_family",
]

Vector = NDArray[np.float64]

_N_POINTS = 201  # of a mean of curves


class ClassCurve(NamedTuple):
    """The curve of one class against all others, and the area under it.

    Attributes
    ----------
    label : int
        -1 for a mean over classes.
    x, y : ndarray of shape (n_thresholds + 1,)
    area : float
        In a mean the mean of the areas.
    """

    label: int
    x: Vector
    y: Vector
    area: float


class Family(NamedTuple):
    """The mean of the curves of all classes, and the curves with the smallest areas, the smallest first."""

    mean: ClassCurve
    worst: list[ClassCurve]


class Reliability(NamedTuple):
    """Bins of a predicted probability, those that have rows.

    Attributes
    ----------
    predicted : ndarray of shape (n_bins,)
        The mean of the predicted probabilities.
    happened : ndarray of shape (n_bins,)
        The share of the rows where it happened.
    counts : int ndarray of shape (n_bins,)
    """

    predicted: Vector
    happened: Vector
    counts: NDArray[np.int64]


def roc_curve(yes: NDArray[np.bool_], scores: NDArray[Any]) -> tuple[Vector, Vector]:
    """Return false and true positive rates by falling threshold, from (0, 0) to (1, 1).

    Parameters
    ----------
    yes : bool ndarray of shape (n,)
        Whether each row is positive; some are, and some are not.
    scores : ndarray of shape (n,)
        Larger for rows that are more likely positive.
    """
    true, false = positives_by_threshold(yes, scores)
    return false / false[-1], true / true[-1]


def precision_recall_curve(yes: NDArray[np.bool_], scores: NDArray[Any]) -> tuple[Vector, Vector]:
    """Return recall and precision by falling threshold; the precision of no prediction at all is 1.

    Parameters as for ``roc_curve``.
    """
    true, false = positives_by_threshold(yes, scores)
    precision = np.ones(len(true))
    np.divide(true, true + false, out=precision, where=true + false > 0)
    return true / true[-1], precision


def roc_family(y: NDArray[np.int64], probabilities: NDArray[Any], labels: Sequence[int], most: int = 5) -> Family:
    """Return the ROC curves of classes, each against all others; the mean is of true positive rates.

    Parameters
    ----------
    y : int ndarray of shape (n,)
    probabilities : ndarray of shape (n, n_classes)
    labels : sequence of int
        Of classes that have rows, and leave rows for others.
    most : int
        How many of the worst are kept.
    """
    return _family(y, probabilities, labels, roc_curve, _area_of_roc, np.interp, most)


def precision_recall_family(
    y: NDArray[np.int64], probabilities: NDArray[Any], labels: Sequence[int], most: int = 5
) -> Family:
    """Return the precision-recall curves of classes; the mean is of the precisions at which each recall is reached.

    Parameters as for ``roc_family``.
    """
    return _family(y, probabilities, labels, precision_recall_curve, _area_of_steps, _where_reached, most)


def labels_with_curves(y: NDArray[np.int64], n_classes: int) -> list[int]:
    """Return the classes that have rows and leave rows for others."""
    counts = np.bincount(y, minlength=n_classes)
    return [label for label in range(n_classes) if 0 < counts[label] < len(y)]


def _family(
    y: NDArray[np.int64],
    probabilities: NDArray[Any],
    labels: Sequence[int],
    curve_of: Callable[..., tuple[Vector, Vector]],
    area_of: Callable[[Vector, Vector], float],
    at: Callable[[Vector, Vector, Vector], Vector],
    most: int,
) -> Family:
    grid = np.linspace(0, 1, _N_POINTS)
    total, areas = np.zeros(_N_POINTS), {}
    for label in labels:  # a curve is as long as the table: one at a time
        curve = curve_of(y == label, probabilities[:, label])
        total += at(grid, *curve)
        areas[label] = area_of(*curve)
    worst = sorted(labels, key=lambda label: areas[label])[:most]
    return Family(
        ClassCurve(-1, grid, total / len(labels), float(np.mean(list(areas.values())))),
        [ClassCurve(label, *curve_of(y == label, probabilities[:, label]), areas[label]) for label in worst],
    )


def _area_of_roc(x: Vector, y: Vector) -> float:
    return float(np.trapezoid(y, x))


def _area_of_steps(x: Vector, y: Vector) -> float:
    return float(np.sum(np.diff(x) * y[1:]))


def _where_reached(grid: Vector, recall: Vector, precision: Vector) -> Vector:
    """Return the precision at the highest threshold that reaches each recall; 0 is reached with the first row."""
    places = np.searchsorted(recall, grid - 1e-12)  # a third, say, is not always the same number
    return precision[np.maximum(places, 1)]


def reliability(probabilities: NDArray[Any], happened: NDArray[np.bool_], n_bins: int = 10) -> Reliability:
    """Return predicted probabilities beside what happened, in bins of equal width (DeGroot and Fienberg, 1983)."""
    bins = np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], probabilities)
    counts = np.bincount(bins, minlength=n_bins)
    there = counts > 0
    sums = [np.bincount(bins, weights=values, minlength=n_bins) for values in (probabilities, happened)]
    predicted, share = (total[there] / counts[there] for total in sums)
    return Reliability(predicted, share, counts[there])


def calibration_error(bins: Reliability) -> float:
    """Return the mean distance of a predicted probability from what happened (Naeini and others, 2015)."""
    return float(np.average(np.abs(bins.predicted - bins.happened), weights=bins.counts))


def interval_of_share(share: ArrayLike, n: ArrayLike, z: float = 1.96) -> tuple[Vector, Vector]:
    """Return the bounds of the true share, right nineteen times in twenty, where n rows have this one (Wilson, 1927).

    Examples
    --------
    >>> low, high = interval_of_share(0.9, 100)
    >>> float(low.round(3)), float(high.round(3))
    (0.826, 0.945)
    """
    share, n = np.asarray(share, np.float64), np.asarray(n, np.float64)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.maximum(0.0, middle - reach), np.minimum(1.0, middle + reach)
