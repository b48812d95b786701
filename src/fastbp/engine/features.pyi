"""Features: what a network gets in place of columns of X. They trust their arguments; the library checks them."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader

Step: TypeAlias = tuple[Any, ...]  # its kind, then its numbers

class Features:
    def __init__(self, features: Sequence[tuple[int, Sequence[Step]]]) -> None: ...
    def __len__(self) -> int: ...
    def apply(self, rows: ArrayReader, out: NDArray[Any]) -> NDArray[Any]: ...
