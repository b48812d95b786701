"""Any table as columns, for inspection and not for training: whatever has rows is accepted.

Frames of pandas, polars and pyarrow, dictionaries of columns, record arrays, sparse matrices, arrays of any kind and
nested lists; no library is imported for them. Columns are converted when they are asked for, a few at a time.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.data.columns import TypedColumn, is_missing, number_levels, read_column
from fastbp.data.frames import column_as_array, columns_of, is_column, is_frame
from fastbp.data.sparse import checked_sparse, is_sparse
from fastbp.data.usable import is_category, problem_of
from fastbp.support.checks import sentence, shown

__all__ = ["Column", "Kind", "InspectedTable", "read_columns"]

Array = NDArray[Any]
Kind = Literal["numbers", "text", "times", "other"]  # objects of several types are text here
TableKind = Literal["frame", "columns", "array"]  # columns: a dictionary of them, or records
Name = str | int

_GROUP_BYTES = 2**26  # of an array's columns that are converted together: a row's neighbours share cache lines


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str or int
        An integer counts columns without names, from 0.
    kind : {"numbers", "text", "times", "other"}
        "other" is complex numbers, records, and so on.
    values : float64 ndarray of shape (n_rows,)
        Numbers; of other kinds the number of the level, in the order in which levels first occur. NaN is missing.
    levels : list of str
        The different texts, in that order; none of numbers.
    is_category : bool
        Whether its library says that it holds categories.
    problem : str
        Why no preparation takes the column, and what to do; empty if one does.
    first : str
        What has to be done with the whole table before, in words that others follow; empty if nothing has.
    """

    name: Name
    kind: Kind
    values: NDArray[np.float64]
    levels: list[str]
    is_category: bool = False
    problem: str = ""
    first: str = ""

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Where there is no value."""
        return np.isnan(self.values)

    @cached_property
    def bits(self) -> NDArray[np.uint64]:
        """64 bits for each value, the same for equal values in any table, and the same for all missing ones."""
        if self.kind == "numbers":
            values = np.where(self.missing, np.nan, self.values + 0.0)  # one NaN, one zero
            return values.view(np.uint64)
        import hashlib  # takes its time, and `import fastbp` does not need it

        digests = [hashlib.blake2b(level.encode("utf-8", "backslashreplace"), digest_size=8) for level in self.levels]
        of_levels = np.array([int.from_bytes(digest.digest(), "little") for digest in digests] + [0], np.uint64)
        return of_levels[np.where(self.missing, len(self.levels), self.values).astype(np.int64)]


class InspectedTable:
    """Columns by number.

    Parameters
    ----------
    names : list of str or int
    n_rows : int
    get : callable
        Returns a column as the user's library has it.
    argument : str
        The user's name for it.
    kind : {"frame", "columns", "array"}
    """

    def __init__(
        self, names: list[Name], n_rows: int, get: Callable[[int], Any], argument: str, kind: TableKind
    ) -> None:
        self.names, self.n_rows = names, n_rows
        self._get, self._reach = get, f"{argument}[:, {{!r}}]" if kind == "array" else f"{argument}[{{!r}}]"
        self._first = f"make a data frame of it, pandas.DataFrame({argument}), and " if kind == "columns" else ""

    @property
    def n_columns(self) -> int:
        """How many there are."""
        return len(self.names)

    def column(self, j: int) -> Column:
        """Return one column, converted."""
        raw, name = self._get(j), self.names[j]
        read = read_column(raw)
        column = _as_column(name, read)
        problem = problem_of(read, raw, self._reach.format(name))
        return replace(column, is_category=is_category(raw), problem=problem, first=self._first)

    def __iter__(self) -> Iterator[Column]:
        return map(self.column, range(self.n_columns))


def read_columns(table: Any, argument: str) -> InspectedTable:
    """Return anything that has rows as columns.

    One dimension is one column; of more than two, all after the first are laid out as columns.

    Raises
    ------
    TypeError
        If it has no rows.
    ValueError
        If there are no rows, or columns of several lengths.
    """
    named = _named_columns(table)
    if named is not None:
        names, columns = named
        lengths = {len(column) for column in columns}
        if len(lengths) > 1:
            raise ValueError(f"{argument} has columns of {sorted(lengths)} rows; expected the same number in each.")
        kind: TableKind = "frame" if is_frame(table) else "columns"
        n_rows = max(lengths, default=0)
        result = InspectedTable(list(map(_as_name, names)), n_rows, columns.__getitem__, argument, kind)
    elif is_sparse(table):
        by_columns = checked_sparse(table, argument).tocsc()
        n_rows, n_columns = by_columns.shape
        result = InspectedTable(
            [*range(n_columns)], n_rows, lambda j: by_columns[:, [j]].toarray().reshape(-1), argument, "array"
        )
    else:
        array = _as_array(table, argument)
        matrix = array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0)
        name = getattr(table, "name", None)  # of a series
        names = [name] if matrix.shape[1] == 1 and isinstance(name, str) else list(range(matrix.shape[1]))
        result = InspectedTable(names, len(matrix), _Groups(matrix).column, argument, "array")
    if result.n_rows == 0 or result.n_columns == 0:
        raise ValueError(
            f"{argument} has {result.n_rows} rows and {result.n_columns} columns; expected one or more of both."
        )
    return result


def _as_name(name: Any) -> Name:
    return int(name) if isinstance(name, numbers.Integral) else str(name)


def _named_columns(table: Any) -> tuple[list[Any], list[Any]] | None:
    """Return names and columns of what has them by itself, else None."""
    if is_frame(table):
        return columns_of(table)
    if isinstance(table, Mapping):
        return list(table), [_as_array(column, repr(name)) for name, column in table.items()]
    names = getattr(getattr(table, "dtype", None), "names", None)
    if names and getattr(table, "ndim", 0) == 1:  # records
        return list(names), [table[name] for name in names]
    return None


def _as_array(values: Any, argument: str) -> Array:
    """Return an array of one dimension or more; numbers and text side by side stay what they are."""
    if isinstance(values, np.ma.MaskedArray):
        array: Array = values
    else:
        try:
            array = column_as_array(values) if is_column(values) else np.asarray(values)
            if array.dtype.kind in "US" and isinstance(values, (list, tuple)):
                array = np.asarray(values, dtype=object)
        except Exception as error:  # whatever a foreign __array__ raises, or a list of rows of several lengths
            was = f"{argument} ({type(values).__name__}) cannot be read as a table: {error}"
            raise TypeError(was) from error
    if array.ndim == 0:
        raise TypeError(sentence(argument, values, "a table: an array, a data frame or a list of rows"))
    return array


class _Groups:
    """The columns of an array, copied a group at a time, so that an array in a file is not read for each of them."""

    def __init__(self, matrix: Array) -> None:
        self._matrix = matrix
        self._size = max(1, _GROUP_BYTES // max(1, len(matrix) * matrix.itemsize))
        self._first, self._group = -1, matrix[:, :0]

    def column(self, j: int) -> Array:
        """Return one of them."""
        first = j - j % self._size
        if first != self._first:
            self._first, self._group = first, self._matrix[:, first : first + self._size].copy(order="F")
        column: Array = self._group[:, j - first]
        return column


def _as_column(name: Name, read: TypedColumn) -> Column:
    if read.kind == "numbers" and _merge_in_float64(read.values):  # identifiers: told apart as text
        codes, levels = number_levels(list(map(str, read.values.tolist())))
        return _in_order(name, codes, levels)
    if read.kind == "numbers":
        with np.errstate(over="ignore"):  # a long double may be infinite in float64
            values = np.array(read.values, np.float64, subok=False)
        if isinstance(read.values, np.ma.MaskedArray):
            values[np.ma.getmaskarray(read.values)] = np.nan
        return Column(name, "numbers", values, [])
    if read.kind == "text":
        return _in_order(name, read.values, read.levels)
    items = list(read.values) if read.kind == "times" else read.values.tolist()  # a list of times would be integers
    codes, levels = number_levels([None if is_missing(item) else _as_text(item) for item in items])
    return _in_order(name, codes, levels, "text" if read.kind == "objects" else read.kind)


def _as_text(item: Any) -> str:
    try:
        return str(item)
    except Exception:  # what a user's class raises
        return shown(item)


def _merge_in_float64(values: Array) -> bool:
    """Return whether integers are so large that float64 takes different ones for one."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or not len(values):
        return False
    return int(values.max()) > 2**53 or int(values.min()) < -(2**53)


def _in_order(name: Name, codes: Array, levels: list[str], kind: Kind = "text") -> Column:
    """Return a column of levels, numbered anew in the order in which they first occur, without those that do not."""
    present = codes[codes >= 0]
    first = np.full(len(levels), len(present))
    first[present[::-1]] = np.arange(len(present))[::-1]  # where a level occurs several times, the last write counts
    order = np.argsort(first)[: np.count_nonzero(first < len(present))]
    renumbered = np.full(len(levels) + 1, np.nan)  # the last is for -1
    renumbered[order] = np.arange(len(order))
    return Column(name, kind, renumbered[codes], [levels[i] for i in order])
