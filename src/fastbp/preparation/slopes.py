"""The slopes of a preparation: how a model's features change with the columns that they are made of."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.written_moments import MomentWriting
from fastbp.preparation.learned import Learned
from fastbp.preparation.tables import name_of

__all__ = ["Slopes", "slopes_of"]

Array = NDArray[Any]
Numbers = NDArray[np.float64]


class Slopes:
    """First and second derivatives of the features by the column that each is made of.

    Parameters
    ----------
    columns : list of int
        The column of each feature.
    n_columns : int
    first, second : float64 ndarray of shape (n_samples, n_features), or (1, n_features) where all samples have the same
    """

    def __init__(self, columns: list[int], n_columns: int, first: Numbers, second: Numbers) -> None:
        self.columns, self.n_columns, self.first, self.second = columns, n_columns, first, second

    def to_features(self, U: Array) -> Numbers:
        """Return the directions (n, n_features) of the features for directions (n, n_columns) of the columns."""
        along: Numbers = U[:, self.columns] * self.first
        return along

    def to_columns(self, gradient: Array, slopes: Numbers | None = None) -> Numbers:
        """Return gradients (n, ..., n_columns) for gradients (n, ..., n_features): the sum over a column's features.

        ``slopes`` are by default the first derivatives.
        """
        slopes = self.first if slopes is None else slopes
        shape = (len(slopes),) + (1,) * (gradient.ndim - 2) + slopes.shape[1:]
        of_features: Numbers = gradient * slopes.reshape(shape)
        if self.columns == list(range(self.n_columns)):
            return of_features
        result = np.zeros((*gradient.shape[:-1], self.n_columns))
        for feature, column in enumerate(self.columns):
            result[..., column] += of_features[..., feature]
        return result


def slopes_of(learned: Learned, array: Array, argument: str) -> Slopes:
    """Return the slopes of what was learned at samples, an array that ``learned.read`` returned.

    A value that was filled in does not depend on its column: its slope is 0. So is that of the indicator of missing
    values.

    Raises
    ------
    ValueError
        If a column holds categories or moments.
    """
    for column, steps in learned.features:
        _check_differentiable(learned, column, steps, argument)
    first, second = [], []
    for _, run in itertools.groupby(learned.features, key=lambda feature: [step[0] for step in feature[1]]):
        slope, curvature = _slopes_of_run(list(run), array)
        first.append(slope)
        second.append(curvature)
    return Slopes([column for column, _ in learned.features], learned.n_columns, _joined(first), _joined(second))


def _check_differentiable(learned: Learned, column: int, steps: Any, argument: str) -> None:
    writing = learned.writings.get(column)
    if column in learned.texts or any(step[0] in ("equals", "code") for step in steps):
        held = "categories"
    elif isinstance(writing, MomentWriting) and writing.has_days:
        held = "moments"
    else:
        return
    raise ValueError(
        f"{name_of(column, learned.names, argument)} holds {held}, by which nothing can be differentiated; expected "
        "numbers in all columns. Pass space='prepared' for derivatives by the numbers that the first layer reads."
    )


def _slopes_of_run(run: list[Any], array: Array) -> tuple[Numbers, Numbers]:
    """Return first and second derivatives of adjacent features with the same kinds of steps, by their column."""
    n_steps = len(run[0][1])
    numbers = [np.array([steps[i][1:] for _, steps in run], np.float64).T for i in range(n_steps)]
    kinds = [step[0] for step in run[0][1]]
    first, second = np.ones((1, len(run))), np.zeros((1, len(run)))
    if set(kinds) <= {"affine"}:
        for _, factor, _ in numbers:
            first = first * factor
        return first, second
    x = array[:, [column for column, _ in run]].astype(np.float64)
    missing = np.isnan(x)
    for kind, parameters in zip(kinds, numbers, strict=True):
        x, inner_first, inner_second = _step(kind, x, parameters)
        first, second = inner_first * first, inner_second * first**2 + inner_first * second
    return np.where(missing, 0.0, first), np.where(missing, 0.0, second)


def _step(kind: str, x: Numbers, parameters: Numbers) -> tuple[Numbers, Any, Any]:
    """Return the values after a step, and its first and second derivatives."""
    if kind == "affine":
        a, factor, offset = parameters
        return (x - a) * factor + offset, factor, 0.0
    if kind == "clip":  # x / sqrt(1 + (x / a)**2)
        ratio = x / parameters[0]
        length = np.hypot(1, ratio)
        return x / length, length**-3, -3 * ratio / length / length**4 / parameters[0]
    missing = np.isnan(x)
    if kind == "missing":
        return missing.astype(np.float64), 0.0, 0.0
    return np.where(missing, parameters[0], x), 1.0, 0.0


def _joined(parts: list[Any]) -> Numbers:
    """Return arrays (1, n) or (n_samples, n) side by side."""
    n_rows = max(len(part) for part in parts)
    return np.concatenate([np.broadcast_to(part, (n_rows, part.shape[1])) for part in parts], axis=1)
