"""One column of any table, read once: as numbers, or as text by its levels, or as objects, times or other things.

A column is an array, or a column of a pandas, polars or pyarrow frame; none of these libraries is imported here. They
number the different texts of a column themselves, quickly, and are asked to wherever they can.
"""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.data.frames import column_as_array, is_column

__all__ = ["Kind", "TypedColumn", "is_missing", "number_levels", "read_column", "seconds_of", "types_among"]

Array = NDArray[Any]
Kind = Literal["numbers", "text", "times", "objects", "other"]

_MISSING_TYPES = ("NoneType", "NAType", "NaTType")  # of what data frames put where there is no value
_NUMBER_TYPES = (numbers.Real, np.bool_, decimal.Decimal)
_ARROW_TEXT = ("string", "large_string")


@dataclass(frozen=True)
class TypedColumn:
    """A column that was read.

    Attributes
    ----------
    kind : {"numbers", "text", "times", "objects", "other"}
        Objects are Python objects of several types, or of a type that is neither a number nor text. Other are complex
        numbers, records, and so on.
    values : ndarray of shape (n_rows,)
        Numbers in their own dtype, NaN where one is missing. Of text the number of each row's level, -1 where it is
        missing. Objects as they are, None where one is missing. Times and others as NumPy holds them.
    levels : list of str
        The different texts, and perhaps some that occur in no row; empty for all other kinds.
    were_moments : bool
        Whether these numbers are the seconds of moments.
    """

    kind: Kind
    values: Array
    levels: list[str]
    were_moments: bool = False

    @property
    def is_text(self) -> bool:
        """Whether it holds text."""
        return self.kind == "text"

    @property
    def is_empty(self) -> bool:
        """Whether every value is missing."""
        if self.is_text:
            return bool((self.values < 0).all())
        return self.values.dtype.kind == "f" and bool(np.isnan(self.values).all())

    def levels_among(self, rows: NDArray[np.int64] | None) -> list[str]:
        """Return the texts that occur in these rows, None: in all, in sorted order."""
        codes = self.values if rows is None else self.values[rows]
        counts = np.bincount(codes + 1, minlength=len(self.levels) + 1)[1:]
        return sorted(level for level, count in zip(self.levels, counts.tolist(), strict=True) if count)

    def encoded(self, codes: Mapping[str, float]) -> NDArray[np.float32]:
        """Return the code of each text, NaN where it is missing, -1 where it has none."""
        of_levels = [codes.get(level, -1.0) for level in self.levels]
        encoded: NDArray[np.float32] = np.array([*of_levels, np.nan], np.float32)[self.values]  # -1 is the last
        return encoded


def read_column(column: Any) -> TypedColumn:
    """Return a column of a data frame, or an array of one dimension, as what it holds."""
    of_frame = is_column(column)
    if of_frame:
        text = _text_of_pandas(column) if hasattr(column, "iloc") else _text_of_arrow(column)
        if text is not None:
            return text
        column = column_as_array(_in_utc(_without_dictionary(column)))
    array = column if isinstance(column, np.ndarray) else np.asarray(column)  # a masked array stays one
    if array.ndim == 1 and array.dtype.kind in "biuf":
        return TypedColumn("numbers", array, [])
    if array.dtype.kind in "mM":
        return TypedColumn("times", array, [])
    if array.ndim == 1 and array.dtype.kind not in "OUST":
        return TypedColumn("other", array, [])
    read = _of_items(list(array) if array.ndim > 1 else array.tolist())
    if of_frame and read.kind == "numbers" and np.isnan(read.values).all():  # numbers would have a dtype of their own
        return TypedColumn("text", np.full(len(array), -1, np.intp), [])
    return read


def seconds_of(times: Array) -> NDArray[np.float64]:
    """Return moments as seconds since 1970 in UTC, and durations in seconds; NaN where one is missing.

    Whole seconds and fractions are converted apart, so that the unit of the dtype makes no difference.
    """
    kind = "datetime64[s]" if times.dtype.kind == "M" else "timedelta64[s]"
    whole = times.astype(kind)
    missing = np.isnat(times)
    with np.errstate(invalid="ignore"):
        fractions = (times - whole) / np.timedelta64(1, "s")
    seconds: NDArray[np.float64] = np.where(missing, np.nan, whole.astype(np.int64) + np.where(missing, 0.0, fractions))
    return seconds


def number_levels(items: list[str | None]) -> tuple[Array, list[str]]:
    """Return the number of each text, in the order in which they first occur, -1 for None; and the texts."""
    found = dict.fromkeys(items)
    found.pop(None, None)
    levels = [str(text) for text in found]
    number_of: dict[str | None, int] = {text: i for i, text in enumerate(levels)}
    number_of[None] = -1
    return np.fromiter(map(number_of.__getitem__, items), np.intp, len(items)), levels


def types_among(objects: Array) -> list[type]:
    """Return the types of the objects that are not missing."""
    return list(set(map(type, objects.tolist())) - {type(None)})


def is_missing(item: Any) -> bool:
    """Return whether an object means that a value is missing: None, NaN, NaT and the like."""
    if isinstance(item, decimal.Decimal):
        return item.is_nan()  # a signalling NaN is not to be compared
    if isinstance(item, (float, np.generic)):
        return bool(item != item)  # NaN and NaT
    return type(item).__name__ in _MISSING_TYPES


def _text_of_pandas(series: Any) -> TypedColumn | None:
    """Return a pandas column if it holds text, else None."""
    categories = getattr(getattr(series, "cat", None), "categories", None)
    if categories is not None:
        codes, levels = series.cat.codes, list(categories)
    elif getattr(series.dtype, "kind", "O") != "O":
        return None
    else:
        try:
            codes, different = series.factorize()
        except (TypeError, NotImplementedError, decimal.InvalidOperation):  # of lists, and of signalling NaN
            return None
        levels = list(different)
    return _text(np.asarray(codes), levels)


def _text_of_arrow(column: Any) -> TypedColumn | None:
    """Return a pyarrow column if it holds text, else None; polars has no call for it."""
    column = _without_dictionary(column)
    if str(getattr(column, "type", "")) not in _ARROW_TEXT:
        return None
    encoded = column.dictionary_encode()
    if hasattr(encoded, "unify_dictionaries"):
        encoded = encoded.unify_dictionaries()
    parts = [part for part in getattr(encoded, "chunks", [encoded]) if len(part)]
    codes = [part.indices.fill_null(-1).to_numpy(zero_copy_only=False) for part in parts]
    return _text(np.concatenate(codes), parts[0].dictionary.to_pylist()) if parts else None


def _in_utc(column: Any) -> Any:
    """Return a pandas column of moments with a time zone as one of UTC; polars and pyarrow store UTC themselves."""
    if hasattr(column, "iloc") and getattr(column.dtype, "tz", None) is not None and hasattr(column, "dt"):
        return column.dt.tz_convert("UTC").dt.tz_localize(None)
    return column


def _as_utc(moment: Any) -> Any:
    """Return a moment without its time zone, in UTC."""
    offset = moment.utcoffset() if isinstance(moment, datetime.datetime) else None
    return moment if offset is None else moment.astimezone(datetime.UTC).replace(tzinfo=None)


def _since_midnight(time: datetime.time) -> datetime.timedelta:
    return datetime.timedelta(hours=time.hour, minutes=time.minute, seconds=time.second, microseconds=time.microsecond)


def _without_dictionary(column: Any) -> Any:
    """Return a pyarrow column's own values: its dictionary may hold one twice, or null."""
    kind: Any = getattr(column, "type", None)
    return column.cast(kind.value_type) if str(kind).startswith("dictionary") else column


def _text(codes: Array, levels: Iterable[Any]) -> TypedColumn | None:
    texts = list(levels)
    if not texts or not all(isinstance(text, str) for text in texts):
        return None
    return TypedColumn("text", codes.astype(np.intp), [str(text) for text in texts])


def _of_items(items: list[Any]) -> TypedColumn:
    """Return a column of Python objects, of any types."""
    types = set(map(type, items)) - {type(None)}
    if not types <= {str, int, bool}:  # those that are never missing
        items = [None if is_missing(item) else item for item in items]
        types = set(map(type, items)) - {type(None)}
    if types and all(issubclass(kind, str) for kind in types):
        return TypedColumn("text", *number_levels(items))
    if all(issubclass(kind, _NUMBER_TYPES) and not issubclass(kind, np.timedelta64) for kind in types):
        return TypedColumn("numbers", np.array(list(map(_as_float, items)), np.float64), [])
    if all(issubclass(kind, (datetime.date, np.datetime64)) for kind in types):  # a datetime is a date too
        return TypedColumn("times", np.array([item and _as_utc(item) for item in items], "datetime64[us]"), [])
    if all(issubclass(kind, (datetime.timedelta, np.timedelta64)) for kind in types):
        return TypedColumn("times", np.array(items, "timedelta64[us]"), [])
    if all(issubclass(kind, datetime.time) for kind in types) and not any(item and item.tzinfo for item in items):
        return TypedColumn("times", np.array([item and _since_midnight(item) for item in items], "timedelta64[us]"), [])
    objects = np.empty(len(items), object)
    objects[:] = items
    return TypedColumn("objects", objects, [])


def _as_float(item: Any) -> float:
    try:
        return np.nan if item is None else float(item)
    except OverflowError:  # an integer beyond all floats
        return np.inf if item > 0 else -np.inf
