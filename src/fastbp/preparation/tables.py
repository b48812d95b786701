"""Tables whose columns hold numbers or text: data frames, arrays of Python objects, and arrays of numbers.

Frames are those of pandas, polars or pyarrow, none of which is imported here. Columns are converted one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.arrays import NoRowsError, as_array
from fastbp.data.columns import TypedColumn
from fastbp.data.frames import columns_of, is_frame
from fastbp.data.usable import UnusableColumnError, as_labels, as_numbers_or_text, is_category
from fastbp.support.checks import sentence

__all__ = ["Name", "TypedColumns", "name_of", "read_table"]

Array = NDArray[Any]
Name = str | int


_NOT_NUMBERS = "OUSTMm"  # dtypes whose columns are read one by one


class TypedColumns:
    """An array-like of two dimensions, column by column.

    Attributes
    ----------
    names : tuple of str or int, or None
        The names of a frame's columns.
    array : ndarray or None
        All columns as one array that the engine reads, where they are kept as one.
    """

    names: tuple[Name, ...] | None = None
    array: Array | None = None

    def __init__(self, argument: str, n_rows: int, n_columns: int) -> None:
        self.argument, self.n_rows, self.n_columns = argument, n_rows, n_columns

    def column(self, j: int, labels: bool = False) -> TypedColumn:
        """Return a column of numbers or text; it is converted now, and not kept. ``labels``: text for each value."""
        read = as_labels if labels else as_numbers_or_text
        raw, name = self._raw(j)
        try:
            return read(raw, name)
        except UnusableColumnError as error:
            raise TypeError(f"{self.place(j)} {error}") from None

    def _raw(self, j: int) -> tuple[Any, str]:
        """Return a column as its library has it, and how the user reaches it."""
        raise NotImplementedError

    def categories(self, j: int) -> Sequence[Any] | None:
        """Return the categories of a column in the order that its own dtype gives them; most columns have none."""
        return None

    def is_category(self, j: int) -> bool:
        """Return whether a column's own dtype says that it holds categories."""
        return False

    def place(self, j: int) -> str:
        """Return what messages call a column."""
        return name_of(j, self.names, self.argument)

    def check_not_empty(self) -> None:
        """Refuse a table without columns, and by a NoRowsError one without rows."""
        shape = (self.n_rows, self.n_columns)
        if 0 in shape:
            error = NoRowsError if self.n_columns else ValueError
            raise error(f"{self.argument} has shape {shape}; expected at least one row and one column.")


class _NumberColumns(TypedColumns):
    def __init__(self, array: Array, argument: str) -> None:
        super().__init__(argument, *array.shape)
        self.array = array

    def _raw(self, j: int) -> tuple[Any, str]:
        assert self.array is not None
        return self.array[:, j], f"{self.argument}[:, {j}]"


class _ObjectColumns(TypedColumns):
    """An array of objects, of text or of times."""

    def __init__(self, objects: Array, argument: str) -> None:
        super().__init__(argument, *objects.shape)
        self._objects = objects

    def _raw(self, j: int) -> tuple[Any, str]:
        return self._objects[:, j], f"{self.argument}[:, {j}]"


class _FrameColumns(TypedColumns):
    def __init__(self, frame: Any, argument: str) -> None:
        own_names, self._columns = columns_of(frame)
        names = [_plain_name(name, argument) for name in own_names]
        super().__init__(argument, len(frame), len(names))
        self.names = tuple(names)
        self.array = _whole(frame, argument)
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(names) if name in names[:i])
            raise ValueError(f"{argument} has two columns {twice!r}; expected names that differ. Rename one of them.")

    def _raw(self, j: int) -> tuple[Any, str]:
        assert self.names is not None
        return self._columns[j], f"{self.argument}[{self.names[j]!r}]"

    def categories(self, j: int) -> Sequence[Any] | None:
        accessor = getattr(self._columns[j], "cat", None)
        categories = getattr(accessor, "categories", None)
        return None if categories is None else list(categories)

    def is_category(self, j: int) -> bool:
        return is_category(self._columns[j])


def read_table(values: Any, argument: str, *, may_be_empty: bool = False) -> TypedColumns:
    """Return an array-like of shape (n_samples, n_columns) as its columns.

    Raises
    ------
    TypeError, ValueError
        If it is not one, or is empty, unless it may be.
    """
    if is_frame(values):
        table: TypedColumns = _FrameColumns(values, argument)
    else:
        array = _as_objects(values)
        if array is None:
            array = as_array(values, argument)
        shape = array.shape
        if array.ndim != 2:
            remedy = f"A row is a sample, a column an input: {argument}.reshape(-1, 1) has one input."
            raise ValueError(f"{argument} has shape {shape}; expected 2 dimensions, (n_samples, n_columns). {remedy}")
        kind = _ObjectColumns if array.dtype.kind in _NOT_NUMBERS else _NumberColumns
        table = kind(array, argument)
    if not may_be_empty:
        table.check_not_empty()
    return table


def _whole(frame: Any, argument: str) -> Array | None:
    """Return a frame as the array that it is kept in, if all columns have one numeric dtype; else None."""
    dtypes = list(getattr(frame, "dtypes", ()))
    if len(set(map(str, dtypes))) != 1 or getattr(dtypes[0], "kind", "O") not in "biuf":
        return None
    array = np.asarray(frame)
    return as_array(array, argument) if array.dtype.kind in "biuf" else None


def _plain_name(name: Any, argument: str) -> Name:
    if isinstance(name, str):
        return str(name)
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        return int(name)
    raise TypeError(sentence(f"a column's name in {argument}", name, "text or an integer", "Rename the column."))


def _as_objects(values: Any) -> Array | None:
    """Return an array of objects, text or times, or a list that holds text, as such an array; None for all else."""
    if isinstance(values, np.ndarray):
        return values if values.dtype.kind in _NOT_NUMBERS else None
    if isinstance(values, (list, tuple)):
        try:
            array = np.array(values, dtype=object)
        except ValueError:  # rows of several lengths
            return None
        if array.ndim == 2 and any(isinstance(value, str) or value is None for value in array.ravel().tolist()):
            return array
    return None


def name_of(j: int, names: Sequence[Name] | None, argument: str) -> str:
    """Return what messages call a column."""
    return f"column {j} of {argument} (counted from 0)" if names is None else f"column {names[j]!r} of {argument}"
