"""What single rows cost: their losses, the worst of them, and the quantiles of errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["error_quantiles", "log_losses", "log_loss", "rmse", "share_of_worst", "worst_rows"]

Vector = NDArray[np.float64]

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)


def log_losses(y: NDArray[np.int64], probabilities: NDArray[Any]) -> Vector:
    """Return minus the logarithm of the probability that each row's class was given."""
    given = probabilities[np.arange(len(y)), y].astype(np.float64)
    losses: Vector = -np.log(np.maximum(given, np.finfo(np.float32).tiny))
    return losses


def log_loss(y: NDArray[np.int64], probabilities: NDArray[Any]) -> float:
    """Return the mean of the rows' log losses."""
    return float(log_losses(y, probabilities).mean())


def rmse(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean(np.square(predicted - y))))


def worst_rows(losses: Vector, most: int = 10) -> NDArray[np.int64]:
    """Return the places of the largest losses, the largest first; of equal ones the first."""
    return np.argsort(-losses, kind="stable")[:most]


def share_of_worst(losses: Vector, most: int = 10) -> float:
    """Return which share of all losses the largest ones are."""
    total = losses.sum()
    return float(losses[worst_rows(losses, most)].sum() / total) if 0 < total < np.inf else 0.0


def error_quantiles(y: NDArray[Any], predicted: NDArray[Any]) -> list[tuple[float, float]]:
    """Return for some shares of the rows how large their errors are at most, whatever their signs."""
    return list(zip(QUANTILES, np.quantile(np.abs(predicted - y), QUANTILES).tolist(), strict=True))
