"""Data that few programs give: tables of unknown libraries, arrays of odd dimensions, what changes while it is read."""

import re

import numpy as np
import pytest
from scipy import sparse

import fastbp as fb
from fastbp.data.arrays import as_array, refuse_nonfinite
from fastbp.data.columns import read_column
from fastbp.data.frames import frame_as_array, in_order_of
from fastbp.data.labels import _items_of
from fastbp.data.sparse import as_sparse, checked_sparse
from fastbp.data.target_labels import read_labels, target_names_of
from fastbp.data.usable import as_labels, problem_of
from fastbp.preparation.running import RunningMoments
from fastbp.preparation.tables import read_table

pd = pytest.importorskip("pandas", reason="pandas is not installed")

X = np.arange(12.0).reshape(4, 3)


def predict(rows):
    return fb.Model([fb.Dense(2)], inputs=3).predict(rows)


@pytest.mark.parametrize(
    ("rows", "error", "sentence"),
    [
        (X[np.newaxis], ValueError, r"Give X\.reshape\(len\(X\), -1\) to make a row of each sample"),
        (np.float64(3), ValueError, r"A row is a sample, a column an input"),
        (X[0], ValueError, r"If it is one sample, give X\.reshape\(1, -1\)"),
        (np.ma.masked_array(X, X > 5), TypeError, r"X is a masked array with masked values"),
        (np.array([["1", "2", "3"]], object), TypeError, r"Convert it first: X\.astype\(np\.float64\)"),
    ],
)
def test_arrays_of_another_kind(rows, error, sentence):
    with pytest.raises(error, match=sentence):
        predict(rows)


def test_a_masked_array_without_masked_values_is_its_data():
    np.testing.assert_array_equal(predict(np.ma.masked_array(X, False)), predict(X))


def test_a_dictionary_is_no_array():
    with pytest.raises(TypeError, match=r"weights is a dictionary; .* Give pandas\.DataFrame\(weights\)"):
        as_array({"a": [1.0]}, "weights")


class Column:
    """A column of a library that nobody knows, with as much as a data frame's columns have."""

    def __init__(self, values):
        self.values = np.asarray(values)
        self.dtype = self.values.dtype

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


class CompressedElsewhere:
    """A sparse matrix of another library than SciPy."""

    ndim, shape = 2, X.shape

    def tocsr(self):
        return sparse.csr_array(X)


def test_a_sparse_matrix_of_another_library():
    np.testing.assert_array_equal(checked_sparse(CompressedElsewhere(), "X").toarray(), X)


def test_a_sparse_matrix_without_bad_numbers_has_no_first_one():
    read = as_sparse(sparse.csr_array(X), "X")
    assert read.find_nonfinite(np.dtype("float32"), -1) is None
    assert read.find_nonfinite(np.dtype("float32"), 1) is None


def test_a_frame_without_columns():
    assert frame_as_array(pd.DataFrame(index=range(4)), "X").shape == (4, 0)
    assert frame_as_array(pd.DataFrame(columns=["a", "b"]), "X").shape == (0, 2)


def test_a_frame_whose_columns_can_only_be_taken_one_by_one(monkeypatch):
    from fastbp.data import frames

    class Frame:
        columns = ("b", "a")

    own = [Column([1.0, 2.0]), Column([3.0, 4.0])]
    monkeypatch.setattr(frames, "columns_of", lambda frame: (["b", "a"], own))
    monkeypatch.setattr(frames, "column_as_array", np.asarray)
    np.testing.assert_array_equal(in_order_of(Frame(), ["a", "b"], "X"), [[3.0, 1.0], [4.0, 2.0]])


def test_numbers_that_were_changed_while_they_were_read():
    """The engine has met a NaN, and it is not there any more."""
    with pytest.raises(ValueError, match="X held NaN or infinity while it was read; expected finite numbers"):
        refuse_nonfinite(X, np.dtype("float64"), "X", 2)


def test_moments_are_labels_one_by_one():
    moments = np.array(["2024-01-01", "2024-01-02"], "M8[D]")
    assert [type(item) for item in _items_of(moments)] == [np.datetime64] * 2
    assert _items_of(range(3)) == [0, 1, 2]


def test_labels_that_were_read_are_labels():
    labels = read_labels(np.array(["a", "b", "a"]), "y")
    assert read_labels(labels, "y") is labels
    assert target_names_of(labels) == labels.names


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (np.array([True, False, True], object), [False, True]),
        (np.array([1, 2.5, 3], object), None),
        (np.array(["2024-01-01"] * 3, "M8[D]"), None),
    ],
)
def test_targets_that_are_objects(y, found):
    labels = read_labels(y, "y")
    assert (labels is y) if found is None else (labels.levels == found)


def test_targets_of_which_one_is_missing():
    with pytest.raises(ValueError, match=r"y\[1\] is missing; expected a label for each sample"):
        read_labels(np.array([True, None, False], object), "y")
    with pytest.raises(ValueError, match=r"y\[2\] is missing"):
        read_labels(pd.Series(["a", "b", None], dtype="category"), "y")


def test_intervals_are_labels_by_their_text():
    labels = read_labels(pd.cut(pd.Series([1.0, 5.0, 9.0]), [0, 4, 10]), "y")
    assert labels.levels == ["(0, 4]", "(4, 10]"]


def test_an_enumeration_of_polars():
    polars = pytest.importorskip("polars")
    labels = read_labels(polars.Series(["b", "a", "b"], dtype=polars.Enum(["a", "b"])), "y")
    assert labels.levels == ["a", "b"]
    assert labels.numbers.tolist() == [1, 0, 1]


def test_running_moments_of_no_rows_and_of_a_made_up_file():
    moments = RunningMoments.of_nothing(3)
    assert moments.with_rows(np.empty((0, 3))) is moments
    config = moments.with_rows(X).to_config()
    for wrong in ({"mean": [0.0]}, {"squares": [1.0, -1.0, 0.0]}):
        with pytest.raises(ValueError, match="have not 3 numbers of each kind, or squares below 0"):
            RunningMoments.from_config(config | wrong, 3)


def test_a_list_of_arrays_of_several_shapes_is_no_table():
    with pytest.raises((TypeError, ValueError), match="X"):
        read_table([np.zeros((2, 2)), np.zeros((2, 3))], "X")


def test_rows_of_several_lengths_are_no_table():
    with pytest.raises((TypeError, ValueError), match="X"):
        read_table([["a", 1], ["b"]], "X")


class Unlabelled:
    """Two of these are equal if they are one."""

    __hash__ = None


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (np.array([1 + 2j, None], object), r"two columns, \[value\.real for value in x\] and \[value\.imag"),
        (pd.Series([{"a": 1}, ["b"]], dtype=object), r"x\.astype\(str\)"),
        (pd.Series(["a", "b"], dtype="category"), "^$"),
        (pd.Series([1.0, None]), "^$"),
    ],
)
def test_what_is_wrong_with_a_column(column, problem):
    assert re.search(problem, problem_of(read_column(column), column, "x"))


def test_objects_without_a_text_of_their_own_are_no_labels():
    with pytest.raises(TypeError, match="x"):
        as_labels(np.array([Unlabelled(), Unlabelled()], object), "x")
