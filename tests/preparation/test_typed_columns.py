"""Data frames of pandas, polars and pyarrow: read by columns, learned from and matched by names."""

import sys
from decimal import Decimal

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.columns import read_column
from fastbp.preparation.learned import all_numbers
from fastbp.preparation.model_preparation import ModelPreparation
from fastbp.preparation.tables import read_table

pd = pytest.importorskip("pandas", reason="pandas is not installed")


def make_frame(n=200, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "time": 1_600_000_000 + rng.integers(0, 100_000, n),
            "size": rng.normal(size=n).astype(np.float32),
            "colour": rng.choice(["red", "green", None], n),
            "grade": pd.Categorical(rng.choice(["good", "bad"], n), categories=["bad", "good", "best"]),
            "count": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "new": rng.random(n) < 0.5,
        }
    )
    frame.loc[::9, "size"] = np.nan
    frame.loc[::7, "count"] = pd.NA
    return frame, rng.normal(size=n)


def as_polars(frame):
    return pytest.importorskip("polars", reason="polars is not installed").from_pandas(frame)


def as_pyarrow(frame):
    return pytest.importorskip("pyarrow", reason="pyarrow is not installed").Table.from_pandas(frame)


def texts_of(column):
    """The text of each row, None where it is missing."""
    return [None if code < 0 else column.levels[code] for code in column.values]


KINDS = {"pandas": lambda frame: frame, "polars": as_polars, "pyarrow": as_pyarrow}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request):
    return request.param


def make_model(**options):
    prepare = fb.Columns([fb.Impute("median", indicator=True), fb.Standardize()], **options)
    return fb.Model([fb.Dense(6, "tanh"), fb.Dense(1)], prepare=prepare, dtype="float64")


def test_columns_are_numbers_or_text(kind):
    frame, _ = make_frame()
    table = read_table(kind(frame), "X")
    assert table.names == ("time", "size", "colour", "grade", "count", "new")
    assert (table.n_rows, table.n_columns) == (200, 6)
    assert [table.column(j).is_text for j in range(6)] == [False, False, True, True, False, False]
    assert [table.is_category(j) for j in range(6)] == [False, False, False, True, False, False]
    np.testing.assert_array_equal(table.column(1).values, frame["size"])
    np.testing.assert_array_equal(table.column(4).values, frame["count"].to_numpy(float, na_value=np.nan))
    assert texts_of(table.column(2)) == [None if pd.isna(text) else text for text in frame["colour"]]
    assert texts_of(table.column(3)) == frame["grade"].tolist()


def test_what_is_learnt_from_a_frame_is_what_pandas_says(kind):
    frame, y = make_frame()
    model = make_model()
    model.build(kind(frame), y)
    made = model.feed.features(kind(frame))
    numbers = frame[["time", "size", "count", "new"]].astype(float)
    filled = numbers.fillna(numbers.median())
    wanted = [(filled - filled.mean()) / filled.std(ddof=0), numbers[["size", "count"]].isna().astype(float)]
    for column, categories in (("colour", ["green", "red", None]), ("grade", ["bad", "good", "best"])):
        texts = frame[column].astype(object).where(frame[column].notna(), None)
        if column == "grade" and kind is not KINDS["pandas"]:  # where the order of the categories is the sorted one
            categories = [category for category in categories if category != "best"]
        wanted += [[float(text == category) for text in texts] for category in categories]
    np.testing.assert_allclose(made, np.column_stack(wanted), rtol=1e-9, atol=1e-9)


def test_columns_are_found_by_name(kind):
    frame, y = make_frame()
    model = make_model()
    fb.Trainer(model, "mse").fit(kind(frame), y, epochs=2)
    wanted = model.predict(kind(frame))
    assert model.predict(kind(frame[frame.columns[::-1]])).tobytes() == wanted.tobytes()
    assert model.predict(kind(frame.assign(other="x"))).tobytes() == wanted.tobytes()
    assert model.predict(kind(frame[:1])).tobytes() == wanted[:1].tobytes()
    with pytest.raises(ValueError, match=r"X has no column 'time', 'grade'; expected all 6 that the preparation was"):
        model.predict(kind(frame[["colour", "size", "count", "new"]]))


def test_one_kind_of_frame_is_like_another():
    """Learned from pandas, asked with all; and files keep the names."""
    frame, y = make_frame()
    frame["grade"] = frame["grade"].astype(str)
    model = make_model()
    fb.Trainer(model, "mse").fit(frame, y)
    wanted = model.predict(frame).tobytes()
    for kind in KINDS.values():
        assert model.predict(kind(frame)).tobytes() == wanted
    assert fb.Model.from_config(model.to_config(), model.get_weights()).predict(as_polars(frame)).tobytes() == wanted


def test_what_training_did_not_have(kind):
    frame, y = make_frame()
    model = make_model(categorical=fb.Ordinal())
    model.build(frame, y)
    new = frame[:3].assign(colour=["blue", None, "red"], grade=pd.Categorical(["worst", "best", None]))
    np.testing.assert_array_equal(model.feed.features(kind(new))[:, -2:], [[-1, -1], [2, 2], [1, -1]])


def test_numbers_alone_are_matched_by_name_too(kind):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(50, 3)), columns=["a", "b", "c"])
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize(), prepare_targets=fb.Standardize())
    fb.Trainer(model, "mse").fit(kind(frame), frame["a"].to_numpy())
    wanted = model.predict(kind(frame)).tobytes()
    assert model.predict(kind(frame[["c", "a", "b"]])).tobytes() == wanted
    assert model.predict(frame.to_numpy()).tobytes() == wanted


def test_categories_by_name_and_by_place_and_with_whole_numbers_for_names():
    frame, y = make_frame()
    by_name, by_place = make_model(categories=["grade", "new", "colour"]), make_model(categories=[2, 3, 5])
    for model in (by_name, by_place):
        model.build(frame, y)
    assert by_name.to_config()["preparing"]["inputs"] == by_place.to_config()["preparing"]["inputs"]
    plain = pd.DataFrame({3: ["a", "b"], 1: [1.0, 2.0]})
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns(categories=[3]))
    model.build(plain)
    np.testing.assert_array_equal(model.feed.features(plain[[1, 3]]), [[1, 1, 0], [2, 0, 1]])
    assert fb.Model.from_config(model.to_config(), model.get_weights()).feed.features(plain).shape == (2, 3)


def test_categories_that_are_numbers_in_pandas():
    frame = pd.DataFrame({"rooms": pd.Categorical([3, 1, None, 3]), "x": [1.0, 2.0, 3.0, 4.0]})
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns())
    model.build(frame)
    np.testing.assert_array_equal(model.feed.features(frame), [[1, 0, 1, 0], [2, 1, 0, 0], [3, 0, 0, 1], [4, 0, 1, 0]])


def test_a_frame_of_one_dtype_is_not_copied():
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=list("abc"))
    array = read_table(frame, "X").array
    assert array is not None
    assert np.shares_memory(array, frame.to_numpy())


@pytest.mark.parametrize("with_pandas", [True, False])
def test_a_signalling_nan_is_missing(monkeypatch, with_pandas):
    """It is not to be compared, not even with itself."""
    if not with_pandas:
        monkeypatch.delitem(sys.modules, "pandas")
    X = np.array([[Decimal("sNaN"), "a"], [Decimal(2), "b"], [Decimal("NaN"), None]], object)
    table = read_table(X, "X")
    np.testing.assert_array_equal(table.column(0).values, [np.nan, 2, np.nan])
    assert texts_of(table.column(1)) == ["a", "b", None]


def test_text_is_encoded_by_column():
    codes = read_column(np.array(["b", None, "c", "a"], dtype=object)).encoded({"a": 0.0, "b": 1.0})
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, [1, np.nan, -1, 0])


def opened_and_made(prepare, X, rows=None):
    """What is learned from a table, the array that was made on the way, and the conversions of each column."""
    table = read_table(X, "X")
    conversions = [0] * table.n_columns
    column_of = table.column

    def counted(j, labels=False):
        conversions[j] += 1
        return column_of(j, labels)

    table.column = counted
    preparation, array = ModelPreparation(prepare, None).after(table, None, rows, ("X", "y"), None)
    return preparation, array, conversions


@pytest.mark.parametrize("rows", [None, np.arange(0, 200, 4)], ids=["all rows", "some rows"])
def test_a_frame_is_converted_once_and_the_array_is_what_read_returns(kind, rows):
    frame, _ = make_frame()
    frame.loc[1, "colour"] = "blue"  # in no row that is learned from
    preparation, array, conversions = opened_and_made(fb.Columns(fb.Impute()), kind(frame), rows)
    assert conversions == [1] * 6
    for X in (kind(frame), read_table(kind(frame), "X")):
        again = preparation.read(X, 6, "X")
        assert (again.dtype, again.tobytes()) == (array.dtype, array.tobytes())
    assert array[1, 2] == (-1 if rows is not None else 0)


def test_what_is_learned_already_and_what_is_never_learned_is_read_too():
    frame, y = make_frame()
    preparation, array, _ = opened_and_made(fb.Columns(fb.Impute()), frame)
    same, again = preparation.after(frame, None, None, ("X", "y"), 6)
    assert same.inputs is preparation.inputs
    assert again.tobytes() == array.tobytes()
    numbers = frame[["time", "size"]]
    for X in (numbers, read_table(numbers, "X")):
        targets, array = ModelPreparation(None, fb.Standardize()).after(X, y, None, ("X", "y"), 2)
        np.testing.assert_array_equal(array, numbers.to_numpy())
        np.testing.assert_array_equal(targets.read(X, 2, "X"), array)
        with pytest.raises(ValueError, match="X has 2 columns"):
            targets.read(X, 3, "X")
    with pytest.raises(TypeError, match="column 'colour' of X holds text; expected numbers"):
        ModelPreparation(None, fb.Standardize()).after(read_table(frame, "X"), y, None, ("X", "y"), 6)


def test_an_array_is_learned_from_and_read_where_it_lies():
    X = np.arange(12.0).reshape(4, 3)
    _, array, _ = opened_and_made(fb.Columns(fb.Standardize()), X)
    assert array is X
    frame = pd.DataFrame(X, columns=list("abc"))
    assert np.shares_memory(opened_and_made(fb.Standardize(), frame)[1], frame.to_numpy())


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(["b", None, "a", "b"], dtype=object),
        pd.Series(["b", None, "a", "b"], dtype="string"),
        pd.Series(pd.Categorical(["b", None, "a", "b"])),
        np.array(["b", None, "a", "b"], dtype=object),
        np.array(["b", np.nan, "a", "b"], dtype=object),
    ],
    ids=["objects", "string", "categories", "array", "nan"],
)
def test_a_column_of_text_is_levels_and_their_numbers(values):
    column = read_column(values)
    assert column.is_text
    assert texts_of(column) == ["b", None, "a", "b"]
    assert column.levels_among(None) == ["a", "b"]
    assert column.levels_among(np.array([1, 2])) == ["a"]


def test_an_arrow_dictionary_may_hold_a_text_twice_or_none():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    indices = pa.array([0, 1, 2, 3, None], pa.int8())
    column = pa.DictionaryArray.from_arrays(indices, pa.array(["x", "y", "x", None]))
    for each in (column, pa.chunked_array([column, column.slice(0, 0)])):
        assert read_column(each).levels == ["x", "y"]
        assert texts_of(read_column(each)) == ["x", "y", "x", None, None]


def test_a_number_beyond_all_floats_is_infinite_and_named():
    X = np.array([[10**400, "a"], [2, "b"]], dtype=object)
    np.testing.assert_array_equal(read_table(X, "X").column(0).values, [np.inf, 2])
    with pytest.raises(ValueError, match=r"row 0, column 0 of X .* inf; expected a finite number"):
        make_model().build(X)


BAD = [
    (
        pd.DataFrame({"a": [1], ("b", 2): [2]}),
        TypeError,
        r"a column's name in X is \('b', 2\); expected text or an int",
    ),
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, "X has two columns 'a'; expected names that differ"),
    (pd.DataFrame({"a": ["x", 3]}), TypeError, "column 'a' of X holds int and str; expected numbers, text or times"),
    (pd.DataFrame({"a": [[1], [2]]}), TypeError, r"column 'a' of X holds list; .* text: X\['a'\].astype\(str\).$"),
    (
        pd.DataFrame({"a": [1j]}),
        TypeError,
        r"column 'a' of X is of dtype complex128; .* np.real\(X\['a'\]\) and np.imag\(X\['a'\]\).$",
    ),
    (pd.DataFrame({"a": []}), ValueError, r"X has shape \(0, 1\); expected at least one row and one column"),
    (pd.DataFrame(index=range(3)), ValueError, r"X has shape \(3, 0\); expected at least one row and one column"),
    (np.array(["a", "b"]), ValueError, r"X has shape \(2,\); expected 2 dimensions, \(n_samples, n_columns\)"),
    ([["a", 1.0], ["b"]], ValueError, "X .*cannot be read as an array of numbers"),
    ("text", TypeError, "X is a single value of dtype <U4"),
    (None, TypeError, "X is a single value of dtype object"),
    (np.array([[object()]]), TypeError, "column 0 of X .* holds object; .* Put numbers or text in their place.$"),
]


@pytest.mark.parametrize(("X", "error", "sentence"), BAD)
def test_what_is_no_table_is_refused(X, error, sentence):
    with pytest.raises(error, match=sentence):
        make_model().build(X)


LARGE = 2**53


@pytest.mark.parametrize("prepare", [fb.OneHot(), fb.Ordinal(), fb.Columns(categories=[0])])
@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64, object])
def test_integers_that_would_merge_are_refused_as_categories(prepare, dtype):
    X = np.array([[1], [LARGE], [LARGE + 2]]).astype(dtype)
    with pytest.raises(ValueError, match=r"row 2, column 0 .* is 900719925474099\d.*2\*\*53.*\.astype\(str\)"):
        fb.Model([fb.Dense(1)], prepare=prepare).build(X)
    model = fb.Model([fb.Dense(1)], prepare=prepare)
    model.build(X[:2])
    text = fb.Model([fb.Dense(1)], prepare=fb.OneHot())
    text.build(np.array([[1], [LARGE], [LARGE + 1]]).astype(str))
    assert text.feed.features(np.array([[str(LARGE + 1)]])).sum() == 1


def test_large_integers_are_numbers_all_the_same():
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize())
    model.build(np.array([[LARGE], [LARGE + 2], [2**60]]))
    assert np.isfinite(model.feed.features(np.array([[2**55]]))).all()


def test_numbers_that_are_one_array_are_not_copied():
    X = np.arange(6.0).reshape(3, 2)
    assert np.shares_memory(all_numbers(read_table(X, "X")), X)
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    np.testing.assert_array_equal(all_numbers(read_table(frame, "X")), [[1, 0.5], [2, 1.5]])
