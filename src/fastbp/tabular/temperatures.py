"""How sure the members may be, by rows that were held out from them: the temperature of classes, and constants.

The logits of all members are divided by one number (Guo, Pleiss, Sun and Weinberger, 2017). It is part of the weights
of their last layers afterwards, so that a prediction takes no longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.models.model import Model

__all__ = ["Logits", "best_temperature", "divide_logits", "mean_and_error", "say_always"]

Floats = NDArray[np.float64]

_FARTHEST = 3.0  # a temperature is from 1/3 to 3
_CLOSE = 0.001  # to the best temperature, as a share of it
_CLEARLY = 2.0  # standard errors by which the mean log loss has to fall
_LEAST = 1e-30  # of a probability whose logarithm is taken
_LEAST_IN_LOSS = 1e-7


@dataclass(frozen=True)
class Logits:
    """What a member says of some rows.

    Attributes
    ----------
    kind : str
        What kind of member it is.
    rows : ndarray of shape (n,)
    values : ndarray of shape (n, n_classes)
        Logarithms of its probabilities.
    """

    kind: str
    rows: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, kind: str, rows: NDArray[np.int64], probabilities: NDArray[Any]) -> Logits:
        """Return those of probabilities, (n, n_classes)."""
        return cls(kind, rows, np.log(np.maximum(probabilities, np.float32(_LEAST))).astype(np.float32))

    def probabilities(self, temperature: float) -> Floats:
        """Return the probabilities at a temperature, (n, n_classes)."""
        scaled = self.values / temperature
        powers = np.exp(scaled - scaled.max(axis=1, keepdims=True), dtype=np.float64)
        powers /= powers.sum(axis=1, keepdims=True)
        return np.asarray(powers)


def best_temperature(said: Sequence[Logits], shares: Mapping[str, float], y: NDArray[Any], weights: Floats) -> float:
    """Return the temperature of all members at which their mixture has the least mean log loss.

    It is 1, which changes nothing, unless the loss falls by more than two standard errors, row by row.

    Parameters
    ----------
    said : sequence of Logits
        Each row is answered by some members of each kind that has a share, or is left out.
    shares : dict of str to float
        Of each kind of members in the mixture; of a kind their mean.
    y : ndarray of shape (n_rows,)
        Class numbers.
    weights : ndarray of shape (n_rows,)
        Of the rows.
    """
    used = [each for each in said if each.kind in shares]
    counts = {kind: np.zeros(len(y)) for kind in shares}
    for each in used:
        counts[each.kind][each.rows] += 1
    seen = np.logical_and.reduce([of_kind > 0 for of_kind in counts.values()])
    places = np.flatnonzero(seen)
    if not len(places):
        return 1.0
    counted = weights[places] / weights[places].sum()

    def losses(temperature: float) -> Floats:
        right = np.zeros(len(y))
        for each in used:
            of_class = each.probabilities(temperature)[np.arange(len(each.rows)), y[each.rows]]
            right[each.rows] += shares[each.kind] * of_class / counts[each.kind][each.rows]
        return np.asarray(-np.log(np.maximum(right[places], _LEAST_IN_LOSS)))

    best = _lowest(lambda temperature: float(counted @ losses(temperature)))
    mean, error = mean_and_error(losses(1.0) - losses(best), weights[places])
    return best if mean > _CLEARLY * error else 1.0


def mean_and_error(gains: Floats, weights: Floats) -> tuple[float, float]:
    """Return the mean of what each row gains, and its standard error.

    Parameters
    ----------
    gains, weights : ndarray of shape (n_rows,)
    """
    counted = weights / weights.sum()
    mean = float(counted @ gains)
    return mean, sqrt(float(np.square(counted) @ np.square(gains - mean)))


def _lowest(of: Any) -> float:
    """Return where a function of temperatures that falls, then rises, is lowest: by golden section of its logarithm."""
    ratio = (sqrt(5) - 1) / 2
    low, high = -log(_FARTHEST), log(_FARTHEST)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = of(exp(left)), of(exp(right))
    while high - low > _CLOSE:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = of(exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = of(exp(right))
    return exp((low + high) / 2)


def divide_logits(model: Model, temperature: float) -> None:
    """Divide the last layer's weights and biases, and so the logits, by a temperature."""
    *weights, W, b = model.get_weights()
    model.set_weights([*weights, W / temperature, b / temperature])


def say_always(model: Model, sums: Floats) -> None:
    """Make the last layer's sums the same for all inputs."""
    *weights, W, _ = model.get_weights()
    model.set_weights([*weights, np.zeros_like(W), sums.astype(W.dtype)])
