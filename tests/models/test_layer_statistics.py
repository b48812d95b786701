"""Looking into a model: gradients that are right and wrong, and statistics of layers worked out by hand."""

import numpy as np
import pytest

import fastbp as fb


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 4)), rng.integers(0, 3, 20)


def make_model(dtype="float32"):
    return fb.Model([fb.Dense(7, "tanh"), fb.Dense(5, "gelu"), fb.Dense(3, "softmax")], inputs=4, dtype=dtype, seed=1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_gradients_pass(problem, dtype):
    model = make_model(dtype)
    before = model.get_weights()
    differences = fb.check_gradients(model, *problem, "cross_entropy")
    assert len(differences) == 6
    assert max(differences.values()) < 1e-6
    for weight, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, former)


def test_the_first_wrong_gradient_is_named(problem, monkeypatch):
    right = fb.Model.loss_and_gradients

    def wrong(self, *arguments, **options):
        value, gradients = right(self, *arguments, **options)
        gradients[2] = 1.5 * gradients[2]
        gradients[5] = -gradients[5]
        return value, gradients

    monkeypatch.setattr(fb.Model, "loss_and_gradients", wrong)
    with pytest.raises(fb.GradientError, match=r"the gradient of W of layer 1 is off by 0\.\d+ of its norm"):
        fb.check_gradients(make_model(), *problem, "cross_entropy", directions=10)


def test_no_gradient_at_all_is_right():
    model = fb.Model([fb.Dense(2)], inputs=1)
    model.set_weights([np.ones((1, 2)), np.zeros(2)])
    assert max(fb.check_gradients(model, [[1.0]], [[1.0, 1.0]], "mse").values()) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"directions": 0}, ValueError, "directions is 0; expected an integer of 1 or more"),
        ({"step": 0.0}, ValueError, "step is 0.0; expected a finite number above 0"),
        ({"tolerance": -1}, ValueError, "tolerance is -1; expected a finite number above 0"),
        ({"loss": "nothing"}, ValueError, "loss is 'nothing'"),
        ({"model": 3}, TypeError, "model is 3; expected an fb.Model"),
    ],
)
def test_wrong_arguments(problem, arguments, error, sentence):
    X, y = problem
    with pytest.raises(error, match=sentence):
        fb.check_gradients(**{"model": make_model(), "X": X, "y": y, "loss": "cross_entropy"} | arguments)


def test_statistics_by_hand():
    model = fb.Model([fb.Dense(3, "relu"), fb.Dense(1)], inputs=2, dtype="float64")
    model.set_weights([[[1, -1, 0], [0, 0, 2]], [0, 0, 0], [[1], [1], [1]], [0.5]])
    X = np.array([[1.0, 1.0], [2.0, 0.5]])  # hidden: [1, 0, 2], [2, 0, 1]; output: 3.5, 3.5
    hidden, output = model.inspect(X).layers
    assert hidden.mean == pytest.approx(1.0)
    assert hidden.std == pytest.approx(np.std([1, 0, 2, 2, 0, 1]))
    assert hidden.zeros == pytest.approx(1 / 3)
    assert hidden.dead_units == 1
    assert hidden.gradient_norm is None
    assert hidden.weight_norm == pytest.approx(np.sqrt(6))
    assert (output.mean, output.std, output.dead_units) == (3.5, 0.0, 1)


def test_gradients_are_looked_at_with_targets(problem):
    model = make_model("float64")
    statistics = model.inspect(*problem, "cross_entropy")
    loss, gradients = model.loss_and_gradients(*problem, "cross_entropy")
    assert statistics.loss == loss
    for i, layer in enumerate(statistics.layers):
        expected = np.sqrt(sum(np.square(g).sum() for g in gradients[2 * i : 2 * i + 2]))
        assert layer.gradient_norm == pytest.approx(expected)
    lines = str(statistics).splitlines()
    assert lines[0].split() == ["layer", "mean", "std", "zeros", "dead", "units", "|gradient|", "|weights|"]
    assert lines[1].endswith("Dense(7, 'tanh')") and lines[-1] == f"loss {loss:.6g}"
    with pytest.raises(TypeError, match="y is given and loss is not; expected both, for gradients, or neither"):
        model.inspect(*problem)


def test_numbers_that_are_not_finite_are_those_of_the_rows_or_of_a_layer():
    """Rows are named by their own columns, whatever a preparation makes of them; a layer's outputs are not called X."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 3))
    model = fb.Model([fb.Dense(4), fb.Dense(2)], prepare=fb.Standardize(), seed=0)
    fb.Trainer(model, "mse").fit(X, X[:, :2])
    bad = X.copy()
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"row 7, column 1 of X \(counted from 0\) is nan; expected a finite number"):
        model.inspect(bad)
    for layer in (0, 1):
        weights = model.get_weights()
        broken = [3e38 * np.sign(weight) if i == 2 * layer else weight for i, weight in enumerate(weights)]
        model.set_weights(broken)
        what = rf"in inspect, the outputs of layer {layer} \(counted from 0\), Dense\(., 'linear'\), are not all"
        with pytest.raises(FloatingPointError, match=what):
            model.inspect(X)
        model.set_weights(weights)
    assert len(model.inspect(X).layers) == 2


def test_an_activation_that_the_engine_has_in_one_with_its_layer_is_named_itself():
    model = fb.Model([fb.Dense(4), fb.Activation("exp"), fb.Dense(2)], inputs=3, seed=0)
    weights = model.get_weights()
    model.set_weights([np.full_like(weights[0], 1e3), *weights[1:]])
    with pytest.raises(FloatingPointError, match=r"outputs of layer 1 \(counted from 0\), Activation\('exp'\), are"):
        model.inspect(np.ones((5, 3)))
