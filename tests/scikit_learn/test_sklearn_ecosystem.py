"""The estimators inside what scikit-learn, pandas, polars and joblib make of an estimator, on bundled data."""

import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

import joblib
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastbp.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**options):
    return MLPClassifier(**{"hidden_layer_sizes": 8, "learning_rate_init": 0.02, "random_state": 0, **options})


def regressor(**options):
    return MLPRegressor(**{"hidden_layer_sizes": 8, "learning_rate_init": 0.02, "random_state": 0, **options})


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return X * 20, (y - y.mean()) / y.std()


def test_pipeline():
    X, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), classifier())
    assert cross_validate(model, X, y, cv=3)["test_score"].min() > 0.9


def test_column_transformer():
    pd = pytest.importorskip("pandas")
    frame = load_iris(as_frame=True).frame
    frame["wide"] = pd.cut(frame["sepal width (cm)"], 3, labels=["low", "mid", "high"])
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["petal length (cm)", "petal width (cm)"]), ("words", OneHotEncoder(), ["wide"])]
    )
    model = make_pipeline(columns, classifier()).fit(frame, frame["target"])
    assert model.score(frame, frame["target"]) > 0.9


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_grid_search_in_parallel_is_the_search_alone(cancer, backend):
    grid = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [4, (8, 4)]}
    alone = GridSearchCV(classifier(max_iter=5), grid, cv=3).fit(*cancer)
    with joblib.parallel_config(backend=backend, n_jobs=-1):
        together = GridSearchCV(classifier(max_iter=5), grid, cv=3, n_jobs=-1).fit(*cancer)
    np.testing.assert_array_equal(alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"])
    assert together.best_estimator_.coefs_[0].flags.writeable


def test_halving_random_search(cancer):
    grid = {"alpha": [1e-5, 1e-3, 1e-1], "learning_rate_init": [0.001, 0.01, 0.1]}
    search = HalvingRandomSearchCV(classifier(max_iter=20), grid, random_state=0, cv=2, min_resources=60)
    assert search.fit(*cancer).best_score_ > 0.9


def test_calibrated(cancer):
    model = CalibratedClassifierCV(classifier(max_iter=20), cv=3).fit(*cancer)
    assert model.score(*cancer) > 0.95


def test_bagging(cancer):
    model = BaggingClassifier(classifier(max_iter=10), n_estimators=3, n_jobs=2, random_state=0).fit(*cancer)
    assert model.score(*cancer) > 0.95


def test_stacking(cancer):
    members = [("net", classifier(max_iter=10)), ("line", LogisticRegression())]
    assert StackingClassifier(members, cv=3).fit(*cancer).score(*cancer) > 0.95


def test_voting_and_transformed_targets(diabetes):
    X, y = diabetes
    inner = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    assert VotingRegressor([("net", inner), ("ridge", Ridge())]).fit(X, y * 50 + 100).score(X, y * 50 + 100) > 0.4


def test_one_against_the_rest_and_output_by_output(cancer, diabetes):
    assert OneVsRestClassifier(classifier(max_iter=10)).fit(*load_iris(return_X_y=True)).predict([[5, 3, 1, 0]]) == [0]
    X, y = diabetes
    assert MultiOutputRegressor(regressor(max_iter=5)).fit(X, np.c_[y, -y]).predict(X).shape == (len(X), 2)


def test_cross_val_predict(cancer):
    X, y = cancer
    chances = cross_val_predict(classifier(max_iter=20), X, y, cv=3, method="predict_proba", n_jobs=2)
    assert chances.shape == (len(X), 2)
    assert np.mean(chances.argmax(axis=1) == y) > 0.93


def test_learning_curve(cancer):
    sizes, _, scores = learning_curve(
        classifier(max_iter=10), *cancer, cv=2, train_sizes=[50, 200], exploit_incremental_learning=True
    )
    assert list(sizes) == [50, 200] and scores.shape == (2, 2)


def test_permutation_importance_and_partial_dependence(diabetes):
    X, y = diabetes
    model = regressor(max_iter=200).fit(X, y)
    importances = permutation_importance(model, X, y, n_repeats=3, random_state=0).importances_mean
    assert importances.argmax() in (2, 8)  # body mass index, a serum measure
    average = partial_dependence(model, X, [2], grid_resolution=10)["average"][0]
    assert average[-1] > average[0]


def test_select_from_model(cancer):
    def by_weights(estimator):
        return np.abs(estimator.coefs_[0]).sum(axis=1)

    X, y = cancer
    selected = SelectFromModel(classifier(max_iter=10), importance_getter=by_weights).fit_transform(X, y)
    assert 0 < selected.shape[1] < X.shape[1]


def test_clone(cancer):
    model = classifier(max_iter=5, callbacks=[], class_weight={0: 2.0}).fit(*cancer)
    twin = clone(model)
    assert twin.get_params() == model.get_params() and not hasattr(twin, "coefs_")
    np.testing.assert_array_equal(twin.fit(*cancer).coefs_[0], model.coefs_[0])


def assert_goes_on_alike(model, twin, X, y):
    """Predictions, and what further training makes of the two, are the same bits."""
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_array_equal(twin.partial_fit(X, y).coefs_[0], model.partial_fit(X, y).coefs_[0])
    twin.coefs_[0][:] = 0
    assert len(np.unique(twin.predict(X))) == 1  # they are the network's own


def test_pickle(cancer, diabetes):
    for make, (X, y) in ((classifier, cancer), (regressor, diabetes)):
        model = make(max_iter=5, activation=["prelu"]).fit(X, y)
        assert_goes_on_alike(model, pickle.loads(pickle.dumps(model)), X, y)


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_joblib_dump_and_load(tmp_path, cancer, mmap_mode):
    model = classifier(max_iter=5).fit(*cancer)
    joblib.dump(model, tmp_path / "model.joblib")
    assert_goes_on_alike(model, joblib.load(tmp_path / "model.joblib", mmap_mode=mmap_mode), *cancer)


def test_pandas_frames_and_their_names():
    pd = pytest.importorskip("pandas")
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X = (X - X.mean()) / X.std()
    model = classifier(max_iter=10).fit(X, pd.Series(y).map({0: "bad", 1: "good"}))
    assert list(model.feature_names_in_) == list(X.columns)
    assert set(model.predict(X)) == {"bad", "good"}
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(X[X.columns[::-1]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X.to_numpy())


def test_polars_frames():
    pl = pytest.importorskip("polars")
    data = load_iris()
    frame = pl.DataFrame(data.data, schema=["a", "b", "c", "d"])
    model = classifier().fit(frame, pl.Series(data.target))
    assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
    assert model.score(frame, data.target) > 0.9


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library):
    pytest.importorskip(library)
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), classifier()).set_output(transform=library).fit(X, y)
    assert list(model[-1].feature_names_in_) == list(X.columns)
    assert model.score(X, y) > 0.9


def test_metadata_routing_of_sample_weight(cancer):
    X, y = cancer
    weight = np.where(y == 1, 1e-6, 1.0)
    with config_context(enable_metadata_routing=True):
        model = classifier(max_iter=30).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(
            make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model),
            {"mlpclassifier__alpha": [0.1]},
            cv=2,
        )
        search.fit(X, y, sample_weight=weight)
        share = np.mean(search.predict(X) == 0)
    assert share > np.mean(classifier(max_iter=30).fit(X, y).predict(X) == 0) + 0.2  # one class weighs next to nothing


def test_fork_and_threads_do_not_hang():
    """A pool of forked processes after training in the parent, and joblib's threads, in a process of their own."""
    if sys.platform == "win32":
        pytest.skip("there is no fork on Windows")
    script = """
        import multiprocessing, warnings
        import numpy as np
        from joblib import Parallel, delayed
        from fastbp.sklearn import MLPRegressor
        warnings.simplefilter("ignore")
        X = np.random.default_rng(0).normal(size=(3000, 50))
        y = X[:, 0]

        def fit(seed):
            return MLPRegressor(hidden_layer_sizes=64, random_state=seed, max_iter=2).fit(X, y).loss_

        if __name__ == "__main__":
            alone = [fit(seed) for seed in range(4)]
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert pool.map(fit, range(4)) == alone
            assert Parallel(2, "threading")(delayed(fit)(seed) for seed in range(4)) == alone
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=120)


def test_threads_are_shared_out_inside_joblib(monkeypatch):
    from fastbp.sklearn.parallelism import threads_for

    monkeypatch.setattr("fastbp.sklearn.parallelism.choose_threads", lambda n: n or 6)
    assert threads_for(None) == 6
    assert threads_for(3) == 3
    inside = joblib.Parallel(2, "threading")(joblib.delayed(threads_for)(n) for n in (None, 3, None, None))
    assert inside == [1, 3, 1, 1]
