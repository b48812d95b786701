"""Frames and columns of pandas, polars and pyarrow give the numbers that are in them, with no needless copy."""

import tracemalloc

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.arrays import as_array, as_matrix

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

N_ROWS = 50
LIBRARIES = ["pandas", "pandas-arrow", "polars", "pyarrow", "pyarrow-batch"]


def make_columns(n=N_ROWS):
    rng = np.random.default_rng(0)
    return {
        "flag": rng.integers(0, 2, n).astype(bool),
        "small": rng.integers(-100, 100, n).astype(np.int8),
        "count": rng.integers(0, 2**40, n),
        "single": rng.normal(size=n).astype(np.float32),
        "double": rng.normal(size=n),
    }


def make_frame(library, columns):
    """A frame of these columns; None in a list is a missing number."""
    if library == "pandas":
        return pandas.DataFrame({name: pandas_series(values) for name, values in columns.items()})
    if library == "polars":
        return polars.DataFrame(columns)
    table = pyarrow.table({name: pyarrow.array(values) for name, values in columns.items()})
    if library == "pandas-arrow":
        return table.to_pandas(types_mapper=pandas.ArrowDtype)
    return table if library == "pyarrow" else table.to_batches()[0]


def pandas_series(values):
    return pandas.array(values) if isinstance(values, list) else values  # of a list: nullable


def column_of(frame, j=0):
    if hasattr(frame, "iloc"):
        return frame.iloc[:, j]
    return frame.get_columns()[j] if hasattr(frame, "get_columns") else frame.column(j)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("names", "dtype"),
    [
        (["flag"], "?"),
        (["flag", "small"], "i1"),
        (["small", "single"], "f4"),
        (["count", "single"], "f8"),
        (["flag", "small", "count", "single", "double"], "f8"),
    ],
)
def test_mixed_numbers_become_the_dtype_that_holds_them(library, names, dtype):
    columns = {name: make_columns()[name] for name in names}
    array = as_array(make_frame(library, columns), "X")
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, np.stack([column.astype(np.float64) for column in columns.values()], axis=1))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, None, 2**40], "f8"),
        ([True, None, False], "f2"),
        ([0.5, None, 2.5], "f8"),
    ],
)
def test_missing_numbers_become_nan_and_are_named(library, values, dtype):
    wanted = np.array([[np.nan if value is None else value] for value in values], np.float64)
    frame = make_frame(library, {"a": values})
    for array in (as_array(frame, "X"), as_array(column_of(frame), "X").reshape(-1, 1)):
        assert array.dtype == dtype
        np.testing.assert_array_equal(array, wanted)
    frame = make_frame(library, {"b": np.zeros(3), "a": values})
    np.testing.assert_array_equal(as_array(frame, "X"), np.hstack([np.zeros((3, 1)), wanted]))
    with pytest.raises(ValueError, match=r"row 1, column 1 of X \(counted from 0\) is nan"):
        fb.Model([fb.Dense(1)], inputs=2).predict(frame)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("bad", ["text", "moment"])
def test_a_column_of_something_else_is_named(library, bad):
    values = {"text": ["x", "y", "z"], "moment": np.array([1, 2, 3], "M8[us]")}[bad]
    frame = make_frame(library, {"a": [1.0, 2.0, 3.0], bad: values})
    with pytest.raises(TypeError, match=rf"column '{bad}' of X has dtype .*; expected numbers or booleans\. Make"):
        as_array(frame, "X")
    with pytest.raises(TypeError, match=r"^y is .*expected"):
        as_array(column_of(frame, 1), "y")


@pytest.mark.parametrize("library", LIBRARIES)
def test_training_on_a_frame_is_training_on_its_array(library):
    columns = make_columns()
    columns.pop("count")
    array = np.stack([column.astype(np.float64) for column in columns.values()], axis=1)
    labels, sample_weight = (array[:, 3] > 0).astype(np.int64), np.arange(1.0, N_ROWS + 1)
    targets = make_frame(library, {"label": labels, "weight": sample_weight})
    weights = []
    in_frames = make_frame(library, columns), column_of(targets, 0), column_of(targets, 1)
    for X, y, w in ((array, labels, sample_weight), in_frames):
        model = fb.Model([fb.Dense(8, "relu"), fb.Dense(2, "softmax")], inputs=4, dtype="float64", seed=0)
        fb.Trainer(model, "cross_entropy", batch_size=8).fit(X, y, epochs=2, sample_weight=w)
        weights.append(model.get_weights())
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*weights, strict=True))


def test_what_a_library_keeps_as_one_array_is_read_where_it_lies():
    X = np.asfortranarray(np.random.default_rng(0).normal(size=(N_ROWS, 4)))
    frame = pandas.DataFrame(X)
    assert np.shares_memory(as_matrix(frame, 4, "X"), frame.iloc[:, 2].to_numpy())
    assert np.shares_memory(as_matrix(frame[5:20], 4, "X"), frame.iloc[:, 2].to_numpy())
    assert np.shares_memory(as_matrix(polars.DataFrame(X), 4, "X"), X)


@pytest.mark.parametrize("dtype", ["i4", "f4", "f8"])
def test_columns_are_read_where_they_lie(dtype):
    x = np.arange(N_ROWS, dtype=dtype)
    series = pandas.Series(x)
    assert np.shares_memory(as_array(series, "y"), series.to_numpy())
    column = polars.Series(x)
    assert np.shares_memory(as_array(column, "y"), column.to_numpy())
    assert np.shares_memory(as_array(column.to_frame(), "X"), column.to_numpy())
    array = pyarrow.array(x)
    for same in (array, pyarrow.chunked_array([array])):
        assert np.shares_memory(as_array(same, "y"), array.to_numpy())
    assert np.shares_memory(as_array(pyarrow.table({"a": array}), "X"), array.to_numpy())


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("gaps", [False, True])
def test_columns_that_lie_apart_are_copied_once(library, gaps):
    n, n_columns = 200_000, 12
    numbers = np.arange(n, dtype=np.float64)
    columns = {f"c{j}": numbers + j if j else numbers.astype(np.float32) for j in range(n_columns)}
    frame = make_frame(library, columns)
    if gaps:
        if library == "pandas":
            frame = frame.convert_dtypes()
        elif library == "polars":
            frame = frame.with_columns(polars.when(polars.col("c1") > 5).then(polars.col("c1")).alias("c1"))
    as_array(frame[:10], "X")  # what the library itself imports at first use is not counted
    tracemalloc.start()
    array = as_array(frame, "X")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert array.flags.c_contiguous
    assert array.nbytes <= peak < 1.3 * array.nbytes


def test_columns_in_many_chunks():
    parts = [np.arange(10.0), np.arange(7.0), np.arange(3.0)]
    wanted = np.concatenate(parts)
    chunked = pyarrow.chunked_array(parts)
    np.testing.assert_array_equal(as_array(chunked, "y"), wanted)
    np.testing.assert_array_equal(
        as_array(pyarrow.table({"a": chunked, "b": wanted}), "X"), np.stack([wanted, wanted], axis=1)
    )
    frame = polars.concat([polars.DataFrame({"a": part, "b": part}) for part in parts], rechunk=False)
    np.testing.assert_array_equal(as_array(frame, "X"), np.stack([wanted, wanted], axis=1))
    np.testing.assert_array_equal(as_array(frame["a"], "y"), wanted)


def test_missing_half_floats():
    column = pyarrow.array([np.float16(0.5), None], pyarrow.float16())
    np.testing.assert_array_equal(as_array(column, "y"), np.array([0.5, np.nan], np.float16))
    np.testing.assert_array_equal(as_array(pyarrow.table({"a": column, "b": column}), "X")[0], [0.5, 0.5])


def test_a_frame_of_another_library_is_read_as_an_array():
    class Frame:
        columns, dtypes = ["a"], [np.dtype(float)]

        def to_numpy(self):
            raise NotImplementedError

        def __array__(self, dtype=None, copy=None):
            return np.ones((3, 1))

    np.testing.assert_array_equal(as_array(Frame(), "X"), np.ones((3, 1)))


def test_columns_of_one_name():
    frame = pandas.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "a"]).astype(np.float32)
    np.testing.assert_array_equal(as_array(frame, "X"), np.arange(6.0).reshape(3, 2))


def test_columns_of_every_kind_of_pandas():
    frame = pandas.DataFrame(
        {
            "sparse": pandas.arrays.SparseArray([0.0, 0.0, 3.0]),
            "nullable": pandas.array([1, 2, 3], "UInt8"),
            "foreign": np.array([1, 2, 3], ">i2"),
            "arrow": pandas.array([True, False, True], "bool[pyarrow]"),
        }
    )
    np.testing.assert_array_equal(as_array(frame, "X"), [[0, 1, 1, 1], [0, 2, 2, 0], [3, 3, 3, 1]])
    for name, wanted in (("sparse", [0, 0, 3]), ("nullable", [1, 2, 3]), ("foreign", [1, 2, 3]), ("arrow", [1, 0, 1])):
        np.testing.assert_array_equal(as_array(frame[name], "y"), wanted)


@pytest.mark.parametrize(
    "column", [pandas.Categorical([1, 2, 1]), pandas.interval_range(0, 3), np.array([1, 2, 3], object)]
)
def test_columns_of_pandas_that_are_no_numbers(column):
    with pytest.raises(TypeError, match="column 'a' of X has dtype"):
        as_array(pandas.DataFrame({"a": column, "b": 1.0}), "X")


@pytest.mark.parametrize("frame", [pandas.DataFrame(), polars.DataFrame(), pyarrow.table({})])
def test_frames_without_columns(frame):
    with pytest.raises(ValueError, match=r"X has 0 columns \(its shape is \(0, 0\)\); expected 3"):
        as_matrix(frame, 3, "X")


def test_a_column_of_arrays_is_a_matrix():
    X = np.arange(12.0).reshape(6, 2)
    np.testing.assert_array_equal(as_array(polars.Series(X), "X"), X)
    with pytest.raises(TypeError, match=r"column 'a' of X has dtype Array"):
        as_array(polars.DataFrame({"a": X, "b": np.zeros(6)}), "X")


def test_a_lazy_frame_has_to_be_read_first():
    with pytest.raises(
        TypeError, match=r"X is a LazyFrame, whose data is not read yet; expected the data\. Give X\.collect\(\)\."
    ):
        fb.Model([fb.Dense(1)], inputs=1).predict(polars.LazyFrame({"a": [1.0]}))


def test_frames_of_no_rows_and_of_other_widths():
    model = fb.Model([fb.Dense(1)], inputs=2)
    with pytest.raises(ValueError, match="X has 1 columns"):
        model.predict(polars.DataFrame({"a": [1.0]}))
    empty = pyarrow.table({"a": pyarrow.array([], "float64"), "b": pyarrow.array([], "float64")})
    assert model.predict(empty).shape == (0, 1)
    with pytest.raises(ValueError, match="no samples"):
        fb.Trainer(model, "mse").fit(empty, [])
