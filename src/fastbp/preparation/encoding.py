"""Preparations that convert categories to numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastbp.preparation.base import Preparation
from fastbp.support.checks import check_int, sentence

if TYPE_CHECKING:
    from fastbp.preparation.column_statistics import ColumnStatistics

__all__ = ["OneHot", "Ordinal"]


@dataclass(frozen=True)
class OneHot(Preparation):
    """Makes a column for each category: 1 where the sample has the category, else 0, as scikit-learn's OneHotEncoder.

    The categories are those of the training data in sorted order, or those of a pandas Categorical in its order. If
    values are missing in the training data, "missing" is the last category. A sample of an unknown category has zeros.

    Parameters
    ----------
    max_categories : int, optional
        Only so many categories of a column, its most common ones, get a column each; all others have zeros, as unknown
        ones have. None is all.

    Raises
    ------
    TypeError, ValueError
        If ``max_categories`` is not an integer of 1 or more.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], prepare=fb.OneHot(max_categories=1))
    >>> model.build([["a"], ["b"], ["b"]])
    >>> model.n_parameters  # a weight for "b", and a bias
    2
    """

    max_categories: int | None = None

    def __post_init__(self) -> None:
        if self.max_categories is not None:
            object.__setattr__(self, "max_categories", check_int(self.max_categories, "max_categories"))

    name = "one_hot"
    categorical = True
    ends = True
    invertible = False

    @property
    def widens(self) -> bool:
        """True."""
        return True

    def learn(self, statistics: ColumnStatistics) -> None:
        """Learn the categories."""
        statistics.split(
            [
                [("equals", value) for value in values] + [("missing",)] * with_missing
                for values, with_missing in statistics.categories(self.max_categories)
            ]
        )


@dataclass(frozen=True)
class Ordinal(Preparation):
    """Numbers the categories from 0, as scikit-learn's OrdinalEncoder does; an unknown category becomes -1.

    The categories are those that OneHot learns, in the same order.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], prepare=fb.Ordinal(), dtype="float64")
    >>> model.build([["b"], ["a"], ["c"]])
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> model.predict([["a"], ["c"], ["new"]]).ravel().tolist()
    [0.0, 2.0, -1.0]
    """

    name = "ordinal"
    categorical = True
    invertible = False

    def learn(self, statistics: ColumnStatistics) -> None:
        """Learn the categories."""
        categories = statistics.categories()
        statistics.add([("code", *values) for values, _ in categories])
        statistics.add([("fill", float(len(values)) if with_missing else -1.0) for values, with_missing in categories])


def check_categories(categories: Any) -> str | tuple[str | int, ...]:
    if isinstance(categories, str):
        if categories != "auto":
            raise ValueError(sentence("categories", categories, '"auto" or a list of columns'))
        return categories
    if not isinstance(categories, Sequence):
        raise TypeError(sentence("categories", categories, '"auto" or a list of columns'))
    checked = tuple(
        value if isinstance(value, str) else check_int(value, f"categories[{i}]", minimum=0)
        for i, value in enumerate(categories)
    )
    if len(set(checked)) < len(checked):
        raise ValueError(sentence("categories", list(categories), "each column once"))
    return checked
