"""inspect_data: each oddity planted is found and named, clean data has none, and no table makes it fail."""

import datetime
import decimal
import fractions
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastbp as fb

RNG = np.random.default_rng(5)


def clean(n=300, columns=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, columns))


def found(report):
    return {(finding.severity, finding.kind, finding.column) for finding in report.findings}


def only(report):
    """The one finding there is."""
    assert len(report.findings) == 1, report
    return report.findings[0]


# ----------------------------------------------------------------------------------------------- clean data


@pytest.mark.parametrize("seed", range(5))
def test_clean_data_has_no_findings(seed):
    X, y = clean(seed=seed), np.random.default_rng(seed).integers(0, 4, 300)
    report = fb.inspect_data(X, y, (clean(100, seed=seed + 100), np.arange(100) % 4))
    assert report.findings == []
    assert report.classes == {str(label): int((y == label).sum()) for label in range(4)}
    assert repr(report) == "300 samples, 4 columns, 4 classes\nno problems found"
    assert fb.inspect_data(X, clean(seed=seed + 50)[:, 0]).findings == []
    assert fb.inspect_data(X, clean(seed=seed + 50)[:, :3]).findings == []
    assert fb.inspect_data(X).findings == []


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "f2"])
def test_figures_are_numpys(dtype):
    X = clean().astype(dtype)
    X[3, 1], X[4, 1] = np.nan, np.inf
    reports = fb.inspect_data(X).columns
    for j, report in enumerate(reports):
        finite = X[np.isfinite(X[:, j]), j].astype(np.float64)
        assert report.mean == pytest.approx(finite.mean(), rel=1e-12)
        assert report.std == pytest.approx(finite.std(), rel=1e-12)
        assert (report.minimum, report.maximum) == (finite.min(), finite.max())
        assert (report.name, report.kind, report.n_levels) == (j, "numbers", None)
        assert (report.n_missing, report.n_infinite) == ((1, 1) if j == 1 else (0, 0))


def test_columns_are_the_same_in_groups_of_any_size(monkeypatch):
    X = clean(50, 7)
    X[:, 5] = X[:, 2]
    expected = fb.inspect_data(X).to_dict()
    monkeypatch.setattr("fastbp.inspection.columns._GROUP_BYTES", 50 * 8 * 2)
    assert fb.inspect_data(X).to_dict() == expected


# -------------------------------------------------------------------------------------------------- columns


def test_missing_numbers():
    X = clean()
    X[[7, 9], 2] = np.nan
    finding = only(fb.inspect_data(X))
    assert (finding.severity, finding.kind, finding.column) == ("warning", "missing", 2)
    assert "column 2 has 2 missing values" in str(finding)
    assert "first is in row 7" in str(finding)


def test_a_column_of_nothing():
    X = clean()
    X[:, 1] = np.nan
    X[:, 3] = np.nan
    assert found(fb.inspect_data(X)) == {("warning", "missing", 1), ("warning", "missing", 3)}


def test_infinite_numbers():
    X = clean()
    X[5, 0], X[6, 0] = np.inf, -np.inf
    finding = only(fb.inspect_data(X))
    assert (finding.severity, finding.kind, finding.column) == ("error", "infinite", 0)
    assert "2 infinite numbers; the first is in row 5" in str(finding)


@pytest.mark.parametrize("gap", [False, True])
def test_constant_columns(gap):
    X = clean()
    X[:, 1], X[:, 2] = 0.5, -0.0
    X[4, 2] = 0.0
    if gap:
        X[3, 1] = np.nan
    kinds = found(fb.inspect_data(X))
    assert kinds - {("warning", "missing", 1)} == {("warning", "constant", 1), ("warning", "constant", 2)}


def test_nothing_is_constant_in_a_single_row():
    assert not found(fb.inspect_data([[1.0, 2.0]]))


def test_columns_that_are_there_twice():
    X = clean()
    X[0, 0] = np.nan
    X = np.column_stack([X, X[:, 0], X[:, 3], -X[:, 3]])
    twice = fb.inspect_data(X).of_kind("duplicate_column")
    assert [finding.column for finding in twice] == [4, 5]
    assert "column 4 is equal to column 0 in every row" in str(twice[0])


@pytest.mark.parametrize(
    ("factor", "size"), [(1e4, "column 1 has numbers up to"), (1e-6, "column 1 has numbers up to")]
)
def test_wild_scales(factor, size):
    X = clean()
    X[:, 1] *= factor
    finding = only(fb.inspect_data(X))
    assert (finding.severity, finding.kind, finding.column) == ("warning", "scale", 1)
    assert size in str(finding)


def test_text_is_counted():
    report = fb.inspect_data({"cut": ["good", "bad", None] * 10, "name": [f"n{i}" for i in range(30)]})
    assert found(report) == {("warning", "missing", "cut"), ("note", "text", "cut"), ("note", "identifier", "name")}
    assert [column.n_levels for column in report.columns] == [2, 30]
    assert report.columns[0].n_missing == 10
    assert "text of 2 levels" in str(report.of_kind("text")[0])


def test_a_column_that_counts_the_rows():
    X = clean()
    X[:, 2] = np.arange(300) + 17
    assert ("note", "identifier", 2) in found(fb.inspect_data(X))


# ----------------------------------------------------------------------------------------------------- rows


def test_rows_that_are_there_twice():
    X, y = clean(), np.arange(300) % 3
    X[7], X[9], y[7], y[9] = X[2], X[2], y[2], (y[2] + 1) % 3
    report = fb.inspect_data(X, y)
    assert found(report) == {("note", "duplicate_rows", None), ("warning", "contradiction", None)}
    assert "2 rows of X are equal to an earlier row: for example row 7 to row 2" in str(
        report.of_kind("duplicate_rows")[0]
    )
    assert "1 row of X equal to an earlier row has another target: for example row 9 and row 2" in str(
        report.of_kind("contradiction")[0]
    )
    assert found(fb.inspect_data(X)) == {("note", "duplicate_rows", None)}


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 3)), elements=st.sampled_from([0.0, 1.5, 2]))
)
def test_equal_rows_are_those_that_numpy_finds(X):
    sentences = [str(finding) for finding in fb.inspect_data(X).of_kind("duplicate_rows")]
    n_again = len(X) - len(np.unique(X, axis=0))
    assert [int(sentence.split()[0]) for sentence in sentences] == [n_again] * (n_again > 0)


def test_rows_of_the_validation_data_that_are_trained_on():
    X, X_val = clean().astype("f4"), clean(50, seed=9)
    X[4, 1] = np.nan
    X_val[[3, 8]] = X[[200, 4]]
    report = fb.inspect_data(X, np.arange(300) % 3, (X_val, np.arange(50) % 3))
    (leak,) = report.of_kind("leak")
    assert leak.severity == "warning"
    assert "2 rows of 50 of validation_data are in X too: for example its row 3 is row 200 of X" in str(leak)


def test_validation_data_may_have_sample_weights():
    """As those of fit; what is said of the data does not depend on them."""
    X, y = clean(), np.arange(300) % 7.0
    others = X[:50], y[:50]
    report = fb.inspect_data(X, y, (*others, np.ones(50)))
    assert report.of_kind("leak")
    assert report.findings == fb.inspect_data(X, y, others).findings


def test_validation_data_that_differs():
    X = {"a": clean()[:, 0], "b": ["x", "y", "z"] * 100}
    X_val = {"a": np.r_[np.inf, clean(29, seed=3)[:, 0]], "b": ["x", "w", "v"] * 10}
    report = fb.inspect_data(X, ["yes", "no"] * 150, (X_val, ["yes", "no", "perhaps"] * 10))
    assert {
        ("error", "infinite", "a"),
        ("warning", "unseen", "b"),
        ("warning", "unseen", None),
    } <= found(report)
    assert "2 levels that X does not have: v, w" in str(report.of_kind("unseen")[0])
    assert "1 class that y does not have: perhaps" in str(report.of_kind("unseen")[1])
    swapped = {"b": X["b"], "a": X["a"]}
    report = fb.inspect_data(X, ["yes", "no"] * 150, (swapped, ["yes", "no"] * 150))
    assert {("error", "differs", "a"), ("error", "differs", "b")} <= found(report)


# -------------------------------------------------------------------------------------------------- targets


def test_rare_classes():
    y = np.r_[np.zeros(150, int), np.ones(147, int), [2, 2, 2]]
    report = fb.inspect_data(clean(), y)
    assert only(report).kind == "rare_class"
    assert "class 2 has 3 samples of 300, and there are 3 classes" in str(only(report))
    assert report.classes == {"0": 150, "1": 147, "2": 3}
    one_hot = np.eye(3, dtype=np.uint8)[y]
    assert only(fb.inspect_data(clean(), one_hot)).sentence == only(report).sentence
    assert fb.inspect_data(clean(), one_hot).classes == report.classes


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([1, 2, 3], {"1": 100, "2": 100, "3": 100}),
        ([0, 2, 5], {"0": 100, "2": 100, "5": 100}),
        (["cat", "dog", "owl"], {"cat": 100, "dog": 100, "owl": 100}),
        ([0.5, 1.5, 2.25], None),
    ],
)
def test_labels_that_are_not_numbered_from_0(labels, classes):
    report = fb.inspect_data(clean(), labels * 100)
    assert (only(report).severity, only(report).kind) == ("note", "labels")
    remedy = (
        "take it as the labels of classes"
        if isinstance(labels[0], str)
        else r"np\.unique\(y, return_inverse=True\)\[1\]"
    )
    assert re.search(remedy, str(only(report)))
    assert report.classes == classes


def test_gaps_in_targets():
    y = clean()[:, :2]
    y[3, 0], y[4, 1] = np.nan, np.inf
    assert found(fb.inspect_data(clean(seed=2), y)) == {("error", "missing", 0), ("error", "infinite", 1)}
    labels = ["yes", None, "no"] * 100
    assert ("error", "missing", 0) in found(fb.inspect_data(clean(), labels))


def test_numbers_far_from_all_others():
    y = clean(seed=3)[:, 0]
    y[[17, 20]] = 80, -90
    finding = only(fb.inspect_data(clean(), y))
    assert (finding.severity, finding.kind) == ("warning", "outliers")
    assert "2 numbers far from the others; the first is 80 in row 17" in str(finding)


def test_targets_of_large_numbers_and_constant_ones():
    assert only(fb.inspect_data(clean(), 1e4 * clean(seed=1)[:, 0])).kind == "scale"
    assert only(fb.inspect_data(clean(), np.full(300, 3.5))).kind == "constant"


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (lambda y: y, "is equal to y"),
        (lambda y: 3 - 2 * y, "has a correlation of -1.00000 with y"),
        (lambda y: np.where(np.arange(300) < 9, np.nan, y), "is equal to y"),
    ],
)
def test_a_column_that_tells_the_target(make, how):
    X, y = clean(), clean(seed=7)[:, 0]
    X[:, 2] = make(y)
    (finding,) = fb.inspect_data(X, y).of_kind("tells_target")
    assert (finding.severity, finding.column) == ("warning", 2)
    assert how in str(finding)


def test_a_text_that_tells_the_class():
    y = RNG.integers(0, 3, 300)
    X = {"a": clean()[:, 0], "b": np.array(["x", "y", "z"])[y], "c": np.array(["u", "v", "w"])[RNG.integers(0, 3, 300)]}
    for target in (y, np.eye(3)[y], np.array(["cat", "dog", "owl"])[y]):
        (finding,) = fb.inspect_data(X, target).of_kind("tells_target")
        assert finding.column == "b"
        assert "has a level of its own for each class of y" in str(finding)
    (finding,) = fb.inspect_data(X, X["b"]).of_kind("tells_target")
    assert "is equal to y" in str(finding)


# ----------------------------------------------------------------------------------------------- the report


def test_the_worst_comes_first_and_many_are_shortened():
    X = clean(columns=12)
    X[:, 1:9] = np.arange(8)
    X[3, 11] = np.inf
    report = fb.inspect_data(X)
    assert [finding.severity for finding in report.findings] == ["error"] + 8 * ["warning"]
    assert repr(report).splitlines() == [
        "300 samples, 12 columns",
        f"  error: {report.findings[0]}",
        *(f"warning: {finding}" for finding in report.findings[1:6]),
        "         and 3 more of this kind (constant)",
    ]


def test_it_is_plain_data_too():
    X = {"a": [1.0, np.nan, np.inf, 2], 7: ["x", "y", "x", "y"], "n": [None] * 4}
    report = fb.inspect_data(X, [1, 0, 0, 1])
    plain = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert plain == report.to_dict()
    assert [column["name"] for column in plain["columns"]] == ["a", 7, "n"]
    assert plain["columns"][2]["mean"] is None
    assert plain["findings"][0]["severity"] == "error"
    assert plain["classes"] == {"0": 2, "1": 2}


# ------------------------------------------------------------------------------------------- tables of all kinds


def table():
    return {
        "age": [31.0, None, 40.5, 31.0] * 5,
        "n": list(range(0, 40, 2)),
        "yes": [True, False, False, True] * 5,
        "cut": ["good", "bad", None, "good"] * 5,
    }


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_data_frames(library):
    module = pytest.importorskip(library)
    frame = module.table(table()) if library == "pyarrow" else module.DataFrame(table())
    y = [0, 1, 1, 0] * 5
    report, expected = fb.inspect_data(frame, y), fb.inspect_data(table(), y)
    sentences = [str(finding) for finding in expected.findings]
    advice = "make a data frame of it, pandas.DataFrame(X), and "  # for a dictionary only
    assert [str(finding) for finding in report.findings] == [text.replace(advice, "") for text in sentences]
    assert report.columns == expected.columns
    assert ("warning", "missing", "age") in found(report)
    assert ("warning", "tells_target", "yes") in found(report)


def test_what_pandas_has_of_its_own():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "whole": pandas.array([1, None, 3, 4] * 5, dtype="Int64"),
            "truth": pandas.array([True, None, False, True] * 5, dtype="boolean"),
            "category": pandas.Categorical(["a", "b", None, "a"] * 5),
            "string": pandas.array(["a", None, "b", "a"] * 5, dtype="string"),
            "when": pandas.to_datetime(["2026-01-01", None, "2026-01-02", "2026-01-01"] * 5),
            "zone": pandas.to_datetime(["2026-01-01", None, "2026-01-02", "2026-01-01"] * 5).tz_localize("UTC"),
        }
    )
    report = fb.inspect_data(frame, pandas.Series([0, 1, 0, 1] * 5, name="target"))
    assert [column.n_missing for column in report.columns] == [5] * 6
    assert [column.kind for column in report.columns[:2]] == ["numbers", "numbers"]
    assert [column.n_levels for column in report.columns[2:]] == [2] * 4
    assert report.targets[0].name == "target"
    twice = pandas.DataFrame(clean(20, 2), columns=["a", "a"])
    assert fb.inspect_data(twice).findings == []


def test_sparse_matrices():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    X = clean() * (clean(seed=1) > 0)
    X[3, 2] = np.nan
    for kind in (scipy_sparse.csr_matrix, scipy_sparse.csc_array, scipy_sparse.coo_matrix):
        assert fb.inspect_data(kind(X)).to_dict() == fb.inspect_data(X).to_dict()


class Opaque:
    """Nothing that anyone can read."""

    def __repr__(self):
        return "opaque"


@pytest.mark.parametrize(
    "X",
    [
        [[1, "a"], [2.5, None]],
        [1, 2, 3],
        [[10**400, -(10**400)], [1, 2]],
        np.zeros((3, 2, 2)),
        np.array([[1 + 2j, 3], [2, 1]]),
        np.array([["a", "b"], ["c", "\ud800"]]),
        np.array([b"ab", b"c"]),
        np.array(["2026-01-01", "NaT"], "M8[D]"),
        np.array([3, 4], "m8[s]"),
        np.array([(1, "a"), (2, "b")], [("n", "i4"), ("t", "U3")]),
        np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], [[True, False], [False, False]]),
        np.array([[1e308, -1e308], [-1e308, 1e308]]),
        np.array([[5e-324, 0], [0, 5e-324]]),
        np.array([np.longdouble("1e4000"), 1], np.longdouble),
        np.array([Opaque(), None], object),
        np.array([decimal.Decimal("NaN"), decimal.Decimal("sNaN"), fractions.Fraction(1, 3)], object),
        [[datetime.date(2026, 1, 1), {"a": 1}], [{2, 3}, len]],
        np.full((2, 2), np.nan),
        np.array([[True, False], [True, True]]),
    ],
    ids=lambda X: f"{type(X).__name__}-{getattr(X, 'dtype', '')}",
)
def test_any_table_is_looked_at(X):
    report = fb.inspect_data(X, np.arange(len(X)), (X, X))
    assert report.n_samples == len(X)
    assert repr(report)
    json.dumps(report.to_dict(), allow_nan=False)
    assert fb.inspect_data(np.arange(len(X)), X).n_samples == len(X)


def test_masked_values_are_missing():
    X = np.ma.masked_array(clean(), np.zeros((300, 4), bool))
    X[5, 1] = np.ma.masked
    assert only(fb.inspect_data(X)).kind == "missing"


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.one_of(hnp.scalar_dtypes(), st.just(np.dtype(object))),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=6),
    ),
    st.data(),
)
def test_no_array_makes_it_fail(X, data):
    y = data.draw(hnp.arrays(hnp.scalar_dtypes(), len(X)))
    report = fb.inspect_data(X, y, (X, y))
    json.dumps(report.to_dict(), allow_nan=False)
    assert len(report.columns) == X.reshape(len(X), -1).shape[1]


def test_nothing_is_changed_or_imported():
    X = clean()
    X.flags.writeable = False
    before = X.copy()
    fb.inspect_data(X, X[:, 0])
    np.testing.assert_array_equal(X, before)
    code = "import sys, fastbp as fb; fb.inspect_data([[1, 'a'], [2, 'b']], [0, 1]); print('pandas' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "False"


X = clean(10)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: fb.inspect_data(3), TypeError, "X is 3; expected a table"),
        (lambda: fb.inspect_data(None), TypeError, "X is None; expected a table"),
        (lambda: fb.inspect_data("text"), TypeError, "X is 'text'; expected a table"),
        (lambda: fb.inspect_data([[1, 2], [3]]), TypeError, "X (list) cannot be read as a table"),
        (lambda: fb.inspect_data([]), ValueError, "X has 0 rows and 0 columns; expected one or more of both."),
        (lambda: fb.inspect_data(np.empty((3, 0))), ValueError, "X has 3 rows and 0 columns"),
        (lambda: fb.inspect_data({}), ValueError, "X has 0 rows and 0 columns"),
        (lambda: fb.inspect_data({"a": [1, 2], "b": [1]}), ValueError, "X has columns of [1, 2] rows"),
        (lambda: fb.inspect_data({"a": 1}), TypeError, "'a' is 1; expected a table"),
        (lambda: fb.inspect_data(X, [1, 2]), ValueError, "X has 10 rows, y has 2; expected a target for each sample."),
        (lambda: fb.inspect_data(X, 1), TypeError, "y is 1; expected a table"),
        (
            lambda: fb.inspect_data(X, X, X),
            TypeError,
            "validation_data is an ndarray of shape (10, 4) and dtype float64",
        ),
        (lambda: fb.inspect_data(X, X, (X,)), TypeError, "expected a pair (X_val, y_val)"),
        (lambda: fb.inspect_data(X, X, (X[:, :3], X)), ValueError, "validation_data[0] has 3 columns and X has 4"),
        (
            lambda: fb.inspect_data(X, X, (X, X[:3])),
            ValueError,
            "validation_data[0] has 10 rows, validation_data[1] has 3",
        ),
    ],
)
def test_bad_input_gets_a_sentence(call, error, sentence):
    with pytest.raises(error) as caught:
        call()
    assert sentence in str(caught.value)


def test_what_is_missing_in_an_arrow_dictionary_is_missing():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    column = pa.array(["x", None, "y", "x", None]).dictionary_encode()
    report = fb.inspect_data(pa.table({"kind": column, "size": [1.0, 2.0, 3.0, 4.0, 5.0]}))
    assert (report.columns[0].n_levels, report.columns[0].n_missing) == (2, 2)


def test_large_identifiers_are_told_apart():
    numbers = np.arange(40)
    X = np.column_stack([2**53 + numbers, numbers])
    report = fb.inspect_data(X)
    assert report.columns[0].n_levels == 40
    assert not any(finding.kind == "duplicates" for finding in report.findings)
