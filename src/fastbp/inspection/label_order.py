"""Whether whole numbers are names of classes, or numbers of something.

Few different ones are classes. More are classes if they have no natural order of size: if what the columns are on
average for 7 is no nearer to what they are for 8 than to what they are for 20. That is von Neumann's ratio (1941) of
the class means: the mean squared difference of neighbours, by the variance. It is about 2 for means in any order, and
small where they rise or fall with the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["are_classes"]

Numbers = NDArray[np.float64]

_FEW = 10  # whole numbers, which are classes whatever their order is
_MANY = 1000  # more are numbers
_FEWEST_ROWS = 5  # of each, on average
_ORDERED = 1.0  # a ratio below this shows an order
_MOST_WITHOUT_EVIDENCE = 20  # different numbers that are classes, where no column depends on them
_LEAST_EVIDENCE = 2.0  # by how much the variance between classes exceeds what chance makes of that within


def are_classes(values: Numbers, columns: Callable[[], Iterable[Numbers]]) -> bool:
    """Return whether targets are names of classes.

    Parameters
    ----------
    values : float64 ndarray of shape (n_samples,)
        The targets; none is missing.
    columns : callable
        Returns the columns of X, as numbers of shape (n_samples,); NaN is missing. Called where they decide.
    """
    if not len(values) or not np.isfinite(values).all() or (values != np.floor(values)).any():
        return False
    labels, codes = np.unique(values, return_inverse=True)
    if len(labels) <= 2:
        return True
    if len(labels) > min(_MANY, len(values) // _FEWEST_ROWS):
        return False
    return len(labels) <= _FEW or not _have_order(codes, len(labels), columns())


def _have_order(codes: NDArray[np.intp], n_labels: int, columns: Iterable[Numbers]) -> bool:
    """Return whether the means of the columns follow the order of the labels; columns that tell more count more."""
    weights, ratios = [0.0], [0.0]
    for column in columns:
        evidence, ratio = _ratio(codes, n_labels, column)
        if evidence > _LEAST_EVIDENCE:
            weights.append(evidence - 1)
            ratios.append(ratio)
    if not sum(weights):
        return n_labels > _MOST_WITHOUT_EVIDENCE
    return float(np.average(ratios, weights=weights)) < _ORDERED


def _ratio(codes: NDArray[np.intp], n_labels: int, column: Numbers) -> tuple[float, float]:
    """Return the F statistic of the labels' means of a column, and von Neumann's ratio of these means."""
    there = np.isfinite(column)
    counts = np.bincount(codes[there], minlength=n_labels)
    enough = np.flatnonzero(counts > 1)
    scale = np.abs(column[there]).max(initial=0.0)
    if len(enough) < 3 or scale == 0:
        return 0.0, 0.0
    x = column[there] / scale  # whose squares are finite
    means = np.bincount(codes[there], x, n_labels) / np.maximum(counts, 1)
    within = float(np.square(x - means[codes[there]]).sum()) / max(len(x) - n_labels, 1)
    between = float((counts * np.square(means - x.mean())).sum()) / (n_labels - 1)
    spread = float(np.var(means[enough]))
    if spread == 0:
        return 0.0, 0.0
    ratio = float(np.mean(np.square(np.diff(means[enough])))) / spread
    return between / max(within, between * 1e-9), ratio
