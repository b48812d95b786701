"""How a table's columns become the inputs of a network: scaled numbers, bins, indicators, and codes of categories.

The recipe is RealMLP's (Holzmueller, Grinsztajn and Steinwart, 2024) with the piecewise-linear bins of Gorishniy,
Rubachev and Babenko (2022):

- a gap in a number is its median, and a column of its own says that it was one;
- a number is centred on its median, divided by its interquartile range, and bounded smoothly by +-3;
- with bins, it is also written as how much of each of some quantile bins lies below it;
- a category of few levels is a column for each level, one column of +-1 for two levels; all scaled like numbers;
- a category of many levels is a code, for which the network trains a row of a table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.number_columns import BOUND, LARGEST, NumberColumns

__all__ = ["TableEncoding", "learn_encoding", "learn_encodings"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MOST_LEVELS = 9  # of a category that is written out, a level of gaps counted
_MOST_ROWS = 100_000  # from which quantiles are taken
_USUAL_BINS = 16  # whose rows bound how often a value counts, where there are no bins


@dataclass(frozen=True)
class NumberEncoding:
    """A column of numbers: its scale, whether it has gaps, and the edges of its bins."""

    centre: float
    factor: float
    with_gaps: bool
    edges: Floats  # (n_bins + 1,), rising; or none

    def slopes(self, values: Floats) -> Floats:
        """Return the slope of the scaled and bounded number at values."""
        with np.errstate(over="ignore"):
            scaled = (values - self.centre) * self.factor
        return np.asarray(np.where(np.abs(scaled) < LARGEST, self.factor * np.hypot(1, scaled / BOUND) ** -3, 0.0))


@dataclass(frozen=True)
class LevelEncoding:
    """A category of few levels: the code that each of its columns stands for, and their scales.

    Two levels have one column, 1 for the second and -1 for the first one.
    """

    codes: tuple[int, ...]
    centres: Floats
    factors: Floats


class TableEncoding:
    """The encoding of all columns, learned from the rows to train on.

    Parameters
    ----------
    numbers : sequence of NumberEncoding
        Of the first columns of the table.
    levels : dict of int to LevelEncoding
        By the place of the category among the categories, which follow the numbers.
    cardinalities : dict of int to int
        The number of codes of each other category.

    Attributes
    ----------
    n_numeric : int
        How many numbers a row becomes, besides the codes.
    """

    def __init__(
        self,
        numbers: Sequence[NumberEncoding],
        levels: Mapping[int, LevelEncoding],
        cardinalities: Mapping[int, int],
    ) -> None:
        self.numbers, self.levels, self.cardinalities = tuple(numbers), dict(levels), dict(cardinalities)
        self._columns = NumberColumns(
            [number.centre for number in self.numbers],
            [number.factor for number in self.numbers],
            [number.with_gaps for number in self.numbers],
            [number.edges for number in self.numbers],
        )
        self._rows_of_levels = {k: _rows_of_codes(level) for k, level in self.levels.items()}
        self.n_numeric = self._columns.n_inputs + sum(len(each.centres) for each in self.levels.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.numbers, self.levels, self.cardinalities)

    def encode(self, table: Floats) -> NDArray[np.float32]:
        """Return the inputs of a network: numbers, then the codes of categories with many levels.

        Parameters
        ----------
        table : ndarray of shape (n_rows, n_numbers + n_categories), float64 or float32
            Numbers, NaN for a gap; then codes, -1 for a level that was not learned.
        """
        out = np.empty((len(table), self.n_numeric + len(self.cardinalities)), np.float32)
        n_numbers, place = len(self.numbers), self._columns.n_inputs
        self._columns.write(ArrayReader(table), out)
        for k, rows in self._rows_of_levels.items():
            codes = np.minimum(table[:, n_numbers + k], len(rows) - 2).astype(np.intp)
            out[:, place : place + rows.shape[1]] = rows[codes]
            place += rows.shape[1]
        for k in self.cardinalities:
            out[:, place] = table[:, n_numbers + k]
            place += 1
        return out

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {
            "numbers": [[n.centre, n.factor, n.with_gaps, n.edges.tolist()] for n in self.numbers],
            "levels": [[k, list(e.codes), e.centres.tolist(), e.factors.tolist()] for k, e in self.levels.items()],
            "cardinalities": [[k, cardinality] for k, cardinality in self.cardinalities.items()],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TableEncoding:
        """Return what ``to_config`` described."""
        return cls(
            [NumberEncoding(float(c), float(f), bool(g), np.array(edges)) for c, f, g, edges in config["numbers"]],
            {
                int(k): LevelEncoding(tuple(codes), np.array(centres), np.array(factors))
                for k, codes, centres, factors in config["levels"]
            },
            {int(k): int(cardinality) for k, cardinality in config["cardinalities"]},
        )


def _bounded(values: Array, centre: Any, factor: Any) -> Array:
    """Return (values - centre) * factor, bounded smoothly by +-3; the largest doubles too."""
    with np.errstate(over="ignore"):
        scaled = np.clip((values - centre) * factor, -LARGEST, LARGEST)
    bounded: Array = scaled / np.sqrt(1 + (scaled / BOUND) ** 2)
    return bounded


def _rows_of_codes(level: LevelEncoding) -> NDArray[np.float32]:
    """Return the columns of each code up to the largest that was learned; then, twice, of all that were not: -1 too."""
    codes = np.append(np.arange(max(level.codes) + 1.0), [-1, -1])
    return _bounded(_level_columns(level.codes, codes), level.centres, level.factors).astype(np.float32)


def _level_columns(levels: Sequence[int], codes: Floats) -> Floats:
    """Return the columns of a category before they are scaled, (n_rows, n_columns)."""
    if len(levels) == 2:
        signs = np.where(codes == levels[1], 1.0, np.where(codes == levels[0], -1.0, 0.0))
        return signs[:, np.newaxis]
    columns: Floats = (codes[:, np.newaxis] == np.array(levels)).astype(np.float64)
    return columns


# ---------------------------------------------------------------------------------------------------- learning


def learn_encoding(
    table: Floats,
    n_numbers: int,
    cardinalities: Sequence[int],
    n_bins: int,
    rows: NDArray[np.int64] | None = None,
    most_levels: int = _MOST_LEVELS,
) -> TableEncoding:
    """Return the encoding of a table with at most ``n_bins`` bins of a column, as ``learn_encodings`` does."""
    return learn_encodings(table, n_numbers, cardinalities, {n_bins}, rows, most_levels)[n_bins]


def learn_encodings(
    table: Floats,
    n_numbers: int,
    cardinalities: Sequence[int],
    numbers_of_bins: Collection[int],
    rows: NDArray[np.int64] | None = None,
    most_levels: int = _MOST_LEVELS,
) -> dict[int, TableEncoding]:
    """Return encodings of a table that differ in their bins, from the rows to train on; each column is sorted once.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_numbers + n_categories)
        As for ``TableEncoding.encode``.
    n_numbers : int
    cardinalities : sequence of int
        How many codes each category has.
    numbers_of_bins : collection of int
        For each encoding the most bins of a column of numbers.
    rows : ndarray of int or None
        The rows to train on, where the table has others too.
    most_levels : int
        Of a category that is written out, a level of gaps counted.
    """

    def column(j: int) -> Floats:  # one at a time: all rows to train on would be a second table
        return (table[:, j] if rows is None else table[rows, j]).astype(np.float64)

    numbers: dict[int, list[NumberEncoding]] = {n_bins: [] for n_bins in numbers_of_bins}
    for j in range(n_numbers):
        known = _Distinct.of(column(j))
        for n_bins, encodings in numbers.items():
            encodings.append(known.encoding(n_bins))
    levels: dict[int, LevelEncoding] = {}
    many: dict[int, int] = {}
    for k, cardinality in enumerate(cardinalities):
        codes = column(n_numbers + k)
        found = np.unique(codes[codes >= 0]).astype(int).tolist()
        if len(found) < 2:
            continue
        if cardinality <= most_levels:
            levels[k] = _learn_levels(found, codes)
        else:
            many[k] = cardinality
    return {n_bins: TableEncoding(encodings, levels, many) for n_bins, encodings in numbers.items()}


@dataclass(frozen=True)
class _Distinct:
    """The distinct values of a column of numbers, which are sorted once for all encodings."""

    values: Floats
    counts: NDArray[np.int64]
    with_gaps: bool

    @classmethod
    def of(cls, column: Floats) -> _Distinct:
        gaps = np.isnan(column)
        with_gaps = bool(gaps.any())
        values = column[~gaps] if with_gaps else column
        if len(values) > _MOST_ROWS:
            values = values[:: len(values) // _MOST_ROWS + 1]
        distinct, counts = np.unique(values, return_counts=True)
        return cls(distinct, counts, with_gaps)

    @property
    def median(self) -> float:
        """The median of all values: of the sorted ones, which is sooner than of the column."""
        cumulated = np.cumsum(self.counts)
        n = int(cumulated[-1])
        low, high = np.searchsorted(cumulated, [(n - 1) // 2, n // 2], side="right")
        return float(self.values[low] / 2 + self.values[high] / 2)

    def encoding(self, n_bins: int) -> NumberEncoding:
        """Return the column's encoding with at most so many bins."""
        if not len(self.values):
            return NumberEncoding(0.0, 0.0, False, np.empty(0))
        levels = Levels.of(self.values, self.counts, n_bins or _USUAL_BINS)
        centre, factor = levels.scale(self.median)
        edges = levels.edges(n_bins) if n_bins else np.empty(0)
        # Two bins say no more than a straight line and a kink; a column of two values has none.
        return NumberEncoding(centre, factor, self.with_gaps, edges if len(edges) > 3 else np.empty(0))


@dataclass(frozen=True)
class Levels:
    """The distinct values of a column, and how often each counts: at most as often as a bin has rows.

    A column of mostly zeros would have all its quantiles at zero, and tell nothing of the rest.
    """

    values: Floats
    cumulated: Floats  # the share of the rows up to the middle of each value's

    @classmethod
    def of(cls, distinct: Floats, counts: NDArray[np.int64], n_bins: int) -> Levels:
        capped = np.minimum(counts, max(int(counts.sum()) / n_bins, 1.0))
        return cls(distinct, (np.cumsum(capped) - capped / 2) / capped.sum())

    def quantiles(self, shares: Any) -> Floats:
        return np.asarray(np.interp(shares, self.cumulated, self.values))

    def scale(self, centre: float) -> tuple[float, float]:
        """Return the centre, and 1 / interquartile range; or 2 / range; or 0 for a constant."""
        low, high = map(float, self.quantiles([0.25, 0.75]))
        spread = float(self.values[-1]) - float(self.values[0])  # of Python's floats, whose overflow is infinity
        if high > low:
            return centre, 1 / (high - low)
        return centre, 2 / spread if spread > 0 else 0.0

    def edges(self, n_bins: int) -> Floats:
        """Return the edges of up to n_bins bins; of few values, these themselves."""
        if len(self.values) <= n_bins + 1:
            return self.values
        inner = self.quantiles(np.arange(1, n_bins) / n_bins)
        return np.unique(np.concatenate([self.values[:1], inner, self.values[-1:]]))


def _scale(values: Array) -> tuple[float, float]:
    """Return the centre and the factor of a column of a category: median, and 1 / interquartile range; or 2 / range."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    if high > low:
        return float(median), 1 / float(high - low)
    spread = float(values.max() - values.min())
    return float(median), 2 / spread if spread > 0 else 0.0


def _learn_levels(found: Sequence[int], codes: Floats) -> LevelEncoding:
    columns = _level_columns(found, codes)
    scales = np.array([_scale(column) for column in columns.T])
    return LevelEncoding(tuple(found), scales[:, 0], scales[:, 1])
