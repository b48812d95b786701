"""Preparations that move and scale numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastbp.preparation.base import Numbers, Preparation
from fastbp.support.checks import check_number, sentence

if TYPE_CHECKING:
    from fastbp.preparation.column_statistics import ColumnStatistics

__all__ = ["RobustScale", "Scale", "Standardize"]


_SMALLEST_FACTOR = 1e-300


@dataclass(frozen=True)
class Scale(Preparation):
    """X * factor + offset; or each column from 0 to 1, as in the training data.

    Parameters
    ----------
    factor : float or None, default None
        Not 0. ``fb.Scale(1 / 255)`` is for images of bytes. None learns each column's: (X - min) / (max - min), as
        scikit-learn's MinMaxScaler does; a column whose numbers are all alike becomes 0.
    offset : float, default 0.0
        What is added then.
    """

    factor: float | None = None
    offset: float = 0.0
    name = "scale"

    def __post_init__(self) -> None:
        if self.factor is not None:
            factor = check_number(self.factor, "factor")
            if not _SMALLEST_FACTOR < abs(factor) < 1 / _SMALLEST_FACTOR:
                raise ValueError(sentence("factor", factor, "a number that is not 0", "0 would leave nothing of X."))
            object.__setattr__(self, "factor", factor)
        object.__setattr__(self, "offset", check_number(self.offset, "offset"))

    @property
    def learns(self) -> bool:
        """Whether the factor is to be found."""
        return self.factor is None

    def learn(self, draft: ColumnStatistics) -> None:
        """Take the factor, or minimum and maximum."""
        if self.factor is not None:
            draft.add_affine(0.0, self.factor, self.offset)
            return
        moments = draft.moments()
        draft.add_affine(moments.low, _reciprocals(moments.high - moments.low), self.offset)


@dataclass(frozen=True)
class Standardize(Preparation):
    """(X - mean) / deviation of each column, as scikit-learn's StandardScaler does.

    One pass over the data, by blocks whose means and squares are merged (Chan, Golub and LeVeque, 1983). A column whose
    numbers are all alike becomes 0. Missing values are left out, and stay missing.
    """

    name = "standardize"

    def learn(self, draft: ColumnStatistics) -> None:
        """Take mean and deviation."""
        moments = draft.moments()
        draft.add_affine(moments.mean, _reciprocals(np.sqrt(moments.variance)))


@dataclass(frozen=True)
class RobustScale(Preparation):
    """(X - median) / (third quartile - first quartile) of each column, then bent so that outliers stay near.

    As in RealMLP (Holzmüller, Grinsztajn and Steinwart, 2024). Where the quartiles are alike the factor is 2 / (max -
    min); a column whose numbers are all alike becomes 0. Missing values are left out, and stay missing. Of more than a
    million samples every k-th is looked at, k the smallest that leaves a million.

    Parameters
    ----------
    clip : float or None, default 3.0
        What comes out lies between -clip and clip: x / sqrt(1 + (x / clip)**2). None leaves it as it is.
    """

    clip: float | None = 3.0
    name = "robust_scale"

    def __post_init__(self) -> None:
        if self.clip is not None:
            object.__setattr__(self, "clip", check_number(self.clip, "clip", above=0))

    @property
    def invertible(self) -> bool:  # type: ignore[override]
        """Whether it is not bent."""
        return self.clip is None

    def learn(self, draft: ColumnStatistics) -> None:
        """Take the quartiles, and what is needed where they are alike."""
        low, first, median, third, high = draft.quantiles([0, 0.25, 0.5, 0.75, 1])
        span = np.where(third > first, third - first, (high - low) / 2)
        draft.add_affine(median, _reciprocals(span))
        if self.clip is not None:
            draft.add([("clip", self.clip)] * len(draft.columns))


def _reciprocals(values: Numbers) -> Numbers:
    """Return 1 / values; 1 where that is no finite number, as of a column whose numbers are all alike."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        reciprocals = 1 / values
    return np.where(np.isfinite(reciprocals) & (values != 0), reciprocals, 1.0)
