"""How good predictions are, in a few figures, whatever predicted them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.report.curves import roc_curve
from fastbp.commands.report.rows import log_loss

__all__ = ["constant_outputs", "scores_of"]

Array = NDArray[Any]


def scores_of(y: Array, outputs: Array, n_classes: int) -> dict[str, float]:
    """Return the scores of predictions by their names.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Class numbers, or numbers.
    outputs : ndarray of shape (n, n_outputs)
        Probabilities, or in one column numbers.
    n_classes : int
        0 for numbers.
    """
    if not n_classes:
        return _of_numbers(y, outputs[:, 0].astype(np.float64))
    right = outputs.argmax(axis=1) == y
    recalls = [float(right[y == label].mean()) for label in np.unique(y)]
    scores = {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "log_loss": log_loss(y, outputs),
    }
    if n_classes == 2 and len(recalls) == 2:
        false, true = roc_curve(y == 1, outputs[:, 1])
        scores["roc_auc"] = float(np.trapezoid(true, false))
    return scores


def _of_numbers(y: Array, predicted: Array) -> dict[str, float]:
    squares = float(np.square(y - predicted).sum())
    spread = float(np.square(y - y.mean()).sum())
    return {
        "r2": 1 - squares / spread if spread else float("nan"),
        "rmse": float(np.sqrt(squares / len(y))),
        "mae": float(np.abs(y - predicted).mean()),
    }


def constant_outputs(known: Array, n: int, n_classes: int) -> Array:
    """Return the best constant answer to n rows: the shares of the classes in known targets, or their mean."""
    if not n_classes:
        return np.full((n, 1), known.mean())
    shares = np.bincount(known, minlength=n_classes) / len(known)
    return np.tile(shares, (n, 1))
