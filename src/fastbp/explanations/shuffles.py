"""What shuffling a column costs: the growth of the loss, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Growth", "growth_by_shuffling"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Growth(NamedTuple):
    """How much larger the mean loss is when a column is shuffled.

    Attributes
    ----------
    mean : float
    error : float
        Its standard error, for other rows like these; NaN for fewer than three rows, as two give each other the same.
        A row counts in two ways, by its own loss and by the value that it lends to another row, and so it does here (as
        in the standard error of a U-statistic: Hoeffding, 1948).
    """

    mean: float
    error: float


def growth_by_shuffling(
    losses: Callable[[Array], Floats], rows: Array, columns: Sequence[int], orders: Sequence[NDArray[np.int64]]
) -> Iterator[Growth]:
    """Shuffle columns in turn, each in the same ways, and yield what it costs (Breiman, 2001).

    Parameters
    ----------
    losses : callable
        Takes an array like ``rows``, returns the loss of each row, (n,).
    rows : ndarray of shape (n, n_columns)
    columns : sequence of int
    orders : sequence of int64 ndarray of shape (n,)
        For each way, the rows whose values the rows get.
    """
    n = len(rows)
    whole = losses(rows)
    changed = rows.copy()
    for column in columns:
        grown, lent = np.zeros(n), np.zeros(n)  # of each row, and of the row that got its value
        for order in orders:
            changed[:, column] = rows[order, column]
            growth = (losses(changed) - whole) / len(orders)
            grown += growth
            lent[order] += growth
        changed[:, column] = rows[:, column]
        error = float((grown + lent).std(ddof=1) / np.sqrt(n)) if n > 2 else float("nan")
        yield Growth(float(grown.mean()), error)
