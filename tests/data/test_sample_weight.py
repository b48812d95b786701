"""Sample weights: a weight of 2 is the row twice, 0 its absence, in losses, gradients, metrics and whole epochs."""

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import assert_close, assert_same_bits, make_data, make_pair, parameters, targets_of
from fastbp.engine import kernels
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session, gradients

metrics = pytest.importorskip("sklearn.metrics")

N_SAMPLES = 53
COUNTS = np.arange(N_SAMPLES) % 4  # 0, 1, 2, 3, 0...
SGD = {"learning_rate": 0.05, "momentum": 0.9}


def specs_for(loss, activation):
    return [(19, "tanh", 0.0), (reference.outputs_a_target(loss) * 3, activation, 0.0)]


def flat(pairs):
    return np.concatenate([array.ravel() for pair in pairs for array in pair])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("loss", "activation"), reference.EXAMPLES, ids=str)
def test_a_weight_is_how_often_a_row_is_there(isa, loss, activation, dtype):
    specs = specs_for(loss, activation)
    network, layers = make_pair(7, specs, dtype)
    for labelled in (True, False) if "cross_entropy" in loss else (True,):
        X, y = make_data(N_SAMPLES, 7, specs[-1][0], loss, dtype, labelled=labelled)
        rows = np.repeat(np.arange(N_SAMPLES), COUNTS)
        value, pairs = gradients(network, SampleSet(ArrayReader(X), targets_of(y), COUNTS.astype(float)), loss, 1)
        repeated, wanted = gradients(network, SampleSet(ArrayReader(X[rows]), targets_of(y[rows])), loss, 1)
        assert value == pytest.approx(repeated, rel=1e-5 if dtype == "float32" else 1e-12)
        assert_close(flat(pairs), flat(wanted), dtype, 4)
        _, of_oracle = reference.loss_and_gradients(layers, X, y, loss, COUNTS)
        assert_close(flat(pairs), flat(of_oracle), dtype, 4)


@pytest.mark.parametrize(("loss", "activation"), reference.EXAMPLES, ids=str)
def test_the_gradient_is_the_slope_of_the_weighted_loss(isa, loss, activation):
    specs = [(4, "tanh", 0.0), specs_for(loss, activation)[-1]]
    network, _ = make_pair(3, specs, "float64")
    X, y = make_data(9, 3, specs[-1][0], loss, "float64")
    weights = np.random.default_rng(2).random(9)

    def value():
        return gradients(network, SampleSet(ArrayReader(X), targets_of(y), weights), loss, 1)[0]

    _, pairs = gradients(network, SampleSet(ArrayReader(X), targets_of(y), weights), loss, 1)
    for i, (dW, _) in enumerate(pairs):
        W, b = network.get_layer(i)
        slopes = np.empty_like(W)
        for index in np.ndindex(W.shape):
            moved, values = W.copy(), []
            for h in (1e-6, -1e-6):
                moved[index] = W[index] + h
                network.set_layer(i, moved, b)
                values.append(value())
            slopes[index] = (values[0] - values[1]) / 2e-6
            network.set_layer(i, W, b)
        assert np.linalg.norm(slopes - dW) / np.linalg.norm(dW) < 1e-6


@pytest.mark.parametrize("limits_changed", [{}, {"long_step": 0.0, "apart": 0.0, "piece": 0.0}])
def test_weighted_epochs_follow_the_oracle(isa, limits, limits_changed):
    limits(**limits_changed)
    specs = [(20, "relu", 0.0), (5, "softmax", 0.0)]
    network, layers = make_pair(9, specs, "float64")
    X, y = make_data(75, 9, 5, "cross_entropy", "float64")
    weights = np.random.default_rng(0).random(75) * (np.arange(75) % 5 > 0)
    session = Session(network, "cross_entropy", ("correct",), "sgd", 1)
    oracle = reference.make_optimizer("sgd", SGD)
    for epoch in range(2):
        loss, (correct,) = session.epoch(SampleSet(ArrayReader(X), y, weights), EpochPlan(16, True, 11, epoch, SGD))
        order = kernels.permutation(11, epoch, 75)
        wanted, wanted_correct = 0.0, 0.0
        for i in range(0, 75, 16):
            rows = order[i : i + 16]
            right = reference.predict(layers, X[rows]).argmax(axis=1) == y[rows]
            wanted_correct += weights[rows] @ right
            mean = reference.train_step(layers, oracle, X[rows], y[rows], "cross_entropy", weights[rows])
            wanted += weights[rows].sum() * mean
        assert loss == pytest.approx(wanted / weights.sum(), rel=1e-10)
        assert correct[0] == pytest.approx(wanted_correct, rel=1e-12)
    for i, layer in enumerate(layers):
        W, b = network.get_layer(i)
        np.testing.assert_allclose(W, layer.W, rtol=0, atol=1e-10)
        np.testing.assert_allclose(b, layer.b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_team_weighs_to_the_same_bits_and_ones_change_none(isa, limits, dtype):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    specs = [(40, "relu", 0.0), (5, "softmax", 0.0)]
    X, y = make_data(5000, 9, 5, "cross_entropy", dtype)
    random = np.random.default_rng(0).random(5000)
    for batch_size in (64, 4500):
        results = []
        for weights, n_threads in ((random, 1), (random, 2), (random, 5), (np.ones(5000), 1), (None, 3)):
            network, _ = make_pair(9, specs, dtype)
            session = Session(network, "cross_entropy", ("correct",), "sgd", n_threads)
            figures = session.epoch(SampleSet(ArrayReader(X), y, weights), EpochPlan(batch_size, True, 7, 0, SGD))
            results.append((parameters(network), figures))
        for same, other in ((0, 1), (0, 2), (3, 4)):
            assert_same_bits(results[same][0], results[other][0])
        assert results[0][1] == results[1][1] == results[2][1]
        network, _ = make_pair(9, specs, dtype)
        found = [
            network.evaluate(SampleSet(ArrayReader(X), y, random), "cross_entropy", ("correct",), n) for n in (1, 3)
        ]
        assert found[0] == found[1]


def test_ten_weighted_steps_follow_pytorch(torch):
    model = fb.Model([fb.Dense(12, "tanh"), fb.Dense(3, "softmax")], inputs=5, dtype="float64")
    X, y = make_data(40, 5, 3, "cross_entropy", "float64")
    w = np.random.default_rng(3).random(40)
    trainer = fb.Trainer(model, "cross_entropy", fb.Adam(0.01))
    weights = [torch.tensor(v, requires_grad=True) for v in model.get_weights()]
    peer = torch.optim.Adam(weights, lr=0.01)
    inputs, labels, shares = torch.tensor(X), torch.tensor(y).long(), torch.tensor(w)
    for _ in range(10):
        peer.zero_grad()
        Z = torch.tanh(inputs @ weights[0] + weights[1]) @ weights[2] + weights[3]
        losses = torch.nn.functional.cross_entropy(Z, labels, reduction="none")
        loss = (shares * losses).sum() / shares.sum()
        loss.backward()
        peer.step()
        assert trainer.step(X, y, w) == pytest.approx(loss.item(), rel=1e-10)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_metrics_are_weighted_as_scikit_learn_weighs_them():
    rng = np.random.default_rng(5)
    X, w = rng.normal(size=(300, 4)), rng.random(300) * (np.arange(300) % 3 > 0)
    Y = np.column_stack([X[:, 0] + 0.1 * rng.normal(size=300), X[:, 1] * X[:, 2]])
    model = fb.Model([fb.Dense(2)], inputs=4, dtype="float64")
    trainer = fb.Trainer(model, "mse", metrics=["r2", "mae", "mse"])
    found, A = trainer.evaluate(X, Y, w), model.predict(X)
    assert found["r2"] == pytest.approx(metrics.r2_score(Y, A, sample_weight=w), rel=1e-10)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(Y, A, sample_weight=w), rel=1e-12)
    expected = metrics.mean_squared_error(Y, A, sample_weight=w)
    assert found["loss"] == pytest.approx(found["mse"], rel=1e-12) == pytest.approx(expected, rel=1e-12)
    for loss, model, y in (
        ("cross_entropy", fb.Model([fb.Dense(3, "softmax")], inputs=4, dtype="float64"), rng.integers(0, 3, 300)),
        (
            "binary_cross_entropy",
            fb.Model([fb.Dense(1, "sigmoid")], inputs=4, dtype="float64"),
            rng.integers(0, 2, 300),
        ),
    ):
        A = model.predict(X)
        answers = A.argmax(axis=1) if loss == "cross_entropy" else A[:, 0] > 0.5
        found = fb.Trainer(model, loss).evaluate(X, y, w)
        assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, answers, sample_weight=w), rel=1e-12)
        assert found["loss"] == pytest.approx(metrics.log_loss(y, A, sample_weight=w), rel=1e-12)


def test_fit_weighs_training_and_validation_data():
    X, y = make_data(90, 4, 3, "cross_entropy", "float64")
    w = np.arange(90.0) % 3
    model = fb.Model([fb.Dense(3, "softmax")], inputs=4, dtype="float64")
    trainer = fb.Trainer(model, "cross_entropy", fb.Adam(1e-12))
    history = trainer.fit(X, y, validation_data=(X, y, w), sample_weight=w.tolist(), progress=True)
    expected = trainer.evaluate(X, y, w)
    for name in ("loss", "accuracy"):
        assert history[name][0] == pytest.approx(expected[name], rel=1e-9)
        assert history[f"val_{name}"][0] == expected[name]
    value, _ = model.loss_and_gradients(X, y, "cross_entropy", sample_weight=w)
    assert value == pytest.approx(expected["loss"], rel=1e-12)


@pytest.mark.parametrize("clipping", [{}, {"clip_norm": 1.0}])
def test_nothing_is_learnt_from_a_batch_that_weighs_nothing(clipping):
    X, y = make_data(30, 4, 3, "cross_entropy", "float64")
    trainers = []
    for rows in (slice(0, 30), slice(0, 10)):
        model = fb.Model([fb.Dense(3, "softmax")], inputs=4, dtype="float64")
        optimizer = fb.SGD(0.1, momentum=0.9, weight_decay=0.1)
        trainer = fb.Trainer(model, "cross_entropy", optimizer, batch_size=10, shuffle=False, **clipping)
        trainer.fit(X[rows], y[rows], sample_weight=(np.arange(30) < 10)[rows])
        trainers.append(trainer)
    assert [trainer.n_steps for trainer in trainers] == [3, 1]
    assert_same_bits(trainers[0].model.get_weights(), trainers[1].model.get_weights())
    assert trainers[0].history["loss"] == trainers[1].history["loss"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_stands_for_a_missing_target_does_no_harm(dtype):
    """The square of the error is infinite, and weighs nothing."""
    huge = np.finfo(dtype).max / 4
    X, y = np.ones((3, 2)), np.array([1.0, huge, 2.0])
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=2, dtype=dtype), "mse", metrics=["mse", "mae"])
    found = trainer.evaluate(X, y, [1, 0, 1])
    assert found == pytest.approx(trainer.evaluate(X[::2], y[::2]))
    assert trainer.step(X, y, [1, 0, 1]) == pytest.approx(found["loss"])
    assert np.isfinite(trainer.model.get_weights()[0]).all()


@pytest.mark.parametrize(
    ("weights", "error", "sentence"),
    [
        ([1.0, -1, 1], ValueError, r"sample_weight\[1\] is -1.0; expected a finite number of 0 or more"),
        ([1.0, 1, np.nan], ValueError, r"sample_weight\[2\] is nan; expected a finite number"),
        ([np.inf, 1, 1], ValueError, r"sample_weight\[0\] is inf"),
        ([0, 0, 0], ValueError, "the sample weights in sample_weight sum to 0; expected a finite sum above 0"),
        ([1e308, 1e308, 1e308], ValueError, "the sample weights in sample_weight sum to inf"),
        ([1, 1], ValueError, r"sample_weight has shape \(2,\); expected \(3,\), a weight for each sample"),
        ([[1], [1], [1]], ValueError, r"sample_weight has shape \(3, 1\).* Give sample_weight.reshape\(-1\)"),
        (1.0, ValueError, r"sample_weight has shape \(\); expected \(3,\)"),
        (["a", "b", "c"], TypeError, "sample_weight is shape"),
    ],
)
@pytest.mark.parametrize("call", ["fit", "step", "evaluate", "loss_and_gradients"])
def test_bad_weights(call, weights, error, sentence):
    model = fb.Model([fb.Dense(1)], inputs=2)
    trainer = fb.Trainer(model, "mse")
    X, y = np.ones((3, 2)), np.ones(3)
    with pytest.raises(error, match=sentence):
        if call == "loss_and_gradients":
            model.loss_and_gradients(X, y, "mse", sample_weight=weights)
        else:
            getattr(trainer, call)(X, y, sample_weight=weights)


def test_bad_weights_of_validation_data():
    trainer = fb.Trainer(fb.Model([fb.Dense(1)], inputs=2), "mse")
    X, y = np.ones((3, 2)), np.ones(3)
    with pytest.raises(ValueError, match=r"validation_data\[2\]\[0\] is -1"):
        trainer.fit(X, y, validation_data=(X, y, [-1, 1, 1]))
    with pytest.raises(TypeError, match=r"a pair \(X_val, y_val\), or \(X_val, y_val, sample_weight\)"):
        trainer.fit(X, y, validation_data=(X, y, [1, 1, 1], 5))
