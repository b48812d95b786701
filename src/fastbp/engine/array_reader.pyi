"""Reading a user's array where it lies."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

class ArrayReader:
    @property
    def n_rows(self) -> int: ...
    @property
    def n_columns(self) -> int: ...
    def __init__(self, array: NDArray[Any]) -> None: ...
    @staticmethod
    def sparse(
        data: NDArray[Any], columns: NDArray[np.int32], starts: NDArray[np.int64], n_columns: int
    ) -> ArrayReader: ...

def is_finite(array: NDArray[Any], n_threads: int = 1) -> bool:
    """Return whether a C-contiguous array of float32 or float64 has no NaN and no infinity; False for other arrays.

    At most n_threads threads look through it.
    """

def finite_doubles(array: object, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Return an array of float32 or float64 as float64, C-contiguous: itself, or a copy.

    None where it is no ndarray, has other elements or another shape, is not C-contiguous, or has a NaN or infinity.
    """
