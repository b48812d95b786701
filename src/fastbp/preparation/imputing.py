"""The preparation that fills in missing values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fastbp.preparation.base import Preparation
from fastbp.support.checks import check_flag, check_word

if TYPE_CHECKING:
    from fastbp.preparation.column_statistics import ColumnStatistics

__all__ = ["Impute"]

Strategy = Literal["mean", "median"]


@dataclass(frozen=True)
class Impute(Preparation):
    """Fills missing values (NaN) with the mean or the median of their column, as scikit-learn's SimpleImputer does.

    Parameters
    ----------
    strategy : {"mean", "median"}, default "mean"
        What is filled in. The median is computed as in RobustScale.
    indicator : bool, default False
        Whether each column that has missing values in training gets an additional column, 1 where a value is missing,
        else 0. These come after all columns of numbers, and preparations that follow in a list do not change them.

    Examples
    --------
    >>> import fastbp as fb
    >>> prepare = fb.Impute("mean", indicator=True)
    >>> model = fb.Model([fb.Dense(2)], prepare=prepare, dtype="float64")
    >>> model.build([[1.0], [3.0], [float("nan")]])
    >>> model.set_weights([[[1, 0], [0, 1]], [0, 0]])
    >>> model.predict([[5.0], [float("nan")]]).tolist()  # the value, and whether it was missing
    [[5.0, 0.0], [2.0, 1.0]]
    """

    strategy: Strategy = "mean"
    indicator: bool = False
    name = "impute"
    invertible = False

    def __post_init__(self) -> None:
        check_word(self.strategy, "strategy", ("mean", "median"))
        object.__setattr__(self, "indicator", check_flag(self.indicator, "indicator"))

    @property
    def widens(self) -> bool:
        """Whether there may be columns of indicators."""
        return self.indicator

    def learn(self, statistics: ColumnStatistics) -> None:
        """Learn the mean or the median."""
        moments = statistics.moments()
        statistics.refuse_empty(moments.n_present)
        fill = moments.mean if self.strategy == "mean" else statistics.quantiles([0.5])[0]
        if self.indicator:
            statistics.add_indicators()
        statistics.add([("fill", float(a)) for a in fill])
