"""Steps by gradients of the outputs and of the parameters: the same as the trainer's own steps."""

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import make_data
from layer_models import MODELS, batch_norms, data_for, make_model, square

OPTIMIZERS = ["sgd", "adam", "nadam", "rmsprop", "adagrad", fb.SGD(0.1, momentum=0.9, weight_decay=0.1)]

ACTIVATION = {
    "cross_entropy": "softmax",
    "binary_cross_entropy": "sigmoid",
    "focal": "sigmoid",
    "policy_gradient": "softmax",
}


def twins(name, dtype, **options):
    """Two trainers of equal models, and data."""
    trainers = []
    for _ in range(2):
        model, loss = make_model(name, dtype)
        trainers.append(fb.Trainer(model, loss, **options))
    X, y = data_for(model, loss, 70, dtype)
    return *trainers, X, y


def gradient_of(trainer, X, y):
    """The loss's own gradient, and by what it is."""
    fused = trainer.loss.name in ("cross_entropy", "binary_cross_entropy", "focal", "policy_gradient")
    output = "logit" if fused else "prediction"
    return trainer.loss.output_gradient(trainer.model.activations(X, -1, output=output), y), output


def assert_same(ours, theirs):
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in MODELS if not batch_norms(make_model(name)[0].layers)])
def test_the_losss_own_gradient_gives_the_steps_bits(name, dtype):
    own, given, X, y = twins(name, dtype)
    for _ in range(3):
        gradient, output = gradient_of(given, X, y)
        own.step(X, y)
        given.step_gradient(X, gradient, output=output)
        assert_same(given.model, own.model)
    assert given.n_steps == 3


@pytest.mark.parametrize("name", ["softmax last", "sigmoid of a relu last", "residual last"])
def test_a_gradient_by_the_prediction_gives_the_step_up_to_rounding(name):
    own, given, X, y = twins(name, "float64", optimizer=fb.SGD(0.1))
    labels = np.eye(3)[y] if y.ndim == 1 else y
    A = given.model.predict(X)
    by_name = {
        "cross_entropy": -labels / A / len(X),
        "binary_cross_entropy": (A - labels) / (A * (1 - A)) / A.size,
        "mse": 2 * (A - labels) / A.size,
    }
    own.step(X, y)
    given.step_gradient(X, by_name[own.loss.name])
    for a, b in zip(given.model.get_weights(), own.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize(("loss", "activation"), reference.EXAMPLES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_output_gradients_are_those_of_the_oracle(loss, activation, dtype):
    name, parameters = loss if isinstance(loss, tuple) else (loss, ())
    n_outputs = 6
    _, y = make_data(37, 3, n_outputs, loss, dtype)
    rng = np.random.default_rng(2)
    Z = rng.normal(size=(37, n_outputs)).astype(dtype)
    A = reference.activate(activation, Z.astype(np.float64))
    fused = ACTIVATION.get(name)
    if fused:
        layer = reference.Layer(None, None, activation)
        expected = reference.output_gradient(layer, Z.astype(np.float64), y, loss)[1]
    else:
        expected = reference.loss_gradient(loss, A, y)
    function = loss_of(name, parameters)
    gradient = function.output_gradient(Z if fused else A.astype(dtype), y)
    assert gradient.dtype == dtype
    np.testing.assert_allclose(
        gradient, expected, rtol=1e-4 if dtype == "float32" else 1e-11, atol=1e-6 if dtype == "float32" else 1e-13
    )


def loss_of(name, parameters):
    from fastbp.losses.all_losses import LOSSES

    match name:
        case "focal":
            return fb.Focal(parameters[0], None if parameters[1] == 1 else parameters[2])
        case "quantile":
            return fb.Quantile(list(parameters))
        case "gaussian_nll":
            return fb.GaussianNLL()
        case "policy_gradient":
            return fb.PolicyGradient(parameters[0] or None, parameters[1])
    return LOSSES[name](*parameters)


def test_an_output_gradient_of_a_function():
    Y, y = np.ones((4, 2)), np.zeros((4, 2))
    trainer = fb.Trainer(fb.Model([fb.Dense(2)], inputs=1), square)
    np.testing.assert_allclose(trainer.loss.output_gradient(Y, y), fb.MeanSquaredError().output_gradient(Y, y))


def test_prepared_targets_have_their_units():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 1)) * 40 + 1000
    ours, theirs = (
        fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], prepare_targets=fb.Standardize(), inputs=3, dtype="float64")
        for _ in range(2)
    )
    for model in (ours, theirs):
        model.build(X, y)
    own, given = (fb.Trainer(model, "mse", optimizer=fb.SGD(0.1)) for model in (ours, theirs))
    own.step(X, y)
    given.step_gradient(X, 2 * (theirs.predict(X) - y) / len(X) / y.std() ** 2)
    for a, b in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_steps_and_given_gradients_take_turns():
    """Also with metrics, whose sums need more room, in a step of many panels after a given one of few."""
    model = fb.Model([fb.Dense(20, "relu"), fb.Dense(30, "softmax")], inputs=5, dtype="float64")
    trainer = fb.Trainer(model, "cross_entropy", metrics=["accuracy", "f1", "log_loss"])
    X, y = make_data(500, 5, 30, "cross_entropy", "float64")
    twin = fb.Trainer(model.copy(), "cross_entropy")
    for n in (3, 500, 40):
        gradient, _ = gradient_of(trainer, X[:n], y[:n])
        trainer.step_gradient(X[:n], gradient, output="logit")
        twin.step(X[:n], y[:n])
        assert trainer.step(X[:n], y[:n]) == twin.step(X[:n], y[:n])
    assert_same(trainer.model, twin.model)
    assert trainer.evaluate(X, y)["loss"] == twin.evaluate(X, y)["loss"]


# ---- Gradients of the parameters ----


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}, {"clip_array_norm": 0.1}, {"clip_value": 0.01}], ids=str)
def test_applied_gradients_give_the_step(optimizer, options):
    name = "layer norm between"
    own, given, X, y = twins(name, "float64", optimizer=optimizer, averaging=fb.EMA(0.9), **options)
    for _ in range(3):
        given.apply_gradients(given.model.loss_and_gradients(X, y, given.loss)[1])
        own.step(X, y)
    for a, b in zip(given.model.get_weights(), own.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    for a, b in zip(given.averaged_model().get_weights(), own.averaged_model().get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    assert given.n_steps == 3


@pytest.mark.parametrize("name", [name for name in MODELS if not batch_norms(make_model(name)[0].layers)])
def test_applied_gradients_of_every_layer(name):
    own, given, X, y = twins(name, "float64", optimizer=fb.AdamW(0.01, weight_decay=0.1))
    given.apply_gradients(given.model.loss_and_gradients(X, y, given.loss)[1])
    own.step(X, y)
    for a, b in zip(given.model.get_weights(), own.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_running_statistics_stay():
    model, _ = make_model("batch norm between", "float64")
    trainer = fb.Trainer(model, "mse", optimizer=fb.SGD(0.1))
    before = model.get_weights()
    trainer.apply_gradients([np.ones_like(array) for array in before])
    names = [weight.name for weight in model.architecture.arrays]
    for name, was, array in zip(names, before, model.get_weights(), strict=True):
        moved = 0.0 if "mean" in name or "variance" in name else 0.1
        np.testing.assert_allclose(array, was - moved, atol=1e-12)


def test_rows_of_tables_without_a_gradient_stay():
    inputs = fb.Tabular(numeric=1, categories=[50, 3], dims=[2, 2])
    own, given = (
        fb.Trainer(
            fb.Model([fb.Dense(1)], inputs=inputs, dtype="float64"), "mse", optimizer=fb.Adam(0.1), clip_norm=1.0
        )
        for _ in range(2)
    )
    rng = np.random.default_rng(0)
    for n in (4, 30):
        X = np.column_stack([rng.normal(size=n), rng.integers(0, 50, n), rng.integers(0, 3, n)])
        y = rng.normal(size=(n, 1))
        own.step(X, y)
        given.apply_gradients(given.model.loss_and_gradients(X, y, "mse")[1])
    for a, b in zip(given.model.get_weights(), own.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_predictions_follow_applied_gradients():
    model = fb.Model([fb.Dense(3)], inputs=2)
    trainer = fb.Trainer(model, "mse", optimizer=fb.SGD(1.0))
    before = [model.predict(np.ones((1, 2))) for _ in range(7)][-1]  # by packed weights
    trainer.apply_gradients([np.zeros((2, 3)), np.ones(3)])
    np.testing.assert_allclose(model.predict(np.ones((1, 2))), before - 1, atol=1e-6)


# ---- What is refused ----


def trainer_of_two():
    return fb.Trainer(fb.Model([fb.Dense(2)], inputs=3), "mse")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda t: t.step_gradient(np.ones((2, 3)), np.ones((2, 3))),
            r"output_gradient has shape \(2, 3\); expected \(2, 2\)",
        ),
        (lambda t: t.step_gradient(np.ones((2, 3)), np.ones(2)), r"output_gradient has shape \(2,\)"),
        (lambda t: t.step_gradient([[1, 1, 1]], [[1, np.nan]]), "row 0, column 1 of output_gradient"),
        (lambda t: t.step_gradient([[1, np.nan, 1]], [[1, 1]]), "row 0, column 1 of X"),
        (lambda t: t.step_gradient([[1, 1, 1]], [[1, 1]], output="z"), "output is 'z'"),
        (lambda t: t.step_gradient(np.empty((0, 3)), np.empty((0, 2))), "no samples"),
        (lambda t: t.apply_gradients([np.ones((3, 2))]), "gradients is a list of 1; expected a list of 2 arrays"),
        (lambda t: t.apply_gradients([np.ones((2, 3)), np.ones(2)]), r"gradients\[0\].*Transpose it"),
        (lambda t: t.apply_gradients([np.ones((3, 2)), [np.inf, 1]]), r"gradients\[1\]"),
        (lambda t: t.loss.output_gradient([1.0, 2.0], [1.0, 2.0]), r"Y has shape \(2,\)"),
        (lambda t: t.loss.output_gradient([[1.0]], [[1.0], [2.0]]), "Y has 1 rows, y has 2"),
        (lambda t: t.loss.output_gradient([[np.nan]], [[1.0]]), "row 0, column 0 of Y"),
        (lambda t: t.loss.output_gradient([[1.0]], [[np.inf]]), "row 0, column 0 of y"),
    ],
)
def test_what_is_refused(call, message):
    trainer = trainer_of_two()
    before = trainer.model.get_weights()
    with pytest.raises(ValueError, match=message):
        call(trainer)
    for a, b in zip(before, trainer.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert trainer.n_steps == 0


def test_outputs_that_overflow_end_the_step():
    model = fb.Model([fb.Dense(1, "exp")], inputs=1)
    model.set_weights([[[1.0]], [0.0]])
    trainer = fb.Trainer(model, "mse")
    with pytest.raises(FloatingPointError, match="layer 0"):
        trainer.step_gradient([[1e5]], [[1.0]])
    assert model.get_weights()[0] == 1


@pytest.mark.parametrize("bad", [0, 1])
def test_an_update_that_makes_weights_infinite_is_told(bad):
    """No forward pass follows that would show it: with ``loss_and_gradients`` of another model it could be long."""
    model = fb.Model([fb.Dense(2), fb.Dense(1)], inputs=3)
    trainer = fb.Trainer(model, "mse", optimizer=fb.SGD(1e5))
    gradients = [np.zeros_like(array) for array in model.get_weights()]
    trainer.apply_gradients(gradients)
    gradients[2 * bad + 1][0] = 3e38
    with pytest.raises(FloatingPointError, match=rf"in step 2, an update made the weights of layer {bad} .*infinite"):
        trainer.apply_gradients(gradients)
    assert trainer.n_steps == 2


def test_an_update_that_makes_a_table_infinite_is_told():
    model = fb.Model([fb.Dense(1)], inputs=fb.Tabular(1, [3]))
    trainer = fb.Trainer(model, "mse", optimizer=fb.SGD(1e5))
    gradients = [np.full_like(array, 3e38 if i == 0 else 0) for i, array in enumerate(model.get_weights())]
    with pytest.raises(FloatingPointError, match="an update made the weights of the inputs, Tabular"):
        trainer.apply_gradients(gradients)


def test_lbfgs_makes_no_single_steps():
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=1), "mse", optimizer="lbfgs", batch_size=None)
    for call in (lambda: trainer.step_gradient([[1.0]], [[1.0]]), lambda: trainer.apply_gradients([[[1.0]], [1.0]])):
        with pytest.raises(ValueError, match="Call fit"):
            call()
