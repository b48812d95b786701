"""scikit-learn's accuracy_score and r2_score of a model's outputs, without the checks, as they run every epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.support.underflow import underflows_to_zero

__all__ = ["accuracy", "r2"]

Array = NDArray[Any]


@underflows_to_zero
def accuracy(outputs: Array, targets: Array, weights: Array | None) -> float:
    """Return the share of correct samples: labels (n,) by the most probable class, else all of (n, n_outputs)."""
    if targets.ndim == 1:
        right = outputs.argmax(axis=1) == targets
    else:
        right = ((outputs > 0.5) == targets.astype(bool)).all(axis=1)
    return float(np.average(right, weights=weights))


@underflows_to_zero
def r2(outputs: Array, targets: Array, weights: Array | None) -> float:
    """Return the mean over outputs of 1 - squared error / spread; for equal targets 1 if all are exact, else 0."""
    y, A = targets.astype(np.float64), outputs.astype(np.float64)
    error = np.average((y - A) ** 2, axis=0, weights=weights)
    spread = np.average((y - np.average(y, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    alike = spread == 0
    return float(np.mean(np.where(alike, error == 0, 1 - error / np.where(alike, 1, spread))))
