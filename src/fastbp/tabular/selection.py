"""How much of a prediction each setting of networks has: the mixture that is best on rows held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["select"]

Floats = NDArray[np.float64]

_PICKS = 40


def select(predicted: Sequence[Floats], losses: Callable[[Floats], Floats], weights: NDArray[Any]) -> list[float]:
    """Return the share of each of some predictions, 1 together, in a mixture of little loss.

    One after another is added to those that were taken before, each time the one whose addition makes the mean of all
    best, also again (Caruana, Niculescu-Mizil, Crew and Ksikes, 2004). All are taken once in the beginning: the share
    of what is only lucky on these rows grows less, and none is lost that is as good as the others.

    Parameters
    ----------
    predicted : sequence of ndarray of shape (n_rows, n_outputs)
    losses : callable
        The loss of each row, of predictions for all.
    weights : ndarray of shape (n_rows,)
        Of the rows.
    """
    counts = np.ones(len(predicted))
    total = np.sum(predicted, axis=0)
    for n in range(len(predicted) + 1, len(predicted) + _PICKS + 1):
        of_each = [np.average(losses((total + each) / n), weights=weights) for each in predicted]
        best = int(np.argmin(of_each))
        counts[best] += 1
        total = total + predicted[best]
    return [float(count) for count in counts / counts.sum()]
