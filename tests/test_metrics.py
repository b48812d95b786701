"""Metrics against scikit-learn, on real data."""

import math

import numpy as np
import pytest

import fastbp as fb

datasets = pytest.importorskip("sklearn.datasets")
metrics = pytest.importorskip("sklearn.metrics")


@pytest.fixture(scope="module")
def diabetes():
    X, y = datasets.load_diabetes(return_X_y=True)
    return X * 20, y / 100


@pytest.fixture(scope="module")
def digits():
    X, y = datasets.load_digits(return_X_y=True)
    return X / 16, y


def test_accuracy_of_classes(digits):
    X, y = digits
    model = fb.Model([fb.Dense(10, "softmax")], inputs=64)
    trainer = fb.Trainer(model, "cross_entropy")
    trainer.fit(X, y, epochs=2)
    expected = metrics.accuracy_score(y, model.predict(X).argmax(axis=1))
    assert 0.5 < expected < 1
    assert trainer.evaluate(X, y)["accuracy"] == expected
    assert trainer.evaluate(X, np.eye(10)[y])["accuracy"] == expected


def test_accuracy_of_several_yes_or_no_outputs(digits):
    X, y = digits
    Y = np.column_stack([y > 4, y % 2 == 0, y == 3])
    model = fb.Model([fb.Dense(3, "sigmoid")], inputs=64)
    found = fb.Trainer(model, "binary_cross_entropy").evaluate(X, Y)["accuracy"]
    assert found == pytest.approx(((model.predict(X) > 0.5) == Y).mean(), rel=1e-12)


def test_regression_metrics(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, y**2, np.sin(y)])
    model = fb.Model([fb.Dense(3)], inputs=10, dtype="float64")
    trainer = fb.Trainer(model, "mse", metrics=["r2", "mae", fb.SquaredError()])
    trainer.fit(X, Y, epochs=20)
    found, P = trainer.evaluate(X, Y), model.predict(X)
    assert list(found) == ["loss", "r2", "mae", "mse"]
    assert found["r2"] == pytest.approx(metrics.r2_score(Y, P), rel=1e-9)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(Y, P), rel=1e-12)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(Y, P), rel=1e-12)
    assert found["loss"] == pytest.approx(found["mse"], rel=1e-12)


def test_r2_of_targets_far_from_zero_and_of_many_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_000, 1))
    y = 1e6 + X[:, 0] + 0.5 * rng.normal(size=len(X))
    model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    model.set_weights([[[1.0]], [1e6]])
    assert fb.Trainer(model, "mse").evaluate(X, y)["r2"] == pytest.approx(
        metrics.r2_score(y, model.predict(X)), rel=1e-6
    )


def test_r2_where_it_has_no_denominator():
    model = fb.Model([fb.Dense(2, initializer="zeros")], inputs=1, dtype="float64")
    trainer = fb.Trainer(model, "mse")
    X, Y = np.ones((3, 1)), np.array([[0.0, 0.5]] * 3)
    assert trainer.evaluate(X, Y)["r2"] == metrics.r2_score(Y, model.predict(X)) == 0.5  # one hit, one missed
    assert trainer.evaluate(X, Y / 5)["r2"] == 0.5  # 0.1 has no exact mean, and is as constant as 0.5
    assert math.isnan(trainer.evaluate(X[:1], Y[:1])["r2"])


def test_figures_of_training_are_of_the_epoch(diabetes):
    X, y = diabetes
    model = fb.Model([fb.Dense(1)], inputs=10, dtype="float64")
    trainer = fb.Trainer(model, "mse", batch_size=None, metrics=["r2", "mae"])
    before = trainer.evaluate(X, y)
    history = trainer.fit(X, y)  # one step: the figures are those before it
    for name in ("loss", "r2", "mae"):
        assert history[name][0] == pytest.approx(before[name], rel=1e-9)


def test_defaults_and_none():
    softmax, linear = (fb.Model([fb.Dense(3, name)], inputs=2) for name in ("softmax", "linear"))
    assert fb.Trainer(softmax, "cross_entropy").metrics == (fb.Accuracy(),)
    assert fb.Trainer(linear, "mse").metrics == fb.Trainer(linear, "mae", metrics="r2").metrics == (fb.R2(),)
    trainer = fb.Trainer(linear, "mae", metrics=[])
    assert list(trainer.fit([[1, 2]], [[1, 2, 3]])) == ["loss", "seconds"]
    assert list(trainer.evaluate([[1, 2]], [[1, 2, 3]])) == ["loss"]
