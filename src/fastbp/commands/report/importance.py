"""What a column is worth to a model: how much the loss grows when the column is shuffled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Importance", "shuffled_importances"]

Array = NDArray[Any]


class Importance(NamedTuple):
    """What one column is worth.

    Attributes
    ----------
    column : int
        Its place.
    mean : float
        How much larger the loss is on average when the column is shuffled.
    error : float
        The standard error of this mean over the repetitions.
    """

    column: int
    mean: float
    error: float


def shuffled_importances(
    predict: Callable[[Array], Array],
    X: Array,
    loss: Callable[[Array], float],
    columns: Sequence[int],
    repeats: int = 5,
    seed: int = 0,
) -> list[Importance]:
    """Shuffle columns in turn, several times, and return what it costs, the costliest first (Breiman, 2001).

    Parameters
    ----------
    predict : callable
        Takes an array like X, returns outputs.
    X : ndarray of shape (n, n_columns)
        Rows that the model was not trained on.
    loss : callable
        Takes the outputs of X, returns the mean loss.
    columns : sequence of int
        Those to try.
    repeats : int
        2 or more.
    seed : int
        Of the shuffling. All columns are shuffled alike.
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(X)) for _ in range(repeats)]
    whole = loss(predict(X))
    shuffled = X.copy()
    result = []
    for column in columns:
        losses = []
        for order in orders:
            shuffled[:, column] = X[order, column]
            losses.append(loss(predict(shuffled)))
        shuffled[:, column] = X[:, column]
        error = float(np.std(losses, ddof=1) / np.sqrt(repeats))
        result.append(Importance(column, float(np.mean(losses)) - whole, error))
    return sorted(result, key=lambda importance: -importance.mean)
