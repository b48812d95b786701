"""Accumulated effects of a column of categories, whose levels stand in an order (Apley and Zhu, 2020, section 2.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.asked import Asked

__all__ = ["by_similarity", "effects_of_levels", "levels_seen"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MOST_PLACES = 100  # at which two distributions of numbers are compared


def levels_seen(asked: Asked, j: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return the codes of the categories of column j that rows have, and the place among them of each row, or -1.

    Raises
    ------
    ValueError
        If they are fewer than two.
    """
    known = asked.subject.values_of(j)
    assert known is not None
    column = asked.rows[:, j].astype(np.float64)
    is_known = np.isin(column, known)
    levels, places = np.unique(column[is_known], return_inverse=True)
    if len(levels) < 2:
        raise ValueError(
            f"column {asked.subject.columns[j]!r} has {len(levels)} of the categories that the model knows in X; "
            "expected two or more."
        )
    result = np.full(len(column), -1)
    result[is_known] = places
    return levels, result


def by_similarity(asked: Asked, j: int, n_levels: int, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of the levels in an order in which neighbours have similar rows.

    Two levels are as far apart as the other columns are distributed differently: the sum of the Kolmogorov-Smirnov
    distances of columns of numbers, and of the total variation of columns of categories. The levels are put on a line
    that keeps these distances as well as it can (classical multidimensional scaling).
    """
    distances = np.zeros((n_levels, n_levels))
    for other in range(asked.rows.shape[1]):
        if other == j:
            continue
        column = asked.rows[:, other].astype(np.float64)
        used = (places >= 0) & ~np.isnan(column)
        is_category = asked.subject.values_of(other) is not None
        shares = _shares(column[used], places[used], n_levels, is_category)
        for level in range(n_levels):
            apart = np.abs(shares - shares[level])
            distances[level] += apart.sum(axis=1) / 2 if is_category else apart.max(axis=1, initial=0)
    centring = np.eye(n_levels) - 1 / n_levels
    _, vectors = np.linalg.eigh(-0.5 * centring @ np.square(distances) @ centring)
    line = vectors[:, -1]
    return np.argsort(line if line[0] <= line[-1] else -line, kind="stable")


def _shares(column: Floats, places: NDArray[np.int64], n_levels: int, is_category: bool) -> Floats:
    """Return how a column is distributed in each level: of categories the shares, of numbers the shares up to places.

    The second are at quantiles of the column. A level without any value has that of all rows.
    """
    if not len(column):
        return np.zeros((n_levels, 1))
    if is_category:
        grid, found = np.unique(column, return_inverse=True)
    else:
        grid = np.unique(np.quantile(column, np.linspace(0, 1, _MOST_PLACES), method="inverted_cdf"))
        found = np.searchsorted(grid, column)
    counts = np.bincount(places * len(grid) + found, minlength=n_levels * len(grid)).reshape(n_levels, -1)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, counts / np.maximum(totals, 1), counts.sum(axis=0) / len(column))
    return shares if is_category else np.cumsum(shares, axis=1)


def effects_of_levels(asked: Asked, j: int, levels: Floats, places: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the effects of levels that stand in this order, (n_levels, n_answers), and their standard errors.

    Between two neighbours the answer's change is averaged over the rows that have one of them.
    """
    n_levels = len(levels)
    changes = [_changes(asked, j, levels, np.flatnonzero(places == level), level) for level in range(n_levels)]
    n_answers, counts = changes[0].shape[2], np.array([changes_of.shape[1] for changes_of in changes])
    sums = np.zeros((n_levels + 1, n_answers))  # of the changes to each level from the one before it
    for level, of_rows in enumerate(changes):
        sums[level : level + 2] += of_rows.sum(axis=1)
    n_beside = (counts[:-1] + counts[1:])[:, np.newaxis]
    means = sums[1:-1] / n_beside
    # Effects are a linear map of the means: added up, minus the mean over the rows.
    added = np.tri(n_levels, n_levels - 1, -1)
    mapped = added - counts @ added / counts.sum()
    return mapped @ means, np.sqrt(_variances(changes, means, mapped / n_beside[:, 0]))


def _changes(asked: Asked, j: int, levels: Floats, rows: NDArray[np.int64], level: int) -> Floats:
    """Return the changes to a level from the one before it, and from it to the next, of its rows: (2, n, n_answers)."""
    answers = []
    for each in (level - 1, level, level + 1):
        made = asked.rows[rows].copy()
        made[:, j] = levels[min(max(each, 0), len(levels) - 1)]
        answers.append(asked.answers(made, rows))
    return np.diff(np.stack(answers), axis=0)


def _variances(changes: list[Floats], means: Floats, weights: Floats) -> Floats:
    """Return the variances of weighted sums of means, (n_levels, n_answers).

    A row takes part in two means, that before its level and that after it, and so it does here.
    """
    n_levels = len(changes)
    variances = np.zeros((n_levels, means.shape[1]))
    for level, of_rows in enumerate(changes):
        influence: Any = 0.0
        for side, k in ((0, level - 1), (1, level)):
            if 0 <= k < n_levels - 1:
                influence = influence + weights[:, k, np.newaxis, np.newaxis] * (of_rows[side] - means[k])
        variances += np.square(influence).sum(axis=1)
    return variances
