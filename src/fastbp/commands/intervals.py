"""Intervals around predicted numbers, from the errors on rows that were held out: split conformal prediction.

Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018): of rows like those held out, at least the share that was asked
for lies within the interval, whatever the model is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.errors import CommandError

__all__ = ["half_width", "half_widths"]

_SHARES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)


def half_widths(errors: NDArray[np.float64]) -> dict[str, float]:
    """Return half the width of the interval for each share that so many errors allow.

    Parameters
    ----------
    errors : float64 ndarray of shape (n,)
        Of rows that were neither trained on nor used to choose the model.
    """
    sizes = np.sort(np.abs(errors.astype(np.float64)))
    places = {share: math.ceil((len(sizes) + 1) * share) - 1 for share in _SHARES}
    return {f"{share:g}": float(sizes[place]) for share, place in places.items() if place < len(sizes)}


def half_width(known: Mapping[str, float], share: float) -> float:
    """Return half the width of the interval for a share.

    Raises
    ------
    CommandError
        If the model has none for it.
    """
    if not known:
        raise CommandError("--interval is for numbers, and this model has no intervals; leave it out")
    if f"{share:g}" not in known:
        raise CommandError(f"--interval is {share:g}; expected one of {', '.join(known)}")
    return known[f"{share:g}"]
