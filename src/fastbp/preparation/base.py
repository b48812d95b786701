"""What a preparation is: what is made of a column before the first layer."""

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
    """What all preparations have: a name, what they leave of a column, and how they learn."""

    name: ClassVar[str]
    categorical: ClassVar[bool] = False  # for categories, and not for numbers
    ends: ClassVar[bool] = False  # nothing can follow
    invertible: ClassVar[bool] = True  # so that it can be for targets

    @property
    def widens(self) -> bool:
        """Whether what it makes of a column may be more than one."""
        return False

    @property
    def learns(self) -> bool:
        """Whether it must see data first."""
        return True

    def learn(self, draft: ColumnStatistics) -> None:
        """Add the step of each column to a draft."""
        raise NotImplementedError
