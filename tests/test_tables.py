"""Tables of pandas, polars and pyarrow for a model that wants numbers: the right ones, and no needless copy."""

import tracemalloc

import numpy as np
import pytest

import fastbp as fb
from fastbp.data import as_array, as_matrix

pd = pytest.importorskip("pandas")
N = 40

COLUMNS = {
    "a": np.linspace(-1, 1, N),
    "b": np.arange(N),
    "c": np.arange(N) % 3 == 0,
    "d": np.linspace(0, 1, N, dtype=np.float32),
}


def make(library, columns):
    if library == "pandas":
        return pd.DataFrame(columns)
    if library == "polars":
        return pytest.importorskip("polars").DataFrame(columns)
    return pytest.importorskip("pyarrow").table(columns)


LIBRARIES = pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])


@LIBRARIES
@pytest.mark.parametrize("names", ["a", "b", "ab", "abcd", "cb", "ad"])
def test_the_numbers_are_those_of_the_columns(library, names):
    columns = {name: COLUMNS[name] for name in names}
    wanted = np.column_stack([column.astype(float) for column in columns.values()])
    array = as_matrix(make(library, columns), len(names), "X")
    assert array.dtype.kind in "biuf"
    np.testing.assert_array_equal(array.astype(float), wanted)


@LIBRARIES
def test_training_is_that_of_an_array(library):
    X = np.column_stack([column.astype(float) for column in COLUMNS.values()])
    y = np.arange(N) % 2
    results = []
    for data, targets in [(X, y), (make(library, COLUMNS), series(library, y))]:
        model = fb.Model([fb.Dense(5, "relu"), fb.Dense(2, "softmax")], inputs=4, dtype="float64")
        fb.Trainer(model, "cross_entropy").fit(data, targets, validation_data=(data, targets))
        results.append(model.predict(data))
    assert (results[0] == results[1]).all()


def series(library, values):
    if library == "pandas":
        return pd.Series(values)
    if library == "polars":
        return pytest.importorskip("polars").Series(values)
    return pytest.importorskip("pyarrow").chunked_array([values[:7], values[7:]])


@LIBRARIES
def test_what_is_missing_is_named(library):
    columns = {"a": [1.0, None, 3.0], "b": [1, 2, None]}
    model = fb.Model([fb.Dense(1)], inputs=2)
    with pytest.raises(ValueError, match=r"row 1, column 0 of X \(counted from 0\) is nan"):
        model.predict(make(library, columns))
    missing = as_array(series(library, np.array([0.5, np.nan])), "y")
    assert np.isnan(missing[1])


def test_missing_integers_of_pandas():
    frame = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": pd.array([True, False], dtype="boolean")})
    np.testing.assert_array_equal(as_matrix(frame, 2, "X"), [[1, 1], [np.nan, 0]])


@LIBRARIES
def test_a_column_of_text_is_named(library):
    with pytest.raises(
        TypeError, match=r"column 'b' of X has dtype .*; expected numbers or booleans. Make a model with"
    ):
        as_matrix(make(library, {"a": [1.0, 2.0], "b": ["x", "y"]}), 2, "X")


def test_columns_of_one_name_are_each_read():
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "a"]).assign(b=[True, False, True])
    np.testing.assert_array_equal(as_matrix(frame, 3, "X"), [[0, 1, 1], [2, 3, 0], [4, 5, 1]])


def test_what_lies_in_one_piece_is_not_copied():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 4)))
    assert np.shares_memory(as_matrix(frame, 4, "X"), frame.to_numpy())


@LIBRARIES
def test_what_does_not_is_copied_once(library):
    n = 200_000
    frame = make(library, {"a": np.zeros(n), "b": np.zeros(n, int), "c": np.zeros(n, bool), "d": np.zeros(n)})
    as_matrix(make(library, COLUMNS), 4, "X")
    tracemalloc.start()
    array = as_matrix(frame, 4, "X")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert array.nbytes == 4 * 8 * n
    assert peak < 1.6 * array.nbytes  # itself, and a column or two
