"""The same data, parameters and random_state lead scikit-learn's estimators and ours along the same curve."""

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

import sklearn
import sklearn.neural_network as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_multilabel_classification
from sklearn.preprocessing import scale

import fastbp.sklearn as ours
from fastbp.sklearn.scores import accuracy, r2

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HAS_WEIGHTS = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 7)  # and the loss "poisson"
needs_weights = pytest.mark.skipif(not HAS_WEIGHTS, reason="scikit-learn's MLP has this from 1.7 on")


def data(name):
    if name == "multilabel":
        return make_multilabel_classification(n_samples=230, random_state=0)
    if name == "multioutput":
        X, y = load_diabetes(return_X_y=True)
        return scale(X), np.column_stack([scale(y), X[:, 0] * 10])
    X, y = {"digits": load_digits, "cancer": load_breast_cancer, "diabetes": load_diabetes}[name](return_X_y=True)
    return scale(X)[:500], scale(y)[:500] if name == "diabetes" else y[:500]


def pair(name, max_iter=10, **options):
    """Two estimators, theirs and ours, fitted to the same data."""
    X, y = data(name)
    weight = options.pop("sample_weight", None)
    cls = "MLPRegressor" if name in ("diabetes", "multioutput") else "MLPClassifier"
    fitted = []
    for module in (theirs, ours):
        estimator = getattr(module, cls)(random_state=3, max_iter=max_iter, **options)
        fitted.append(estimator.fit(X, y) if weight is None else estimator.fit(X, y, weight))
    return fitted


@pytest.mark.parametrize("name", ["digits", "cancer", "diabetes", "multilabel"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_ten_epochs_follow_the_loss_curve(name, solver, shuffle):
    reference, estimator = pair(name, solver=solver, shuffle=shuffle, hidden_layer_sizes=(24, 10))
    np.testing.assert_allclose(estimator.loss_curve_, reference.loss_curve_, rtol=0, atol=1e-6)
    for mine, other in zip(
        estimator.coefs_ + estimator.intercepts_, reference.coefs_ + reference.intercepts_, strict=True
    ):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)
    for attribute in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "validation_scores_"):
        assert getattr(estimator, attribute) == getattr(reference, attribute)
    assert estimator.loss_ == pytest.approx(reference.loss_, abs=1e-6)
    assert estimator.best_loss_ == pytest.approx(reference.best_loss_, abs=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        dict(alpha=30.0, batch_size=70),  # a last short batch is pulled at as strongly
        dict(alpha=0.0, activation="logistic", batch_size=1000),
        dict(activation="tanh", batch_size=13),
        dict(activation="identity"),
        dict(solver="sgd", learning_rate="invscaling", learning_rate_init=0.1, power_t=0.3),
        dict(solver="sgd", learning_rate="adaptive", learning_rate_init=0.2, tol=0.1, n_iter_no_change=1, max_iter=30),
        dict(solver="sgd", momentum=0.0),
        dict(solver="sgd", nesterovs_momentum=False, momentum=0.5),
        dict(beta_1=0.5, beta_2=0.7, epsilon=1e-3),
        dict(early_stopping=True, validation_fraction=0.3),
        dict(early_stopping=True, tol=0.05, n_iter_no_change=2, max_iter=40),
        dict(tol=0.1, n_iter_no_change=2, max_iter=60),
        dict(hidden_layer_sizes=()),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Got `batch_size` less than 1 or larger:UserWarning")
@pytest.mark.parametrize("name", ["digits", "cancer"])
def test_options_mean_what_they_mean_there(name, options):
    reference, estimator = pair(name, **{"hidden_layer_sizes": 12, **options})
    assert estimator.n_iter_ == reference.n_iter_
    np.testing.assert_allclose(estimator.loss_curve_, reference.loss_curve_, rtol=1e-9, atol=1e-9)
    X, _ = data(name)
    np.testing.assert_allclose(estimator.predict_proba(X), reference.predict_proba(X), rtol=1e-6, atol=1e-9)
    if options.get("early_stopping"):
        np.testing.assert_allclose(estimator.validation_scores_, reference.validation_scores_, rtol=1e-12)
        assert estimator.best_validation_score_ == pytest.approx(reference.best_validation_score_)


@pytest.mark.parametrize("name", ["digits", "cancer", "diabetes", "multilabel"])
def test_lbfgs_ends_where_theirs_ends(name):
    reference, estimator = pair(name, solver="lbfgs", max_iter=8, hidden_layer_sizes=12)
    assert estimator.n_iter_ == reference.n_iter_
    assert estimator.loss_ == pytest.approx(reference.loss_, rel=1e-8)
    assert not hasattr(estimator, "loss_curve_")


@needs_weights
@pytest.mark.parametrize("name", ["digits", "cancer", "diabetes"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_sample_weights_weigh_as_much(name, solver):
    X, _ = data(name)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    reference, estimator = pair(name, solver=solver, alpha=5.0, sample_weight=weight, hidden_layer_sizes=8)
    for mine, other in zip(estimator.coefs_, reference.coefs_, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-8)


@needs_weights
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_poisson(solver):
    X, _ = data("diabetes")
    y = np.random.default_rng(0).poisson(np.exp(X[:, 0]))
    curves = [
        module.MLPRegressor("poisson", 9, solver=solver, random_state=0, max_iter=10).fit(X, y).loss_curve_
        for module in (theirs, ours)
    ]
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-10)


def test_several_outputs_are_trained_and_reported_as_there():
    reference, estimator = pair("multioutput", hidden_layer_sizes=9)
    np.testing.assert_allclose(estimator.loss_curve_, reference.loss_curve_, rtol=1e-10)
    X, y = data("multioutput")
    np.testing.assert_allclose(estimator.predict(X), reference.predict(X), rtol=1e-7)
    assert estimator.score(X, y) == pytest.approx(reference.score(X, y))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_follows_theirs(solver):
    X, y = data("digits")
    pair = [module.MLPClassifier(7, solver=solver, random_state=1) for module in (theirs, ours)]
    for start in range(0, 500, 100):
        for estimator in pair:
            estimator.partial_fit(X[start : start + 100], y[start : start + 100], classes=np.arange(10))
    np.testing.assert_allclose(pair[1].loss_curve_, pair[0].loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(pair[1].predict_proba(X), pair[0].predict_proba(X), rtol=1e-7)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_warm_start_follows_theirs(solver):
    X, y = data("cancer")
    curves = []
    for module in (theirs, ours):
        estimator = module.MLPClassifier(7, solver=solver, random_state=1, max_iter=4, warm_start=True)
        curves.append(estimator.fit(X, y).fit(X[:300], y[:300]).loss_curve_)
    assert len(curves[1]) == 8
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-10)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_lines_of_verbose_are_theirs(capsys, solver):
    lines = []
    for module in (theirs, ours):
        X, y = data("cancer")
        options = dict(solver=solver, early_stopping=True, tol=0.1, n_iter_no_change=2, verbose=True)
        module.MLPClassifier(5, random_state=0, max_iter=12, **options).fit(X, y)
        lines.append(capsys.readouterr().out)
    assert lines[1] == lines[0]
    assert "Validation score" in lines[1]


def test_adaptive_rate_says_what_theirs_says(capsys):
    texts = []
    for module in (theirs, ours):
        X, y = data("cancer")
        options = dict(solver="sgd", learning_rate="adaptive", tol=1.0, n_iter_no_change=1, verbose=True)
        module.MLPClassifier(5, random_state=0, max_iter=60, **options).fit(X, y)
        texts.append(capsys.readouterr().out)
    assert texts[1] == texts[0]
    assert "Setting learning rate to 0.000200" in texts[1]
    assert "Learning rate too small. Stopping." in texts[1]


def test_float32_is_computed_in_float32():
    X, y = data("digits")
    single = ours.MLPClassifier(12, random_state=0, max_iter=5).fit(X.astype(np.float32), y)
    double = ours.MLPClassifier(12, random_state=0, max_iter=5).fit(X, y)
    assert all(array.dtype == np.float32 for array in single.coefs_ + single.intercepts_)
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)
    assert double.predict_proba(X).dtype == np.float64


def test_scores_are_those_of_sklearn_metrics():
    from sklearn.metrics import accuracy_score, r2_score

    rng = np.random.default_rng(0)
    for weights in (None, rng.uniform(0, 2, 40)):
        outputs, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
        expected = accuracy_score(labels, outputs.argmax(axis=1), sample_weight=weights)
        assert accuracy(outputs, labels, weights) == pytest.approx(expected)
        targets, chances = rng.integers(0, 2, (40, 2)), rng.uniform(size=(40, 2))
        expected = accuracy_score(targets, chances > 0.5, sample_weight=weights)
        assert accuracy(chances, targets, weights) == pytest.approx(expected)
        y = rng.normal(size=(40, 3))
        y[:, 1] = 2.0
        assert r2(outputs, y, weights) == pytest.approx(r2_score(y, outputs, sample_weight=weights))
        assert r2(y, y, weights) == r2_score(y, y, sample_weight=weights) == 1


@pytest.mark.parametrize("n_threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(n_threads):
    X, y = data("digits")
    estimator = ours.MLPClassifier((128, 64), random_state=0, max_iter=3, n_threads=n_threads, batch_size=250)
    alone = ours.MLPClassifier((128, 64), random_state=0, max_iter=3, n_threads=1, batch_size=250)
    assert estimator.fit(X, y).loss_curve_ == alone.fit(X, y).loss_curve_
    for mine, other in zip(estimator.coefs_, alone.coefs_, strict=True):
        np.testing.assert_array_equal(mine, other)
