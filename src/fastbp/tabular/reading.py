"""From a data frame or an array to numbers and codes, also of rows that come later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.preparation.columns import Columns
from fastbp.preparation.encoding import Ordinal
from fastbp.preparation.learn import learn
from fastbp.preparation.learned import Learned
from fastbp.preparation.tables import name_of, read_table

__all__ = ["TableReader", "learn_reader"]

Floats = NDArray[np.float64]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class TableReader:
    """What the columns are: numbers, or categories whose values have codes.

    Parameters
    ----------
    learned : Learned
        The preparation of ``Columns`` that leaves numbers as they are and gives categories codes.

    Attributes
    ----------
    learned : Learned
    cardinalities : list of int
        How many codes each category has.
    n_numbers : int
        The number of columns of numbers.
    """

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self.cardinalities = [n for _, steps in learned.features if (n := _n_codes(steps))]
        self.n_numbers = len(learned.features) - len(self.cardinalities)
        places = [column for column, steps in learned.features if not steps]
        self._as_is = places == list(range(learned.n_columns)) and self.n_numbers == learned.n_columns

    def read(self, X: Any) -> Floats:
        """Return rows as (n_rows, n_numbers + n_categories): numbers with NaN for gaps, then codes, -1 if not known.

        Raises
        ------
        TypeError, ValueError
            If X has other columns than those that were learned from, or an infinite number.
        """
        return self.features_of(self.learned.read(X, "X"))

    def features_of(self, array: NDArray[Any]) -> Floats:
        """Return what ``read`` returns, of rows that ``learned`` has read: an array with X's columns.

        An array of floating-point numbers without categories is returned as it is, not copied; float32 stays float32.
        """
        as_is = self._as_is and array.dtype in _FLOATS
        table = array if as_is else self.learned.apply(array, np.dtype(np.float64))
        infinite = np.isinf(table)
        if infinite.any():
            row, place = np.argwhere(infinite)[0]
            column = self.learned.features[place][0]
            raise ValueError(
                f"row {row}, {name_of(column, self.learned.names, 'X')} is {table[row, place]}; expected a finite "
                "number, or NaN where it is missing."
            )
        return table

    @property
    def names(self) -> tuple[Any, ...] | None:
        """The columns' names, if the training data had any."""
        return self.learned.names

    @property
    def n_columns(self) -> int:
        """The number of columns."""
        return self.learned.n_columns

    def __getstate__(self) -> dict[str, Any]:
        return self.to_config()

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(Learned.from_config(state))  # type: ignore[misc]

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return self.learned.to_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TableReader:
        """Return what ``to_config`` described."""
        return cls(Learned.from_config(config))


def _n_codes(steps: Sequence[Sequence[Any]]) -> int:
    """Return how many codes a category has, one of them for gaps if there were any; 0 for a number."""
    for kind, *values in steps:
        if kind == "code":
            return len(values) + 1
    return 0


def learn_reader(X: Any, categories: Literal["auto"] | Sequence[str | int]) -> tuple[TableReader, Floats]:
    """Return the reader of a table, and the table as it reads it."""
    table = read_table(X, "X")
    learned, array = learn(Columns((), Ordinal(), categories), table, None)
    reader = TableReader(learned)
    return reader, reader.features_of(array)
