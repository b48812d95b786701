"""Columns that a user names, and the values that are tried in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.cells import seconds_of
from fastbp.explanations.subjects import Subject
from fastbp.support.checks import check_int, check_list, sentence

__all__ = ["column_of", "columns_of", "values_to_try"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


def column_of(column: Any, names: Sequence[str], argument: str = "column") -> int:
    """Return the number of a column that is given by its name or its number.

    Raises
    ------
    TypeError, ValueError
        If there is no such column.
    """
    if isinstance(column, str):
        if column not in names:
            from fastbp.support.suggestions import did_you_mean  # for error messages only

            meant = did_you_mean(column, names)
            raise ValueError(sentence(argument, column, "the name or the number of a column", meant or ""))
        return list(names).index(column)
    return check_int(column, argument, minimum=0, maximum=len(names) - 1)


def columns_of(columns: Any, names: Sequence[str]) -> list[int]:
    """Return the numbers of columns given by names or numbers, each once; None is all."""
    if columns is None:
        return list(range(len(names)))
    listed = check_list(columns, "columns", "a list of names or numbers of columns")
    numbers = [column_of(column, names, f"columns[{i}]") for i, column in enumerate(listed)]
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(sentence("columns", columns, "one column or more, each once"))
    return numbers


def values_to_try(subject: Subject, column: int, rows: Array, grid: Any) -> Array:
    """Return the values of a column at which answers are wanted, rising: (n_values,).

    Parameters
    ----------
    subject : Subject
    column : int
    rows : ndarray of shape (n, n_columns)
    grid : int or array-like
        How many quantiles of the rows' numbers, all of them if they are as few; or the values, as X has them. Of a
        column of categories all that are known are taken.

    Raises
    ------
    TypeError, ValueError
        If grid is neither, or the column holds no number.
    """
    known = subject.values_of(column)
    if not hasattr(grid, "__len__"):
        n_values = check_int(grid, "grid", minimum=2)
        if known is not None:
            return known
        present = rows[:, column][np.isfinite(rows[:, column])]
        if not len(present):
            raise ValueError(f"column {subject.columns[column]!r} has no number in X; expected one at least.")
        distinct = np.unique(present)
        if len(distinct) <= n_values:
            return distinct
        # Halfway between two dates would be a time of day: of moments only such as there are.
        method: Literal["inverted_cdf", "linear"] = "inverted_cdf" if column in subject.moments else "linear"
        return np.unique(np.quantile(present, np.linspace(0, 1, n_values), method=method))
    listed = check_list(grid, "grid", "a number of values, or the values themselves")
    if not listed:
        raise ValueError("grid is empty; expected a value or more.")
    values = np.array([_value(subject, column, rows, each) for each in listed])
    probe = np.repeat(rows[:1], len(values), axis=0)
    probe[:, column] = values
    try:
        subject.check(probe)
    except ValueError as error:
        raise ValueError(f"grid has a value that the model cannot take: {error}") from None
    return values


def _value(subject: Subject, column: int, rows: Array, value: Any) -> float:
    """Return a value as rows have it: a number, or the code of a text."""
    known = subject.values_of(column)
    if known is not None:
        probe = np.repeat(rows[:1].astype(np.float64), len(known), axis=0)
        probe[:, column] = known
        for code, shown in zip(known, subject.shown(probe)[:, column], strict=True):
            if shown == value:
                return float(code)
        raise ValueError(
            f"grid has {value!r}, which is no category of column {subject.columns[column]!r} that the model knows; "
            "expected known ones."
        )
    is_moment = column in subject.moments and not isinstance(value, (int, float, np.number))
    try:
        return seconds_of(value) if is_moment else float(value)
    except (TypeError, ValueError):
        raise TypeError(sentence("grid", value, "dates" if is_moment else "numbers")) from None
