"""Rows given by the names of their columns: a dictionary, a list of them, or a pandas Series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.frames import check_names, is_column
from fastbp.data.sparse import is_sparse
from fastbp.support.checks import describe, sentence

__all__ = ["NamedRows", "named_rows"]

Array = NDArray[Any]
Name = str | int


class NamedRows:
    """A table made of such rows; it is read as a data frame is.

    Attributes
    ----------
    columns : list of str or int
        The names.
    """

    def __init__(self, columns: Mapping[Name, Any]) -> None:
        self.columns = list(columns)
        self._columns = list(columns.values())

    def get_columns(self) -> list[Any]:
        """Return the columns, arrays or as their library has them, in the order of their names."""
        return self._columns

    def __len__(self) -> int:
        return len(self._columns[0])


def named_rows(values: Any, names: Sequence[Name] | None, argument: str) -> NamedRows | None:
    """Return rows by names with a model's columns, in their order; None for anything else.

    Parameters
    ----------
    values : object
        A dictionary of numbers and text is one row, a dictionary of sequences a table, a list of dictionaries rows.
        A pandas Series is one row if its index has all names.
    names : sequence of str or int, or None
        The names that the model knows; None if it knows none.
    argument : str
        The name of ``values`` in messages.

    Raises
    ------
    TypeError, ValueError
        If a column is missing, sequences differ in length, or the model knows no names.
    """
    if isinstance(values, Mapping) and not is_sparse(values):  # SciPy's dictionary of keys is a matrix
        return NamedRows(_table(values, _known(names, values, argument), argument))
    if isinstance(values, (list, tuple)) and values and isinstance(values[0], Mapping):
        return NamedRows(_records(values, _known(names, values, argument), argument))
    if names is None or not (hasattr(values, "iloc") and hasattr(values, "index") and is_column(values)):
        return None
    index = list(values.index)
    if not all(isinstance(name, str) and index.count(name) == 1 for name in names):
        return None
    return NamedRows({name: _as_objects([values.iloc[index.index(name)]]) for name in names})


def _known(names: Sequence[Name] | None, values: Any, argument: str) -> Sequence[Name]:
    if names is None:
        remedy = "Columns are found by their names after a fit to a data frame."
        raise TypeError(sentence(argument, values, "an array or a data frame, as the model knows no names", remedy))
    return names


def _table(values: Mapping[Any, Any], names: Sequence[Name], argument: str) -> dict[Name, Any]:
    """Return the columns of a dictionary of single values, or of sequences."""
    check_names(values, names, argument, "the model was fitted to")
    many = [name for name in names if _is_sequence(values[name])]
    if not many:
        return {name: _as_objects([values[name]]) for name in names}
    for name in names:
        if name not in many:
            raise TypeError(
                f"{argument}[{name!r}] is {describe(values[name])}, and {argument}[{many[0]!r}] is a sequence; "
                "expected single values, which are one row, or sequences, which are columns."
            )
        if len(values[name]) != len(values[many[0]]):
            raise ValueError(
                f"{argument}[{name!r}] has {len(values[name])} rows, {argument}[{many[0]!r}] has "
                f"{len(values[many[0]])}; expected as many in all columns."
            )
    return {name: _as_column(values[name], f"{argument}[{name!r}]") for name in names}


def _records(values: Sequence[Any], names: Sequence[Name], argument: str) -> dict[Name, Any]:
    """Return the columns of a list of dictionaries."""
    for i, record in enumerate(values):
        if not isinstance(record, Mapping):
            raise TypeError(sentence(f"{argument}[{i}]", record, f"a dictionary, as {argument}[0] is"))
        check_names(record, names, f"{argument}[{i}]", "the model was fitted to")
    return {name: _as_objects([record[name] for record in values]) for name in names}


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple, range)) or getattr(value, "ndim", 0) > 0 or is_column(value)


def _as_column(values: Any, argument: str) -> Any:
    """Return a sequence as a column that can be read."""
    if is_column(values):
        return values
    if not isinstance(values, (list, tuple, range)) and getattr(values, "ndim", 1) != 1:
        raise ValueError(sentence(argument, values, "one dimension, a number or text for each row"))
    return np.asarray(values) if hasattr(values, "__array__") else _as_objects(values)


def _as_objects(values: Sequence[Any]) -> Array:
    return np.fromiter(values, object, len(values))
