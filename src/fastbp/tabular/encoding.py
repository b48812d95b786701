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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.tabular.few_rows import BOUND, LARGEST, FewRows

__all__ = ["TableEncoding", "learn_encoding"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_FEW_ROWS = 64  # up to which all columns of numbers are written together
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
        self._n_of_numbers = sum(1 + each.with_gaps + max(len(each.edges) - 1, 0) for each in self.numbers)
        self.n_numeric = self._n_of_numbers + sum(len(each.centres) for each in self.levels.values())
        self._few_rows = FewRows(self.numbers)

    def encode(self, table: Floats) -> NDArray[np.float32]:
        """Return the inputs of a network: numbers, then the codes of categories with many levels.

        Parameters
        ----------
        table : ndarray of shape (n_rows, n_numbers + n_categories), float64 or float32
            Numbers, NaN for a gap; then codes, -1 for a level that was not learned.
        """
        out = np.empty((len(table), self.n_numeric + len(self.cardinalities)), np.float32)
        place, n_numbers = 0, len(self.numbers)
        if len(table) <= _FEW_ROWS:
            self._few_rows.write(table[:, :n_numbers].astype(np.float64, copy=False), out)
            place = self._n_of_numbers
        else:
            for j, number in enumerate(self.numbers):
                place = _write_number(number, table[:, j], out, place)
        for k, level in self.levels.items():
            place = _write_levels(level, table[:, n_numbers + k], out, place)
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


def _write_number(number: NumberEncoding, column: Array, out: Array, place: int) -> int:
    """Write a column's inputs from a place on; return the place after them."""
    values = column.astype(np.float64)
    gaps = np.isnan(values)
    filled = np.where(gaps, number.centre, values)
    out[:, place] = _bounded(filled, number.centre, number.factor)
    place += 1
    if number.with_gaps:
        out[:, place] = gaps
        place += 1
    if len(number.edges):
        _write_bins(number.edges, filled, out[:, place : place + len(number.edges) - 1])
        place += len(number.edges) - 1
    return place


def _write_bins(edges: Floats, values: Floats, out: Array) -> None:
    """Write how much of each bin lies below each value, from -1 for nothing to 1 for all of it.

    Only the bin that has the value is in between; the bins before it are full, those behind it empty.
    """
    n_bins = len(edges) - 1
    of_value = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, n_bins - 1)
    before = 2 * np.tri(n_bins, k=-1, dtype=np.float32) - 1  # row k: bins before the k-th are full
    out[:] = before[of_value]
    with np.errstate(over="ignore"):  # infinity is bounded too
        shares = np.clip((values - edges[of_value]) / np.diff(edges)[of_value], 0, 1)
    out[np.arange(len(values)), of_value] = 2 * shares - 1


def _write_levels(level: LevelEncoding, codes: Floats, out: Array, place: int) -> int:
    written = _level_columns(level.codes, codes)
    out[:, place : place + written.shape[1]] = _bounded(written, level.centres, level.factors)
    return place + int(written.shape[1])


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
    """Return the encoding of a table, from the rows to train on.

    Parameters
    ----------
    table : ndarray of shape (n_rows, n_numbers + n_categories)
        As for ``TableEncoding.encode``.
    n_numbers : int
    cardinalities : sequence of int
        How many codes each category has.
    n_bins : int
        The most bins of a column of numbers.
    rows : ndarray of int or None
        The rows to train on, where the table has others too.
    most_levels : int
        Of a category that is written out, a level of gaps counted.
    """

    def column(j: int) -> Floats:  # one at a time: all rows to train on would be a second table
        return (table[:, j] if rows is None else table[rows, j]).astype(np.float64)

    numbers = [_learn_number(column(j), n_bins) for j in range(n_numbers)]
    levels: dict[int, LevelEncoding] = {}
    many: dict[int, int] = {}
    for k, cardinality in enumerate(cardinalities):
        codes = column(n_numbers + k)
        found = [code for code in range(cardinality) if (codes == code).any()]
        if len(found) < 2:
            continue
        if cardinality <= most_levels:
            levels[k] = _learn_levels(found, codes)
        else:
            many[k] = cardinality
    return TableEncoding(numbers, levels, many)


def _learn_number(column: Floats, n_bins: int) -> NumberEncoding:
    gaps = np.isnan(column)
    values = column[~gaps] if gaps.any() else column
    if len(values) > _MOST_ROWS:
        values = values[:: len(values) // _MOST_ROWS + 1]
    if not len(values):
        return NumberEncoding(0.0, 0.0, False, np.empty(0))
    levels = Levels.of(values, n_bins or _USUAL_BINS)
    centre, factor = levels.scale(float(np.median(values)))
    edges = levels.edges(n_bins) if n_bins else np.empty(0)
    # Two bins say no more than a straight line and a kink; a column of two values has none.
    return NumberEncoding(centre, factor, bool(gaps.any()), edges if len(edges) > 3 else np.empty(0))


@dataclass(frozen=True)
class Levels:
    """The distinct values of a column, and how often each counts: at most as often as a bin has rows.

    A column of mostly zeros would have all its quantiles at zero, and tell nothing of the rest.
    """

    values: Floats
    cumulated: Floats  # the share of the rows up to the middle of each value's

    @classmethod
    def of(cls, values: Floats, n_bins: int) -> Levels:
        distinct, counts = np.unique(values, return_counts=True)
        capped = np.minimum(counts, max(len(values) / n_bins, 1.0))
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
