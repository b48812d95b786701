"""Rows that are equal in every column, and where they are: in the training rows, in the held-out rows, in both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.inspection.columns import Column, read_columns
from fastbp.inspection.row_hashes import RowHashes, rows_before

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Twins", "count_twins"]


class Twins(NamedTuple):
    """How many rows are equal to others.

    Attributes
    ----------
    again : int
        Rows that are equal to an earlier one.
    by_chance : int
        How many there would be if the columns had nothing to do with each other: many, where columns have few values.
    held_out : int
        Held-out rows that are equal to a training row.
    contradictions : int
        Rows that are equal to an earlier one and have another target.
    example : (int, int) or None
        The first of these, and the row that it is equal to.
    """

    again: int
    by_chance: int
    held_out: int
    contradictions: int
    example: tuple[int, int] | None


def count_twins(X: pd.DataFrame, y: NDArray[Any], train_rows: NDArray[np.int64], test_rows: NDArray[np.int64]) -> Twins:
    """Count rows that are equal to others in every column.

    Parameters
    ----------
    X : DataFrame
    y : ndarray of shape (n,)
    train_rows, test_rows : int ndarray
        Places of rows.
    """
    hashes, mixed = _hash_rows(X)
    first = rows_before(hashes)
    again = np.flatnonzero(first != np.arange(len(first)))
    others = again[y[again] != y[first[again]]]
    return Twins(
        len(again),
        len(mixed) - len(np.unique(mixed)),
        int(np.count_nonzero(np.isin(hashes[test_rows], hashes[train_rows]))),
        len(others),
        (int(others[0]), int(first[others[0]])) if len(others) else None,
    )


def _hash_rows(X: pd.DataFrame) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return a number for each row, the same for equal rows; and the same of a table whose columns are shuffled."""
    hashes, mixed = RowHashes(len(X)), RowHashes(len(X))
    rng = np.random.default_rng(0)
    for column in read_columns(X, "X"):
        hashes.take(column)
        mixed.take(Column(column.name, column.kind, column.values[rng.permutation(len(X))], column.levels))
    return hashes.values, mixed.values
