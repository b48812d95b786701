"""Areas under curves over all thresholds of a score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["average_precision", "positives_by_threshold", "roc_auc"]

Array = NDArray[Any]
Vector = NDArray[np.float64]


def roc_auc(yes: NDArray[np.bool_], scores: Array, weights: Vector | None = None) -> float:
    """Return the area under the curve of true positive rate over false positive rate (Fawcett, 2006).

    It is the probability that a positive has a larger score than a negative; equal scores count half.

    Parameters
    ----------
    yes : bool ndarray of shape (n,)
        Whether each sample is positive.
    scores : ndarray of shape (n,)
        Larger for samples that are more likely positive.
    weights : float64 ndarray of shape (n,) or None
        Sample weights above 0.

    Returns
    -------
    float
        0 to 1; NaN without positives or without negatives.
    """
    true, false = positives_by_threshold(yes, scores, weights)
    if true[-1] == 0 or false[-1] == 0:
        return float("nan")
    return float(np.trapezoid(true / true[-1], false / false[-1]))


def average_precision(yes: NDArray[np.bool_], scores: Array, weights: Vector | None = None) -> float:
    """Return the sum over thresholds of (R[i] - R[i - 1]) P[i], R the recall and P the precision at a threshold.

    Parameters as for ``roc_auc``; 0 without positives.
    """
    true, false = positives_by_threshold(yes, scores, weights)
    if true[-1] == 0:
        return 0.0
    return float(np.sum(np.diff(true) * (true[1:] / (true[1:] + false[1:]))) / true[-1])


def positives_by_threshold(
    yes: NDArray[np.bool_], scores: Array, weights: Vector | None = None
) -> tuple[Vector, Vector]:
    """Return the sample weights of positives and of negatives with each score or more, by falling score, after a 0.

    Parameters as for ``roc_auc``.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    falls = np.append(np.diff(scores[order]) != 0, True)  # equal scores share one threshold
    weights = np.ones(len(order)) if weights is None else weights[order]
    yes = yes[order]
    true, false = np.cumsum(weights * yes)[falls], np.cumsum(weights * ~yes)[falls]
    return np.insert(true, 0, 0.0), np.insert(false, 0, 0.0)
