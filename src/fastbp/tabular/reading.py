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


class TableReader:
    """What the columns are: numbers, or categories whose values have codes.

    Parameters
    ----------
    learned : Learned
        The preparation of ``Columns`` that leaves numbers as they are and gives categories codes.
    """

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self.cardinalities = [n for _, steps in learned.features if (n := _n_codes(steps))]
        self.n_numbers = len(learned.features) - len(self.cardinalities)

    def read(self, X: Any) -> Floats:
        """Return rows as (n_rows, n_numbers + n_categories): numbers with NaN for gaps, then codes, -1 if not known.

        Raises
        ------
        TypeError, ValueError
            If X has other columns than those that were learned from, or an infinite number.
        """
        return self._numbers_and_codes(self._learned.read(X, "X"))

    def _numbers_and_codes(self, array: NDArray[Any]) -> Floats:
        table = self._learned.apply(array, np.dtype(np.float64))
        infinite = np.isinf(table)
        if infinite.any():
            row, place = np.argwhere(infinite)[0]
            column = self._learned.features[place][0]
            raise ValueError(
                f"row {row}, {name_of(column, self._learned.names, 'X')} is {table[row, place]}; expected a finite "
                "number, or NaN where it is missing."
            )
        return table

    @property
    def learned(self) -> Learned:
        """The preparation, whose features are the columns of what ``read`` returns."""
        return self._learned

    @property
    def names(self) -> tuple[Any, ...] | None:
        """The columns' names, if the training data had any."""
        return self._learned.names

    @property
    def n_columns(self) -> int:
        """The number of columns."""
        return self._learned.n_columns

    def __getstate__(self) -> dict[str, Any]:
        return self.to_config()

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(Learned.from_config(state))  # type: ignore[misc]

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return self._learned.to_config()

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
    return reader, reader._numbers_and_codes(array)
