"""How a table's columns become the inputs of a network: scaled numbers, bins, indicators, and codes of categories.

The recipe is RealMLP's (Holzmueller, Grinsztajn and Steinwart, 2024) with the piecewise-linear bins of Gorishniy,
Rubachev and Babenko (2022):

- a gap in a number is its median, and a column of its own says that it was one;
- a number is centred on its median, divided by its interquartile range, and bounded smoothly by +-3, or by +-100, which
  leaves nearly all as they are;
- with bins, it is also written as how much of each of some quantile bins lies below it;
- the values that recur in a column of few of them have codes, for which the network trains a row of a table: where a
  single value matters, as it does to a tree, or those that people round to;
- a category of few levels is a column for each level, one column of +-1 for two levels; all scaled like numbers;
- a category of many levels is a code, for which the network trains a row of a table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.number_columns import BOUND, LARGEST, NumberColumns

__all__ = ["FAR_BOUND", "Kind", "TableEncoding", "learn_encoding", "learn_encodings"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

FAR_BOUND = 100.0  # of a scaled number that is to stay as it is, but for one that would spoil a sum
_MOST_LEVELS = 9  # of a category that is written out, a level of gaps counted
_MOST_ROWS = 100_000  # from which quantiles are taken
_USUAL_BINS = 16  # whose rows bound how often a value counts, where there are no bins
_NO_VALUES = np.empty(0)
_LEAST_VALUES = 3  # two are a line
_MOST_VALUES = 200  # of a column, that recur; with more they are rather a measure
_LEAST_COUNT = 8  # of the rows with a value that recurs


class Kind(NamedTuple):
    """What tells one encoding of a table from another: how it writes numbers."""

    n_bins: int  # the most of a column
    bound: float = BOUND  # of scaled numbers
    with_values: bool = False  # whether values that recur have codes


@dataclass(frozen=True)
class NumberEncoding:
    """A column of numbers: its scale, whether it has gaps, and the edges of its bins."""

    centre: float
    factor: float
    with_gaps: bool
    edges: Floats  # (n_bins + 1,), rising; or none
    values: Floats = field(default_factory=lambda: _NO_VALUES)  # those that have codes, rising, float32's; or none

    def slopes(self, values: Floats, bound: float) -> Floats:
        """Return the slope of the scaled and bounded number at values."""
        with np.errstate(over="ignore"):
            scaled = (values - self.centre) * self.factor
        return np.asarray(np.where(np.abs(scaled) < LARGEST, self.factor * np.hypot(1, scaled / bound) ** -3, 0.0))


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
    bound : float, default 3.0
        Of a scaled number.

    Attributes
    ----------
    n_numeric : int
        How many numbers a row becomes, besides the codes.
    places : list of int
        Where the scaled number of each column of numbers is among the inputs.
    coded_numbers : list of int
        The columns of numbers whose values have codes.
    table_sizes : list of int
        The number of codes of each category with many levels, then of each of these columns.
    """

    def __init__(
        self,
        numbers: Sequence[NumberEncoding],
        levels: Mapping[int, LevelEncoding],
        cardinalities: Mapping[int, int],
        bound: float = BOUND,
    ) -> None:
        self.numbers, self.levels, self.cardinalities = tuple(numbers), dict(levels), dict(cardinalities)
        self.bound = bound
        self._columns = NumberColumns(
            [number.centre for number in self.numbers],
            [number.factor for number in self.numbers],
            [number.with_gaps for number in self.numbers],
            [number.edges for number in self.numbers],
            bound,
        )
        self._rows_of_levels = {k: _rows_of_codes(level) for k, level in self.levels.items()}
        self.n_numeric = self._columns.n_inputs + sum(len(each.centres) for each in self.levels.values())
        widths = [1 + number.with_gaps + max(len(number.edges) - 1, 0) for number in self.numbers]
        self.places = [sum(widths[:j]) for j in range(len(widths))]
        self.coded_numbers = [j for j, number in enumerate(self.numbers) if len(number.values)]
        coded = [len(self.numbers[j].values) for j in self.coded_numbers]
        self.table_sizes = [*self.cardinalities.values(), *coded]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.numbers, self.levels, self.cardinalities, self.bound)

    def encode(self, table: Floats) -> NDArray[np.float32]:
        """Return the inputs of a network: numbers, the codes of categories with many levels, and those of values.

        Parameters
        ----------
        table : ndarray of shape (n_rows, n_numbers + n_categories), float64 or float32
            Numbers, NaN for a gap; then codes, -1 for a level that was not learned.
        """
        out = np.empty((len(table), self.n_numeric + len(self.table_sizes)), np.float32)
        n_numbers, place = len(self.numbers), self._columns.n_inputs
        self._columns.write(ArrayReader(table), out)
        for k, rows in self._rows_of_levels.items():
            codes = np.minimum(table[:, n_numbers + k], len(rows) - 2).astype(np.intp)
            out[:, place : place + rows.shape[1]] = rows[codes]
            place += rows.shape[1]
        for k in self.cardinalities:
            out[:, place] = table[:, n_numbers + k]
            place += 1
        for j in self.coded_numbers:
            out[:, place] = _codes_of(table[:, j], self.numbers[j].values)
            place += 1
        return out

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {
            "numbers": [[n.centre, n.factor, n.with_gaps, n.edges.tolist(), n.values.tolist()] for n in self.numbers],
            "levels": [[k, list(e.codes), e.centres.tolist(), e.factors.tolist()] for k, e in self.levels.items()],
            "cardinalities": [[k, cardinality] for k, cardinality in self.cardinalities.items()],
            "bound": self.bound,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TableEncoding:
        """Return what ``to_config`` described."""
        return cls(
            [NumberEncoding(float(c), float(f), bool(g), *map(np.array, rest)) for c, f, g, *rest in config["numbers"]],
            {
                int(k): LevelEncoding(tuple(codes), np.array(centres), np.array(factors))
                for k, codes, centres, factors in config["levels"]
            },
            {int(k): int(cardinality) for k, cardinality in config["cardinalities"]},
            float(config.get("bound", BOUND)),
        )


def _bounded(values: Array, centre: Any, factor: Any) -> Array:
    """Return (values - centre) * factor, bounded smoothly by +-BOUND; the largest doubles too."""
    with np.errstate(over="ignore"):
        scaled = np.clip((values - centre) * factor, -LARGEST, LARGEST)
    bounded: Array = scaled / np.sqrt(1 + (scaled / BOUND) ** 2)
    return bounded


def _rows_of_codes(level: LevelEncoding) -> NDArray[np.float32]:
    """Return the columns of each code up to the largest that was learned; then, twice, of all that were not: -1 too."""
    codes = np.append(np.arange(max(level.codes) + 1.0), [-1, -1])
    return _bounded(_level_columns(level.codes, codes), level.centres, level.factors).astype(np.float32)


def _singles(numbers: Array) -> NDArray[np.float32]:
    """Return numbers as float32: 0.3 is the same value as 0.1 * 3, and in a table of float32."""
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _codes_of(numbers: Array, values: Floats) -> NDArray[np.intp]:
    """Return the place of each number among values that rise, -1 where it is none of them."""
    known, singles = _singles(values), _singles(numbers)
    places = np.minimum(np.searchsorted(known, singles), len(known) - 1)
    return np.where(known[places] == singles, places, -1)


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
    kind = Kind(n_bins)
    return learn_encodings(table, n_numbers, cardinalities, {kind}, rows, most_levels)[kind]


def learn_encodings(
    table: Floats,
    n_numbers: int,
    cardinalities: Sequence[int],
    kinds: Collection[Kind],
    rows: NDArray[np.int64] | None = None,
    most_levels: int = _MOST_LEVELS,
) -> dict[Kind, TableEncoding]:
    """Return encodings of a table that differ in their numbers, from the rows to train on; each column is sorted once.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_numbers + n_categories)
        As for ``TableEncoding.encode``.
    n_numbers : int
    cardinalities : sequence of int
        How many codes each category has.
    kinds : collection of Kind
        What each encoding is.
    rows : ndarray of int or None
        The rows to train on, where the table has others too.
    most_levels : int
        Of a category that is written out, a level of gaps counted.
    """

    def column(j: int) -> Floats:  # one at a time: all rows to train on would be a second table
        return (table[:, j] if rows is None else table[rows, j]).astype(np.float64)

    numbers: dict[tuple[int, bool], list[NumberEncoding]] = {(kind.n_bins, kind.with_values): [] for kind in kinds}
    for j in range(n_numbers):
        known = _Distinct.of(column(j))
        for (n_bins, with_values), encodings in numbers.items():
            encodings.append(known.encoding(n_bins, with_values))
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
    return {kind: TableEncoding(numbers[kind.n_bins, kind.with_values], levels, many, kind.bound) for kind in kinds}


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

    @property
    def recurring(self) -> Floats:
        """The values that get codes; none where few rows have one of them, or there are too many."""
        if len(self.values) < _LEAST_VALUES:
            return _NO_VALUES
        singles = _singles(self.values)
        starts = np.flatnonzero(np.append(True, singles[1:] != singles[:-1]))  # of those that are the same
        often = (np.add.reduceat(self.counts, starts) >= _LEAST_COUNT) & np.isfinite(singles[starts])
        if not _LEAST_VALUES <= np.count_nonzero(often) <= _MOST_VALUES:
            return _NO_VALUES
        return singles[starts][often].astype(np.float64)

    def encoding(self, n_bins: int, with_values: bool = False) -> NumberEncoding:
        """Return the column's encoding with at most so many bins."""
        if not len(self.values):
            return NumberEncoding(0.0, 0.0, False, np.empty(0))
        levels = Levels.of(self.values, self.counts, n_bins or _USUAL_BINS)
        centre, factor = levels.scale(self.median)
        edges = levels.edges(n_bins) if n_bins else np.empty(0)
        # Two bins say no more than a straight line and a kink; a column of two values has none.
        edges = edges if len(edges) > 3 else np.empty(0)
        return NumberEncoding(centre, factor, self.with_gaps, edges, self.recurring if with_values else _NO_VALUES)


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
