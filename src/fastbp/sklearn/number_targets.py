"""Targets that are numbers, from whatever a user gives: of a data frame, of objects, of any real dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.arrays import as_array, check_each
from fastbp.data.columns import types_among
from fastbp.data.usable import NO_NUMBERS

__all__ = ["number_targets"]

Array = NDArray[Any]


def number_targets(array: Array, argument: str) -> NDArray[np.float64]:
    """Return targets as float64 (n_rows, n_outputs).

    Parameters
    ----------
    array : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Real numbers or booleans, or Python objects that are such.
    argument : str
        Its name in messages.

    Raises
    ------
    TypeError
        If it holds anything else: text, dates, complex numbers.
    ValueError
        If it has another shape, no rows, or a number that is NaN or infinite.
    """
    if array.ndim not in (1, 2):
        expected = "(n_samples,) or (n_samples, n_outputs)"
        raise ValueError(f"{argument} has shape {array.shape}; expected {expected}.")
    if array.size == 0:
        raise ValueError(f"{argument} has shape {array.shape}: no targets; expected one row and one column or more.")
    numbers = as_array(_numbers_of_objects(array, argument) if array.dtype == object else array, argument)
    columns = numbers.astype(np.float64).reshape(len(array), -1)
    check_each(columns, np.isfinite, argument, "a finite number", "Leave out that row.")
    return columns


def _numbers_of_objects(array: Array, argument: str) -> NDArray[np.float64]:
    """Return numbers of Python objects; None becomes NaN. Text is refused, though NumPy would read digits in it."""
    was = f"{argument} holds Python objects; expected real numbers, but it has"
    strange = [kind for kind in types_among(array.reshape(-1)) if issubclass(kind, NO_NUMBERS)]
    if strange:
        raise TypeError(f"{was} {strange[0].__name__} among them. Make them numbers first.")
    try:
        return array.astype(np.float64)
    except Exception as error:  # TypeError, ValueError, OverflowError, or what an object's __float__ raises
        raise TypeError(f"{was} something else among them: {error}. Make them numbers first.") from None
