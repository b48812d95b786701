"""Texts that stand for categories of any kind: intervals, tuples, large integers, bytes and so on.

Equal values have equal texts, in every process and whatever their types: 1, 1.0 and True, or the same interval of
integers and of floats. Text stands for itself; every other text begins with a character that ordinary text does not
have, so that 3 and "3" differ.
"""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.data.columns import TypedColumn, is_missing, number_levels

__all__ = ["NoLabelError", "is_label", "label_of", "labelled", "without_mark"]

_MARK = "\x1f"  # ASCII's unit separator


class NoLabelError(TypeError):
    """A value is of a kind that has no text of its own, such as a list, which can change."""


def is_label(text: str) -> bool:
    """Return whether a category's text stands for something that is not text."""
    return text.startswith(_MARK)


def without_mark(text: str) -> str:
    """Return a category's text as people write it: "3" for the label of 3."""
    return text.removeprefix(_MARK)


def label_of(value: Any) -> str:
    """Return the text of a category.

    Raises
    ------
    NoLabelError
        If there is none by which the value could be recognised.
    """
    return str(value) if isinstance(value, str) else _MARK + _text_of(value)


def labelled(raw: Any) -> TypedColumn:
    """Return a column of a data frame, or an array of one dimension, as text, with the labels of its values.

    Raises
    ------
    NoLabelError
        If one has none.
    """
    categories = getattr(getattr(raw, "cat", None), "categories", None)
    if categories is not None:  # of pandas
        return TypedColumn("text", np.asarray(raw.cat.codes, np.intp), list(map(label_of, categories)))
    known: dict[tuple[type, Any], str] = {}

    def label(item: Any) -> str | None:
        if is_missing(item):
            return None
        try:
            key = (type(item), item)
            return known[key] if key in known else known.setdefault(key, label_of(item))
        except TypeError as error:  # it has no hash, as it may change
            raise error if isinstance(error, NoLabelError) else NoLabelError(str(error)) from None

    return TypedColumn("text", *number_levels(list(map(label, _items_of(raw)))))


def _items_of(raw: Any) -> list[Any]:
    """Return the values of a column as objects, exactly: not as numbers that float64 holds."""
    if isinstance(raw, np.ndarray) and raw.dtype.kind in "mM":
        return list(raw)
    for method in ("to_pylist", "to_list", "tolist"):  # of pyarrow, of polars and pandas, of NumPy
        if hasattr(raw, method):
            return list(getattr(raw, method)())
    return list(raw)


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return repr(str(value))
    for kinds, text_of in _KINDS:
        if isinstance(value, kinds):
            return text_of(value)
    if all(hasattr(value, name) for name in ("left", "right", "closed_left", "closed_right")):  # an interval of pandas
        opening, closing = "[" if value.closed_left else "(", "]" if value.closed_right else ")"
        return f"Interval {opening}{_text_of(value.left)}, {_text_of(value.right)}{closing}"
    kind: Any = type(value)
    if kind.__hash__ is None or kind.__repr__ is object.__repr__:
        raise NoLabelError(f"{kind.__name__} has no text of its own")
    return repr(value)


def _of_number(value: Any) -> str:
    if not isinstance(value, (numbers.Real, np.bool_, decimal.Decimal)):  # complex
        return _of_number(value.real) if value.imag == 0 else f"{_of_number(value.real)} + {_of_number(value.imag)}j"
    if isinstance(value, (numbers.Integral, np.bool_)):
        return str(int(value))
    import fractions  # takes its time, and `import fastbp` does not need it

    number: Any = value
    try:
        exact = fractions.Fraction(*number.as_integer_ratio())
    except (OverflowError, ValueError):  # infinity and NaN have none
        return repr(float(value))
    if exact.denominator == 1:
        return str(exact.numerator)
    return repr(float(exact)) if fractions.Fraction(float(exact)) == exact else str(exact)


def _of_moment(value: Any) -> str:
    """Return the text of a moment in UTC, to the nanosecond; a day stands for its midnight."""
    if not isinstance(value, (datetime.datetime, np.datetime64)):
        value = datetime.datetime.combine(value, datetime.time())
    if isinstance(value, np.datetime64):
        second = value.astype("datetime64[s]")
        nanosecond = int((value - second).astype("timedelta64[ns]").astype(np.int64))
        return f"{second}.{nanosecond:09}"
    nanosecond = value.microsecond * 1000 + getattr(value, "nanosecond", 0)  # pandas has the second
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC)
    return f"{value.year:04}-{value.month:02}-{value.day:02}T{value:%H:%M:%S}.{nanosecond:09}"


def _of_duration(value: Any) -> str:
    if isinstance(value, np.timedelta64):
        second = value.astype("timedelta64[s]")
        rest = (value - second).astype("timedelta64[ns]")
        return f"{int(second.astype(np.int64)) * 10**9 + int(rest.astype(np.int64))} ns"
    microseconds = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
    return f"{microseconds * 1000 + getattr(value, 'nanoseconds', 0)} ns"


def _of_tuple(value: tuple[Any, ...]) -> str:
    return f"({', '.join(map(_text_of, value))})"


def _of_set(value: frozenset[Any]) -> str:
    return f"{{{', '.join(sorted(map(_text_of, value)))}}}"


_KINDS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    ((datetime.date, np.datetime64), _of_moment),  # a datetime is a date too
    ((datetime.timedelta, np.timedelta64), _of_duration),  # before numbers: NumPy's durations count as integers
    ((numbers.Number, np.bool_, decimal.Decimal), _of_number),
    (tuple, _of_tuple),
    (frozenset, _of_set),
)
