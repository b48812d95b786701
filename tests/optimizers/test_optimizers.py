"""Optimizers: a few steps on real data against the formulas written out here, and the numbers they accept."""

import pickle

import numpy as np
import pytest

import fastbp as fb
import reference
from fastbp.optimizers.all_optimizers import OPTIMIZERS

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


@pytest.mark.parametrize("t", [2, 399, 400, 401, 500, 39_999, 40_000, 40_001, 10**6])
@pytest.mark.parametrize("beta_1", [0.9, 0.0])
def test_a_late_step_follows_the_formula(t, beta_1, data):
    """Where 1 - beta^t has become 1 it is not computed; just before it has not."""
    X, y = data
    model = make_model()
    trainer = fb.Trainer(model, "binary_cross_entropy", fb.Adam(0.01, beta_1=beta_1))
    weights = model.get_weights()
    _, gradients = model.loss_and_gradients(X, y, "binary_cross_entropy")
    trainer.parts.state.session.n_steps = t - 1
    trainer.step(X, y)
    for found, w, g in zip(model.get_weights(), weights, gradients, strict=True):
        expected = adam(w, g, {}, t, 0.01, beta_1=beta_1)
        np.testing.assert_allclose(found - w, expected - w, rtol=1e-9, atol=1e-15)


PYTORCH = [
    (fb.Adam(0.01, amsgrad=True, beta_2=0.5), "Adam", {"betas": (0.9, 0.5), "amsgrad": True}),
    (fb.AdamW(0.01, amsgrad=True, beta_2=0.5), "AdamW", {"betas": (0.9, 0.5), "amsgrad": True, "weight_decay": 0.01}),
    (fb.RMSprop(), "RMSprop", {}),
    (
        fb.RMSprop(0.02, rho=0.9, epsilon=1e-5, weight_decay=0.1, momentum=0.7, centered=True),
        "RMSprop",
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-5, "weight_decay": 0.1, "momentum": 0.7, "centered": True},
    ),
    (fb.Adagrad(), "Adagrad", {}),
    (
        fb.Adagrad(0.1, lr_decay=0.2, weight_decay=0.1, initial_accumulator_value=0.3, epsilon=1e-4),
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-4},
    ),
    (fb.Adadelta(), "Adadelta", {}),
    (
        fb.Adadelta(0.5, rho=0.8, epsilon=1e-3, weight_decay=0.1),
        "Adadelta",
        {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1},
    ),
    (fb.Adamax(), "Adamax", {}),
    (
        fb.Adamax(0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-4, weight_decay=0.1),
        "Adamax",
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1},
    ),
    (fb.NAdam(), "NAdam", {}),
    (
        fb.NAdam(0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-4, weight_decay=0.1, momentum_decay=0.3),
        "NAdam",
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.3},
    ),
    (fb.RAdam(), "RAdam", {}),
    (
        fb.RAdam(0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-4, weight_decay=0.1),
        "RAdam",
        {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1},
    ),
    (fb.Rprop(), "Rprop", {}),
    (
        fb.Rprop(0.1, eta_minus=0.3, eta_plus=1.5, min_step=0.01, max_step=0.15),
        "Rprop",
        {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.01, 0.15)},
    ),
]


@pytest.mark.parametrize(
    ("optimizer", "name", "arguments"), PYTORCH, ids=lambda value: repr(value) if hasattr(value, "name") else ""
)
def test_ten_steps_follow_pytorch(torch, optimizer, name, arguments, data):
    """The defaults are PyTorch's too."""
    X, y = data
    model = make_model()
    trainer = fb.Trainer(model, "binary_cross_entropy", optimizer, batch_size=None)
    weights = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    groups = [{"params": weights[::2]}, {"params": weights[1::2]}]
    if "weight_decay" in arguments:
        groups[1]["weight_decay"] = 0.0
    defaults = {"lr": 0.01} if name.startswith("AdamW") or name == "Adam" else {}
    peer = getattr(torch.optim, name)(groups, **(defaults | arguments))
    inputs, targets = torch.tensor(X), torch.tensor(y, dtype=torch.float64)[:, None]
    for _ in range(10):
        peer.zero_grad()
        Z = torch.tanh(inputs @ weights[0] + weights[1]) @ weights[2] + weights[3]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(Z, targets)
        loss.backward()
        peer.step()
        assert trainer.step(X, y) == pytest.approx(loss.item(), rel=1e-10)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("optimizer", [fb.Lion(), fb.Lion(0.01, beta_1=0.7, beta_2=0.8, weight_decay=0.3)])
def test_ten_steps_of_lion_follow_its_paper(optimizer, data):
    X, y = data
    model = make_model()
    trainer = fb.Trainer(model, "binary_cross_entropy", optimizer)
    W, b, W2, b2 = model.get_weights()
    layers = [reference.Layer(W, b, "tanh"), reference.Layer(W2, b2, "sigmoid")]
    momenta = [0.0] * 4
    for _ in range(10):
        _, gradients = reference.loss_and_gradients(layers, X, y[:, None], "binary_cross_entropy")
        for i, (w, g) in enumerate(zip((W, b, W2, b2), (g for pair in gradients for g in pair), strict=True)):
            update = np.sign(optimizer.beta_1 * momenta[i] + (1 - optimizer.beta_1) * g)
            decay = 0.0 if i % 2 else optimizer.weight_decay
            w -= optimizer.learning_rate * (update + decay * w)
            momenta[i] = optimizer.beta_2 * momenta[i] + (1 - optimizer.beta_2) * g
        trainer.step(X, y)
    for found, expected in zip(model.get_weights(), (W, b, W2, b2), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name, cls in OPTIMIZERS.items() if cls.native])
def test_every_optimizer_learns_and_any_team_learns_the_same(name, dtype, data, limits):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    X, y = data
    slow = {"learning_rate": {"sgd": 0.5, "lion": 3e-3}.get(name, 0.01)} if name != "adadelta" else {}
    weights = []
    for n_threads in (1, 3):
        model = fb.Model([fb.Dense(37, "tanh"), fb.Dense(1, "sigmoid")], inputs=30, dtype=dtype, seed=3)
        batch_size = None if OPTIMIZERS[name].full_batch else 50
        trainer = fb.Trainer(model, "binary_cross_entropy", OPTIMIZERS[name](**slow), batch_size, n_threads)
        losses = trainer.fit(X, y, epochs=20)["loss"]
        assert losses[-1] < 0.6 * losses[0]
        weights.append([w.tobytes() for w in model.get_weights()])
    assert weights[0] == weights[1]


def test_numbers_may_change_between_epochs_and_states_come_when_they_are_called_for(data):
    """As if they had been there from the start, from zero."""
    X, y = data
    trainer = fb.Trainer(make_model(), "binary_cross_entropy", fb.RMSprop())
    trainer.fit(X, y)
    for changed in (fb.RMSprop(momentum=0.9), fb.RMSprop(momentum=0.9, centered=True), fb.RMSprop(1e-3)):
        trainer.optimizer = changed
        before = trainer.history["loss"][-1]
        assert trainer.fit(X, y)["loss"][-1] < before
    with pytest.raises(ValueError, match="expected one with the update rule of RMSprop"):
        trainer.optimizer = "nadam"


def test_nadam_goes_by_the_step_s_number_alone(data):
    """The product of its momenta is taken up anew by a copy, and is the same."""
    X, y = data
    X, y = X[:20], y[:20]
    trainer = fb.Trainer(make_model(), "binary_cross_entropy", fb.NAdam(1e-4), batch_size=1)
    trainer.fit(X, y, epochs=20)
    twin = pickle.loads(pickle.dumps(trainer))
    assert trainer.step(X, y) == twin.step(X, y)
    assert trainer.step(X, y) == twin.step(X, y)
    for found, expected in zip(twin.model.get_weights(), trainer.model.get_weights(), strict=True):
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    "clipping", [{"clip_value": 0.02}, {"clip_norm": 0.1}, {"clip_norm": 1e3}, {"clip_array_norm": 0.05}], ids=str
)
def test_ten_steps_of_clipped_gradients_follow_pytorch(torch, clipping, data):
    X, y = data
    model = make_model()
    trainer = fb.Trainer(model, "binary_cross_entropy", fb.SGD(0.1, momentum=0.9), **clipping)
    weights = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    peer = torch.optim.SGD(weights, lr=0.1, momentum=0.9)
    inputs, targets = torch.tensor(X), torch.tensor(y, dtype=torch.float64)[:, None]
    for _ in range(10):
        peer.zero_grad()
        Z = torch.tanh(inputs @ weights[0] + weights[1]) @ weights[2] + weights[3]
        torch.nn.functional.binary_cross_entropy_with_logits(Z, targets).backward()
        if "clip_norm" in clipping:
            torch.nn.utils.clip_grad_norm_(weights, clipping["clip_norm"])
        elif "clip_array_norm" in clipping:
            for w in weights:
                torch.nn.utils.clip_grad_norm_([w], clipping["clip_array_norm"])
        else:
            torch.nn.utils.clip_grad_value_(weights, clipping["clip_value"])
        peer.step()
        trainer.step(X, y)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["clip_norm", "clip_array_norm"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_norm_beyond_the_dtype_s_squares_is_clipped_all_the_same(dtype, name):
    model = fb.Model([fb.Dense(1)], inputs=1, dtype=dtype)
    model.set_weights([[[0.0]], [0.0]])
    loss = fb.Trainer(model, "mse", fb.SGD(1.0), **{name: 1e-3}).step([[1e15]], [1e15])  # dW = -2e30
    assert loss == pytest.approx(1e30)
    np.testing.assert_allclose(model.get_weights()[0], 1e-3, rtol=1e-6)


def test_clipping_survives_a_change_of_numbers_and_a_copy(data):
    X, y = data
    trainer = fb.Trainer(make_model(), "binary_cross_entropy", fb.SGD(0.1), clip_norm=1e-6)
    assert (trainer.clip_norm, trainer.clip_value) == (1e-6, None)
    assert repr(trainer).endswith(", clip_norm=1e-06)")
    trainer.optimizer = fb.SGD(1.0)
    twin = pickle.loads(pickle.dumps(trainer))
    before = twin.model.get_weights()
    twin.step(X, y)
    change = [a - b for a, b in zip(twin.model.get_weights(), before, strict=True)]
    assert 0 < np.sqrt(sum((c**2).sum() for c in change)) < 1.001e-6


@pytest.mark.parametrize(
    ("clipping", "error", "sentence"),
    [
        ({"clip_norm": 0}, ValueError, "clip_norm is 0; expected a finite number above 0"),
        ({"clip_value": -1.0}, ValueError, "clip_value is -1.0; expected a finite number above 0"),
        ({"clip_value": "much"}, TypeError, "clip_value is 'much'"),
        ({"clip_value": 1.0, "clip_norm": 2.0}, ValueError, "clip_norm is 2.0; expected at most one"),
        ({"clip_array_norm": -2}, ValueError, "clip_array_norm is -2; expected a finite number above 0"),
        (
            {"clip_norm": 1.0, "clip_array_norm": 2.0},
            ValueError,
            "clip_norm is 1.0 and clip_array_norm is 2.0; expected",
        ),
    ],
)
def test_bad_clipping(clipping, error, sentence):
    with pytest.raises(error, match=sentence):
        fb.Trainer(make_model(), "binary_cross_entropy", **clipping)


def test_rprop_takes_full_batches_only():
    for batch_size in ({}, {"batch_size": 10}):
        with pytest.raises(
            ValueError, match=r"batch_size is \d+; expected None, all samples at once, with Rprop\. .*pass"
        ):
            fb.Trainer(make_model(), "binary_cross_entropy", "rprop", **batch_size)


def test_weight_decay_leaves_biases_alone():
    for optimizer in (
        fb.SGD(0.1, weight_decay=0.5),
        fb.AdamW(0.1, weight_decay=0.5),
        fb.Lion(0.1, weight_decay=0.5),
    ):
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
    names = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "Lion", "Rprop"]
    names.append("LBFGS")
    assert {name: cls.__name__ for name, cls in OPTIMIZERS.items()} == {name.lower(): name for name in names}
    assert all(getattr(fb, name) is OPTIMIZERS[name.lower()] for name in names)


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
        (lambda: fb.RMSprop(rho=1.0), "rho is 1.0; expected a finite number of 0 or more and below 1"),
        (lambda: fb.RMSprop(momentum=-0.1), "momentum is -0.1"),
        (lambda: fb.Adagrad(lr_decay=-1), "lr_decay is -1; expected a finite number of 0 or more"),
        (lambda: fb.Adagrad(initial_accumulator_value=-1), "initial_accumulator_value is -1"),
        (lambda: fb.Adadelta(rho=-0.5), "rho is -0.5"),
        (lambda: fb.Adamax(beta_2=1), "beta_2 is 1;"),
        (lambda: fb.NAdam(momentum_decay=-1), "momentum_decay is -1"),
        (lambda: fb.RAdam(epsilon=0), "epsilon is 0"),
        (lambda: fb.Lion(weight_decay=-1), "weight_decay is -1"),
        (lambda: fb.Rprop(eta_minus=1), "eta_minus is 1; expected a finite number above 0 and below 1"),
        (lambda: fb.Rprop(eta_plus=1), "eta_plus is 1; expected a finite number above 1"),
        (lambda: fb.Rprop(min_step=2, max_step=1), "max_step is 1; expected a finite number of 2 or more"),
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
        (lambda: fb.Adam(amsgrad="yes"), "amsgrad is 'yes'; expected True or False"),
        (lambda: fb.Adam(epsilon_hat=1), "epsilon_hat is 1; expected True or False"),
        (lambda: fb.RMSprop(centered=0), "centered is 0; expected True or False"),
    ],
)
def test_no_numbers(make, sentence):
    with pytest.raises(TypeError, match=sentence):
        make()


@pytest.mark.parametrize("epsilon", [1e-60, 1e-320])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", [fb.Adam, fb.RMSprop, fb.Adagrad, fb.Adadelta, fb.Adamax, fb.NAdam, fb.RAdam])
def test_an_epsilon_too_small_for_the_dtype_divides_nothing_by_zero(kind, epsilon, dtype):
    model = fb.Model([fb.Dense(3)], inputs=2, dtype=dtype)
    X = np.array([[1.0, 0.0], [2.0, 0.0]])  # the weights of the second input have no gradient
    before, _ = model.get_weights()
    fb.Trainer(model, "mse", kind(0.01, epsilon=epsilon)).fit(X, np.ones((2, 3)), epochs=3)
    after, _ = model.get_weights()
    assert np.isfinite(after).all()
    np.testing.assert_array_equal(after[1], before[1])
    if kind is not fb.Adadelta:  # whose first steps are of the size of its epsilon
        assert (after[0] != before[0]).all()
