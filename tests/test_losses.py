"""Losses: values against scikit-learn on real data, the forms of targets, and which outputs they go with."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.activations import ACTIVATIONS
from fastbp.losses import LOSSES

datasets = pytest.importorskip("sklearn.datasets")
metrics = pytest.importorskip("sklearn.metrics")


@pytest.fixture(scope="module")
def digits():
    X, y = datasets.load_digits(return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="module")
def cancer():
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


@pytest.fixture(scope="module")
def diabetes():
    X, y = datasets.load_diabetes(return_X_y=True)
    return X, y / 100


def loss_of(model, loss, X, y):
    by_trainer = fb.Trainer(model, loss).evaluate(X, y)["loss"]
    by_model, _ = model.loss_and_gradients(X, y, loss)
    assert by_trainer == pytest.approx(by_model, rel=1e-12)
    return by_trainer


def test_cross_entropy_is_sklearns_log_loss(digits):
    X, y = digits
    model = fb.Model([fb.Dense(20, "tanh"), fb.Dense(10, "softmax")], inputs=64, dtype="float64")
    assert loss_of(model, "cross_entropy", X, y) == pytest.approx(metrics.log_loss(y, model.predict(X)), rel=1e-12)


def test_binary_cross_entropy_is_sklearns_log_loss(cancer):
    X, y = cancer
    model = fb.Model([fb.Dense(1, "sigmoid")], inputs=30, dtype="float64")
    assert loss_of(model, "binary_cross_entropy", X, y) == pytest.approx(metrics.log_loss(y, model.predict(X)[:, 0]))


@pytest.mark.parametrize(
    ("loss", "sklearns"), [("mse", metrics.mean_squared_error), ("mae", metrics.mean_absolute_error)]
)
def test_regression_losses_are_sklearns(loss, sklearns, diabetes):
    X, y = diabetes
    Y = np.column_stack([y, -y, y**2])
    model = fb.Model([fb.Dense(5, "gelu"), fb.Dense(3)], inputs=10, dtype="float64")
    assert loss_of(model, loss, X, Y) == pytest.approx(sklearns(Y, model.predict(X)), rel=1e-12)


def test_labels_and_one_hot_targets_are_the_same(digits):
    X, y = digits
    model = fb.Model([fb.Dense(10, "softmax")], inputs=64, dtype="float64")
    expected, gradients = model.loss_and_gradients(X, y, "cross_entropy")
    column = y[:, np.newaxis]
    for same in (y.astype(np.int8), y.astype(np.uint64), y.astype(np.float32), y.tolist(), column, y[::-1][::-1]):
        found, same_gradients = model.loss_and_gradients(X, same, "cross_entropy")
        assert found == expected
        assert all((a == b).all() for a, b in zip(gradients, same_gradients, strict=True))
    for one_hot in (np.eye(10)[y], np.eye(10, dtype=bool)[y], np.eye(10, dtype=np.uint8)[y]):
        found, same_gradients = model.loss_and_gradients(X, one_hot, "cross_entropy")
        assert found == pytest.approx(expected, rel=1e-14)
        for a, b in zip(gradients, same_gradients, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_soft_targets_weigh_the_classes(digits):
    X, y = digits
    model = fb.Model([fb.Dense(10, "softmax")], inputs=64, dtype="float64")
    soft = 0.9 * np.eye(10)[y] + 0.01
    expected = -(soft * np.log(model.predict(X))).sum(axis=1).mean()
    assert loss_of(model, "cross_entropy", X, soft) == pytest.approx(expected, rel=1e-12)


def test_boolean_labels_of_two_classes(cancer):
    X, y = cancer
    model = fb.Model([fb.Dense(2, "softmax")], inputs=30, dtype="float64")
    assert loss_of(model, "cross_entropy", X, y == 1) == loss_of(model, "cross_entropy", X, y)


def test_one_output_takes_flat_targets_and_a_column(diabetes):
    X, y = diabetes
    model = fb.Model([fb.Dense(1)], inputs=10)
    assert loss_of(model, "mse", X, y) == loss_of(model, "mse", X, y.reshape(-1, 1))


@pytest.mark.parametrize("loss", LOSSES)
def test_names_and_objects_are_the_same(loss):
    assert LOSSES[loss].name == loss
    assert getattr(fb, LOSSES[loss].__name__) is LOSSES[loss]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_regression_losses_go_with_every_output(activation):
    model = fb.Model([fb.Dense(3, activation)], inputs=2)
    for loss in ("mse", "mae"):
        assert np.isfinite(fb.Trainer(model, loss).fit([[1, 2], [3, 4]], [[0, 0, 1], [0, 1, 0]])["loss"][0])


@pytest.mark.parametrize(
    ("loss", "layer", "sentence"),
    [
        (
            "cross_entropy",
            fb.Dense(10),
            "activation is 'linear'; expected 'softmax'. End the model with Dense.10, 'soft",
        ),
        ("cross_entropy", fb.Dense(3, "sigmoid"), "use loss='binary_cross_entropy' if a sample can be of several"),
        ("cross_entropy", fb.Dense(1, "softmax"), "has 1 unit; expected a unit for each class"),
        (
            "binary_cross_entropy",
            fb.Dense(1),
            "activation is 'linear'; expected 'sigmoid'. End the model with Dense.1, 's",
        ),
        ("binary_cross_entropy", fb.Dense(2, "softmax"), "use loss='cross_entropy' if every sample is of exactly one"),
    ],
)
def test_a_loss_that_cannot_go_with_the_output_is_refused_with_the_fix(loss, layer, sentence):
    model = fb.Model([layer], inputs=4)
    with pytest.raises(ValueError, match=sentence):
        fb.Trainer(model, loss)
    with pytest.raises(ValueError, match=sentence):
        model.loss_and_gradients([[1, 2, 3, 4]], [0], loss)
