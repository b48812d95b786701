"""The cells of explained rows, as a user reads them: dates instead of their seconds, numbers with a few digits."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_moment", "moments_of", "plainly", "seconds_of", "text_of"]

_MICROSECONDS = 1_000_000


def moments_of(seconds: NDArray[Any]) -> NDArray[np.datetime64]:
    """Return seconds since 1970 as dates and times; "not a time" for NaN."""
    known = np.isfinite(seconds)
    whole = np.rint(np.where(known, seconds, 0) * _MICROSECONDS).astype(np.int64)
    moments: NDArray[np.datetime64] = whole.astype("datetime64[us]")
    moments[~known] = np.datetime64("NaT")
    return moments


def seconds_of(moment: Any) -> float:
    """Return the seconds since 1970 of a date, or of the text of one; NaN for "not a time".

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(moment, datetime.datetime) and moment.tzinfo is not None:
        return moment.timestamp()
    found = np.datetime64(moment).astype("datetime64[us]")
    return math.nan if np.isnat(found) else float(found.astype(np.int64)) / _MICROSECONDS


def as_moment(seconds: float) -> str:
    """Return seconds since 1970 as a date, with the time where it is not midnight; "missing" for NaN."""
    if math.isnan(seconds):
        return "missing"
    moment = np.datetime64(round(seconds), "s")
    date = moment.astype("datetime64[D]")
    return str(date) if moment == date else str(moment).replace("T", " ")


def plainly(value: Any) -> Any:
    """Return a cell for a table: a date without a zone as text, anything else as it is."""
    is_moment = isinstance(value, datetime.datetime) and value.tzinfo is None
    return as_moment(seconds_of(value)) if is_moment else value


def text_of(value: Any, digits: int) -> str:
    """Return a cell as text; of a number so many digits."""
    if value is None or value != value:
        return "missing"
    return f"{value:.{digits}g}" if isinstance(value, (float, np.floating)) else str(plainly(value))
