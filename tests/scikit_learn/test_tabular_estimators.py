"""TabularClassifier and TabularRegressor: scikit-learn's checks, raw tables, and what they promise of accuracy."""

import pickle
import time

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine, make_friedman1
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastbp as fb
from fastbp.sklearn import TabularClassifier, TabularRegressor
from fastbp.support.safetensors_file import TABLE, write_file

QUICK = {"preset": "fast", "epochs": 20, "random_state": 0}
SPLITS = {
    "check_sample_weight_equivalence_on_dense_data": "rows are held out at random: a row twice may be on both sides"
}


@parametrize_with_checks(
    [TabularClassifier(**QUICK), TabularRegressor(**QUICK)], expected_failed_checks=lambda estimator: SPLITS
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def make_table(n=400, seed=0):
    """A target that depends on a number with gaps, on text, on a frame's category and on a date."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    colour = rng.choice(["red", "green", "blue"], n)
    town = rng.integers(0, 30, n)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    worth = size + 2.0 * (colour == "red") + np.sin(town) + (day.day_of_year.to_numpy() > 150)
    size = np.where(rng.random(n) < 0.1, np.nan, size)
    frame = pd.DataFrame(
        {"size": size, "colour": colour, "town": pd.Categorical([f"t{i}" for i in town]), "day": day, "flag": town > 15}
    )
    frame.loc[3, "colour"] = None
    return frame, worth


def test_a_raw_table_of_classes():
    frame, worth = make_table()
    labels = np.where(worth > 1, "high", np.where(worth < 0, "low", "middle"))
    model = TabularClassifier(epochs=60, random_state=0).fit(frame[:300], labels[:300])
    assert model.classes_.tolist() == ["high", "low", "middle"]
    assert model.score(frame[300:], labels[300:]) > 0.75
    probabilities = model.predict_proba(frame[300:])
    assert probabilities.shape == (100, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    shuffled = frame[300:][["day", "town", "flag", "colour", "size"]]
    np.testing.assert_array_equal(model.predict_proba(shuffled), probabilities)  # by their names
    strange = frame[300:303].assign(colour=["violet", None, "red"])
    assert np.isfinite(model.predict_proba(strange)).all()
    with pytest.raises(ValueError, match="colour"):
        model.predict(frame.drop(columns="colour"))


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_other_frames_give_the_same(library):
    module = pytest.importorskip(library)
    frame, worth = make_table()
    frame = frame.drop(columns="town")
    other = module.from_pandas(frame) if library == "polars" else module.Table.from_pandas(frame, preserve_index=False)
    ours = TabularRegressor(**QUICK).fit(frame, worth).predict(frame)
    theirs = TabularRegressor(**QUICK).fit(other, worth).predict(other)
    np.testing.assert_array_equal(ours, theirs)


def test_intervals_cover_what_they_say():
    X, y = make_friedman1(1500, noise=1, random_state=0)
    model = TabularRegressor(preset="fast", n_bags=4, random_state=0).fit(X[:1000], y[:1000])
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(X[1000:], coverage)
        inside = np.mean((y[1000:] >= low) & (y[1000:] <= high))
        assert abs(inside - coverage) < 0.07
    with pytest.raises(ValueError, match="coverage is 1; expected a number above 0 and below 1"):
        model.predict_interval(X, 1)


def test_a_prediction_is_never_far_beyond_the_targets():
    X, y = make_friedman1(300, random_state=0)
    model = TabularRegressor(**QUICK).fit(X, y)
    far = model.predict(np.full((1, 10), 1e6))
    assert y.min() - 0.06 * np.ptp(y) <= far[0] <= y.max() + 0.06 * np.ptp(y)


def test_several_targets():
    X, y = make_friedman1(600, random_state=0)
    Y = np.column_stack([y, 100 - 10 * y])
    model = TabularRegressor(preset="fast", random_state=0).fit(X[:500], Y[:500])
    assert model.predict(X[500:]).shape == (100, 2)
    assert model.score(X[500:], Y[500:]) > 0.8
    low, high = model.predict_interval(X[:3])
    assert low.shape == high.shape == (3, 2)


@pytest.mark.slow
@pytest.mark.parametrize("load", [load_diabetes, load_breast_cancer, load_wine], ids=["diabetes", "cancer", "wine"])
def test_no_worse_than_a_linear_model_on_small_tables(load):
    """Means of three splits of 45 to 142 test rows: 15 % for chance."""
    X, y = load(return_X_y=True)
    regression = load is load_diabetes
    errors = []
    for seed in range(3):
        parts = train_test_split(X, y, test_size=0.25, random_state=seed, stratify=None if regression else y)
        X_train, X_test, y_train, y_test = parts
        if regression:
            models = TabularRegressor(random_state=seed), LinearRegression(), DummyRegressor()
            errors.append([1 - m.fit(X_train, y_train).score(X_test, y_test) for m in models])
        else:
            linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            models = TabularClassifier(metric="log_loss", random_state=seed), linear
            errors.append([log_loss(y_test, m.fit(X_train, y_train).predict_proba(X_test)) for m in models])
    own, *others = np.mean(errors, axis=0)
    assert own <= 1.15 * min(others) + 0.005


def test_a_table_of_many_rows_may_be_linear_too():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 20))
    y = X @ rng.normal(size=20) + rng.normal(0, 10, 6000)
    linear = LinearRegression().fit(X[:4500], y[:4500]).score(X[4500:], y[4500:])
    model = TabularRegressor(preset="fast", epochs=12, random_state=0).fit(X[:4500], y[:4500])
    assert model.score(X[4500:], y[4500:]) > linear - 0.01
    assert "linear model, fold 1" in model.evals_


# ---- Options ----


def test_the_same_bits_on_any_number_of_threads_and_with_the_same_seed():
    frame, worth = make_table(200)
    options = {"preset": "default", "epochs": 8, "random_state": 3}
    one = TabularRegressor(**options, n_threads=1).fit(frame, worth).predict(frame)
    two = TabularRegressor(**options, n_threads=2).fit(frame, worth).predict(frame)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, TabularRegressor(**options | {"random_state": 4}).fit(frame, worth).predict(frame))


def test_groups_are_held_out_together():
    """A number that tells the group, whose rows all have one target: by groups it is worth nothing to choose by."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    X = np.column_stack([groups, rng.normal(size=400)])
    y = rng.normal(size=40)[groups]
    model = TabularRegressor(**QUICK, n_bags=4).fit(X, y, groups=groups)
    low, high = model.predict_interval(X[:1], 0.5)
    rows = TabularRegressor(**QUICK, n_bags=4).fit(X, y)
    low_of_rows, high_of_rows = rows.predict_interval(X[:1], 0.5)
    assert high[0] - low[0] > high_of_rows[0] - low_of_rows[0]


def test_weights_and_classes_with_weights():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    y = np.where(rng.random(600) < 0.1, 1, 0)  # nothing to be learned but how common they are
    common = TabularClassifier(**QUICK).fit(X, y).predict_proba(X)[:, 1].mean()
    balanced = TabularClassifier(**QUICK, class_weight="balanced").fit(X, y).predict_proba(X)[:, 1].mean()
    weighted = TabularClassifier(**QUICK).fit(X, y, sample_weight=np.where(y, 9.0, 1.0)).predict_proba(X)[:, 1].mean()
    assert common < 0.2
    assert 0.35 < balanced < 0.65
    assert 0.35 < weighted < 0.65
    nothing = np.where(np.arange(600) < 300, 1.0, 0.0)
    np.testing.assert_array_equal(
        TabularClassifier(**QUICK).fit(X, y, sample_weight=nothing).predict_proba(X),
        TabularClassifier(**QUICK).fit(X[:300], y[:300], sample_weight=np.ones(300)).predict_proba(X),
    )


def test_rows_to_choose_by_can_be_given():
    frame, worth = make_table()
    model = TabularRegressor(**QUICK).fit(frame[:300], worth[:300], validation_set=(frame[300:], worth[300:]))
    assert model.score(frame[300:], worth[300:]) > 0.3
    labels = np.where(worth > 1, "a", "b")
    TabularClassifier(**QUICK).fit(frame[:300], labels[:300], validation_set=(frame[300:], labels[300:]))
    with pytest.raises(ValueError, match="validation_set has the class 'c', which y lacks"):
        TabularClassifier(**QUICK).fit(frame, labels, validation_set=(frame[:1], ["c"]))


def test_refit_uses_all_rows():
    frame, worth = make_table(300)
    model = TabularRegressor(**QUICK, refit=True).fit(frame, worth)
    assert model.n_members_ >= 1
    assert model.score(frame, worth) > 0.3


@pytest.mark.slow
def test_a_time_limit_is_kept():
    X, y = make_friedman1(6000, random_state=0)
    begin = time.perf_counter()
    model = TabularRegressor(epochs=1000, time_limit=2, random_state=0).fit(X, y)
    assert time.perf_counter() - begin < 3
    assert model.score(X, y) > 0.5


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (
            TabularClassifier(metric="rmse"),
            "metric is 'rmse'; expected one of 'auto', 'accuracy', 'log_loss', 'roc_auc'",
        ),
        (TabularClassifier(preset="slow"), "The 'preset' parameter"),
        (TabularClassifier(categories=["nowhere"]), "categories has 'nowhere', which is not a column of X"),
        (TabularClassifier(n_bags=1), "The 'n_bags' parameter"),
    ],
)
def test_what_is_refused(estimator, message):
    frame, worth = make_table(100)
    with pytest.raises(ValueError) as raised:
        estimator.fit(frame, worth > 1)
    assert message in str(raised.value)


def test_infinite_numbers_are_named():
    frame, worth = make_table(100)
    frame.loc[7, "size"] = np.inf
    with pytest.raises(ValueError, match="row 7, column 'size' of X is inf; expected a finite number"):
        TabularRegressor(**QUICK).fit(frame, worth)


# ---- What is known of a fit ----


def test_the_figures_of_each_epoch():
    frame, worth = make_table(200)
    model = TabularRegressor(**QUICK, n_bags=3).fit(frame, worth)
    names = list(model.evals_)
    assert len(names) == 9  # a network and two linear models of each fold
    for figures in model.evals_.values():
        assert len(figures["val_loss"]) == 20 and np.isfinite(figures["val_loss"]).all()
    assert model.evals_[names[0]]["loss"][-1] < model.evals_[names[0]]["loss"][0]


@pytest.mark.parametrize("bags", [None, 3])
def test_importances_are_in_the_order_of_the_columns(bags, tmp_path):
    """Text comes after numbers in a network, not in the table; shuffled noise costs nothing."""
    rng = np.random.default_rng(0)
    n = 4100 if bags is None else 300
    frame = pd.DataFrame({"text": rng.choice(["a", "b"], n), "noise": rng.normal(size=n), "number": rng.normal(size=n)})
    worth = 3.0 * (frame["text"] == "a") + frame["number"]
    model = TabularRegressor(preset="fast", epochs=20, n_bags=bags, random_state=0).fit(frame, worth)
    importances = model.feature_importances_
    assert importances.shape == (3,)
    assert importances[0] > importances[2] > 0.1 > abs(importances[1])
    # shuffling a column doubles its part of the variance: 2 x 9/4 of text, 2 x 1 of the number, of 13/4
    if bags is None:
        np.testing.assert_allclose(importances, [2 * 2.25 / 3.25, 0, 2 / 3.25], atol=0.15)
    model.save(tmp_path / "asked")
    np.testing.assert_array_equal(TabularRegressor.load(tmp_path / "asked").feature_importances_, importances)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).feature_importances_, importances)


def test_a_file_holds_no_rows_to_compute_importances_from(tmp_path):
    frame, worth = make_table(100)
    TabularRegressor(**QUICK).fit(frame, worth).save(tmp_path / "model")
    with pytest.raises(AttributeError, match="files hold no rows to compute it from"):
        _ = TabularRegressor.load(tmp_path / "model").feature_importances_


def test_counts_and_skewed_targets():
    """The form is chosen on rows held out: of the same target in another form no other is tried."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(600, 3))
    skewed = np.exp(3 * X[:, 0] + X[:, 1] + rng.normal(0, 0.1, 600))
    model = TabularRegressor(preset="fast", n_bags=2, random_state=0).fit(X, skewed)
    assert model.target_form_ == "log"
    assert model.predict(X).min() > 0
    assert TabularRegressor(**QUICK).fit(X, X[:, 0]).target_form_ == "plain"
    counts = rng.poisson(np.exp(2 * X[:, 0]))
    assert TabularRegressor(**QUICK).fit(X, counts).target_form_ in ("plain", "poisson")


def test_one_row_of_an_array_is_what_scikit_learn_s_checks_give():
    X, y = make_friedman1(300, random_state=0)
    model = TabularRegressor(**QUICK).fit(X, y)
    whole = model.predict(X)
    for dtype in (np.float64, np.float32):
        rows = X[:3].astype(dtype)
        np.testing.assert_array_equal(model.predict(rows[:1]), model.predict(rows.tolist())[:1])
    np.testing.assert_array_equal([model.predict(X[i : i + 1])[0] for i in range(5)], whole[:5])
    with pytest.raises(ValueError, match="inf"):
        model.predict(np.full((1, 10), np.inf))
    with pytest.raises(ValueError, match="10 features"):
        model.predict(X[:1, :9])


def test_files_of_an_earlier_version(tmp_path):
    """They say nothing of how the training went, and have less to say of the targets."""
    frame, worth = make_table(100)
    model = TabularRegressor(**QUICK).fit(frame, worth)
    description, tensors = model._table.describe()
    del description["record"]
    for member in description["members"]:
        del member[3:]
    for name in ("form", "loss", "spread", "factor"):
        del description["targets"][name]
    about = {name: value for name, value in model._about().items() if name != "importances"}
    write_file(tmp_path / "old", TABLE, {**description, "about": about}, tensors)
    loaded = TabularRegressor.load(tmp_path / "old")
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))
    loaded.save(tmp_path / "new")
    np.testing.assert_array_equal(TabularRegressor.load(tmp_path / "new").predict(frame), model.predict(frame))


# ---- Files, copies, scikit-learn's tools ----


def test_saved_and_loaded(tmp_path):
    frame, worth = make_table(200)
    regressor = TabularRegressor(preset="default", epochs=5, random_state=0).fit(frame, worth)
    labels = np.where(worth > 1, "high", "low").astype(object)
    classifier = TabularClassifier(**QUICK).fit(frame, labels)
    for estimator in (regressor, classifier):
        path = tmp_path / "table.safetensors"
        estimator.save(path)
        loaded = type(estimator).load(path)
        np.testing.assert_array_equal(loaded.predict(frame), estimator.predict(frame))
        assert loaded.get_params() == estimator.get_params()
        assert list(loaded.feature_names_in_) == list(frame.columns)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).predict(frame), estimator.predict(frame))
    low, _ = regressor.predict_interval(frame)
    regressor.save(tmp_path / "regressor.safetensors")
    np.testing.assert_allclose(
        TabularRegressor.load(tmp_path / "regressor.safetensors").predict_interval(frame)[0], low
    )
    with pytest.raises(ValueError, match="holds a TabularRegressor; expected a TabularClassifier"):
        TabularClassifier.load(tmp_path / "regressor.safetensors")
    with pytest.raises(ValueError, match=r"it holds a table: load it with fastbp.sklearn.TabularClassifier"):
        fb.Model.load(tmp_path / "regressor.safetensors")
    content = bytearray((tmp_path / "regressor.safetensors").read_bytes())
    content[-5] ^= 1
    (tmp_path / "broken.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"is not a table file of fastbp"):
        TabularRegressor.load(tmp_path / "broken.safetensors")


def test_in_scikit_learn_s_tools():
    frame, worth = make_table(200)
    search = GridSearchCV(TabularRegressor(**QUICK), {"preset": ["fast"], "epochs": [3, 20]}, cv=2).fit(frame, worth)
    assert search.best_params_["epochs"] == 20
    assert cross_val_score(TabularClassifier(**QUICK), frame, worth > 1, cv=2).shape == (2,)
    pipeline = make_pipeline(StandardScaler(), clone(TabularRegressor(**QUICK)))
    numbers = frame[["size"]].fillna(0.0)
    assert pipeline.fit(numbers, worth).predict(numbers).shape == (200,)
