"""Equal rows, found by a hash of each row, made column by column.

A hash has 64 bits: among a million different rows, two have the same hash once in about 40 million tables.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbp.inspection.columns import Column

__all__ = ["RowHashes", "rows_before"]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of SplitMix64, by Steele and others (2014)
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


class RowHashes:
    """A hash of each row of a table, over the columns taken in so far."""

    def __init__(self, n_rows: int) -> None:
        self.values: NDArray[np.uint64] = np.zeros(n_rows, np.uint64)

    def take(self, column: Column) -> None:
        """Take in the next column."""
        mixed = (self.values + _STEP) ^ column.bits
        mixed = (mixed ^ (mixed >> _SHIFTS[0])) * _FACTORS[0]
        mixed = (mixed ^ (mixed >> _SHIFTS[1])) * _FACTORS[1]
        self.values = mixed ^ (mixed >> _SHIFTS[2])


def rows_before(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return for each row the first row that is equal to it: itself, where none is earlier."""
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    rows: NDArray[np.int64] = first[inverse]
    return rows
