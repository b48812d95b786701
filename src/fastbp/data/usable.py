"""Which columns a preparation can take, as numbers or as text, and what to do about all others."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from fastbp.data.columns import TypedColumn, read_column, seconds_of, types_among
from fastbp.data.labels import NoLabelError, labelled

__all__ = ["NO_NUMBERS", "UnusableColumnError", "as_labels", "as_numbers_or_text", "is_category", "problem_of"]

_CATEGORY_DTYPES = ("category", "Categorical", "Enum", "dictionary")
# What NumPy may make floats of, all the same.
NO_NUMBERS = (str, bytes, complex, np.complexfloating, np.datetime64, np.timedelta64)


class UnusableColumnError(TypeError):
    """A column does not hold numbers, text or times alone; the message begins with a verb and ends with a remedy."""


def as_numbers_or_text(raw: Any, name: str) -> TypedColumn:
    """Return a column of any library as numbers or as text; times are numbers of seconds.

    Parameters
    ----------
    raw : column of pandas, polars or pyarrow, or ndarray of shape (n_rows,)
    name : str
        How the user reaches it, such as "X['colour']", for remedies.

    Raises
    ------
    UnusableColumnError
        If it holds anything else.
    """
    return _usable(read_column(raw), raw, name)


def as_labels(raw: Any, name: str) -> TypedColumn:
    """Return a column of any library as text, with the labels of its values; the arguments of ``as_numbers_or_text``.

    Raises
    ------
    UnusableColumnError
        If a value has no label.
    """
    column = read_column(raw)
    try:
        return column if column.is_text else labelled(raw)
    except NoLabelError:
        raise _unusable(column, raw, name) from None


def problem_of(column: TypedColumn, raw: Any, name: str) -> str:
    """Return why fb.Columns cannot use a column, and what to do; empty text if it can.

    ``column`` is what ``read_column`` returned for ``raw``.
    """
    if column.kind in ("numbers", "text", "times"):
        return ""
    try:
        if is_category(raw):
            as_labels(raw, name)
        else:
            _usable(column, raw, name)
    except UnusableColumnError as error:
        return str(error)
    return ""


def is_category(raw: Any) -> bool:
    """Return whether a column's own dtype says that it holds categories."""
    return str(getattr(raw, "dtype", getattr(raw, "type", ""))).startswith(_CATEGORY_DTYPES)


def _usable(column: TypedColumn, raw: Any, name: str) -> TypedColumn:
    if column.kind == "times":
        return TypedColumn("numbers", seconds_of(column.values), [], column.values.dtype.kind == "M")
    if column.kind in ("numbers", "text"):
        return column
    types = types_among(column.values) if column.kind == "objects" else []
    if not types or any(issubclass(kind, NO_NUMBERS) for kind in types):
        raise _unusable(column, raw, name)
    try:
        return TypedColumn("numbers", column.values.astype(np.float64), [])  # None becomes NaN
    except (TypeError, ValueError):
        raise _unusable(column, raw, name) from None


def _unusable(column: TypedColumn, raw: Any, name: str) -> UnusableColumnError:
    if column.kind == "other":
        holds = f"is of dtype {column.values.dtype}"
    else:
        holds = "holds " + " and ".join(sorted(kind.__name__ for kind in types_among(column.values)))
    return UnusableColumnError(f"{holds}; expected numbers, text or times alone. {_remedy(column, raw, name)}")


def _remedy(column: TypedColumn, raw: Any, name: str) -> str:
    """Return how a user makes numbers or categories of such a column, in the terms of its library."""
    types = [] if column.kind == "other" else types_among(column.values)
    if is_category(raw) and not any(map(_has_no_text, types)):
        return "fb.Columns prepares columns of categories."
    if column.values.dtype.kind == "c":
        return f"Give its real and its imaginary part as two columns, np.real({name}) and np.imag({name})."
    if types and all(issubclass(kind, (numbers.Complex, np.complexfloating)) for kind in types):
        parts = " and ".join(f"[value.{part} for value in {name}]" for part in ("real", "imag"))
        return f"Give its real and its imaginary part as two columns, {parts}."
    if any(map(_has_no_text, types)):
        return "Put numbers or text in their place."
    if hasattr(raw, "iloc"):
        try:
            labelled(raw)
        except NoLabelError:
            return f"Make it text: {name}.astype(str)."
        return f"Make it a column of categories: {name}.astype('category')."
    if isinstance(raw, np.ndarray):
        return "Make each of its values text: str(value)."
    items = "to_pylist" if hasattr(raw, "to_pylist") else "to_list"
    return f"Make it text: [str(value) for value in {name}.{items}()]."


def _has_no_text(kind: Any) -> bool:
    """Return whether objects of a type have nothing to be told apart by but their places in memory."""
    return kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__
