"""A column as any file has it, as numbers, booleans, moments, categories or text: what the library takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.commands.extras import require_pandas
from fastbp.data.columns import read_column, seconds_of, types_among

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_text_column", "plain_column"]


def plain_column(column: pd.Series) -> tuple[pd.Series | None, str]:
    """Return a column that the library takes, and nothing; or None and what the column holds instead."""
    kind = str(column.dtype)
    if kind.startswith("str") or (isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"):
        return (column if kind.startswith("str") else _native(column)), ""
    if kind == "category":
        categories = column.cat.categories
        return (column if all(isinstance(each, str) for each in categories) else as_text_column(column)), ""
    if kind.startswith("period"):
        column = column.dt.to_timestamp()
    if kind.startswith("interval"):
        return as_text_column(column), ""
    read = read_column(column)
    if read.kind == "text":
        return column, ""
    if read.kind == "numbers" and _are_truths(column):
        return column.astype(object).where(column.notna(), None), ""
    if read.kind == "numbers":
        return _native(_series(read.values, column)), ""
    if read.kind == "times":
        return _series(read.values if read.values.dtype.kind == "M" else seconds_of(read.values), column), ""
    if read.kind == "other":
        return None, f"{read.values.dtype}, which is neither numbers, moments nor text,"
    return _of_objects(column, types_among(read.values))


def _of_objects(column: pd.Series, types: list[type]) -> tuple[pd.Series | None, str]:
    if all(issubclass(kind, bytes) for kind in types):
        try:
            return column.map(bytes.decode, na_action="ignore"), ""
        except UnicodeDecodeError:
            return None, "bytes"
    if any(issubclass(kind, dict) for kind in types):
        return None, "records"
    if any(issubclass(kind, (list, tuple, set, np.ndarray)) for kind in types):
        return None, "lists"
    return as_text_column(column), ""


def as_text_column(column: pd.Series) -> pd.Series:
    """Return the values of a column as text; whole numbers without a point, whether or not gaps made them floats."""
    return column.astype(object).map(_as_text, na_action="ignore")


def _as_text(value: Any) -> str:
    if isinstance(value, (float, np.floating)) and value.is_integer():
        return str(int(value))
    return str(value)


def _are_truths(column: pd.Series) -> bool:
    """Return whether a column holds True and False, with gaps or not: numbers would lose their names."""
    known = column.dropna()
    return len(known) > 0 and bool(known.map(lambda value: isinstance(value, (bool, np.bool_))).all())


def _native(column: pd.Series) -> pd.Series:
    """Return a column of numbers in this machine's order of bytes."""
    return column if column.dtype.isnative else column.astype(column.dtype.newbyteorder("="))


def _series(values: Any, like: pd.Series) -> pd.Series:
    series: pd.Series = require_pandas().Series(values, like.index, name=like.name)
    return series
