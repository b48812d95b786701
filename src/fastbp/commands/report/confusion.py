"""Which classes are taken for which: counts, figures by class, commonest confusions, an order that shows them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassFigures", "Pair", "confusion_counts", "figures_by_class", "most_confused", "order_by_confusion"]

Counts = NDArray[np.int64]


class Pair(NamedTuple):
    """One class taken for another.

    Attributes
    ----------
    true, predicted : int
        The labels.
    rows : int
        How many there are.
    share : float
        Of the rows of the true class.
    """

    true: int
    predicted: int
    rows: int
    share: float


class ClassFigures(NamedTuple):
    """The figures of each class, NaN where they are of no rows.

    Attributes
    ----------
    precision : ndarray of shape (n_classes,)
        Of the rows predicted as the class, the share that are of it.
    recall : ndarray of shape (n_classes,)
        Of the rows of the class, the share that are predicted as it.
    f1 : ndarray of shape (n_classes,)
        Their harmonic mean.
    support, predicted : int ndarray of shape (n_classes,)
        The rows of the class, and those that are predicted as it.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: Counts
    predicted: Counts


def confusion_counts(y: NDArray[Any], predicted: NDArray[Any], n_classes: int) -> Counts:
    """Return the rows of each true class (row) and predicted class (column)."""
    return np.bincount(y * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def figures_by_class(counts: Counts) -> ClassFigures:
    """Return precision, recall and F1 (van Rijsbergen, 1979) of each class."""
    right, support, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    return ClassFigures(
        _ratio(right, predicted), _ratio(right, support), _ratio(2 * right, support + predicted), support, predicted
    )


def _ratio(numerator: Counts, denominator: Counts) -> NDArray[np.float64]:
    result = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def most_confused(counts: Counts, most: int = 10) -> list[Pair]:
    """Return the commonest confusions, those with the most rows first; of as many rows, the larger share."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    support = counts.sum(axis=1)
    true, predicted = np.nonzero(wrong)
    pairs = [
        Pair(int(i), int(j), int(wrong[i, j]), float(wrong[i, j] / support[i]))
        for i, j in zip(true, predicted, strict=True)
    ]
    return sorted(pairs, key=lambda pair: (-pair.rows, -pair.share, pair.true, pair.predicted))[:most]


def order_by_confusion(counts: Counts) -> NDArray[np.int64]:
    """Return the classes in an order in which those that are taken for each other are neighbours.

    The most alike groups of classes are joined, again and again, where groups are as alike as their classes on average
    (Sokal and Michener, 1958); each is put to that end of the other at which the classes are more alike.
    """
    n = len(counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    alike = shares + shares.T
    between, sizes = alike.copy(), np.ones(n)
    np.fill_diagonal(between, -1.0)
    groups = [[label] for label in range(n)]
    for _ in range(n - 1):
        i, j = divmod(int(between.argmax()), n)
        groups[i] = _joined(groups[i], groups[j], alike)
        between[i] = between[:, i] = (sizes[i] * between[i] + sizes[j] * between[j]) / (sizes[i] + sizes[j])
        between[i, i] = -1.0
        between[j] = between[:, j] = -1.0  # less than any two groups that remain
        sizes[i] += sizes[j]
    return np.array(groups[0])


def _joined(first: list[int], second: list[int], alike: NDArray[np.float64]) -> list[int]:
    """Return two groups as one, turned so that the most alike of their ends meet."""
    ways = [(a, b) for a in (first, first[::-1]) for b in (second, second[::-1])]
    left, right = max(ways, key=lambda way: alike[way[0][-1], way[1][0]])
    return left + right
