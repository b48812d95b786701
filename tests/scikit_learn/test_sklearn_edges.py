"""Estimators at the edge: iterations that are stopped, numbers that overflow, arguments of an odd kind."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

import fastbp as fb
from fastbp.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

X = np.random.default_rng(0).normal(size=(80, 3))
Y = X[:, 0] + 0.1 * X[:, 1]


def test_iterations_that_a_callback_stops_are_counted():
    def stop(trainer, figures):
        if figures["epoch"] == 3:
            trainer.stop()

    model = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", callbacks=stop, random_state=0).fit(X, Y)
    assert model.n_iter_ == 3


@pytest.mark.filterwarnings("ignore")
def test_iterations_that_overflow_are_named():
    with pytest.raises(
        ValueError, match=r"non-finite parameter weights.* In the search of epoch 1, the loss is not finite"
    ):
        MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0).fit(1e200 * X, 1e300 * Y)


@pytest.mark.parametrize("estimator", [MLPRegressor, MLPClassifier])
def test_a_loss_that_there_is_not(estimator):
    y = Y if estimator is MLPRegressor else (Y > 0)
    with pytest.raises(ValueError, match=r"The 'loss' parameter of .*'squared_errors'"):
        estimator(loss="squared_errors").fit(X, y)


@pytest.mark.parametrize("name", ["accuracy", "log_loss"])
def test_a_metric_that_is_given_is_the_one_of_the_table(name):
    y = np.array(["a", "b", "c"])[np.arange(80) % 3]
    model = TabularClassifier(preset="fast", epochs=2, metric=name, random_state=0).fit(X, y)
    assert model._table.record.metric == name
    with pytest.raises(ValueError, match=r"metric is 'mse'; expected one of 'auto', "):
        TabularClassifier(metric="mse").fit(X, y)


def test_text_in_one_dimension_is_no_table():
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead"):
        TabularRegressor().fit(np.array(["a", "b"] * 40, dtype=object), Y)


@pytest.mark.parametrize("estimator", [TabularClassifier, TabularRegressor])
def test_a_table_of_categories_that_never_change_is_told(estimator):
    X = np.array([["a", "x"]] * 80, dtype=object)
    with pytest.raises(ValueError, match="every column of X is a category that is the same in all rows"):
        estimator(preset="fast", epochs=2).fit(X, np.arange(80) % 2)
    estimator(preset="fast", epochs=2).fit(np.ones((80, 1)), np.arange(80) % 2)  # of numbers: the mean is predicted


@pytest.mark.parametrize("n_bags", [None, 3])
def test_a_single_group_is_told(n_bags):
    with pytest.raises(ValueError, match="groups has one group; expected two or more"):
        TabularRegressor(epochs=1, n_bags=n_bags).fit(X, Y, groups=np.zeros(len(Y)))


@pytest.mark.parametrize(("options", "given"), [({"n_bags": 3}, {}), ({}, {"groups": np.arange(len(Y)) % 5})])
def test_folds_and_groups_are_of_no_use_beside_a_validation_set(options, given):
    name = next(iter(options | given))
    with pytest.raises(ValueError, match=f"{name} is given and validation_set too"):
        TabularRegressor(epochs=1, **options).fit(X, Y, validation_set=(X, Y), **given)


def test_a_file_holds_no_state_of_random_numbers(tmp_path):
    """A generator has been used since: it cannot say what the networks began with."""
    model = TabularRegressor(preset="fast", epochs=2, random_state=np.random.RandomState(3)).fit(X, Y)
    model.save(tmp_path / "m")
    again = TabularRegressor.load(tmp_path / "m")
    assert again.random_state is None
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_weights_that_are_given_go_on_with_the_slopes_that_there_were():
    model = MLPRegressor(hidden_layer_sizes=(4,), activation="prelu", max_iter=3, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        model.fit(X, Y)
    before = model.predict(X)
    model.coefs_ = [W.copy() for W in model.coefs_]
    np.testing.assert_allclose(model.predict(X), before, rtol=1e-6)
    model.coefs_ = [2 * W for W in model.coefs_]
    assert not np.allclose(model.predict(X), before)


def test_explanations_take_estimators_of_several_networks_by_column():
    model = TabularRegressor(preset="fast", epochs=2, random_state=0).fit(X, Y)
    found = fb.explain(model, X[:4], method="shapley", background=X[:10])
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), model.predict(X[:4]), atol=1e-4)
    with pytest.raises(ValueError, match=r"columns is 'prepared'"):
        fb.explain(model, X[:4], method="shapley", background=X[:10], columns="prepared")
