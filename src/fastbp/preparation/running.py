"""Standardising by statistics of the rows seen so far, for rows that come one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.preparation.base import Numbers, Preparation
from fastbp.support.checks import check_flag, check_int, check_number

if TYPE_CHECKING:
    from fastbp.preparation.column_statistics import ColumnStatistics, Feature

__all__ = ["RunningMoments", "RunningStandardize"]

_EPS = float(np.finfo(np.float64).eps)
_MOST_ROUNDINGS = 100  # of a mean, that a deviation may be without being one of the data


@dataclass(frozen=True)
class RunningStandardize(Preparation):
    """(X - mean) / deviation of each column, over all rows seen so far: for reinforcement learning.

    ``Trainer.step`` and ``Trainer.step_gradient`` take their batch's rows into the statistics before they use them, and
    ``Model.observe`` takes rows that no step sees; ``predict`` changes nothing. Means and squares of batches are merged
    (Chan, Golub and LeVeque, 1983) in float64, so each row counts the same, however long ago it was. For a column that
    is constant so far the deviation is 1. ``Model.copy``, ``blend`` and files keep the statistics.

    Before any rows were seen ``predict`` and ``Trainer.fit`` are refused. ``fit`` uses the statistics as they are; only
    those of a model that is built by it, or by ``Model.build``, are of the rows that are given there.

    Parameters
    ----------
    clip : float or None, default 10.0
        Bends numbers into the range from -clip to clip: x / sqrt(1 + (x / clip)**2), which has a slope everywhere. None
        does not.
    in_step : bool, default True
        Whether the two kinds of steps take their batch's rows. False: only ``Model.observe`` does. So rows that come
        back from a replay buffer can be counted once, when they are new.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, prepare=fb.RunningStandardize(clip=None))
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> model.observe([[10.0], [30.0]])
    >>> model.predict([[30.0], [20.0]]).tolist()
    [[1.0], [0.0]]
    """

    clip: float | None = 10.0
    in_step: bool = True
    name = "running_standardize"
    invertible = False

    def __post_init__(self) -> None:
        if self.clip is not None:
            object.__setattr__(self, "clip", check_number(self.clip, "clip", above=0))
        object.__setattr__(self, "in_step", check_flag(self.in_step, "in_step"))

    @property
    def learns(self) -> bool:
        """Whether it needs data before a model can be made: it begins without."""
        return False

    def learn(self, statistics: ColumnStatistics) -> None:
        """Begin without rows: ``RunningMoments`` says what becomes of the steps when some were seen."""
        statistics.add_affine(0.0, 1.0)
        if self.clip is not None:
            statistics.add([("clip", self.clip)] * len(statistics.columns))

    def features(self, moments: RunningMoments) -> list[Feature]:
        """Return the steps of each column."""
        bend: list[Any] = [] if self.clip is None else [("clip", self.clip)]
        numbers = zip(moments.mean.tolist(), moments.factors.tolist(), strict=True)
        return [(j, (("affine", mean, factor, 0.0), *bend)) for j, (mean, factor) in enumerate(numbers)]


class RunningMoments(NamedTuple):
    """What was seen so far.

    Attributes
    ----------
    n_rows : int
    mean : float64 ndarray of shape (n_columns,)
    squares : float64 ndarray of shape (n_columns,)
        The sum of squared distances from the mean.
    """

    n_rows: int
    mean: Numbers
    squares: Numbers

    @classmethod
    def of_nothing(cls, n_columns: int) -> RunningMoments:
        """Return the moments of no rows."""
        return cls(0, np.zeros(n_columns), np.zeros(n_columns))

    def with_rows(self, X: NDArray[Any]) -> RunningMoments:
        """Return the moments of these rows too, (n_rows, n_columns), all finite.

        Raises
        ------
        ValueError
            If a column's numbers are so large that their squares overflow.
        """
        rows = X.astype(np.float64)
        if not len(rows):
            return self
        n = self.n_rows + len(rows)
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            mean = rows.mean(axis=0)
            rows -= mean
            away = mean - self.mean
            squares = self.squares + np.square(rows).sum(axis=0) + np.square(away) * (self.n_rows * len(rows) / n)
        if not np.isfinite(squares).all():
            j = int(np.argmin(np.isfinite(squares)))
            raise ValueError(
                f"column {j} of X (counted from 0) has numbers whose squares are above the largest float64; expected "
                "smaller ones. Divide the column by a constant."
            )
        return RunningMoments(n, self.mean + away * (len(rows) / n), squares)

    @property
    def factors(self) -> Numbers:
        """One over each column's deviation; 1 where it is constant up to rounding."""
        variance = self.squares / max(self.n_rows, 1)
        rounding = np.square(min(self.n_rows, _MOST_ROUNDINGS) * _EPS * self.mean)
        constant = variance <= rounding
        return np.asarray(1 / np.sqrt(np.where(constant, 1.0, variance)))

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {"n_rows": self.n_rows, "mean": self.mean.tolist(), "squares": self.squares.tolist()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], n_columns: int) -> RunningMoments:
        """Return what ``to_config`` described, checked."""
        n_rows = check_int(config["n_rows"], "n_rows", minimum=0)
        mean, squares = (
            np.array([check_number(number, f"a number of {name}") for number in config[name]], np.float64)
            for name in ("mean", "squares")
        )
        if not len(mean) == len(squares) == n_columns or (squares < 0).any():
            raise ValueError(f"running statistics have not {n_columns} numbers of each kind, or squares below 0.")
        return cls(n_rows, mean, squares)
