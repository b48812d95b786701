"""Whether an array has a NaN or an infinity: each place of each share is looked at, whatever the kind of array."""

import numpy as np
import pytest

from fastbp.engine.array_reader import is_finite
from fastbp.engine.team import openmp_version

MEGABYTE = 1 << 20


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_small_arrays(dtype, bad):
    for n in range(70):
        array = np.full(n, np.finfo(dtype).max, dtype)  # whose sum is none of theirs
        array[::2] *= -1
        assert is_finite(array)
        for i in range(n):
            spoilt = array.copy()
            spoilt[i] = bad
            assert not is_finite(spoilt)
            assert is_finite(spoilt[:i]) and is_finite(spoilt[i + 1 :])


@pytest.mark.skipif(openmp_version() == 0, reason="built without OpenMP")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
def test_large_arrays_on_several_threads(dtype, n_threads):
    """Spoilt around the boundary of each share that two to five threads have, and at either end."""
    array = np.ones((7 * MEGABYTE // 4 + 3, 5), dtype)
    assert array.nbytes > 2 * n_threads * MEGABYTE
    numbers = array.reshape(-1)
    assert is_finite(array, n_threads)
    ends = {len(numbers) * t // n for n in (2, 3, 4, 5) for t in range(n + 1)}
    for i in sorted({place for end in ends for place in (end - 1, end, end + 1) if 0 <= place < len(numbers)}):
        numbers[i] = np.nan
        assert not is_finite(array, n_threads), i
        numbers[i] = 1


def test_other_arrays_are_not_told():
    square = np.ones((4, 4))
    assert is_finite(square)
    for other in (square.T[:2], square[:, :3], square.astype(">f8"), square.astype(np.float16), square.astype(int)):
        assert not is_finite(other)
    assert is_finite(np.ones((0, 4)))
