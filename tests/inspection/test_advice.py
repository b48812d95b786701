"""What inspect_data advises can be done: each sentence is followed as it stands, and a model is trained and saved."""

import datetime
import decimal
import fractions
import re
import uuid

import numpy as np
import pytest

import fastbp as fb

pd = pytest.importorskip("pandas", reason="pandas is not installed")

rng = np.random.default_rng(0)
PICKS = rng.integers(0, 4, 40)
NUMBERS = rng.normal(size=40)


def objects(values):
    column = np.empty(40, object)
    column[:] = [values[i] for i in PICKS]
    return column


def moments(**options):
    return list(pd.date_range("2026-03-29", periods=4, freq="h", **options))


KINDS = {
    "interval": [pd.Interval(i, i + 1.5) for i in range(4)],
    "interval of times": list(pd.interval_range(pd.Timestamp("2026-01-01"), periods=4)),
    "period": list(pd.period_range("2023", periods=4, freq="Q")),
    "date": [datetime.date(2026, 1, i + 1) for i in range(4)],
    "time of day": [datetime.time(hour, 30) for hour in (0, 6, 12, 23)],
    "time with a zone": [datetime.time(hour, tzinfo=datetime.UTC) for hour in (0, 6, 12, 23)],
    "moment": moments(),
    "moment with a zone": moments(tz="Europe/Berlin"),
    "duration": [datetime.timedelta(hours=i) for i in range(4)],
    "bytes": [b"ab", b"\xff", b"", b"12"],
    "bytes of digits": [b"1", b"2", b"3", b"4"],
    "tuple": [(1, "a"), (2,), (3, 4), ()],
    "mixed": [1, "a", 2.5, "b"],
    "text and dates": ["a", datetime.date(2026, 1, 1), "b", "c"],
    "numbers and dates": [1, datetime.date(2026, 1, 1), 2, 3],
    "complex": [1j, 2 + 0j, 3 + 1j, 0j],
    "decimal": [decimal.Decimal(i) / 3 for i in range(4)],
    "fraction": [fractions.Fraction(i, 3) for i in range(4)],
    "list": [[1], [2, 3], [], [4]],
    "dictionary": [{"a": 1}, {"b": 2}, {}, {"c": 3}],
    "set": [frozenset([i, "x"]) for i in range(4)],
    "identifier": [uuid.UUID(int=i) for i in range(4)],
    "offset": [pd.DateOffset(months=i + 1) for i in range(4)],
    "text": ["a", "b", "c", "d"],
    "text with gaps": ["a", None, "b", "c"],
    "truth with gaps": [True, None, False, True],
    "large integers": [2**60, 2**60 + 1, 3, 4],
}
CATEGORIES = {f"{name}, categorical": values for name, values in KINDS.items() if name not in ("list", "dictionary")}


def follow(X, set_column):
    """Do what the findings about column c say; return the table and the preparation."""
    prepare = None
    for finding in fb.inspect_data(X).findings:
        sentence = str(finding)
        if re.match(r"column .* of X|.*rows? of X|columns differ|column .* has numbers", sentence):
            continue  # of rows and of scales
        if made := re.search(
            r": (X\['c'\]\.astype\(.*?\)|\[str\(value\) for value in X\['c'\]\.to_\w+\(\)\])", sentence
        ):
            X = set_column(X, "c", eval(made[1], {"X": X, "str": str}))
        elif made := re.search(r"two columns, (.*?real.*?) and (.*?imag.*?)\. ", sentence):
            parts = [eval(part, {"X": X, "np": np}) for part in made.groups()]
            X = set_column(set_column(X, "c", parts[0]), "imaginary", parts[1])
        if made := re.search(r"prepare=(fb\.Columns\(.*?\)+)[.,]", sentence):
            prepare = eval(made[1], {"fb": fb})
    return X, prepare


def train_and_save(X, prepare, rows_of, path):
    trainer = fb.Trainer(fb.Model([fb.Dense(3, "tanh"), fb.Dense(1)], prepare=prepare), "mse")
    trainer.fit(X, NUMBERS, epochs=2, validation_fraction=0.25)
    outputs = trainer.model.predict(X)
    trainer.model.save(path / "model.safetensors")
    loaded = fb.Model.load(path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(X), outputs)
    np.testing.assert_array_equal(loaded.predict(rows_of(X, 3, 9)), outputs[3:9])
    np.testing.assert_array_equal(loaded.predict(rows_of(X, 7, 8)), outputs[7:8])
    if trainer.model.feed.preparation.inputs.texts:
        different = {str(value) for value in rows_of(X, 0, 40)["c"]} if hasattr(X, "columns") else range(4)
        assert len(np.unique(trainer.model.feed.features(X)[:, 1:], axis=0)) == len(different)  # they are told apart


def set_pandas(X, name, values):
    return X.assign(**{name: values})


def rows_of_pandas(X, start, stop):
    return X.iloc[start:stop]


@pytest.mark.parametrize("name", [*KINDS, *CATEGORIES])
def test_of_pandas(name, tmp_path):
    values = pd.Series(list(objects({**KINDS, **CATEGORIES}[name])))
    X = pd.DataFrame({"x": NUMBERS, "c": values.astype("category") if name in CATEGORIES else values})
    X, prepare = follow(X, set_pandas)
    train_and_save(X, prepare or fb.Columns(fb.Impute()), rows_of_pandas, tmp_path)
    assert "warning" not in {finding.severity for finding in fb.inspect_data(X).of_kind("text")}


POLARS = ["date", "time of day", "moment", "duration", "bytes", "decimal", "list", "dictionary", "text with gaps"]


@pytest.mark.parametrize("name", [*POLARS, "mixed", "tuple", "complex"])
def test_of_polars(name, tmp_path):
    pl = pytest.importorskip("polars")
    values = list(objects({**KINDS, **ARROW_TYPES}[name]))
    column = pl.Series(values, dtype=None if name in POLARS else pl.Object)
    X, prepare = follow(
        pl.DataFrame({"x": NUMBERS, "c": column}),
        lambda X, name, values: X.with_columns(pl.Series(name, values)),
    )
    train_and_save(X, prepare or fb.Columns(), lambda X, start, stop: X[start:stop], tmp_path)


@pytest.mark.parametrize("dictionary", [False, True])
@pytest.mark.parametrize("name", POLARS)
def test_of_pyarrow(name, dictionary, tmp_path):
    pa = pytest.importorskip("pyarrow")
    column = pa.array(list(objects(KINDS[name])))
    if dictionary:
        if name in ("list", "dictionary"):
            pytest.skip("pyarrow has no dictionaries of these")
        column = column.dictionary_encode()

    def set_column(X, name, values):
        at = X.column_names.index(name) if name in X.column_names else X.num_columns
        return X.set_column(at, name, pa.array(values))

    X, prepare = follow(pa.table({"x": NUMBERS, "c": column}), set_column)
    train_and_save(X, prepare or fb.Columns(), lambda X, start, stop: X.slice(start, stop - start), tmp_path)


ARROW_TYPES = {"list": [[1], [2, 3], [], [4]], "bytes": KINDS["bytes"], "dictionary": [{"a": i} for i in range(4)]}


@pytest.mark.parametrize("name", ARROW_TYPES)
def test_of_pyarrow_within_pandas(name, tmp_path):
    pa = pytest.importorskip("pyarrow")
    array = pa.array(list(objects(ARROW_TYPES[name])))
    X = pd.DataFrame({"x": NUMBERS, "c": pd.Series(pd.arrays.ArrowExtensionArray(array))})
    X, prepare = follow(X, set_pandas)
    train_and_save(X, prepare, rows_of_pandas, tmp_path)


@pytest.mark.parametrize("name", KINDS)
def test_of_arrays(name, tmp_path):
    X = np.empty((40, 2), object)
    X[:, 0], X[:, 1] = NUMBERS, objects(KINDS[name])
    prepare = fb.Columns(fb.Impute())
    for finding in fb.inspect_data(X).of_kind("text"):
        if "Make each of its values text: str(value)." in str(finding):
            X[:, 1] = [str(value) for value in X[:, 1]]
        elif made := re.search(r"two columns, (\[.*?real.*?\]) and (\[.*?imag.*?\])\. ", str(finding)):
            X = np.column_stack([X[:, 0], *(eval(part, {"X": X}) for part in made.groups())]).astype(float)
        assert "prepare=fb.Columns(" in str(finding)
        prepare = fb.Columns(fb.Standardize())
    train_and_save(X, prepare, lambda X, start, stop: X[start:stop], tmp_path)


def test_of_arrays_of_one_dtype(tmp_path):
    days = np.array(["2026-01-01", "2026-02-01", "2026-02-02", "2026-03-01"], "M8[D]")[PICKS]
    X = np.column_stack([days, days[::-1]])
    assert "prepare=fb.Columns(numeric=fb.Standardize())" in str(fb.inspect_data(X).of_kind("text")[0])
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns(numeric=fb.Standardize()))
    model.build(X)
    np.testing.assert_array_equal(model.predict(X), model.predict(X.astype("M8[ns]")))


def test_of_a_dictionary_and_of_records():
    X = {"x": NUMBERS, "c": [str(i) + "a" for i in PICKS]}
    records = np.array(list(zip(*X.values(), strict=True)), [("x", "f8"), ("c", "U3")])
    for table in (X, records):
        (finding,) = fb.inspect_data(table).of_kind("text")
        assert "make a data frame of it, pandas.DataFrame(X), and make the model with prepare=fb.Columns()" in str(
            finding
        )
        fb.Model([fb.Dense(1)], prepare=fb.Columns()).build(pd.DataFrame(table))
        with pytest.raises(TypeError, match=r"data frame.*pandas\.DataFrame"):
            fb.Model([fb.Dense(1)], prepare=fb.Columns()).build(table)


@pytest.mark.parametrize("name", ["text", "mixed", "tuple", "interval", "moment", "date", "bytes", "set", "decimal"])
def test_of_targets(name):
    y = objects(KINDS[name])
    for finding in fb.inspect_data(NUMBERS, y).of_kind("labels"):
        made = re.search(r": (list\(map\(str, y\)\)|np.unique\(.*\)\[1\])\.$", str(finding))
        assert made or "Trainers take it as the labels of classes" in str(finding)
        y = eval(made[1], {"np": np, "y": y}) if made else y
        model = fb.Model([fb.Dense(4, "softmax")], inputs=1)
        fb.Trainer(model, "cross_entropy").fit(NUMBERS[:, np.newaxis], y)
        assert np.isin(model.predict_classes(NUMBERS[:, np.newaxis]), y).all()


def test_what_cannot_be_told_apart_is_not_made_text():
    X = pd.DataFrame({"x": NUMBERS, "c": [object() for _ in NUMBERS]})
    with pytest.raises(TypeError, match=r"column 'c' of X holds object; .* Put numbers or text in their place\.$"):
        fb.Model([fb.Dense(1)], prepare=fb.Columns()).build(X)
