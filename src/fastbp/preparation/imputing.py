"""A preparation that fills gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastbp.preparation.base import Preparation
from fastbp.support.checks import check_flag, sentence

if TYPE_CHECKING:
    from fastbp.preparation.column_statistics import ColumnStatistics

__all__ = ["Impute"]


@dataclass(frozen=True)
class Impute(Preparation):
    """Fills what is missing (NaN) with the mean or the median of its column, as scikit-learn's SimpleImputer does.

    Parameters
    ----------
    strategy : {"mean", "median"}, default "mean"
        What is filled in. The median is that of RobustScale.
    indicator : bool, default False
        Whether each column that has missing values in training gets a column more, 1 where one is missing, else 0. They
        come behind all columns of numbers, and what follows in a list leaves them alone.
    """

    strategy: str = "mean"
    indicator: bool = False
    name = "impute"
    invertible = False

    def __post_init__(self) -> None:
        if self.strategy not in ("mean", "median"):
            raise ValueError(sentence("strategy", self.strategy, "'mean' or 'median'"))
        object.__setattr__(self, "indicator", check_flag(self.indicator, "indicator"))

    @property
    def widens(self) -> bool:
        """Whether there may be indicators."""
        return self.indicator

    def learn(self, draft: ColumnStatistics) -> None:
        """Take mean or median."""
        moments = draft.moments()
        draft.refuse_empty(moments.n_there, "fill it with")
        fill = moments.mean if self.strategy == "mean" else draft.quantiles([0.5])[0]
        if self.indicator:
            draft.add_indicators()
        draft.add([("fill", float(a)) for a in fill])
