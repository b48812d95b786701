"""Statistics of columns of the training data, in float64, from which preparations learn.

Samples are read in blocks whose size depends on the number of columns only. So memory stays bounded, also for an array
in a file, and the results have the same bits on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastbp.data.blocks import BLOCK_ROWS
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.features import Features
from fastbp.support.checks import sentence

if TYPE_CHECKING:
    from fastbp.engine.features import Step

__all__ = ["ColumnStatistics", "Feature", "Moments"]

Array = NDArray[Any]
Numbers = NDArray[np.float64]
Feature = tuple[int, tuple["Step", ...]]  # a column, and the steps that make the feature of it
Categories = tuple[list[float], bool]  # values in their order, and whether some are missing

_BLOCK_NUMBERS = 2**20
_QUANTILE_ROWS = 10**6  # at most this many are used, evenly spaced
_QUANTILE_NUMBERS = 2**23


class Moments(NamedTuple):
    """Statistics of each column over its values that are not missing; all are 0 if there are none."""

    n_present: Numbers
    mean: Numbers
    variance: Numbers
    low: Numbers
    high: Numbers


class _Unique:
    """The different numbers among those taken in."""

    def __init__(self) -> None:
        self._known = np.zeros(0)
        self._new: list[Numbers] = []
        self._n_new = 0

    def take(self, numbers: Numbers) -> None:
        """Take numbers in; sort them when many are new."""
        self._new.append(np.unique(numbers))
        self._n_new += len(self._new[-1])
        if self._n_new > len(self._known) + _BLOCK_NUMBERS:
            self.values()

    def values(self) -> Numbers:
        """Return the different numbers in rising order; NaN at most once, at the end."""
        self._known = np.unique(np.concatenate([self._known, *self._new]))
        self._new, self._n_new = [], 0
        return self._known


def _without_nan(values: Numbers) -> Numbers:
    return values[~np.isnan(values)]


class ColumnStatistics:
    """Some columns of an array, the steps learned for them so far, and statistics of what the steps make of them.

    Parameters
    ----------
    columns : sequence of int
        Their numbers in the array.
    array : ndarray of shape (n_samples, n_columns), or None
        The samples. None where no statistics will be asked for.
    rows : int64 ndarray or None
        The samples to learn from; None is all.
    texts : dict of int to int
        The number of categories of each column that holds codes of text.
    place : function
        Returns the name of a column for messages.
    """

    def __init__(
        self,
        columns: Sequence[int],
        array: Array | None,
        rows: NDArray[np.int64] | None,
        texts: dict[int, int],
        place: Callable[[int], str],
    ) -> None:
        self.columns = tuple(columns)
        self._array, self._rows, self._texts, self._place = array, rows, texts, place
        self._steps: list[list[Step]] = [[] for _ in columns]
        self._indicators: list[Feature] = []
        self._parts: list[list[Step]] | None = None
        self._n_missing: Numbers = np.zeros(len(columns))

    # ------------------------------------------------------------------------------------------------- steps

    def add(self, steps: Sequence[Step]) -> None:
        """Add a step to each column."""
        for j, step in enumerate(steps):
            self._steps[j].append(step)
            if step[0] == "fill":
                self._n_missing[j] = 0

    def add_affine(self, a: Numbers | float, b: Numbers | float, c: float = 0.0) -> None:
        """Add (x - a) * b + c to each column."""
        a, b = np.broadcast_to(a, len(self.columns)), np.broadcast_to(b, len(self.columns))
        self.add([("affine", float(a_j), float(b_j), c) for a_j, b_j in zip(a, b, strict=True)])

    def add_indicators(self) -> None:
        """Add a feature for each column that had missing numbers in the last statistics: 1 for missing, else 0."""
        for j, column in enumerate(self.columns):
            if self._n_missing[j]:
                self._indicators.append((column, (*self._steps[j], ("missing",))))

    def split(self, parts: list[list[Step]]) -> None:
        """Make a feature with each of these steps of each column, and no others."""
        self._parts = parts

    def features(self) -> list[Feature]:
        """Return the features: those of numbers, then indicators.

        Raises
        ------
        ValueError
            If a feature would be missing in some sample.
        """
        if self._parts is None and self._n_missing.any():
            self._refuse(np.isnan, "a number", "Fill what is missing with fb.Impute(), or leave out that row.")
        if self._parts is None:
            numbers = [(column, tuple(steps)) for column, steps in zip(self.columns, self._steps, strict=True)]
            return numbers + self._indicators
        return [
            (column, (*steps, step))
            for column, steps, parts in zip(self.columns, self._steps, self._parts, strict=True)
            for step in parts
        ]

    # -------------------------------------------------------------------------------------------- statistics

    def moments(self) -> Moments:
        """Return count, mean, variance (the mean square of the deviations), minimum and maximum of each column.

        The first number of a column is subtracted from all, so that a constant column has a variance of exactly 0; the
        statistics of blocks are merged pairwise (Chan, Golub and LeVeque, 1983).
        """
        k = len(self.columns)
        count, mean, squares = np.zeros(k), np.zeros(k), np.zeros(k)
        first, low, high = np.full(k, np.nan), np.full(k, np.nan), np.full(k, np.nan)
        n_samples = 0
        for block in self._blocks():
            there = ~np.isnan(block)
            n = there.sum(axis=0).astype(np.float64)
            first = np.where(np.isnan(first), block[there.argmax(axis=0), np.arange(k)], first)
            with np.errstate(over="ignore", invalid="ignore"):
                deviations = np.where(there, block - first, 0.0)
                own_mean = deviations.sum(axis=0) / np.maximum(n, 1)
                deviations -= own_mean
                own_squares = np.square(deviations, where=there, out=np.zeros_like(deviations)).sum(axis=0)
                ahead = own_mean - mean
                both = np.maximum(count + n, 1)
                mean += ahead * (n / both)
                squares += own_squares + np.square(ahead) * (count * (n / both))
            count += n
            low, high = np.fmin(low, np.fmin.reduce(block, axis=0)), np.fmax(high, np.fmax.reduce(block, axis=0))
            n_samples += len(block)
        self._n_missing = n_samples - count
        with np.errstate(over="ignore", invalid="ignore"):
            mean, variance = mean + first, squares / np.maximum(count, 1)
            large = (count > 0) & ~(np.isfinite(mean) & np.isfinite(variance) & np.isfinite(high - low))
        if large.any():
            j = int(large.argmax())
            raise ValueError(
                f"{self._place(self.columns[j])} has numbers from {low[j]:g} to {high[j]:g}, whose squares are "
                "infinite; expected smaller ones. Put fb.Scale(1e-200) first, for example."
            )
        return Moments(count, *(np.where(count > 0, each, 0.0) for each in (mean, variance, low, high)))

    def quantiles(self, shares: Sequence[float]) -> Numbers:
        """Return these quantiles, shape (shares, columns); NaN where all is missing.

        Of more than a million samples every k-th is used.
        """
        stride = -(-self._n_samples() // _QUANTILE_ROWS)
        at_once = max(1, _QUANTILE_NUMBERS // -(-self._n_samples() // stride))
        result = np.full((len(shares), len(self.columns)), np.nan)
        for start in range(0, len(self.columns), at_once):
            group = range(start, min(start + at_once, len(self.columns)))
            columns = np.concatenate([block.T for block in self._blocks(group, stride)], axis=1)
            for j, column in zip(group, columns, strict=True):
                there = column[~np.isnan(column)]
                self._n_missing[j] = max(self._n_missing[j], len(column) - len(there))
                if len(there):
                    result[:, j] = np.quantile(there, shares)
        return result

    def categories(self, most: int | None = None) -> list[Categories]:
        """Return the values of each column in their order, and whether some are missing.

        Of a column with more than ``most`` values these are its most common ones; of equally common ones the first.
        """
        of_numbers = {j: _Unique() for j, column in enumerate(self.columns) if column not in self._texts}
        missing = np.zeros(len(self.columns), bool)
        for block in self._blocks():
            missing |= np.isnan(block).any(axis=0)
            for j, unique in of_numbers.items():
                unique.take(block[:, j])
        values = [
            _without_nan(of_numbers[j].values()) if j in of_numbers else np.arange(self._texts[column], dtype=float)
            for j, column in enumerate(self.columns)
        ]
        if most is not None and any(len(known) > most for known in values):
            values = self._most_common(values, most)
        self._n_missing[:] = 0  # what is missing is a category
        return [(known.tolist(), bool(some)) for known, some in zip(values, missing, strict=True)]

    def _most_common(self, values: list[Numbers], most: int) -> list[Numbers]:
        """Return at most so many values of each column, in their order."""
        counts = [np.zeros(len(known), np.int64) for known in values]
        for block in self._blocks():
            for j, known in enumerate(values):
                counts[j] += np.bincount(np.searchsorted(known, _without_nan(block[:, j])), minlength=len(known))
        chosen = [np.sort(np.argsort(-count, kind="stable")[:most]) for count in counts]
        return [known[places] for known, places in zip(values, chosen, strict=True)]

    def refuse_empty(self, n_present: Numbers) -> None:
        """Refuse a column without any number."""
        for j in np.flatnonzero(n_present == 0):
            raise ValueError(
                f"{self._place(self.columns[j])} has no numbers, so that there is nothing to fill it with; expected at "
                "least one. Leave out that column."
            )

    # -------------------------------------------------------------------------------------------- the samples

    def _n_samples(self) -> int:
        assert self._array is not None
        return len(self._array if self._rows is None else self._rows)

    def _blocks(self, group: range | None = None, stride: int = 1) -> Iterator[Numbers]:
        """Yield what the steps so far make of some columns, block by block; infinite numbers are refused."""
        assert self._array is not None
        places = range(len(self.columns)) if group is None else group
        features = Features([(self.columns[j], self._steps[j]) for j in places])
        array = self._array[::stride] if self._rows is None else self._array
        rows = None if self._rows is None else self._rows[::stride]
        n_rows = max(1, min(BLOCK_ROWS, _BLOCK_NUMBERS // max(1, len(places))))
        for start in range(0, len(array) if rows is None else len(rows), n_rows):
            stop = start + n_rows
            part = array[start:stop] if rows is None else array[rows[start:stop]]
            block = features.apply(ArrayReader(part), np.empty((len(part), len(places))))
            if np.isinf(block).any():
                self._refuse(np.isinf, "a finite number", "Leave out that row or give it another number.")
            yield block

    def _refuse(self, bad: Callable[[Array], NDArray[np.bool_]], expected: str, remedy: str) -> NoReturn:
        """Raise the ValueError that names the first bad number of all rows, or the first that the steps make bad."""
        assert self._array is not None
        features = Features([(column, steps) for column, steps in zip(self.columns, self._steps, strict=True)])
        for start in range(0, len(self._array), BLOCK_ROWS):
            part = self._array[start : start + BLOCK_ROWS]
            wrong = bad(features.apply(ArrayReader(part), np.empty((len(part), len(features)))))
            if wrong.any():
                i = int(wrong.any(axis=1).argmax())
                column = self.columns[int(wrong[i].argmax())]
                value = part[i, column].item()
                place = f"row {start + i}, {self._place(column)}"
                if math.isfinite(value):
                    remedy = "Its preparation makes it infinite. Scale the column first."
                raise ValueError(sentence(place, value, expected, remedy))
        raise AssertionError("no number is bad, although one was found")
