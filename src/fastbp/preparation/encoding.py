"""Preparations that make numbers of categories."""

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
    """A column for each category of a column: 1 where the sample is of it, else 0, as scikit-learn's OneHotEncoder.

    Categories are what the training data has, in sorted order, or that of a pandas Categorical. What is missing is a
    category too, the last one, if the training data has it. A sample of any other category has zeros.
    """

    name = "one_hot"
    categorical = True
    ends = True
    invertible = False

    @property
    def widens(self) -> bool:
        """True."""
        return True

    def learn(self, draft: ColumnStatistics) -> None:
        """Take the categories."""
        draft.split(
            [
                [("equals", value) for value in values] + [("missing",)] * with_missing
                for values, with_missing in draft.categories()
            ]
        )


@dataclass(frozen=True)
class Ordinal(Preparation):
    """A category's number, from 0, in place of it, as scikit-learn's OrdinalEncoder; -1 for any other category.

    Categories are those that OneHot finds, in the same order.
    """

    name = "ordinal"
    categorical = True
    invertible = False

    def learn(self, draft: ColumnStatistics) -> None:
        """Take the categories."""
        categories = draft.categories()
        draft.add([("code", *values) for values, _ in categories])
        draft.add([("fill", float(len(values)) if with_missing else -1.0) for values, with_missing in categories])


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
