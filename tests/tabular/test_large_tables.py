"""Large tables: the encodings of all rows share a bound of memory, and arrays of numbers are not copied."""

import tracemalloc

import numpy as np
import pytest

from fastbp.sklearn import TabularRegressor
from fastbp.tabular.encoding import Kind, learn_encoding
from fastbp.tabular.fitting import most_bins
from fastbp.tabular.reading import learn_reader

WANTED = [(48, 3.0), (16, 3.0), (32, 3.0), (0, 3.0), (0, 100.0)]
KINDS = [Kind(*each) for each in WANTED]


def n_bytes(n_cells, most):
    """Of all encodings with at most so many bins; those that are the same are one."""
    return 4 * n_cells * sum(1 + n for n, _ in {(min(n, most), bound) for n, bound in WANTED})


@pytest.mark.parametrize("n_cells", [1, 100_000, 5_000_000, 20_000_000])
def test_the_encodings_of_all_members_fit_together(n_cells):
    most = most_bins(n_cells, KINDS)
    assert n_bytes(n_cells, most) <= 400_000_000
    if most < 48:  # one more bin would be too much
        assert n_bytes(n_cells, most + 1) > 400_000_000
    assert most_bins(10, KINDS) == 48
    assert most_bins(500_000 * 1000, KINDS) == 0  # nothing less can be had


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_array_of_numbers_is_not_copied(dtype):
    X = np.random.default_rng(0).normal(size=(20_000, 20)).astype(dtype)
    X[3, 4] = np.nan
    tracemalloc.start()
    reader, table = learn_reader(X, "auto")
    assert np.shares_memory(table, X) and np.shares_memory(reader.read(X), X)
    encoding = learn_encoding(table, 20, [], 4, np.arange(0, 20_000, 2))
    assert tracemalloc.get_traced_memory()[1] < 0.6 * 8 * X.size
    tracemalloc.stop()
    np.testing.assert_array_equal(encoding.encode(table), encoding.encode(table.astype(np.float64)))
    np.testing.assert_array_equal(encoding.encode(table)[:5], encoding.encode(table[:5]))
    with pytest.raises(ValueError, match=r"row 7, column 2 of X \(counted from 0\) is inf; expected a finite number"):
        reader.read(np.where(np.arange(20_000)[:, None] * 20 + np.arange(20) == 142, np.inf, X))


def test_other_arrays_are_numbers_all_the_same():
    X = np.arange(12).reshape(4, 3)
    reader, table = learn_reader(X, "auto")
    np.testing.assert_array_equal(table, X)
    assert table.dtype == np.float64
    reader, table = learn_reader(X.astype(float), [1])  # a category in the middle: numbers come first
    assert reader.n_numbers == 2
    np.testing.assert_array_equal(table[:, :2], X[:, [0, 2]])


def test_many_rows_are_predicted_in_blocks_to_the_same_bits():
    rng = np.random.default_rng(0)
    X, many = rng.normal(size=(300, 3)), rng.normal(size=(20_000, 3))
    fitted = TabularRegressor(preset="fast", epochs=2, n_threads=1, random_state=0).fit(X, X[:, 0])
    parts = [fitted.predict(many[start : start + 4000]) for start in range(0, 20_000, 4000)]
    np.testing.assert_array_equal(fitted.predict(many), np.concatenate(parts))
