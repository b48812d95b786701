"""A number that is not finite is named by the first row that has one, as the user's array or chunk has its rows."""

import re

import numpy as np
import pytest

import fastbp as fb

rng = np.random.default_rng(0)
X = rng.normal(size=(1000, 3))
y = X.sum(axis=1)


def trainer(seed=0, **options):
    return fb.Trainer(fb.Model([fb.Dense(4, "relu"), fb.Dense(1)], **options), "mse", seed=seed)


def spoilt(array, *rows, value=np.nan):
    copy = array.copy()
    copy[list(rows)] = value
    return copy


def row_named(call, *arguments, **options):
    """The row, the column and the argument that the error of a call names."""
    with pytest.raises(ValueError, match=r"^row \d+, column") as error:
        call(*arguments, **options)
    row, place = re.match(r"row (\d+), (column .*?) (?:\(counted from 0\) )?is (?:nan|inf);", str(error.value)).groups()
    return int(row), place


ROWS = [(17, 700, 3), (999, 998), (5000 % 1000, 1), (640,)]


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("how", ["shuffled", "in order", "held out", "prepared", "learned from", "float64"])
def test_of_arrays(rows, how):
    options = {
        "prepared": {"prepare": fb.Scale(2.0)},
        "learned from": {"prepare": fb.Standardize()},
        "float64": {"dtype": "float64"},
    }.get(how, {})
    for seed in range(3):
        arguments = {} if how == "shuffled" else {"validation_fraction": 0.3}
        for value in (np.nan, np.inf):
            bad, bad_y = spoilt(X, *rows, value=value), spoilt(y, *rows, value=value)
            call = trainer(seed, **options).fit
            assert row_named(call, bad, y, **arguments) == (min(rows), "column 0 of X")
            assert row_named(call, X, bad_y, **arguments) == (
                min(rows),
                "column 0 of y",
            )


def test_of_columns_that_are_learned_from_together():
    bad = spoilt(X, 50)
    bad[50, 1:] = 0  # column 0 is bad in row 50 alone, column 2 in row 3
    bad[3, 2] = np.nan
    for prepare in (fb.Standardize(), [fb.Standardize(), fb.RobustScale()], fb.Columns(fb.Standardize())):
        assert row_named(trainer(prepare=prepare).fit, bad, y) == (3, "column 2 of X")
        worse = np.where(np.isnan(bad), np.inf, bad)
        assert row_named(trainer(prepare=prepare).fit, worse, y) == (3, "column 2 of X")


def test_of_targets_that_are_learned_from():
    call = trainer(prepare_targets=fb.Standardize()).fit
    assert row_named(call, X, spoilt(y, 17, 700, 3), validation_fraction=0.3)[0] == 3


def test_of_prediction_and_evaluation():
    fitted = trainer(prepare=fb.Standardize())
    fitted.fit(X, y)
    bad = spoilt(X, 17, 700, 3)
    assert row_named(fitted.model.predict, bad)[0] == 3
    assert row_named(fitted.evaluate, bad, y)[0] == 3
    assert row_named(fitted.fit, X, y, validation_data=(bad, y)) == (3, "column 0 of validation_data[0]")


def test_of_several_models():
    bad = spoilt(X, 17, 700, 3)
    assert row_named(fb.fit_many, [trainer(inputs=3), trainer(1, inputs=3)], bad, y)[0] == 3
    assert row_named(fb.cross_validate, lambda fold: trainer(fold, inputs=3), bad, y)[0] == 3
    assert row_named(fb.cross_validate, lambda _: trainer(prepare=fb.Standardize()), bad, y)[0] == 3


def test_of_a_sparse_matrix():
    sparse = pytest.importorskip("scipy.sparse")
    bad = sparse.csr_array(spoilt(X, 17, 700, 3))
    assert row_named(trainer(inputs=3).fit, bad, y, validation_fraction=0.3) == (3, "column 0 of X")


def test_of_a_file_in_memory(tmp_path):
    np.save(tmp_path / "X.npy", spoilt(X, 17, 700, 3))
    assert row_named(trainer().fit, np.load(tmp_path / "X.npy", mmap_mode="r"), y)[0] == 3


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [7, 50, 64, 333])  # smaller than a batch, not a multiple, a multiple
@pytest.mark.parametrize("options", [{"inputs": 3}, {"prepare": fb.Scale(2.0), "inputs": 3}], ids=["plain", "prepared"])
def test_of_chunks(shuffle, size, options):
    for seed in range(4):
        of_chunk = np.random.default_rng(seed).choice(size, 3, replace=False)
        for values, what in ((X, "X"), (y, "y")):
            parts = [(X[i : i + size], y[i : i + size]) for i in range(0, 1000, size)][:10]
            at = len(parts) // 2
            bad = spoilt(values[at * size : (at + 1) * size], *of_chunk)
            parts[at] = (bad, parts[at][1]) if what == "X" else (parts[at][0], bad)
            model = fb.Model([fb.Dense(4, "relu"), fb.Dense(1)], **options)
            call = fb.Trainer(model, "mse", seed=seed, shuffle=shuffle).fit
            expected = (of_chunk.min(), f"column 0 of {what} of chunk {at} of X")
            assert row_named(call, parts) == expected
            assert row_named(call, lambda parts=parts: iter(parts)) == expected
