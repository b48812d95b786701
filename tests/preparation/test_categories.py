"""A column of categories is one whatever its categories are, and stays one where training saw none of them."""

import datetime
import decimal
import fractions
import pickle

import numpy as np
import pytest

import fastbp as fb
from fastbp.data.labels import NoLabelError, label_of

pd = pytest.importorskip("pandas", reason="pandas is not installed")

RNG = np.random.default_rng(0)
PICKS = RNG.integers(0, 4, 60)
Y = RNG.normal(size=60)

CATEGORIES = {
    "integers": [30, 10, 20, 5],
    "floats": [0.5, -1.25, 3.0, 0.1],
    "truth": [True, False],
    "text": ["b", "a", "d", "c"],
    "intervals": list(pd.interval_range(0, 4)),
    "moments": list(pd.date_range("2026-01-01", periods=4)),
    "moments with a zone": list(pd.date_range("2026-01-01", periods=4, tz="Asia/Tokyo")),
    "nanoseconds": list(pd.date_range("2026-01-01", periods=4, freq="ns")),
    "durations": list(pd.timedelta_range("1h", periods=4)),
    "dates": [datetime.date(2026, 1, i) for i in (4, 2, 3, 1)],
    "times of day": [datetime.time(i) for i in (4, 2, 3, 1)],
    "periods": list(pd.period_range("2026-01", periods=4, freq="M")),
    "tuples": [(1, "a"), (2, "a"), (1, "b"), (2, "b")],
    "bytes": [b"a", b"b", b"\xff", b""],
    "mixed": [1, "1", 2.5, b"1"],
    "large integers": [2**53, 2**53 + 1, 2**53 + 2, -(2**62)],
    "infinities": [-np.inf, 0.0, 1.0, np.inf],
    "decimals": [decimal.Decimal("0.1"), decimal.Decimal(3), decimal.Decimal("1e3"), decimal.Decimal("-1")],
}


def categorical(values, gaps=False):
    codes = PICKS % len(values)
    if gaps:
        codes[::7] = -1
    index = pd.Index(values, tupleize_cols=False)
    return pd.DataFrame({"c": pd.Categorical.from_codes(codes, index)})


def as_objects(values):
    array = np.empty((len(values), 1), object)
    for i, value in enumerate(values):
        array[i, 0] = value
    return array


def features_of(model, X):
    return model.feed.features(X)


def built(X, categorical=None):
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns(categorical=categorical), dtype="float64")
    model.build(X)
    return model


def reloaded(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    return fb.Model.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("name", CATEGORIES)
def test_each_value_is_a_category_of_its_own(name, gaps, tmp_path):
    values = CATEGORIES[name]
    X = categorical(values, gaps)
    model = built(X)
    made = features_of(model, X)
    assert made.shape == (60, len(values) + gaps)
    assert (made.sum(axis=1) == 1).all()
    missing = X["c"].isna().to_numpy()
    for i in range(len(values)):
        rows = made[~missing & (PICKS % len(values) == i)]
        assert len(np.unique(rows, axis=0)) == 1
    assert len(np.unique(made, axis=0)) == len(values) + gaps
    again = reloaded(model, tmp_path)
    np.testing.assert_array_equal(features_of(again, X), made)
    np.testing.assert_array_equal(features_of(pickle.loads(pickle.dumps(model)), X[5:9]), made[5:9])


@pytest.mark.parametrize("name", CATEGORIES)
def test_equal_values_are_recognised_however_they_are_stored(name):
    values = CATEGORIES[name]
    X = categorical(values)
    model = built(X)
    made = features_of(model, X)
    reversed_order = X["c"].cat.reorder_categories(values[::-1])
    np.testing.assert_array_equal(features_of(model, pd.DataFrame({"c": reversed_order})), made)
    plain = pd.DataFrame({"c": pd.Series(list(X["c"]))})  # of whatever dtype pandas makes of the values
    np.testing.assert_array_equal(features_of(model, plain), made)
    np.testing.assert_array_equal(features_of(model, as_objects(list(X["c"]))), made)
    one = pd.DataFrame({"c": X["c"].iloc[3:4].cat.remove_unused_categories()})
    np.testing.assert_array_equal(features_of(model, one), made[3:4])


@pytest.mark.parametrize(
    "values", [[*pd.interval_range(0, 3), pd.Interval(10, 20)], [5, 7, 2, 9], [0.5, -1.0, 3.0, 8.0]]
)
def test_the_order_of_the_dtype_counts_and_unused_ones_too(values):
    X = pd.DataFrame({"c": pd.Categorical([values[i % 3] for i in PICKS], categories=values[::-1])})
    made = features_of(built(X), X)
    np.testing.assert_array_equal(made, np.eye(4)[3 - PICKS % 3])
    codes = features_of(built(X, fb.Ordinal()), X)
    np.testing.assert_array_equal(codes[:, 0], 3 - PICKS % 3)


def test_cuts_of_pandas():
    numbers = pd.Series(RNG.normal(size=60))
    for cut in (
        pd.cut(numbers, 4),
        pd.qcut(numbers, 5),
        pd.cut(numbers, [-np.inf, 0, np.inf]),
        pd.cut(numbers, [-1, 1]),
    ):
        X = pd.DataFrame({"c": cut})
        trainer = fb.Trainer(fb.Model([fb.Dense(1)], prepare=fb.Columns()), "mse")
        trainer.fit(X, Y, epochs=2)
        expected = pd.get_dummies(cut, dummy_na=bool(cut.isna().any())).to_numpy(float)
        np.testing.assert_array_equal(features_of(trainer.model, X), expected)
    integers = pd.DataFrame({"c": pd.cut(pd.Series([1, 2, 3]), [0, 1, 2, 3])})
    floats = pd.DataFrame({"c": pd.cut(pd.Series([1, 2, 3]), [0.0, 1.0, 2.0, 3.0])})
    np.testing.assert_array_equal(features_of(built(integers), floats), np.eye(3))


@pytest.mark.parametrize("name", CATEGORIES)
def test_an_unknown_value_is_unknown_and_not_refused(name):
    values = CATEGORIES[name]
    model = built(categorical(values[:-1]))
    X = pd.DataFrame({"c": pd.Categorical.from_codes([0, 0], pd.Index(values[-1:], tupleize_cols=False))})
    np.testing.assert_array_equal(features_of(model, X), 0)


def test_text_that_looks_like_another_value_is_another_value():
    X = categorical(["(0, 1]", pd.Interval(0, 1), 1, "1"])
    assert len(np.unique(features_of(built(X), X), axis=0)) == 4


@pytest.mark.parametrize(
    "equal",
    [
        [3, 3.0, np.int8(3), np.float32(3), decimal.Decimal("3.00"), fractions.Fraction(3), 3 + 0j, np.longdouble(3)],
        [True, 1, np.True_, 1.0],
        [0.5, fractions.Fraction(1, 2), decimal.Decimal("0.5"), np.float16(0.5)],
        [pd.Interval(0, 1), pd.Interval(0.0, 1.0)],
        [datetime.datetime(2026, 1, 1), pd.Timestamp("2026-01-01"), np.datetime64("2026-01-01", "h")],
        [datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1), pd.Timestamp("2026-01-01", tz="UTC")],
        [pd.Timestamp("2026-01-01", tz="Asia/Tokyo"), pd.Timestamp("2025-12-31 15:00", tz="UTC")],
        [datetime.timedelta(days=1), pd.Timedelta("24h"), np.timedelta64(1, "D"), np.timedelta64(86400, "s")],
        [(1, "a"), (1.0, "a")],
        [frozenset([1, 2, 3]), frozenset([3, 2, 1])],
    ],
)
def test_equal_values_have_one_label(equal):
    assert len(set(map(label_of, equal))) == 1


def test_different_values_have_different_labels():
    values = [value for each in CATEGORIES.values() for value in each]
    values += [("(1, 2)",), (1, 2), "(1, 2)", pd.Interval(1, 2, "neither"), pd.Interval(1, 2, "both"), 1j, "1j"]
    values += [pd.Period("2026", "Y-JUN"), pd.Period("2026", "Y-DEC"), 0.1 + 0.2, 0.3, 2**70, 2.0**70 + 2**20]
    different = []
    for value in values:
        if not any(type(value) is type(other) and value == other for other in different):
            different.append(value)
    labels = {}
    for value in different:
        labels.setdefault(label_of(value), []).append(value)
    for alike in labels.values():  # only of other types, and equal: 1, 1.0, True; a day and a moment without a zone
        days = [isinstance(value, datetime.date) for value in alike]
        assert all(value == alike[0] for value in alike) or all(days), alike


def test_what_may_change_has_no_label():
    for value in ([1], {"a": 1}, {1}, object(), (1, [2])):
        with pytest.raises(NoLabelError):
            label_of(value)


# ------------------------------------------------------------------------------------------ none in training

EMPTY = {
    "text": pd.Series([None] * 60, dtype="str"),
    "string": pd.Series([None] * 60, dtype="string"),
    "objects": pd.Series([None] * 60, dtype="object"),
    "category": pd.Series([None] * 60, dtype="category"),
    "category of floats": pd.Series(pd.Categorical([np.nan] * 60, categories=pd.Index([], dtype=float))),
    "category of text": pd.Series(pd.Categorical([None] * 60, categories=["a", "b"])),
}
LATER = [["b", None], [pd.Interval(0, 1), None], [7.0, np.nan]]


@pytest.mark.parametrize("encoding", [fb.OneHot(), fb.Ordinal()], ids=repr)
@pytest.mark.parametrize("name", EMPTY)
def test_a_column_without_any_value_stays_one_of_categories(name, encoding, tmp_path):
    X = pd.DataFrame({"x": Y, "c": EMPTY[name]})
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], prepare=fb.Columns(categorical=encoding)), "mse")
    trainer.fit(X, Y, epochs=2, validation_fraction=0.2)
    known = ["a", "b"] if name == "category of text" else []
    for model in (trainer.model, reloaded(trainer.model, tmp_path)):
        assert model.feed.preparation.inputs.texts == {1: tuple(known)}
        for later in LATER[:1] if known else LATER:
            for column in (pd.Series(later), pd.Series(later).astype("category"), pd.Series(later, dtype=object)):
                made = features_of(model, pd.DataFrame({"x": [0.0, 0.0], "c": column}))[:, 1:]
                unknown = [later[0] == category for category in known]
                if isinstance(encoding, fb.OneHot):
                    expected = [[*unknown, False], [*(False for _ in known), True]]
                else:
                    expected = [[known.index("b") if known else -1], [len(known)]]
                np.testing.assert_array_equal(made, np.array(expected, float))
                model.predict(pd.DataFrame({"x": [0.0, 0.0], "c": column}))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_a_column_of_text_without_any_in_other_libraries(library):
    module = pytest.importorskip(library)
    text = module.string() if library == "pyarrow" else module.String
    column = module.array([None] * 60, text) if library == "pyarrow" else module.Series([None] * 60, dtype=text)
    table = module.table if library == "pyarrow" else module.DataFrame
    model = built(table({"x": Y, "c": column}))
    later = table({"x": [0.0, 0.0], "c": ["new", None]})
    np.testing.assert_array_equal(features_of(model, later), [[0, 0], [0, 1]])


def test_text_that_only_the_held_out_rows_have():
    X = pd.DataFrame({"x": Y, "c": pd.Series([None] * 60, dtype="object")})
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], prepare=fb.Columns()), "mse")
    rows = trainer.parts.intake.hold_out(Y, 0.2, None)[1]
    X.loc[rows, "c"] = "late"
    trainer.fit(X, Y, validation_fraction=0.2)
    np.testing.assert_array_equal(features_of(trainer.model, X)[:, 1], X["c"].isna())


def test_numbers_that_are_all_missing_are_still_filled_in():
    X = pd.DataFrame({"x": Y})
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns([fb.Impute(), fb.Standardize()]))
    model.build(X, Y)
    for dtype in ("float64", "object", "str", "Int64"):
        gone = pd.DataFrame({"x": pd.Series([None, None], dtype=dtype)})
        np.testing.assert_allclose(features_of(model, gone), 0, atol=1e-12)


@pytest.mark.parametrize("prepare", [fb.Standardize(), [fb.Impute(), fb.Standardize()], fb.Columns(categories=[])])
def test_categories_that_are_numbers_are_numbers_where_they_are_wanted_as_such(prepare):
    X = pd.DataFrame({"c": pd.Categorical([3, 1, 3, 2])})
    model = fb.Model([fb.Dense(1)], prepare=prepare, dtype="float64")
    model.build(X)
    made = features_of(model, X)
    np.testing.assert_array_equal(made, features_of(model, X.astype(float)))
    np.testing.assert_array_equal(made, features_of(model, X.to_numpy()))
    assert made.dtype == np.float64
    assert made.shape == (4, 1)


def test_intervals_are_no_numbers():
    X = pd.DataFrame({"c": pd.cut(pd.Series([1, 2, 3]), 2)})
    with pytest.raises(TypeError, match=r"column 'c' of X holds Interval; .* fb\.Columns prepares columns of cat"):
        fb.Model([fb.Dense(1)], prepare=fb.Standardize()).build(X)
