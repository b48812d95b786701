"""Reading a user's array where it lies."""

from typing import Any

from numpy.typing import NDArray

class Rows:
    @property
    def n_rows(self) -> int: ...
    @property
    def n_columns(self) -> int: ...
    def __init__(self, array: NDArray[Any]) -> None: ...
