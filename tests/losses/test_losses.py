"""Losses: values against scikit-learn on real data, the forms of targets, and which outputs they go with."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.layers.activations import ACTIVATIONS
from fastbp.losses.all_losses import LOSSES

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
    ("loss", "sklearns"),
    [
        ("mse", metrics.mean_squared_error),
        ("mae", metrics.mean_absolute_error),
        ("cosine", lambda Y, outputs: metrics.pairwise.paired_cosine_distances(Y, outputs).mean()),
    ],
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


AMOUNTS = [
    (fb.Poisson(), lambda y, a: np.mean(a - y * np.log(a))),
    (fb.GammaDeviance(), metrics.mean_gamma_deviance),
    *[
        (fb.TweedieDeviance(p), lambda y, a, p=p: metrics.mean_tweedie_deviance(y, a, power=p))
        for p in (1, 1.1, 1.5, 1.9, 2, 3)
    ],
]


@pytest.mark.parametrize(("loss", "expected"), AMOUNTS)
def test_losses_of_amounts_are_sklearns(loss, expected, diabetes):
    X, y = diabetes
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(1, "softplus")], inputs=10, dtype="float64")
    assert loss_of(model, loss, X, y) == pytest.approx(expected(y, model.predict(X)[:, 0]), rel=1e-11)
    assert fb.Trainer(model, loss, fb.Adam(0.01)).fit(X, y, epochs=20)["r2"][-1] > 0


@pytest.mark.parametrize("loss", [fb.Poisson(), fb.GammaDeviance(), fb.TweedieDeviance(1.5), fb.TweedieDeviance(3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_output_of_nothing_stays_finite(loss, dtype):
    model = fb.Model([fb.Dense(1, "softplus")], inputs=1, dtype=dtype)
    model.set_weights([[[-1000.0]], [0.0]])
    value, gradients = model.loss_and_gradients([[1.0]], [2.0], loss)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_hinge_takes_signs_zeros_and_ones_and_booleans(loss, cancer):
    X, y = cancer
    model = fb.Model([fb.Dense(1)], inputs=30, dtype="float64")
    signs = 2.0 * y - 1
    margins = 1 - signs * model.predict(X)[:, 0]
    expected = np.mean(np.maximum(0, margins) ** (2 if loss == "squared_hinge" else 1))
    for same in (signs, signs.astype(np.int8), y, y == 1, y.astype(np.float32), y.astype(np.uint8)):
        assert loss_of(model, loss, X, same) == pytest.approx(expected, rel=1e-12)
    trainer = fb.Trainer(model, loss, fb.Adam(0.01))
    trainer.fit(X, y, epochs=20)
    assert trainer.evaluate(X, y)["accuracy"] == np.mean((model.predict(X)[:, 0] > 0) == y) > 0.9


def test_each_quantile_of_each_target_has_an_output(diabetes):
    X, y = diabetes
    Y, shares = np.column_stack([y, y**2]), (0.1, 0.5, 0.9)
    model = fb.Model([fb.Dense(6)], inputs=10, dtype="float64")
    by_quantile = model.predict(X).reshape(-1, 3, 2)
    expected = [metrics.mean_pinball_loss(Y, by_quantile[:, i], alpha=q) for i, q in enumerate(shares)]
    assert loss_of(model, fb.Quantile(shares), X, Y) == pytest.approx(np.mean(expected), rel=1e-12)
    assert fb.Quantile(0.5) == fb.Quantile([0.5]) == fb.Quantile()

    model = fb.Model([fb.Dense(3)], inputs=10)
    trainer = fb.Trainer(model, fb.Quantile(shares), fb.Adam(0.05))
    assert list(trainer.fit(X, y, epochs=100)) == ["loss", "seconds"]
    np.testing.assert_allclose(np.mean(model.predict(X) > y[:, np.newaxis], axis=0), shares, atol=0.05)


def test_gaussian_nll_finds_mean_and_variance():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (2000, 1)).astype(float)
    Y = np.column_stack([3 + X[:, 0] + 0.5 * rng.normal(size=2000), -2 + (0.1 + X[:, 0]) * rng.normal(size=2000)])
    model = fb.Model([fb.Dense(4)], inputs=1, dtype="float64")
    trainer = fb.Trainer(model, "gaussian_nll", fb.Adam(0.02), metrics=["r2", "mae"])
    trainer.fit(X, Y, epochs=60)
    mean, log_variance = np.split(model.predict([[0.0], [1.0]]), 2, axis=1)
    np.testing.assert_allclose(mean, [[3, -2], [4, -2]], atol=0.15)
    np.testing.assert_allclose(np.exp(log_variance / 2), [[0.5, 0.1], [0.5, 1.1]], rtol=0.15)
    found = trainer.evaluate(X, Y)
    assert found["r2"] == pytest.approx(metrics.r2_score(Y, model.predict(X)[:, :2]), rel=1e-9)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(Y, model.predict(X)[:, :2]), rel=1e-9)


def test_a_variance_below_its_floor_is_only_pushed_up():
    model = fb.Model([fb.Dense(2)], inputs=1, dtype="float64")
    for mean, pushed in ((0.0, False), (1.0, True)):
        model.set_weights([[[0.0, 0.0]], [mean, -50.0]])
        value, (_, db) = model.loss_and_gradients([[1.0]], [0.0], fb.GaussianNLL(1e-4))
        assert value == pytest.approx(0.5 * (np.log(1e-4) + mean**2 / 1e-4))
        assert db[1] < 0 if pushed else db[1] == 0


def test_label_smoothing_is_smooth_targets(digits):
    X, y = digits
    model = fb.Model([fb.Dense(10, "softmax")], inputs=64, dtype="float64")
    soft = 0.8 * np.eye(10)[y] + 0.02
    for targets in (y, np.eye(10)[y]):
        found = loss_of(model, fb.CrossEntropy(label_smoothing=0.2), X, targets)
        assert found == pytest.approx(loss_of(model, "cross_entropy", X, soft), rel=1e-12)
    model = fb.Model([fb.Dense(1, "sigmoid")], inputs=64, dtype="float64")
    found = loss_of(model, fb.BinaryCrossEntropy(label_smoothing=0.2), X, y % 2)
    assert found == pytest.approx(loss_of(model, "binary_cross_entropy", X, 0.8 * (y % 2) + 0.1), rel=1e-12)


def test_focal_without_focus_is_binary_cross_entropy(cancer):
    X, y = cancer
    model = fb.Model([fb.Dense(1, "sigmoid")], inputs=30, dtype="float64")
    found = loss_of(model, fb.Focal(gamma=0, alpha=None), X, y)
    assert found == pytest.approx(loss_of(model, "binary_cross_entropy", X, y), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "activation"), [(fb.Focal(0.5), "sigmoid"), (fb.LogCosh(), "linear")])
def test_huge_z_stays_finite(loss, activation, dtype):
    model = fb.Model([fb.Dense(2, activation)], inputs=1, dtype=dtype)
    model.set_weights([[[1e4, -1e4]], [0.0, 0.0]])
    value, gradients = model.loss_and_gradients([[1.0]], [[0, 1]], loss)
    assert 1e3 < value < 1e4
    assert all(np.isfinite(g).all() for g in gradients)


def test_cosine_sees_directions_only():
    model = fb.Model([fb.Dense(2)], inputs=1, dtype="float64")
    for output, expected in (([3.0, 0.0], 0), ([0.0, 1.0], 1), ([-0.1, 0.0], 2), ([0.0, 0.0], 1)):
        model.set_weights([[[0.0, 0.0]], output])
        value, gradients = model.loss_and_gradients([[1.0]], [[7.0, 0.0]], "cosine")
        assert value == pytest.approx(expected, abs=1e-12)
        assert all(np.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize(
    ("loss", "y", "sentence"),
    [
        (fb.Poisson(), [1, -1], r"row 1, column 0 of y .* is -1; expected a number of 0 or more"),
        (
            fb.GammaDeviance(),
            [1, 0],
            r"row 1, column 0 of y .* is 0; expected a number above 0. If some amounts are 0, use",
        ),
        (fb.TweedieDeviance(2.5), [1.0, 0.0], "expected a number above 0"),
        (fb.TweedieDeviance(1.5), [1.0, np.nan], r"row 1, column 0 of y .* is nan; expected a number of 0 or more"),
    ],
)
def test_targets_that_are_no_amounts_are_refused(loss, y, sentence):
    with pytest.raises(ValueError, match=sentence):
        fb.Trainer(fb.Model([fb.Dense(1, "softplus")], inputs=1), loss).step([[1], [2]], y)


@pytest.mark.parametrize(
    ("loss", "activation", "y", "sentence"),
    [
        ("hinge", "linear", [0, -1], r"row 1, column 0 of y .* is -1; expected -1 .no. or 1 .yes., or 0 .no. or 1"),
        ("squared_hinge", "tanh", [1, 2], r"row 1, column 0 of y .* is 2; expected -1"),
        (
            "focal",
            "sigmoid",
            [1, 0.5],
            r"row 1, column 0 of y .* is 0.5; expected 0 .no. or 1 .yes.. loss='binary_cross_entropy' takes",
        ),
    ],
)
def test_targets_that_are_no_answers_are_refused(loss, activation, y, sentence):
    with pytest.raises(ValueError, match=sentence):
        fb.Trainer(fb.Model([fb.Dense(1, activation)], inputs=1), loss).step([[1], [2]], y)


def test_targets_of_another_shape_are_refused_with_the_outputs_a_target():
    model = fb.Model([fb.Dense(6)], inputs=1)
    with pytest.raises(ValueError, match=r"expected \(n_samples, 3\). The model has 6 outputs, 2 for each target."):
        fb.Trainer(model, "gaussian_nll").step([[1]], np.zeros((1, 6)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fb.Huber(0), "delta is 0; expected a finite number above 0"),
        (lambda: fb.TweedieDeviance(0.5), "power is 0.5; expected a finite number of 1 or more"),
        (lambda: fb.TweedieDeviance(4), "power is 4; expected a number 1 to 3"),
        (lambda: fb.Focal(gamma=-1), "gamma is -1"),
        (lambda: fb.Focal(alpha=1), "alpha is 1; expected a finite number above 0 and below 1"),
        (lambda: fb.Quantile([0.5, 1.0]), r"quantiles\[1\] is 1.0; expected a finite number above 0 and below 1"),
        (lambda: fb.Quantile([0.9, 0.1]), "or a list of 1 to 99 such numbers, increasing"),
        (lambda: fb.Quantile([]), "quantiles is .*; expected a number"),
        (lambda: fb.GaussianNLL(0), "least_variance is 0"),
        (lambda: fb.CrossEntropy(1), "label_smoothing is 1; expected a finite number of 0 or more and below 1"),
        (lambda: fb.BinaryCrossEntropy(-0.1), "label_smoothing is -0.1"),
    ],
)
def test_parameters_out_of_range_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_a_trainer_shows_its_loss_s_parameters():
    model = fb.Model([fb.Dense(1)], inputs=1)
    assert "loss='huber'," in repr(fb.Trainer(model, "huber"))
    assert "loss=Huber(delta=2.0)," in repr(fb.Trainer(model, fb.Huber(2)))


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
        ("cross_entropy", fb.Dense(3, "sigmoid"), "use loss='binary_cross_entropy' if a sample can belong to several"),
        ("cross_entropy", fb.Dense(1, "softmax"), "has 1 unit; expected a unit for each class"),
        (
            "binary_cross_entropy",
            fb.Dense(1),
            "activation is 'linear'; expected 'sigmoid'. End the model with Dense.1, 's",
        ),
        (
            "binary_cross_entropy",
            fb.Dense(2, "softmax"),
            "use loss='cross_entropy' if every sample belongs to exactly one",
        ),
        ("focal", fb.Dense(1), "loss is 'focal' .* expected 'sigmoid'. End the model with Dense.1, 'sigmoid'."),
        (
            "poisson",
            fb.Dense(1, "relu"),
            "expected one that is always above 0: 'softplus'.* End the model with Dense.1, ",
        ),
        ("hinge", fb.Dense(1, "sigmoid"), "expected 'linear' or 'tanh'. .* or use loss='binary_cross_entropy'"),
        (fb.Quantile([0.1, 0.9]), fb.Dense(3), "has 3 units; expected a multiple of 2, one for each quantile of each"),
        (
            "gaussian_nll",
            fb.Dense(1),
            "has 1 unit; expected a multiple of 2, a mean and a log-variance for each target",
        ),
        ("gaussian_nll", fb.Dense(2, "relu"), "activation is 'relu'; expected 'linear'. End the model with Dense.2.."),
        ("cosine", fb.Dense(1), "has 1 unit; expected 2 or more, a vector"),
    ],
)
def test_a_loss_that_cannot_go_with_the_output_is_refused_with_the_fix(loss, layer, sentence):
    model = fb.Model([layer], inputs=4)
    with pytest.raises(ValueError, match=sentence):
        fb.Trainer(model, loss)
    with pytest.raises(ValueError, match=sentence):
        model.loss_and_gradients([[1, 2, 3, 4]], [0], loss)
