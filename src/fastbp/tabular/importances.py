"""What each column of a table is worth: how much worse rows held out are predicted when its values are shuffled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.shuffles import growth_by_shuffling
from fastbp.tabular.fitted import FittedTable

__all__ = ["HeldOut", "column_importances", "sample_held_out"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MOST_ROWS = 2000
_REPEATS = 5


@dataclass(frozen=True)
class HeldOut:
    """Rows that were held out from training, up to 2,000.

    Attributes
    ----------
    table : ndarray of shape (n_rows, n_numbers + n_categories)
    y : ndarray of shape (n_rows,) of class numbers, or (n_rows, n_outputs)
    folds : ndarray of shape (n_rows,)
        The split that held each row out.
    """

    table: Floats
    y: Array
    folds: NDArray[np.intp]


def sample_held_out(table: Floats, y: Array, splits: Any, seed: int) -> HeldOut:
    """Return some of the rows that splits hold out, of all splits alike."""
    rows = np.concatenate([held_out for _, held_out in splits])
    folds = np.repeat(np.arange(len(splits)), [len(held_out) for _, held_out in splits])
    if len(rows) > _MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(rows), _MOST_ROWS, replace=False))
        rows, folds = rows[chosen], folds[chosen]
    return HeldOut(table[rows], y[rows], folds)


def column_importances(fitted: FittedTable, held_out: HeldOut, metric: str, n_threads: int | None) -> Floats:
    """Return how much the mean loss of rows held out grows when a column is shuffled (Breiman, 2001).

    The loss is the log loss, or for numbers the squared error (the absolute one for "mae") in units of the targets'
    deviation. Each row is predicted by the networks that were not trained on it, and the mean of five shuffles is
    taken.

    Returns
    -------
    ndarray of shape (n_columns,)
        In the order of the user's columns; about 0, above or below, for a column that tells nothing.
    """
    features = fitted.reader.learned.features
    importances = np.zeros(fitted.reader.n_columns)
    rng = np.random.default_rng(0)
    for fold in np.unique(held_out.folds):
        part = fitted.of_fold(int(fold))
        rows = held_out.folds == fold
        table, y = held_out.table[rows], held_out.y[rows]
        orders = [rng.permutation(len(y)) for _ in range(_REPEATS)]

        def losses(table: Floats, part: FittedTable = part, y: Array = y) -> Floats:
            of_rows: Floats = fitted.targets.losses(y, part.predict_table(table, n_threads), metric)
            return of_rows

        found = growth_by_shuffling(losses, table, range(len(features)), orders)
        for (column, _), growth in zip(features, found, strict=True):
            importances[column] += growth.mean * (len(y) / len(held_out.y))
    return importances
