"""The fast shuffle against NumPy's own: the same order, and the same random numbers afterwards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastbp.engine.numpy_shuffle import shuffle


def assert_same_state(random, other):
    for mine, theirs in zip(random.get_state(), other.get_state(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@given(seed=st.integers(0, 2**32 - 1), n=st.one_of(st.integers(0, 40), st.integers(0, 5000)))
def test_same_order_and_same_state_as_numpy(seed, n):
    random, other = np.random.RandomState(seed), np.random.RandomState(seed)
    rows, expected = np.arange(n), np.arange(n)
    for _ in range(2):
        shuffle(random, rows)
        other.shuffle(expected)
        np.testing.assert_array_equal(rows, expected)
    assert_same_state(random, other)


@pytest.mark.parametrize("n", [2**k + d for k in (1, 2, 8, 16) for d in (-1, 0, 1)])
def test_where_the_number_of_bits_changes(n):
    rows, expected = np.arange(n), np.arange(n)
    shuffle(np.random.RandomState(7), rows)
    np.random.RandomState(7).shuffle(expected)
    np.testing.assert_array_equal(rows, expected)


def test_other_bit_generators_too():
    random, other = (np.random.RandomState(np.random.PCG64(3)) for _ in range(2))
    rows, expected = np.arange(777), np.arange(777)
    shuffle(random, rows)
    other.shuffle(expected)
    np.testing.assert_array_equal(rows, expected)
    assert random.randint(2**31) == other.randint(2**31)


def test_a_shuffle_of_its_own_is_called():
    class Reversing(np.random.RandomState):
        def shuffle(self, x):
            x[:] = x[::-1].copy()

    rows = np.arange(5)
    shuffle(Reversing(0), rows)
    assert rows.tolist() == [4, 3, 2, 1, 0]


def test_shuffling_rows_is_taking_shuffled_places():
    """What scikit-learn does: it shuffles places and takes the rows from them."""
    sklearn_shuffle = pytest.importorskip("sklearn.utils").shuffle
    rows = np.arange(100, 163) ** 2
    expected = sklearn_shuffle(rows, random_state=np.random.RandomState(5))
    shuffle(np.random.RandomState(5), rows)
    np.testing.assert_array_equal(rows, expected)
