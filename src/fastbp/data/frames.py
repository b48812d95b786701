"""Data frames of pandas, polars and pyarrow, and their columns, as arrays; none of these libraries is imported here.

A frame that is kept as one array is read in place. Columns that are stored apart are copied once, a block of rows at a
time, into one array that holds each row together, since training reads rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_as_array", "columns_as_array", "columns_of", "frame_as_array", "is_column", "is_frame"]

Array = NDArray[Any]

_BLOCK_BYTES = 2**22  # of a block, which stays in a cache while it is filled column by column
_FEWEST_ROWS, _MOST_ROWS = 1024, 2**16  # of a block: each column is asked for its rows of each block


def is_frame(values: Any) -> bool:
    """Return whether this is a pandas or polars DataFrame, a pyarrow Table or RecordBatch, or an object like one."""
    return hasattr(values, "columns") and any(hasattr(values, name) for name in ("iloc", "get_columns", "column_names"))


def is_column(values: Any) -> bool:
    """Return whether this is a pandas or polars Series, a pyarrow Array or ChunkedArray, or an object like one."""
    return hasattr(values, "to_numpy") and (
        (hasattr(values, "iloc") and hasattr(values, "hasnans"))
        or (hasattr(values, "null_count") and hasattr(values, "slice"))
    )


def columns_of(frame: Any) -> tuple[list[Any], list[Any]]:
    """Return the names of a frame's columns, which may occur twice, and the columns as its library has them."""
    if hasattr(frame, "iloc"):
        return list(frame.columns), [frame.iloc[:, j] for j in range(frame.shape[1])]
    if hasattr(frame, "column_names"):
        return list(frame.column_names), list(frame.columns)
    return list(frame.columns), list(frame.get_columns())


def names_of(values: Any) -> tuple[str, ...] | None:
    """Return the names of a frame's columns; None for anything else, and unless all are strings that differ."""
    if not is_frame(values):
        return None
    names = list(values.column_names if hasattr(values, "column_names") else values.columns)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    return tuple(map(str, names))


def in_order_of(frame: Any, names: Sequence[str], argument: str) -> Any:
    """Return a frame with the columns of these names, in their order; a frame without names of its own as it is.

    Raises
    ------
    ValueError
        If a column is missing, or is there twice.
    """
    own_names, columns = columns_of(frame)
    if not any(isinstance(name, str) for name in own_names) or own_names == list(names):
        return frame
    places = {name: i for i, name in enumerate(own_names)}
    check_names(places, names, argument, "the model was fitted to")
    for name in names:
        if own_names.count(name) > 1:
            raise ValueError(f"{argument} has two columns {name!r}; expected names that differ. Rename one of them.")
    wanted = [places[name] for name in names]
    if hasattr(frame, "iloc"):
        return frame.iloc[:, wanted]
    if hasattr(frame, "select"):
        return frame.select(list(names))
    return np.column_stack([column_as_array(columns[i]) for i in wanted])


def check_names(found: Collection[str | int], names: Sequence[str | int], argument: str, learned: str) -> None:
    """Refuse a table that lacks a column of these names."""
    missing = [name for name in names if name not in found]
    if missing:
        from fastbp.support.suggestions import closest, listed  # imported for error messages only

        left = [name for name in found if name not in names]
        like = [f"{other!r} like {name!r}" for name in missing for other in closest(name, left)]
        remedy = f"It has {', '.join(like[:3])}: rename what is the same." if like else ""
        raise ValueError(
            f"{argument} has no column {listed(missing, most=5)}; expected all {len(names)} that {learned}. "
            f"{remedy or 'Order does not matter; extra columns are ignored.'}"
        )


def frame_as_array(frame: Any, argument: str) -> Array:
    """Return a frame of numbers and booleans as an array (n_rows, n_columns), NaN where a number is missing.

    Its dtype is the smallest that NumPy finds for the dtypes of all columns.

    Raises
    ------
    TypeError
        If a column holds something else; its name is in the message.
    """
    names, own_columns = columns_of(frame)
    if not len(frame):  # of what a column without rows holds nothing is known
        return np.empty((0, len(names)))
    columns = list(map(_column, own_columns))
    for name, column in zip(names, columns, strict=True):
        if column.dtype is None:
            raise TypeError(
                f"column {name!r} of {argument} has dtype {column.own_dtype}; expected numbers or booleans. Make the "
                "model with prepare=fb.Columns(), which takes text as categories, or leave that column out."
            )
    if not columns:
        return np.empty((len(frame), 0))
    array = _in_place(frame, columns)
    if array is not None:
        return array
    dtype = np.result_type(*[column.dtype for column in columns if column.dtype is not None])
    return columns_as_array([column.read for column in columns], len(frame), dtype)


def column_as_array(column: Any) -> Array:
    """Return a column as an array: numbers, NaN where one is missing; or whatever NumPy makes of it."""
    found = _column(column)
    return np.asarray(column) if found.dtype is None else found.read(0, len(column))


class _Column:
    """A column of some library.

    Attributes
    ----------
    own_dtype : object
        Its library's.
    dtype : numpy dtype or None
        The dtype of an array that holds its numbers, and NaN if some are missing. None: it does not hold numbers.
    """

    library: str
    own_dtype: Any
    dtype: np.dtype[Any] | None

    def read(self, start: int, stop: int) -> Array:
        """Return the rows from start up to stop; a view, where the library stores them as NumPy does."""
        raise NotImplementedError


class _PandasColumn(_Column):
    library = "pandas"

    def __init__(self, series: Any) -> None:
        self._series, self.own_dtype = series, series.dtype
        self._plain = isinstance(self.own_dtype, np.dtype)
        inner = self.own_dtype
        if not self._plain:  # nullable numbers and pyarrow's have a numpy_dtype, sparse ones a subtype
            inner = getattr(inner, "numpy_dtype", getattr(inner, "subtype", None))
        numeric = getattr(self.own_dtype, "kind", "O") in "biuf" and inner is not None
        self.dtype = _dtype(np.dtype(inner), not self._plain and series.hasnans) if numeric else None

    def read(self, start: int, stop: int) -> Array:
        part = self._series.iloc[start:stop]
        if self._plain:
            return np.asarray(part.to_numpy())
        gaps = {"na_value": np.nan} if part.hasnans else {}
        return np.asarray(part.to_numpy(dtype=self.dtype, **gaps))


class _ArrowColumn(_Column):
    """A column of polars or pyarrow: both store numbers as NumPy does, and in a bitmap which of them are missing."""

    def __init__(self, column: Any) -> None:
        self._column = column
        self.library = "pyarrow" if hasattr(column, "type") else "polars"
        self.own_dtype = column.type if self.library == "pyarrow" else column.dtype
        probe = self._to_numpy(column.slice(0, 0))
        numeric = probe.dtype.kind in "biuf" and probe.ndim == 1
        self.dtype = _dtype(probe.dtype, self._n_missing(column) > 0) if numeric else None

    def read(self, start: int, stop: int) -> Array:
        assert self.dtype is not None
        part = self._column.slice(start, stop - start)
        if self.dtype == np.float16 and self._n_missing(part):  # of booleans both make objects
            part = part.cast("float64" if self.library == "pyarrow" else float)
        return self._to_numpy(part).astype(self.dtype, copy=False)

    def _to_numpy(self, part: Any) -> Array:
        return np.asarray(part.to_numpy(zero_copy_only=False) if self.library == "pyarrow" else part.to_numpy())

    def _n_missing(self, part: Any) -> int:
        return int(part.null_count if self.library == "pyarrow" else part.null_count())


def _dtype(dtype: np.dtype[Any], has_gaps: bool) -> np.dtype[Any]:
    """Return the dtype of the numbers, or one that holds them and NaN."""
    return np.result_type(dtype, np.float16) if has_gaps else dtype


def _column(column: Any) -> _Column:
    return _PandasColumn(column) if hasattr(column, "iloc") else _ArrowColumn(column)


def _in_place(frame: Any, columns: Sequence[_Column]) -> Array | None:
    """Return a frame as the array that it is kept in; None if its columns are stored apart."""
    if len(columns) == 1:
        return columns[0].read(0, len(frame)).reshape(-1, 1)
    if columns[0].library == "polars":
        try:
            return np.asarray(frame.to_numpy(allow_copy=False))
        except RuntimeError:  # that the columns lie apart
            return None
    if columns[0].library == "pandas":
        row = frame.iloc[:1]
        together = isinstance(columns[0].own_dtype, np.dtype) and np.may_share_memory(
            row.to_numpy(), row.iloc[:, -1].to_numpy()
        )
        return np.asarray(frame) if together else None
    return None


def columns_as_array(columns: Sequence[Callable[[int, int], Array]], n_rows: int, dtype: np.dtype[Any]) -> Array:
    """Return columns that are stored apart as one array (n_rows, columns).

    Each column is a function that returns its rows from one number up to another.
    """
    array = np.empty((n_rows, len(columns)), dtype)
    n_block = min(max(_BLOCK_BYTES // max(1, array.itemsize * len(columns)), _FEWEST_ROWS), _MOST_ROWS)
    for start in range(0, n_rows, n_block):
        stop = min(start + n_block, n_rows)
        for j, read in enumerate(columns):
            array[start:stop, j] = read(start, stop)
    return array
