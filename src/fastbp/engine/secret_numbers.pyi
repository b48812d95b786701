"""The random numbers of private training, as the tests look at them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def random_blocks(key: bytes, nonce: Sequence[int], first: int, n: int) -> NDArray[np.uint32]: ...
def poisson_rows(key: bytes, step: int, probability: float, first: int, end: int) -> NDArray[np.int64]: ...
def noise(key: bytes, step: int, first: int, n: int, deviation: float, dtype: str) -> NDArray[Any]: ...
