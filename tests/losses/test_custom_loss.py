"""Losses that are functions: asked once a batch, in every way of training, on any team, and refused where they err."""

import pickle

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 4))
Y = RNG.normal(size=(75, 3))
LABELS = RNG.integers(0, 3, 75)
WEIGHTS = RNG.random(75)


def mse(outputs, targets):
    d = outputs - targets
    return (d**2).mean(axis=1), 2 * d / d.shape[1]


def cross_entropy(outputs, labels):
    rows = np.arange(len(labels))
    gradient = np.zeros(outputs.shape)
    gradient[rows, labels] = -1 / outputs[rows, labels]
    return -np.log(outputs[rows, labels]), gradient


def quartic(outputs, targets):
    d = outputs.astype(float) - targets
    return (d**4).sum(axis=1), 4 * d**3


def network(last="linear", dtype="float64", seed=0):
    return fb.Model([fb.Dense(9, "tanh"), fb.Dropout(0.2), fb.Dense(3, last)], inputs=4, dtype=dtype, seed=seed)


def assert_alike(found, expected, tolerance=1e-10):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


CASES = [(mse, "mse", Y, "linear"), (cross_entropy, "cross_entropy", LABELS, "softmax"), (mse, "mse", Y, "silu")]


@pytest.mark.parametrize(("function", "name", "y", "last"), CASES)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["once", "weighted"])
@pytest.mark.parametrize("batch_size", [16, None])
def test_it_trains_as_the_loss_that_it_is(isa, function, name, y, last, weights, batch_size):
    trainers = [fb.Trainer(network(last), loss, batch_size=batch_size, metrics=[]) for loss in (function, name)]
    histories = [
        t.fit(X, y, epochs=3, sample_weight=weights, validation_data=(X[:20], y[:20], WEIGHTS[:20])) for t in trainers
    ]
    for figure in ("loss", "val_loss"):
        np.testing.assert_allclose(histories[0][figure], histories[1][figure], rtol=1e-10)
    assert trainers[0].step(X, y, weights) == pytest.approx(trainers[1].step(X, y, weights), rel=1e-10)
    assert_alike(trainers[0].model.get_weights(), trainers[1].model.get_weights())
    found, expected = (trainer.evaluate(X, y, weights)["loss"] for trainer in trainers)
    assert found == pytest.approx(expected, rel=1e-10)
    model = network(last)
    results = [model.loss_and_gradients(X, y, loss, sample_weight=weights) for loss in (function, name)]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-12)
    assert_alike(results[0][1], results[1][1], 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_team_gets_the_same_bits(limits, dtype):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    trainers = [fb.Trainer(network(dtype=dtype), quartic, fb.Adam(0.01), n_threads=n) for n in (1, 2, 5)]
    losses = [t.fit(X, Y, epochs=30, sample_weight=WEIGHTS)["loss"] for t in trainers]
    assert losses[0] == losses[1] == losses[2]
    assert losses[0][-1] < 0.8 * losses[0][0]
    for trainer in trainers[1:]:
        assert_same_bits(trainer.model.get_weights(), trainers[0].model.get_weights())


def test_the_gradient_is_the_slope(isa):
    assert max(fb.check_gradients(network(), X, Y, quartic, tolerance=1e-6).values()) < 1e-6


def test_ten_steps_follow_pytorch(torch):
    model = fb.Model([fb.Dense(9, "tanh"), fb.Dense(3)], inputs=4, dtype="float64")
    trainer = fb.Trainer(model, quartic, fb.Adam(0.01))
    weights = [torch.tensor(w, requires_grad=True) for w in model.get_weights()]
    peer = torch.optim.Adam(weights, lr=0.01)
    for _ in range(10):
        peer.zero_grad()
        A = torch.tanh(torch.tensor(X) @ weights[0] + weights[1]) @ weights[2] + weights[3]
        loss = ((A - torch.tensor(Y)) ** 4).sum(axis=1).mean()
        loss.backward()
        peer.step()
        assert trainer.step(X, Y) == pytest.approx(loss.item(), rel=1e-10)
    assert_alike(model.get_weights(), [w.detach().numpy() for w in weights])


def test_it_is_asked_once_a_batch_with_the_rows_that_belong_to_it():
    seen = []

    def spy(outputs, targets):
        seen.append((outputs.shape, outputs.dtype, targets.copy()))
        targets[...] = 0  # the user's y is not touched
        return np.zeros(len(outputs)), np.zeros(outputs.shape)

    y = np.arange(75 * 2 * 5).reshape(75, 2, 5)
    before = y.copy()
    trainer = fb.Trainer(network(dtype="float32"), spy, batch_size=32)
    trainer.fit(X, y)
    assert [shape for shape, _, _ in seen] == [(32, 3), (32, 3), (11, 3)]
    assert {dtype for _, dtype, _ in seen} == {np.dtype(np.float32)}
    rows = np.concatenate([targets for _, _, targets in seen])
    assert sorted(rows[:, 0, 0]) == list(range(0, 750, 10))
    trainer.fit(X, y, epochs=1)
    trainer.evaluate(X, y)
    np.testing.assert_array_equal(y, before)
    n_samples = 9000  # more than the engine takes at once of its own losses
    seen.clear()
    trainer.step(np.zeros((n_samples, 4)), np.zeros(n_samples))
    assert [shape for shape, _, _ in seen] == [(n_samples, 3)]


class Broken(Exception):
    pass


@pytest.mark.parametrize("n_threads", [1, 3])
def test_an_exception_leaves_the_model_at_a_completed_step(limits, n_threads):
    limits(epoch_thread=1.0, paced=0.0)
    calls = []

    def breaks(outputs, targets):
        calls.append(len(outputs))
        if len(calls) == 4:
            raise Broken("in the fourth batch")
        return mse(outputs, targets)

    trainer = fb.Trainer(network(), breaks, batch_size=10, n_threads=n_threads, shuffle=False)
    with pytest.raises(Broken, match="in the fourth batch"):
        trainer.fit(X, Y)
    assert trainer.n_steps == 3
    by_hand = fb.Trainer(network(), mse, n_threads=n_threads)
    for start in (0, 10, 20):
        by_hand.step(X[start : start + 10], Y[start : start + 10])
    assert_same_bits(trainer.model.get_weights(), by_hand.model.get_weights())
    assert trainer.fit(X, Y).n_epochs == 1  # and it goes on


def test_it_may_predict_but_not_train_on_the_way():
    other = network(seed=1)

    def nested(outputs, targets):
        other.predict(X)
        with pytest.raises(RuntimeError, match="already training"):
            trainer.step(X, Y)
        return mse(outputs, targets)

    trainer = fb.Trainer(network(), nested, n_threads=2)
    trainer.fit(X, Y)
    assert trainer.n_steps == 3


WRONG = [
    (lambda a, t: 0.5, TypeError, r"the result of the loss .*<lambda>.* is 0.5; expected a pair"),
    (
        lambda a, t: ((a - t).sum(), a),
        ValueError,
        r"the losses that .* returned is .*; expected shape \(75,\).* own loss",
    ),
    (lambda a, t: (a, a), ValueError, r"the losses .* an ndarray of shape \(75, 3\) .*; expected shape \(75,\)"),
    (lambda a, t: (a[:, 0], a[:, :2]), ValueError, r"the gradient .* shape \(75, 2\) .*; expected shape \(75, 3\)"),
    (lambda a, t: (a[:, 0] * np.nan, a), ValueError, r"the losses .*\[0\] is nan; expected a finite number"),
    (lambda a, t: (a[:, 0], a / 0), ValueError, r"row 0, column 0 of the gradient .* is -?inf; expected a finite"),
    (lambda a, t: (["a"] * 75, a), TypeError, "the losses that the loss"),
]


@pytest.mark.parametrize(("function", "error", "sentence"), WRONG)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_it_returns_is_checked(function, error, sentence):
    trainer = fb.Trainer(network(), function, batch_size=None)
    before = trainer.model.get_weights()
    for call in (trainer.fit, trainer.step, trainer.evaluate):
        with pytest.raises(error, match=sentence):
            call(X, Y)
    with pytest.raises(error, match=sentence):
        trainer.model.loss_and_gradients(X, Y, function)
    assert_same_bits(trainer.model.get_weights(), before)


def test_what_does_not_go_with_a_function():
    with pytest.raises(ValueError, match=r"expected metrics for this loss: functions of \(y_true, y_pred\)"):
        fb.Trainer(network(), mse, metrics=["r2"])
    with pytest.raises(ValueError, match="class_weight is given and loss is 'custom'"):
        fb.Trainer(network(), mse).fit(X, Y, class_weight="balanced")
    with pytest.raises(TypeError, match=r"Add parentheses: MeanSquaredError\(\)"):
        fb.Trainer(network(), fb.MeanSquaredError)
    with pytest.raises(ValueError, match="X has 75 rows, y has 5"):
        fb.Trainer(network(), mse).fit(X, Y[:5])
    with pytest.raises(ValueError, match=r"y has shape \(\); expected a row for each sample"):
        fb.Trainer(network(), mse).fit(X, 1.0)
    model = network()
    model.set_weights([np.full_like(w, 1e308) for w in model.get_weights()])  # whichever units dropout leaves
    with pytest.raises(FloatingPointError, match="outputs of layer"):
        fb.Trainer(model, mse).step(X * 1e10, Y)
    with pytest.raises(ValueError, match="row 3, column 1 of X"):
        fb.Trainer(network(), mse).fit(np.where(np.arange(300).reshape(75, 4) == 13, np.nan, X), Y)


def test_a_copy_goes_on_alike():
    trainer = fb.Trainer(network(), mse)
    assert "loss=mse," in repr(trainer)
    trainer.fit(X, Y, epochs=2)
    twin = pickle.loads(pickle.dumps(trainer))
    assert twin.fit(X, Y)["loss"] == trainer.fit(X, Y)["loss"]


@pytest.mark.parametrize("sample_weight", [None, np.full(len(X), 2.0)])
def test_a_gradient_that_is_finite_in_float64_only_is_told_before_the_update(sample_weight):
    def steep(outputs, targets):
        return np.ones(len(outputs)), np.full(outputs.shape, 1e41)

    model = network(dtype="float32")
    before = model.get_weights()
    what = "the gradient of the loss by the outputs is not finite as float32, although the loss is"
    trainer = fb.Trainer(model, steep, batch_size=25)
    with pytest.raises(FloatingPointError, match=f"in step 1, {what}"):
        trainer.step(X, Y, sample_weight)
    with pytest.raises(FloatingPointError, match=f"in epoch 1, batch 1, {what}"):
        trainer.fit(X, Y, sample_weight=sample_weight, progress=False)
    with pytest.raises(FloatingPointError, match=f"in epoch 1, batch 1, {what}"):
        fb.Trainer(model, steep, batch_size=24, shards=2).fit(X, Y, sample_weight=sample_weight, progress=False)
    with pytest.raises(FloatingPointError, match=f"in loss_and_gradients, {what}"):
        model.loss_and_gradients(X, Y, steep, sample_weight=sample_weight)
    with pytest.raises(FloatingPointError, match=f"in input_gradients, {what}"):
        model.input_gradients(X, Y, steep)
    for own, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, former)


def test_a_steep_gradient_of_a_later_batch_names_the_batch():
    calls = []

    def steep(outputs, targets):
        calls.append(0)
        return np.ones(len(outputs)), np.full(outputs.shape, 1e41 if len(calls) == 3 else 0.0)

    with pytest.raises(FloatingPointError, match="in epoch 1, batch 3, the gradient of the loss"):
        fb.Trainer(network(dtype="float32"), steep, batch_size=25).fit(X, Y, progress=False)


def test_a_loss_is_not_asked_about_outputs_that_are_not_finite():
    model = network(dtype="float32")
    weights = model.get_weights()
    weights[2][:] = 3e38
    model.set_weights(weights)
    asked = []

    def loss(outputs, targets):
        asked.append(len(outputs))
        return mse(outputs, targets)

    with pytest.raises(FloatingPointError, match="the loss on X is nan; expected a finite number"):
        fb.Trainer(model, loss).evaluate(X, Y)
    assert asked == []
