"""Optimizers: a few steps on real data against the formulas written out here, and the numbers they accept."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.optimizers import OPTIMIZERS

datasets = pytest.importorskip("sklearn.datasets")


@pytest.fixture(scope="module")
def data():
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def make_model():
    return fb.Model([fb.Dense(7, "tanh"), fb.Dense(1, "sigmoid")], inputs=30, dtype="float64", seed=3)


def sgd(w, g, state, t, lr, momentum=0.0, nesterov=False, decay=0.0):
    g = g + decay * w
    v = state["v"] = momentum * state.get("v", 0) + g
    return w - lr * (g + momentum * v if nesterov else v)


def adam(w, g, state, t, lr, beta_1=0.9, beta_2=0.999, epsilon=1e-8, decay=0.0, decoupled=False):
    if decoupled:
        w = w - lr * decay * w
    else:
        g = g + decay * w
    m = state["m"] = beta_1 * state.get("m", 0) + (1 - beta_1) * g
    v = state["v"] = beta_2 * state.get("v", 0) + (1 - beta_2) * g * g
    return w - lr * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)


CASES = [
    (fb.SGD(0.1), sgd, {"lr": 0.1}),
    (fb.SGD(0.1, momentum=0.9), sgd, {"lr": 0.1, "momentum": 0.9}),
    (fb.SGD(0.1, momentum=0.8, nesterov=True), sgd, {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    (fb.SGD(0.1, momentum=0.9, weight_decay=0.3), sgd, {"lr": 0.1, "momentum": 0.9, "decay": 0.3}),
    (fb.Adam(0.01), adam, {"lr": 0.01}),
    (
        fb.Adam(0.01, beta_1=0.5, beta_2=0.9, epsilon=1e-3),
        adam,
        {"lr": 0.01, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    ),
    (fb.Adam(0.01, weight_decay=0.3), adam, {"lr": 0.01, "decay": 0.3}),
    (fb.AdamW(0.01), adam, {"lr": 0.01, "decay": 0.01, "decoupled": True}),
    (fb.AdamW(0.01, weight_decay=0.3), adam, {"lr": 0.01, "decay": 0.3, "decoupled": True}),
]


@pytest.mark.parametrize(
    ("optimizer", "rule", "numbers"), CASES, ids=lambda value: repr(value) if hasattr(value, "name") else ""
)
def test_five_steps_follow_the_formula(optimizer, rule, numbers, data):
    X, y = data
    model = make_model()
    trainer = fb.Trainer(model, "binary_cross_entropy", optimizer)
    weights = model.get_weights()
    states = [{} for _ in weights]
    for t in range(1, 6):
        twin = make_model()
        twin.set_weights(weights)
        loss, gradients = twin.loss_and_gradients(X, y, "binary_cross_entropy")
        for i, g in enumerate(gradients):
            of_biases = {"decay": 0.0} if i % 2 else {}  # weight decay never touches biases
            weights[i] = rule(weights[i], g, states[i], t, **(numbers | of_biases))
        assert trainer.step(X, y) == pytest.approx(loss, rel=1e-12)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_weight_decay_leaves_biases_alone():
    for optimizer in (fb.SGD(0.1, weight_decay=0.5), fb.AdamW(0.1, weight_decay=0.5)):
        model = fb.Model([fb.Dense(1)], inputs=2, dtype="float64")
        model.set_weights([[[1.0], [1.0]], [3.0]])
        fb.Trainer(model, "mse", optimizer).step([[0.0, 0.0]], [3.0])  # the gradient is 0
        W, b = model.get_weights()
        np.testing.assert_allclose(W, 0.95)
        assert b.tolist() == [3.0]


def test_defaults():
    assert fb.SGD() == fb.SGD(learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0)
    assert fb.Adam() == fb.Adam(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.0)
    assert fb.AdamW() == fb.AdamW(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.01)
    assert {name: cls.__name__ for name, cls in OPTIMIZERS.items()} == {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}


def test_numpy_numbers_will_do():
    assert fb.SGD(np.float32(0.5), nesterov=np.False_) == fb.SGD(0.5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fb.SGD(0.0), "learning_rate is 0.0; expected a finite number above 0"),
        (lambda: fb.SGD(-1), "learning_rate is -1; expected a finite number above 0"),
        (lambda: fb.Adam(float("nan")), "learning_rate is nan; expected a finite number above 0"),
        (lambda: fb.Adam(float("inf")), "learning_rate is inf"),
        (lambda: fb.SGD(momentum=1.0), "momentum is 1.0; expected a finite number of 0 or more and below 1"),
        (lambda: fb.SGD(nesterov=True), "nesterov is True and momentum is 0"),
        (lambda: fb.SGD(weight_decay=-0.1), "weight_decay is -0.1; expected a finite number of 0 or more"),
        (lambda: fb.Adam(beta_1=1.0), "beta_1 is 1.0"),
        (lambda: fb.Adam(beta_2=-0.1), "beta_2 is -0.1"),
        (lambda: fb.AdamW(epsilon=0), "epsilon is 0; expected a finite number above 0"),
    ],
)
def test_numbers_out_of_range(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: fb.SGD("fast"), "learning_rate is 'fast'; expected a finite number above 0"),
        (lambda: fb.Adam(True), "learning_rate is True"),
        (lambda: fb.SGD(momentum=None), "momentum is None"),
        (lambda: fb.SGD(momentum=0.9, nesterov=1), "nesterov is 1; expected True or False"),
    ],
)
def test_no_numbers(make, sentence):
    with pytest.raises(TypeError, match=sentence):
        make()


@pytest.mark.parametrize("epsilon", [1e-60, 1e-320])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_epsilon_too_small_for_the_dtype_divides_nothing_by_zero(epsilon, dtype):
    model = fb.Model([fb.Dense(3)], inputs=2, dtype=dtype)
    X = np.array([[1.0, 0.0], [2.0, 0.0]])  # the weights of the second input have no gradient
    before, _ = model.get_weights()
    fb.Trainer(model, "mse", fb.Adam(0.01, epsilon=epsilon)).fit(X, np.ones((2, 3)), epochs=3)
    after, _ = model.get_weights()
    assert np.isfinite(after).all()
    np.testing.assert_array_equal(after[1], before[1])
    assert (after[0] != before[0]).all()
