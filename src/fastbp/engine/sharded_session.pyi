"""Sessions whose batches are cut into shards. They trust their arguments; the library checks them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.session import Session

_Array: TypeAlias = NDArray[Any]
_Ints: TypeAlias = NDArray[np.int64]

MOST_SHARDS: int

def subtrees(first: int, end: int) -> list[tuple[int, int]]: ...

class ShardedSession(Session):
    def cut_into(self, n_shards: int, first: int = 0, end: int | None = None) -> None: ...
    def use_parts(self, parts: tuple[_Ints, _Ints, int, _Ints, NDArray[np.float64], int, int] | None) -> None: ...
    @property
    def partials(self) -> list[tuple[int, int, _Array, _Array, NDArray[np.float64]]]: ...
    @property
    def root(self) -> tuple[_Array, _Array, NDArray[np.float64]]: ...
    def has_samples(self, level: int, index: int) -> bool: ...
    def add(self, total: _Array, x: _Array) -> None: ...
