"""Columns of numbers as inputs of a network for tables. They trust their arguments; the library checks them."""

from typing import Any

from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader

BOUND: float
LARGEST: float

class NumberColumns:
    n_columns: int
    n_inputs: int
    def __init__(self, centres: Any, factors: Any, with_gaps: Any, edges: list[NDArray[Any]]) -> None: ...
    def write(self, rows: ArrayReader, out: NDArray[Any]) -> None: ...
