"""The base class of preparations, which convert columns before the first layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastbp.preparation.column_statistics import ColumnStatistics

__all__ = ["Numbers", "Preparation"]


Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Preparation:
    """What all preparations have: a name, what they can be combined with, and how they learn."""

    name: ClassVar[str]
    categorical: ClassVar[bool] = False  # it takes categories, not numbers
    ends: ClassVar[bool] = False  # no other preparation can follow
    invertible: ClassVar[bool] = True  # it can be undone, so it can prepare targets

    @property
    def widens(self) -> bool:
        """Whether it may make several columns of one."""
        return False

    @property
    def learns(self) -> bool:
        """Whether it needs data to learn from."""
        return True

    def learn(self, statistics: ColumnStatistics) -> None:
        """Learn from statistics of some columns, and add a step for each of them."""
        raise NotImplementedError
