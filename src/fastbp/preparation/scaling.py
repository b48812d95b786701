"""Preparations that move and scale numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastbp.preparation.base import Numbers, Preparation
from fastbp.support.checks import check_number, sentence

if TYPE_CHECKING:
    from fastbp.preparation.column_statistics import ColumnStatistics

__all__ = ["RobustScale", "Scale", "Standardize"]


_SMALLEST_FACTOR = 1e-300
_EPS = float(np.finfo(np.float64).eps)
# scikit-learn's bound for a constant column grows with the number of samples, as the error of its sums does. Merged
# means have no such error: a deviation of more than 100 roundings of the mean is one that the data has.
_MOST_ROUNDINGS = 100


@dataclass(frozen=True)
class Scale(Preparation):
    """X * factor + offset; or each column from 0 to 1, as in the training data.

    Parameters
    ----------
    factor : float or None, default None
        The factor, not 0; ``fb.Scale(1 / 255)`` is for images of bytes. None scales each column by its own minimum and
        maximum, (X - min) / (max - min), as scikit-learn's MinMaxScaler does; a constant column becomes 0.
    offset : float, default 0.0
        The number that is added.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, prepare=fb.Scale(1 / 255))  # bytes, from 0 to 1
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> model.predict([[0], [255]]).tolist()
    [[0.0], [1.0]]
    """

    factor: float | None = None
    offset: float = 0.0
    name = "scale"

    def __post_init__(self) -> None:
        if self.factor is not None:
            factor = check_number(self.factor, "factor")
            if not _SMALLEST_FACTOR < abs(factor) < 1 / _SMALLEST_FACTOR:
                raise ValueError(
                    sentence("factor", factor, "a number other than 0", "With 0 all of X would be the same.")
                )
            object.__setattr__(self, "factor", factor)
        object.__setattr__(self, "offset", check_number(self.offset, "offset"))

    @property
    def learns(self) -> bool:
        """Whether it learns the factor from data."""
        return self.factor is None

    def learn(self, statistics: ColumnStatistics) -> None:
        """Use the factor, or learn the minimum and the maximum."""
        if self.factor is not None:
            statistics.add_affine(0.0, self.factor, self.offset)
            return
        moments = statistics.moments()
        span = moments.high - moments.low
        constant = _is_rounding(span, moments.low, moments.high)
        statistics.add_affine(moments.low, _reciprocals(span, constant), self.offset)


@dataclass(frozen=True)
class Standardize(Preparation):
    """(X - mean) / deviation of each column, as scikit-learn's StandardScaler does.

    One pass over the data, by blocks whose means and squares are merged (Chan, Golub and LeVeque, 1983). A column that
    is constant, or constant up to rounding, is only centred. Missing values are ignored, and stay missing.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], prepare=fb.Standardize(), dtype="float64")
    >>> model.build([[1.0], [3.0]])
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> model.predict([[1.0], [2.0], [3.0]]).ravel().tolist()
    [-1.0, 0.0, 1.0]
    """

    name = "standardize"

    def learn(self, statistics: ColumnStatistics) -> None:
        """Learn the mean and the standard deviation."""
        moments = statistics.moments()
        n, mean, variance = moments.n_present, moments.mean, moments.variance
        with np.errstate(over="ignore"):
            constant = variance <= n * _EPS * variance + np.square(np.minimum(n, _MOST_ROUNDINGS) * mean * _EPS)
        statistics.add_affine(mean, _reciprocals(np.sqrt(variance), constant))


@dataclass(frozen=True)
class RobustScale(Preparation):
    """(X - median) / (third quartile - first quartile) of each column, then bent so that outliers stay close.

    As in RealMLP (Holzmüller, Grinsztajn and Steinwart, 2024). Where the quartiles are equal, the factor is 2 / (max -
    min); a constant column becomes 0. Missing values are ignored, and stay missing. Of more than a million samples
    every k-th is used, with the smallest k that leaves at most a million.

    Parameters
    ----------
    clip : float or None, default 3.0
        Bends numbers into the range from -clip to clip: x / sqrt(1 + (x / clip)**2). None does not.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], prepare=fb.RobustScale(), dtype="float64")
    >>> model.build([[1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> model.predict([[3.0], [4.0], [1000.0]]).ravel().round(4).tolist()
    [0.0, 0.4932, 2.9999]
    """

    clip: float | None = 3.0
    name = "robust_scale"

    def __post_init__(self) -> None:
        if self.clip is not None:
            object.__setattr__(self, "clip", check_number(self.clip, "clip", above=0))

    @property
    def invertible(self) -> bool:  # type: ignore[override]
        """Whether it can be undone: only if it does not bend numbers."""
        return self.clip is None

    def learn(self, statistics: ColumnStatistics) -> None:
        """Learn the quartiles, and the range for columns whose quartiles are equal."""
        low, first, median, third, high = statistics.quantiles([0, 0.25, 0.5, 0.75, 1])
        equal = _is_rounding(third - first, low, high)
        span = np.where(equal, (high - low) / 2, third - first)
        statistics.add_affine(median, _reciprocals(span, _is_rounding(high - low, low, high)))
        if self.clip is not None:
            statistics.add([("clip", self.clip)] * len(statistics.columns))


def _is_rounding(span: Numbers, low: Numbers, high: Numbers) -> NDArray[np.bool_]:
    """Return where a distance is no more than rounding of the column's numbers, from low to high, explains."""
    with np.errstate(invalid="ignore"):
        return np.asarray(span <= 10 * _EPS * np.maximum(np.abs(low), np.abs(high)))


def _reciprocals(values: Numbers, constant: NDArray[np.bool_]) -> Numbers:
    """Return 1 / values; 1 for a constant column, and where that is not a finite number."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        reciprocals = 1 / values
    return np.where(np.isfinite(reciprocals) & ~constant, reciprocals, 1.0)
