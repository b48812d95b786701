"""What a method finds for one model, and the mean over the members of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Found", "mean_of_members"]

Floats = NDArray[np.float64]


class Found(NamedTuple):
    """What a method finds.

    Attributes
    ----------
    values : float64 ndarray of shape (n, n_columns, n_answers)
    base : float64 ndarray of shape (n, n_answers) or None
    gap : float64 ndarray of shape (n, n_answers) or None
        The completeness error.
    errors : float64 ndarray of the shape of ``values``, or None
        Standard errors.
    """

    values: Floats
    base: Floats | None = None
    gap: Floats | None = None
    errors: Floats | None = None


def mean_of_members(found: Sequence[Found], shares: Sequence[float]) -> tuple[Found, Floats | None]:
    """Return the mean of what was found for the members, and the spread of their values; None for a single one.

    The members have the background and the permutations in common, so that their errors do not cancel: the standard
    error of the mean is taken for the mean of their standard errors, which it is at most.

    Parameters
    ----------
    found : sequence of Found
    shares : sequence of float
        Of the members in the mean.
    """
    if len(found) == 1:
        return found[0], None

    def mean_of(parts: Sequence[Floats]) -> Floats:
        return np.asarray(np.average(parts, axis=0, weights=shares))

    values, *others = zip(*found, strict=True)
    mean = Found(mean_of(values), *(None if parts[0] is None else mean_of(parts) for parts in others))
    return mean, np.sqrt(mean_of([np.square(each - mean.values) for each in values]))
