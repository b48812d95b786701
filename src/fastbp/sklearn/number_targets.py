"""Targets that are numbers, from whatever a user gives: of a data frame, of objects, of any real dtype."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.arrays import as_array, check_each, numbers_of_objects

__all__ = ["explain_targets", "number_targets"]

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
        If it has another shape, no rows, a number that is NaN or infinite, or numbers whose sum may be infinite.
    """
    if array.ndim not in (1, 2):
        expected = "(n_samples,) or (n_samples, n_outputs)"
        raise ValueError(f"{argument} has shape {array.shape}; expected {expected}.")
    if array.size == 0:
        raise ValueError(f"{argument} has shape {array.shape}: no targets; expected one row and one column or more.")
    numbers = as_array(numbers_of_objects(array, argument) if array.dtype == object else array, argument)
    columns = numbers.astype(np.float64).reshape(len(array), -1)
    check_each(columns, np.isfinite, argument, "a finite number", "Leave out that row.")
    _check_sums(columns, argument)
    return columns


def _check_sums(columns: NDArray[np.float64], argument: str) -> None:
    """Refuse columns whose mean or range could be infinite, as a sum on the way to it."""
    too_large = np.abs(columns).max(axis=0) > np.finfo(np.float64).max / (4 * len(columns))
    if too_large.any():
        j = int(too_large.argmax())
        low, high = columns[:, j].min(), columns[:, j].max()
        raise ValueError(
            f"column {j} of {argument} (counted from 0) has numbers from {low:g} to {high:g}, whose sum can be "
            "infinite; expected smaller ones. Divide them first, for example by 1e200."
        )


def explain_targets(y: Any, argument: str) -> None:
    """Raise the TypeError of ``number_targets`` for objects that are no numbers, where others have refused them."""
    try:
        array = np.asarray(y)
    except Exception:  # then it is not the objects that are wrong
        return
    if array.dtype == object and array.ndim in (1, 2):
        numbers_of_objects(array, argument)
