"""What an explanation counts from: one row, the baseline, or several, the background."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.frames import is_column
from fastbp.explanations.subjects import Subject
from fastbp.support.checks import check_number, sentence

__all__ = ["background_of"]

Array = NDArray[Any]


def background_of(subject: Subject, baseline: Any, background: Any) -> Array:
    """Return the rows to count from, (n_background, n_columns), as ``subject.read`` has them.

    Raises
    ------
    TypeError, ValueError
        If both are given, or one does not fit the model, or none is given and the model knows no usual values.
    """
    if baseline is not None and background is not None:
        raise TypeError(
            "baseline and background are given; expected one of them. A baseline is a background of one row."
        )
    if background is not None:
        return _checked(subject, subject.read(background, "background"), "background")
    if baseline is None:
        return subject.usual().astype(subject.row_dtype)[np.newaxis]
    if isinstance(baseline, Real) and not isinstance(baseline, bool):
        number = check_number(baseline, "baseline")
        rows = np.full((1, len(subject.columns)), number, subject.row_dtype)
    else:
        rows = subject.read(_as_row(baseline), "baseline")
    if len(rows) != 1:
        raise ValueError(sentence("baseline", baseline, "one row", "Give several rows as background=."))
    return _checked(subject, rows, "baseline")


def _as_row(baseline: Any) -> Any:
    """Return a list or an array of one dimension as a row; rows by the names of their columns are rows already."""
    if isinstance(baseline, np.ndarray) and baseline.ndim == 1:
        return baseline[np.newaxis]
    is_list = isinstance(baseline, (list, tuple)) and len(baseline) > 0
    if is_list and not is_column(baseline) and not isinstance(baseline[0], (list, tuple, np.ndarray, dict)):
        return [list(baseline)]
    return baseline


def _checked(subject: Subject, rows: Array, argument: str) -> Array:
    """Refuse rows that the model cannot predict."""
    try:
        subject.check(rows)
    except ValueError as error:
        raise ValueError(f"in {argument}, {str(error).replace(' of X (counted', ' (counted')}") from None
    return rows
