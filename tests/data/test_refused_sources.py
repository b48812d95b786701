"""Data that is refused or read in an unusual form: sources of chunks, groups, sparse matrices, written columns."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.classes import Classes
from fastbp.data.target_labels import read_labels
from fastbp.data.writings import several_ways, writing_from_config


def trainer(seed=0):
    return fb.Trainer(fb.Model([fb.Dense(1)], inputs=2, seed=seed), "mse", batch_size=4)


X, Y = np.arange(16.0).reshape(8, 2), np.arange(8.0)


# ---- Chunks ----


@pytest.mark.parametrize(
    ("source", "error", "sentence"),
    [
        (lambda: 3, TypeError, r"the result of X is 3; expected an iterable of"),
        ([(X, Y), X], TypeError, r"(?s)chunk 1 of X, counted from 0, is .*; expected \(X, y\) or "),
        ([(X, Y, Y, Y)], TypeError, r"(?s)chunk 0 of X, counted from 0, is .*; expected \(X, y\) or "),
        ([(X, Y, Y), (X, Y)], ValueError, r"chunk 1 of X, counted from 0, has no sample_weight and those before have;"),
        ([(X, Y), (X, Y, Y)], ValueError, r"chunk 1 of X, counted from 0, has sample_weight and those before none;"),
        (lambda: iter(()), ValueError, r"X gave no chunk; expected at least one"),
    ],
)
def test_a_source_that_gives_no_chunks(source, error, sentence):
    with pytest.raises(error, match=sentence):
        trainer().fit(source)


# ---- Arrays and groups ----


def test_a_matrix_without_columns():
    with pytest.raises(ValueError, match=r"X has shape \(8, 0\): no inputs; expected one column or more"):
        fb.Trainer(fb.Model([fb.Dense(1)], seed=0), "mse").fit(np.empty((8, 0)), Y)


def test_groups_of_several_lengths():
    with pytest.raises(TypeError, match=r"groups is .*; expected a label for each sample, shape \(8,\)"):
        fb.cross_validate(trainer, X, Y, groups=[[1], [1, 2]])


def test_sparse_numbers_of_another_kind_predict_as_the_usual_ones():
    """Of another byte order, of more than 64 bits, with an element that stands twice."""
    sparse = pytest.importorskip("scipy.sparse")
    model = fb.Model([fb.Dense(3)], inputs=2, seed=0)
    usual = sparse.csr_matrix(X)
    expected = model.predict(X.astype(np.float32))
    swapped, i = usual.copy(), usual.tocoo()
    swapped.data = swapped.data.astype(">f8")
    halves = (np.r_[i.data, i.data] / 2, (np.r_[i.row, i.row], np.r_[i.col, i.col]))
    for matrix in (swapped, usual.astype(np.longdouble), sparse.coo_matrix(halves, X.shape)):
        np.testing.assert_array_equal(model.predict(matrix), expected)


@pytest.mark.parametrize(
    ("form", "index", "sentence"),
    [
        ("csr_matrix", 2, "they are 0 to 2, and should be 0 to 1"),
        ("csr_matrix", -1, "they are -1 to 1, and should be 0 to 1"),
        ("csc_matrix", 8, "they are 0 to 8, and should be 0 to 7"),
    ],
)
def test_an_index_just_outside_of_a_sparse_matrix(form, index, sentence):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = getattr(sparse, form)(X + 1)
    matrix.indices[-1] = index
    with pytest.raises(ValueError, match=sentence):
        fb.Model([fb.Dense(3)], inputs=2, seed=0).predict(matrix)


def test_a_sparse_array_of_one_dimension():
    sparse = pytest.importorskip("scipy.sparse")
    if not hasattr(sparse, "coo_array") or sparse.coo_array(np.eye(2)[0]).ndim != 1:
        pytest.skip("this SciPy has no sparse arrays of one dimension")
    with pytest.raises(ValueError, match=r"X is .*; expected 2 dimensions, \(n_samples, n_inputs\)"):
        fb.Model([fb.Dense(3)], inputs=2, seed=0).predict(sparse.coo_array(np.arange(2.0)))


# ---- Labels ----


def test_classes_are_alike_where_their_labels_are():
    one, other, text = Classes([0, 1, 2]), Classes([0, 1, 2]), Classes(["0", "1", "2"])
    assert one == other and hash(one) == hash(other) and len({one, other, text}) == 2
    assert one != Classes([0, 2, 1]) and one != [0, 1, 2]


def test_intervals_of_pandas_are_labels_by_their_text():
    pandas = pytest.importorskip("pandas")
    labels = read_labels(pandas.cut(pandas.Series([1.0, 5.0, 9.0]), [0, 3, 6, 10]), "y")
    assert list(labels.levels) == ["(0, 3]", "(3, 6]", "(6, 10]"]
    assert labels.numbers.tolist() == [0, 1, 2]


def test_what_is_no_column_of_labels_is_left_to_the_loss():
    class Broken:
        def __array__(self, *arguments, **options):
            raise RuntimeError("no array")

    for y in ([[1], [1, 2]], Broken()):
        assert read_labels(y, "y") is y


# ---- Columns that write numbers ----


def test_amounts_in_several_ways_are_pointed_out():
    pandas = pytest.importorskip("pandas")
    from fastbp.data.columns import read_column

    mixed = [f"{i} kg" if i % 2 else f"{i:.2f} EUR" for i in range(1, 200)]
    one, other = several_ways(read_column(pandas.Series(mixed)))
    assert {one.rpartition(" ")[2], other.rpartition(" ")[2]} == {"kg", "EUR"}
    assert several_ways(read_column(pandas.Series([f"word{i}" for i in "abcdefghij"] * 20))) is None


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"kind": "colour"}, "a writing is of kind 'colour'; expected one of number, moment"),
        (
            {"kind": "moment", "order": "ydm", "example": "", "gaps": []},
            "moments are written 'ydm'; expected one of ",
        ),
        (
            {"kind": "number", "before": "", "after": "", "grouping": "x", "decimal": ".", "example": "", "gaps": []},
            "numbers are grouped by 'x' with the mark '.'; expected a known way",
        ),
    ],
)
def test_a_file_that_describes_no_writing(config, sentence):
    with pytest.raises(ValueError, match=sentence):
        writing_from_config(config)


def test_gaps_are_read_as_such_in_every_writing():
    number = writing_from_config(
        {"kind": "number", "before": "", "after": "kg", "grouping": ",", "decimal": ".", "example": "", "gaps": ["-"]}
    )
    moment = writing_from_config({"kind": "moment", "order": "year first", "example": "", "gaps": ["-"]})
    for writing in (number, moment):
        assert all(np.isnan(writing.read(gap)) for gap in ("", "-"))
        assert writing.read("grey") is None
    assert number.read("1,234.5kg") == 1234.5
    assert number.read("1234 lb") is None and number.read("1,23,4kg") is None
    assert moment.read("1970-01-02") == 86400
