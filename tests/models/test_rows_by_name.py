"""A data frame in and a data frame out; rows by the names of their columns; and no rows at all."""

import numpy as np
import pytest

import fastbp as fb

pandas = pytest.importorskip("pandas", reason="pandas is not installed")
polars = pytest.importorskip("polars", reason="polars is not installed")
pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")

RNG = np.random.default_rng(0)
FRAME = pandas.DataFrame(
    {"size": RNG.normal(size=60), "kind": RNG.choice(["bat", "ball"], 60)}, index=[f"row {i}" for i in range(60)]
)
NUMBERS = pandas.DataFrame(RNG.normal(size=(60, 2)), columns=["u", "v"])
LABELS = pandas.Series(np.where(NUMBERS["u"] > 0, "yes", "no"), name="answer")


def mixed(y=LABELS, n_outputs=2, activation="softmax", loss="cross_entropy"):
    model = fb.Model([fb.Dense(n_outputs, activation)], prepare=fb.Columns())
    fb.Trainer(model, loss).fit(FRAME, y)
    return model


def plain(prepare=None, **options):
    model = fb.Model([fb.Dense(1)], prepare=prepare, **options)
    fb.Trainer(model, "mse").fit(NUMBERS, pandas.Series(NUMBERS["u"], name="price"))
    return model


PLAIN = {
    "plain": lambda: plain(inputs=2),
    "unbuilt": plain,
    "scaled": lambda: plain(fb.Scale(2.0), inputs=2),
    "standardized": lambda: plain(fb.Standardize()),
    "targets": lambda: plain(inputs=2, prepare_targets=fb.Standardize()),
}

# ------------------------------------------------------------------------------------------------------ frames


def test_a_frame_of_probabilities_has_the_classes_as_columns_and_the_index_of_x():
    model = mixed()
    expected = pandas.DataFrame(model.predict(FRAME), index=FRAME.index, columns=["no", "yes"])
    pandas.testing.assert_frame_equal(model.predict(FRAME, as_frame=True), expected)
    pandas.testing.assert_frame_equal(model.predict(FRAME.iloc[5:9], as_frame=True), expected.iloc[5:9])
    classes = pandas.Series(model.predict_classes(FRAME), index=FRAME.index, name="answer")
    pandas.testing.assert_series_equal(model.predict_classes(FRAME, as_frame=True), classes)
    assert (expected.idxmax(axis=1) == classes).all()


def test_a_single_output_is_a_series_named_as_the_targets():
    model = plain(inputs=2)
    expected = pandas.Series(model.predict(NUMBERS)[:, 0], index=NUMBERS.index, name="price")
    pandas.testing.assert_series_equal(model.predict(NUMBERS, as_frame=True), expected)


def test_columns_without_classes(tmp_path):
    several = pandas.DataFrame({"low": NUMBERS["u"], "high": NUMBERS["v"]})
    for y, expected in ((several, ["low", "high"]), (several.to_numpy(), [0, 1])):
        model = mixed(y, 2, "linear", "mse")
        model.save(tmp_path / "model")
        for each in (model, fb.Model.load(tmp_path / "model")):
            assert each.predict(FRAME, as_frame=True).columns.tolist() == expected
    numbers = mixed((LABELS == "yes").astype(int))
    assert numbers.predict(FRAME, as_frame=True).columns.tolist() == [0, 1]
    assert numbers.predict_classes(FRAME, as_frame=True).dtype == np.int64
    quantiles = mixed(several, 4, "linear", fb.Quantile([0.1, 0.9]))
    assert quantiles.predict(FRAME, as_frame=True).columns.tolist() == [0, 1, 2, 3]
    both = mixed(pandas.DataFrame({"a": LABELS == "no", "b": LABELS == "yes"}), 2, "sigmoid", "binary_cross_entropy")
    assert both.predict_classes(FRAME, as_frame=True).columns.tolist() == ["a", "b"]


def test_a_polars_frame_gives_a_polars_frame():
    model = mixed()
    frame = polars.from_pandas(FRAME.reset_index(drop=True))
    outputs = model.predict(frame, as_frame=True)
    assert outputs.columns == ["no", "yes"]
    np.testing.assert_array_equal(outputs.to_numpy(), model.predict(FRAME))
    labels = model.predict_classes(frame, as_frame=True)
    assert labels.name == "answer"
    assert labels.to_list() == model.predict_classes(FRAME).tolist()
    one = plain(inputs=2).predict(polars.from_pandas(NUMBERS), as_frame=True)
    assert isinstance(one, polars.Series)
    assert one.name == "price"


@pytest.mark.parametrize(
    "X", [NUMBERS.to_numpy(), {"u": 1.0, "v": 2.0}, NUMBERS.iloc[0], pyarrow.table({"u": [1.0], "v": [2.0]})]
)
def test_what_is_no_frame_gives_none(X):
    model = plain(inputs=2)
    for call in (model.predict, fb.Ensemble([model]).predict):
        with pytest.raises(
            TypeError, match=r"X is .*; expected a pandas or polars DataFrame with as_frame=True\. Without"
        ):
            call(X, as_frame=True)
    for wrong in (1, "yes", None):
        with pytest.raises(TypeError, match=r"as_frame is .*; expected True or False"):
            model.predict(NUMBERS, as_frame=wrong)
    assert isinstance(model.predict(NUMBERS, as_frame=np.False_), np.ndarray)


# ------------------------------------------------------------------------------------------------ rows by name


def test_one_row_by_names():
    model = mixed()
    expected = model.predict(FRAME)
    for i in (0, 7):
        row = FRAME.iloc[i]
        for one in (row, row[::-1], row.to_dict(), {"extra": [1, 2], **row.to_dict()}, row.to_frame().T):
            np.testing.assert_array_equal(model.predict(one), expected[i : i + 1])
            assert model.predict_classes(one).tolist() == [model.predict_classes(FRAME)[i]]
    gap = model.predict({"size": 1.0, "kind": None})
    np.testing.assert_array_equal(gap, model.predict(pandas.DataFrame({"size": [1.0], "kind": [None]})))


@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
def test_one_row_of_numbers_by_names(make):
    model = make()
    expected = model.predict(NUMBERS.to_numpy())
    row = NUMBERS.iloc[4]
    for one in (row, row.to_dict(), {"v": row["v"], "u": row["u"]}, {"u": np.array(row["u"]), "v": row["v"]}):
        np.testing.assert_array_equal(model.predict(one), expected[4:5])
    np.testing.assert_array_equal(model.predict(NUMBERS[["v", "u"]].to_dict("list")), expected)
    np.testing.assert_array_equal(model.predict(NUMBERS[["v", "u"]].to_dict("series")), expected)
    np.testing.assert_array_equal(model.predict(NUMBERS.to_dict("records")), expected)
    ensemble = fb.Ensemble([model])
    np.testing.assert_array_equal(ensemble.predict(row.to_dict()), expected[4:5])
    with pytest.raises(TypeError, match="column 'u' of X holds text; expected numbers"):
        model.predict({"u": "x", "v": 1})
    with pytest.raises(ValueError, match="X has no column 'v'; expected all 2 that the model was fitted to"):
        model.predict({"u": 1.0})


def test_tables_and_records_by_names():
    model = mixed()
    expected = model.predict(FRAME)
    columns = {"kind": FRAME["kind"].tolist(), "size": FRAME["size"].to_numpy()}
    for table in (
        columns,
        {"kind": FRAME["kind"], "size": tuple(FRAME["size"])},
        {"kind": polars.Series(columns["kind"]), "size": pyarrow.array(columns["size"])},
        {"kind": pandas.Categorical(columns["kind"]), "size": columns["size"]},
        FRAME.to_dict("records"),
        tuple(FRAME.to_dict("records")),
        polars.from_pandas(FRAME).to_dicts(),
    ):
        np.testing.assert_array_equal(model.predict(table), expected)
    y = LABELS.tolist()
    assert fb.Trainer(model, "cross_entropy").evaluate(columns, y) == fb.Trainer(model, "cross_entropy").evaluate(
        FRAME, y
    )


BAD = [
    (
        {"size": [1, 2], "kind": "bat"},
        TypeError,
        r"X\['kind'\] is 'bat', and X\['size'\] is a sequence; expected single",
    ),
    ({"size": [1, 2], "kind": ["bat"]}, ValueError, r"X\['kind'\] has 1 rows, X\['size'\] has 2; expected as many"),
    ({"size": np.eye(2), "kind": ["bat", "bat"]}, ValueError, r"X\['size'\] is an ndarray of shape \(2, 2\)"),
    ({"size": {"a": 1}, "kind": "bat"}, TypeError, "column 'size' of X holds dict; expected numbers"),
    ({"size": 1.0, "kind": 3}, TypeError, "column 'kind' of X holds numbers"),
    ({}, ValueError, "X has no column 'size', 'kind'"),
    ([{"size": 1, "kind": "bat"}, {"size": 1}], ValueError, r"X\[1\] has no column 'kind'; expected all 2"),
    (
        [{"size": 1, "kind": "bat"}, [1, "bat"]],
        TypeError,
        r"X\[1\] is \[1, 'bat'\]; expected a dictionary, as X\[0\] is",
    ),
    (pandas.Series([1.0, 2.0]), ValueError, r"X has shape \(2,\); expected 2 dimensions"),
    (pandas.Series({"size": 1.0}), ValueError, r"X has shape \(1,\); expected 2 dimensions"),
    (
        pandas.Series([1.0, "bat", 2.0], ["size", "kind", "size"]),
        TypeError,
        "X is an array of Python objects|X has shape",
    ),
]


@pytest.mark.parametrize(("X", "error", "sentence"), BAD)
def test_what_is_no_row(X, error, sentence):
    with pytest.raises((error, ValueError), match=sentence):
        mixed().predict(X)


def test_a_model_that_was_fitted_to_an_array_knows_no_names():
    model = fb.Model([fb.Dense(1)], inputs=2)
    for X in ({"u": 1.0, "v": 2.0}, [{"u": 1.0, "v": 2.0}]):
        with pytest.raises(TypeError, match="expected an array or a data frame, as the model knows no names"):
            model.predict(X)
    with pytest.raises(ValueError, match=r"X has 1 dimension .*give X\.reshape\(1, -1\)"):
        model.predict(NUMBERS.iloc[0])
    for sparse_matrix in (sparse.dok_array(np.eye(2)), sparse.dok_matrix(np.eye(2))):  # some of which are dictionaries
        assert model.predict(sparse_matrix).shape == (2, 1)


def test_a_column_of_samples_is_no_row():
    """Its index may look like names of columns."""
    table = pandas.DataFrame({0: np.arange(5.0), 1: np.arange(5.0)})
    model = fb.Model([fb.Dense(1)], prepare=fb.Standardize())
    fb.Trainer(model, "mse").fit(table, np.arange(5.0))
    with pytest.raises(ValueError, match=r"X has shape \(5,\); expected 2 dimensions"):
        model.predict(table[0])


# ----------------------------------------------------------------------------------------------------- no rows


@pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)
def test_no_rows_give_no_outputs(make):
    model = make()
    empty = NUMBERS.head(0)
    for X in (
        np.empty((0, 2)),
        np.empty((0, 2), np.float32),
        empty,
        empty[["v", "u"]],
        pandas.DataFrame(columns=["u", "v"]),
        polars.from_pandas(empty),
        pyarrow.table({"u": pyarrow.array([], "float64"), "v": pyarrow.array([], "float64")}),
        {"u": [], "v": []},
    ):
        outputs = model.predict(X)
        assert outputs.shape == (0, 1)
        assert outputs.dtype == model.dtype
        assert fb.Ensemble([model]).predict(X).shape == (0, 1)
    framed = model.predict(empty, as_frame=True)
    assert framed.name == "price"
    assert len(framed) == 0
    if model.prepare is None:
        assert model.predict(sparse.csr_array((0, 2))).shape == (0, 1)
    for wrong in (np.empty((0, 3)), np.empty((0, 0)), np.empty(0), [], sparse.csr_array((0, 3))):
        with pytest.raises((TypeError, ValueError), match=r"X (has|is)"):
            model.predict(wrong)
    for lacking in (empty[["u"]], pandas.DataFrame(columns=["v"]), {"u": []}):
        with pytest.raises(ValueError, match="X has no column"):
            model.predict(lacking)


def test_no_rows_of_mixed_columns():
    model = mixed()
    for X in (FRAME.head(0), pandas.DataFrame(columns=["kind", "size"]), polars.from_pandas(FRAME.head(0))):
        assert model.predict(X).shape == (0, 2)
        assert model.predict_classes(X).shape == (0,)
        assert model.predict_classes(X).dtype == model.classes.dtype
    frame = model.predict(FRAME.head(0), as_frame=True)
    assert frame.columns.tolist() == ["no", "yes"]
    assert frame.shape == (0, 2)
    with pytest.raises(ValueError, match="X has no column 'kind'"):
        model.predict(FRAME.head(0)[["size"]])
    with pytest.raises(ValueError, match="the model is not built yet"):
        fb.Model([fb.Dense(1)]).predict(np.empty((0, 2)))
