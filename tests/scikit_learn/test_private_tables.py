"""TabularClassifier and TabularRegressor with privacy: what is learned from public rows, refused, kept in files."""

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from fastbp.sklearn import TabularClassifier, TabularRegressor

N = 2000
PRIVACY = fb.DifferentialPrivacy(target_epsilon=3, target_delta=1e-5, expected_batch_size=100)
SCHEMA = fb.privacy.Schema(
    {"age": [0, 30, 60, 100], "job": ["cook", "smith"], "code": {"kind": "category", "categories": [1, 2, 3]},
     "ill": ["no", "yes"], "cost": [0, 1000]}
)  # fmt: skip
WITHOUT_COST = fb.privacy.Schema({name: each for name, each in SCHEMA.columns.items() if name != "cost"})
WITHOUT_ILL = fb.privacy.Schema({name: each for name, each in SCHEMA.columns.items() if name != "ill"})


def make_table(seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"age": rng.uniform(0, 100, N), "job": rng.choice(["cook", "smith"], N)})
    X["code"] = rng.integers(1, 4, N)
    score = X["age"] + 20 * (X["job"] == "cook") + 5 * X["code"]
    X.loc[::40, "age"] = np.nan
    return X, np.where(score > 65, "yes", "no"), 7 * score.to_numpy()


X, LABELS, COSTS = make_table()
PUBLIC = WITHOUT_COST.public("ill")


def classifier(**changes):
    return TabularClassifier(**{"privacy": PRIVACY, "public": PUBLIC, **changes})


def test_classes_and_numbers_are_learned(tmp_path):
    model = classifier().fit(X, LABELS)
    assert model.score(X, LABELS) > 0.9
    assert model.classes_.tolist() == ["no", "yes"]
    assert 2.97 < model.privacy_.epsilon <= 3.0
    assert model.privacy_.n_steps == 400
    assert set(next(iter(model.evals_.values()))) == {"steps", "epsilon"}
    model.save(tmp_path / "model")
    again = TabularClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert (again.privacy, again.public, again.privacy_) == (PRIVACY, None, model.privacy_)
    assert clone(again).get_params()["privacy"] == PRIVACY
    model.set_params(privacy=None).save(tmp_path / "without")
    again = TabularClassifier.load(tmp_path / "without")
    assert (again.privacy, again.privacy_) == (None, model.privacy_)
    regressor = TabularRegressor(privacy=PRIVACY, public=WITHOUT_ILL.public("cost")).fit(X, COSTS)
    assert regressor.score(X, COSTS) > 0.8


def test_preparation_is_that_of_the_public_rows():
    """Whatever the private rows are, readers, encodings and ranges are the same."""
    other = X.assign(age=1e9, job="spy", code=3)
    reader, encoding = (
        [[part.to_config() for part in (model._table.reader, *model._table.encodings.values())] for model in models]
        for models in zip(*[[classifier(epochs=1).fit(data, LABELS)] * 2 for data in (X, other)], strict=True)
    )
    assert reader[0] == reader[1]
    assert encoding == reader
    assert classifier(epochs=1).fit(other, ["no"] * N).classes_.tolist() == ["no", "yes"]
    targets = [
        TabularRegressor(privacy=PRIVACY, public=WITHOUT_ILL.public("cost"), epochs=1)
        .fit(X, y)
        ._table.targets.to_config()
        for y in (COSTS, -1e6 * COSTS)
    ]
    assert targets[0] == targets[1]


def test_public_rows_may_be_real_ones():
    model = classifier(public=fb.Public(X[:200], LABELS[:200])).fit(X[200:], LABELS[200:])
    assert model.score(X, LABELS) > 0.85
    arrays = classifier(public=fb.Public([[0.0], [1.0]], [0, 1]), categories=[]).fit(
        np.linspace(0, 1, N).reshape(-1, 1), np.arange(N) >= N // 2
    )
    assert arrays.n_features_in_ == 1


# Parameter: allowed with privacy, or values that are refused and words of the refusal.
PARAMETERS = {
    "preset": ("fast", "One network"), "metric": ("log_loss", "held out"), "n_bags": (3, "held out"),
    "refit": (True, "All rows"), "time_limit": (5.0, "give epochs"), "class_weight": ("balanced", "Give a dictionary"),
    "public": (None, r"fb\.privacy\.Schema"),
    "categories": None, "epochs": None, "privacy": None, "n_threads": None, "random_state": None, "verbose": None,
}  # fmt: skip
FIT = {"groups": np.arange(N), "validation_set": (X, LABELS)}


def test_every_parameter_is_allowed_or_refused():
    assert set(PARAMETERS) == set(inspect.signature(TabularClassifier).parameters)
    for name, refused in PARAMETERS.items():
        if refused is not None:
            with pytest.raises(ValueError, match=refused[1]):
                classifier(**{name: refused[0]}).fit(X, LABELS)
    assert set(FIT) == set(inspect.signature(TabularClassifier.fit).parameters) - {"self", "X", "y", "sample_weight"}
    for name, value in FIT.items():
        with pytest.raises(ValueError, match=f"{name} is given"):
            classifier().fit(X, LABELS, **{name: value})
    page = (Path(__file__).resolve().parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert not {name for name in {*PARAMETERS, *FIT} - {"privacy"} if f"`{name}" not in page}
    allowed = classifier(class_weight={"yes": 2.0}, epochs=1, random_state=3, n_threads=1, verbose=0)
    assert allowed.fit(X, LABELS, np.ones(N)).privacy_.n_steps == 20
    with pytest.raises(ValueError, match="public is"):
        TabularClassifier(public=PUBLIC).fit(X, LABELS)


def test_class_weights_are_public():
    with pytest.raises(ValueError, match="a key of class_weight is 'maybe'; expected one of"):
        classifier(class_weight={"maybe": 2.0}).fit(X, LABELS)
    one_sided = classifier(class_weight={"no": 0.0}, random_state=0).fit(X, LABELS)
    assert (one_sided.predict(X) == "yes").mean() > 0.9


def test_a_fit_that_ends_early_says_what_was_spent(monkeypatch):
    model = classifier().fit(X, LABELS)

    def fit_and_end(trainer, X, y, epochs, **options):
        fit(trainer, X, y, epochs=1, **options)
        raise KeyboardInterrupt

    fit = fb.Trainer.fit
    monkeypatch.setattr(fb.Trainer, "fit", fit_and_end)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS)
    assert model.privacy_.n_steps == 20
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_what_is_not_private_says_so():
    with_seed = fb.DifferentialPrivacy(noise_multiplier=1.0, target_delta=1e-5, expected_batch_size=100, secure=False)
    models = [classifier(privacy=with_seed, epochs=1, random_state=5).fit(X, LABELS) for _ in range(2)]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in models))
    assert "NOT PRIVATE" in models[0].privacy_.short()
    assert "NOT PRIVATE" in models[0].privacy_.statement


def test_messages_tell_no_row():
    odd = np.where(np.arange(N) == 7, "a name", LABELS)
    for bad in (lambda: classifier().fit(X, odd), lambda: classifier().fit(X.assign(age="secret"), LABELS)):
        with pytest.raises((TypeError, ValueError), match="is not told") as error:
            bad()
        assert error.value.__context__ is None
        assert not {"a name", "secret", "row 7"} & set(str(error.value).split("'"))
    with pytest.raises(ValueError, match="X has no column 'job'"):
        classifier().fit(X.drop(columns="job"), LABELS)


def test_what_needs_rows_held_out_is_refused():
    model = classifier(epochs=1).fit(X, LABELS)
    with pytest.raises(AttributeError, match="permutation_importance"):
        model.feature_importances_  # noqa: B018
    regressor = TabularRegressor(privacy=PRIVACY, public=WITHOUT_ILL.public("cost"), epochs=1).fit(X, COSTS)
    with pytest.raises(ValueError, match="rows held out"):
        regressor.predict_interval(X)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "columns is"),
        ({"a": [1]}, "two numbers or more"),
        ({"a": [2, 1]}, "that rise"),
        ({"a": [0, np.inf]}, "that rise"),
        ({"a": ["x", "x"]}, "twice"),
        ({"a": [" x"]}, "without blanks"),
        ({"a": ["x", 1]}, "several kinds"),
        ({"a": {"kind": "date"}}, "one of 'number', 'category', 'ignore'"),
        ({"a": {"kind": "number", "rang": [0, 1]}}, "Did you mean 'range'"),
        ({"a": {"kind": "category", "categories": "xy"}}, "expected a list"),
        ({"a": {"kind": "category", "categories": [1.5]}}, "text, a whole number"),
    ],
)
def test_schemas_that_say_something_else(columns, words):
    with pytest.raises((TypeError, ValueError), match=words):
        fb.privacy.Schema(columns)


@pytest.mark.parametrize(
    "reading", [{"separator": ""}, {"separator": ",,"}, {"separator": "\n"}, {"decimal": "x"}, {"decimal": ""}]
)
def test_schemas_that_say_another_way_of_writing(reading):
    with pytest.raises(ValueError, match=f"{next(iter(reading))} of reading is .*; expected"):
        fb.privacy.Schema({"a": [0, 1]}, reading)


def test_made_up_rows_without_pandas_ask_for_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="needs pandas, which is not installed: pip install pandas"):
        fb.privacy.Schema({"a": [0, 1], "b": ["x", "y"]}).public("b")


@pytest.mark.parametrize(
    ("target", "columns", "words"),
    [
        ("b", {"a": [0, 1]}, "not a column"),
        ("a", {"a": None, "b": [0, 1]}, "ignores"),
        ("a", {"a": [0, 1], "b": []}, "does not say"),
        ("a", {"a": ["x"], "b": [0, 1]}, "two or more"),
        ("a", {"a": [0, 1], "b": None}, "no column beside"),
    ],
)
def test_schemas_that_do_not_say_enough(target, columns, words):
    with pytest.raises(ValueError, match=words):
        fb.privacy.Schema(columns).public(target)


def test_made_up_rows_have_every_point_and_category_and_a_gap():
    columns = {"a": [0, 1], "b": list(range(30)), "c": ["x", "y", "z"], "d": [2, 5, 7], "y": list(map(str, range(40)))}
    public = fb.privacy.Schema(columns).public("y")
    for name, values in columns.items():
        found = public.y if name == "y" else public.X[name]
        assert set(pd.Series(found).dropna()) == set(values), name
    assert public.X.isna().all(axis=1).any()
    numbers = public.X["d"].dropna()
    assert numbers.value_counts().nunique() == 1  # so that the points are quantiles


def test_a_schema_in_a_file(tmp_path):
    path = tmp_path / "schema.toml"
    odd = fb.privacy.Schema(
        {**SCHEMA.columns, 'a "b"\x7f\\': ["ü", 'q"'], "left": None}, {"decimal": ",", "header": False}
    )
    path.write_text(odd.text('x\n"y"'), encoding="utf-8")
    again = fb.privacy.Schema.load(path)
    assert again.columns == odd.columns
    assert again.reading == odd.reading
    for text, words in (
        ("a = [", "is not TOML"),
        ("a = 1", "has 'a'"),
        ("[columns.a]\nkind = 3", "the kind of column 'a'"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=words):
            fb.privacy.Schema.load(path)
