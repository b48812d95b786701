"""A small table whose columns say nothing of its target is predicted by a constant, which is better than chance."""

from dataclasses import replace

import numpy as np
import pytest

import fastbp as fb
from fastbp.sklearn import TabularClassifier, TabularRegressor
from fastbp.tabular.blending import Said
from fastbp.tabular.targets import ClassTargets, NumberTargets
from fastbp.tabular.temperatures import say_always


@pytest.mark.parametrize(("metric", "y", "expected"), [
    ("rmse", [[1.0], [2], [3], [10]], [4.0]),
    ("mae", [[1.0], [2], [3], [10]], [2.0]),
    ("mae", [[1.0, 7], [2, 5], [3, 6]], [2.0, 6]),
])  # fmt: skip
def test_the_best_constant_of_numbers(metric, y, expected):
    y = np.array(y)
    level = NumberTargets.of(y).level(y, np.ones(len(y)), metric)
    np.testing.assert_allclose(level, expected)
    heavy = np.where(np.arange(len(y)) == 0, 100.0, 1)
    repeated = np.repeat(y, heavy.astype(int), axis=0)
    of_repeated = NumberTargets.of(y).level(repeated, np.ones(len(repeated)), metric)
    np.testing.assert_allclose(NumberTargets.of(y).level(y, heavy, metric), of_repeated)


@pytest.mark.parametrize("loss", ["mse", "mae", "log", "poisson"])
def test_sums_are_decoded_to_the_constant_of_numbers(loss):
    y = np.array([[1.0], [2], [8], [30]])
    targets = NumberTargets.of(y, loss)
    targets = targets.matched(y, np.full_like(y, 5)) if loss == "log" else targets
    model = fb.Model([fb.Dense(1, targets.activation)], inputs=2, seed=0)
    say_always(model, targets.before_activation(np.array([10.25])))
    np.testing.assert_allclose(targets.decode(model.predict(np.eye(2))), 10.25, rtol=1e-5)


def test_the_best_constant_of_classes_is_how_often_each_is():
    targets = ClassTargets(3)
    level = targets.level(np.array([0, 0, 1, 2]), np.array([1.0, 1, 3, 5]))
    np.testing.assert_allclose(level, [0.2, 0.3, 0.5])
    model = fb.Model([fb.Dense(3, "softmax")], inputs=2, seed=0)
    say_always(model, targets.before_activation(level))
    np.testing.assert_allclose(targets.decode(model.predict(np.eye(2))), [level, level], rtol=1e-5)


@pytest.mark.parametrize(("n", "is_constant"), [(100, True), (1999, True), (2000, False)])
def test_many_rows_are_never_a_constant(n, is_constant):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(n, 1))
    said = Said(NumberTargets.of(y), y)
    said.add("nets", np.arange(n), rng.normal(size=(n, 1)))
    assert (said.blend("rmse", may_be_constant=True).constant is not None) == is_constant


def test_what_is_better_by_more_than_a_standard_error_is_clear():
    """Each row gains 1 + d or 1 - d, whose mean is a standard error of d / sqrt(100)."""
    for d, is_constant in ((9.9, False), (10.1, True)):
        y = np.tile([[10.0], [-10]], (50, 1))
        losses = np.tile([[100 - 1 - d], [100 - 1 - d], [100 - 1 + d], [100 - 1 + d]], (25, 1))
        targets = replace(NumberTargets.of(y), lowest=np.full(1, -np.inf), highest=np.full(1, np.inf))
        said = Said(targets, y)
        said.add("nets", np.arange(100), targets.encode(y + np.sqrt(losses)).astype(np.float64))
        assert (said.blend("rmse", may_be_constant=True).constant is not None) == is_constant


def test_networks_that_are_no_better_than_a_constant_say_it():
    rng = np.random.default_rng(0)
    y = rng.normal(3, 1, size=(100, 1))
    targets = NumberTargets.of(y)
    for scale, told in ((1.5, False), (0.5, True)):
        said = Said(targets, y)
        said.add("nets", np.arange(100), targets.encode(y + rng.normal(0, scale, y.shape)))
        blend = said.blend("rmse", may_be_constant=True)
        assert (blend.constant is None) == told
        if not told:
            np.testing.assert_allclose(targets.decode(blend.constant), y.mean())
            np.testing.assert_allclose(blend.residuals, np.sort(np.abs(y - y.mean()), axis=0))
            assert blend.errors["blend"] == pytest.approx(1)


def test_ranks_are_kept_where_they_are_what_counts():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 100)
    said = Said(ClassTargets(2), y)
    said.add("nets", np.arange(100), rng.dirichlet([1, 1], 100).astype(np.float32))
    assert said.blend("roc_auc", may_be_constant=True).constant is None
    assert said.blend("log_loss", may_be_constant=True).constant is not None
    assert said.blend("log_loss").constant is None


@pytest.mark.parametrize("refit", [False, True])
def test_a_table_that_says_nothing(refit, tmp_path):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(80, 4)), rng.normal(5, 2, size=80)
    model = TabularRegressor(refit=refit, random_state=0).fit(X, y)
    assert model.is_constant_
    np.testing.assert_allclose(model.predict(X), y.mean(), rtol=1e-5)
    np.testing.assert_allclose(model.feature_importances_, 0, atol=1e-6)
    model.save(tmp_path / "table.safetensors")
    again = TabularRegressor.load(tmp_path / "table.safetensors")
    assert again.is_constant_
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    classes = rng.integers(0, 3, 80)
    of_classes = TabularClassifier(refit=refit, random_state=0).fit(X, classes)
    assert not TabularRegressor(epochs=5, refit=refit, random_state=0).fit(X, y).is_constant_  # as long as it was told
    assert of_classes.is_constant_ and of_classes.temperature_ == 1
    shares = np.bincount(classes) / 80
    np.testing.assert_allclose(of_classes.predict_proba(X), np.tile(shares, (80, 1)), rtol=1e-5)


def test_a_table_that_says_something_is_no_constant():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(80, 4))
    assert not TabularRegressor(random_state=0).fit(X, X[:, 0] + rng.normal(size=80)).is_constant_
