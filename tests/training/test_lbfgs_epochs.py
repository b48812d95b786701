"""L-BFGS: SciPy's iterations on the engine's gradients, as epochs; and what does not go with it."""

import importlib.util
import pickle
import time

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import assert_same_bits
from fastbp.layers.parameter_list import weights_of
from layer_helpers import oracle_of

optimize = pytest.importorskip("scipy.optimize")
datasets = pytest.importorskip("sklearn.datasets")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
LABELS = (X[:, 0] > 0).astype(int) + (X[:, 1] * X[:, 2] > 0)


def make_trainer(optimizer="lbfgs", dtype="float64", **arguments):
    model = fb.Model([fb.Dense(7, "tanh"), fb.Dense(3, "softmax")], inputs=4, dtype=dtype)
    return fb.Trainer(model, "cross_entropy", optimizer, **({"batch_size": None} | arguments))


@pytest.mark.parametrize("weights", [None, RNG.random(90)], ids=["once", "weighted"])
def test_ten_iterations_follow_scipy_on_the_oracle(isa, weights):
    trainer = make_trainer(fb.LBFGS(memory=5))
    start = trainer.model.get_weights()
    shapes = [w.shape for w in start]
    losses = []

    def value(x):
        W, b, W2, b2 = (p.reshape(s) for p, s in zip(np.split(x, np.cumsum([28, 7, 21])), shapes, strict=True))
        layers = [reference.Layer(W, b, "tanh"), reference.Layer(W2, b2, "softmax")]
        loss, gradients = reference.loss_and_gradients(layers, X, LABELS, "cross_entropy", weights)
        return loss, np.concatenate([g.ravel() for pair in gradients for g in pair])

    expected = optimize.minimize(
        value,
        np.concatenate([w.ravel() for w in start]),
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: losses.append(intermediate_result.fun),
        options={"maxiter": 10, "maxcor": 5},
    )
    history = trainer.fit(X, LABELS, epochs=10, sample_weight=weights)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-10)
    found = np.concatenate([w.ravel() for w in trainer.model.get_weights()])
    np.testing.assert_allclose(found, expected.x, rtol=0, atol=1e-8)
    assert trainer.n_steps == history.n_epochs == 10


def test_layers_of_many_kinds_follow_scipy_on_the_oracle():
    """Penalties are minimised too, and what is frozen stays."""
    layers = [fb.Dense(7, "prelu", trainable=False), fb.LayerNorm(), fb.Residual([fb.Dense(7, "tanh", l2=0.01)])]
    model = fb.Model([*layers, fb.Dense(3, "softmax", l1=1e-3)], inputs=4, dtype="float64")
    trainer = fb.Trainer(model, "cross_entropy", fb.LBFGS(), batch_size=None)
    oracle, before, losses = oracle_of(model), model.get_weights(), []
    ends = np.cumsum([array.size for array in before])[:-1]
    trained = [weight.trained for weight in weights_of(model.layers, 4)]

    def value(x):
        for array, part in zip(oracle.arrays, np.split(x, ends), strict=True):
            array[:] = part.reshape(array.shape)
        loss, gradients = reference.block_loss_and_gradients(oracle, X, LABELS, "cross_entropy")
        return loss, np.concatenate([(g * t).ravel() for g, t in zip(gradients, trained, strict=True)])

    start = np.concatenate([array.ravel() for array in before])
    optimize.minimize(
        value,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: losses.append(intermediate_result.fun),
        options={"maxiter": 10},
    )
    np.testing.assert_allclose(trainer.fit(X, LABELS, epochs=10)["loss"], losses, rtol=1e-9)
    assert trainer.evaluate(X, LABELS)["loss"] == pytest.approx(losses[-1], rel=1e-9)
    assert_same_bits(model.get_weights()[:3], before[:3])


def test_it_finds_the_least_squares_solution_and_ends_there():
    X, y = datasets.load_diabetes(return_X_y=True)
    X, y = X / X.std(axis=0), y / y.std()
    model = fb.Model([fb.Dense(1)], inputs=10, dtype="float64")
    optimizer = fb.LBFGS(gradient_tolerance=1e-9, loss_tolerance=0)
    history = fb.Trainer(model, "mse", optimizer, batch_size=None).fit(X, y, epochs=1000)
    assert history.n_epochs < 100
    solution, *_ = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), y)
    np.testing.assert_allclose(np.append(*model.get_weights()), solution, atol=1e-7)
    assert history["r2"][-1] == pytest.approx(0.5177, abs=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_team_finds_the_same_bits(limits, dtype):
    limits(call_thread=1.0)
    trainers = [make_trainer(dtype=dtype, n_threads=n) for n in (1, 3)]
    losses = [trainer.fit(X, LABELS, epochs=20)["loss"] for trainer in trainers]
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.3 * losses[0][0]
    assert_same_bits(trainers[0].model.get_weights(), trainers[1].model.get_weights())


def test_epochs_are_told_like_any_others(capsys):
    trainer, told = make_trainer(averaging="swa"), []

    def stop_at_three(trainer, figures):
        told.append((figures["epoch"], figures["loss"]))
        if figures["epoch"] == 3:
            trainer.stop()

    history = trainer.fit(X, LABELS, 10, (X, LABELS), [stop_at_three], progress=True)
    assert told == list(zip([1, 2, 3], history["loss"], strict=True))
    assert history["loss"] == history["val_loss"]  # both behind the iteration
    assert history["loss"][-1] == trainer.evaluate(X, LABELS)["loss"]
    assert "\nepoch 3/10, " in capsys.readouterr().err
    assert trainer.evaluate(X, LABELS, averaged=True)["loss"] != history["loss"][-1]
    twin = pickle.loads(pickle.dumps(trainer))
    assert trainer.fit(X, LABELS, epochs=2)["loss"] == twin.fit(X, LABELS, epochs=2)["loss"]
    assert make_trainer(metrics=[]).fit(X, LABELS)["loss"][0] == pytest.approx(history["loss"][0], rel=1e-12)


def test_an_error_leaves_a_completed_iteration():
    calls = []

    def breaks(outputs, targets):
        calls.append(1)
        if len(calls) == 6:
            raise RuntimeError("enough")
        return (outputs**2).sum(axis=1), 2 * outputs

    model = fb.Model([fb.Dense(7, "tanh"), fb.Dense(3)], inputs=4, dtype="float64")
    trainer = fb.Trainer(model, breaks, fb.LBFGS(), batch_size=None)
    with pytest.raises(RuntimeError, match="enough"):
        trainer.fit(X, LABELS, epochs=20)
    done = trainer.history.n_epochs
    assert 0 < done < 6
    assert trainer.evaluate(X, LABELS)["loss"] == pytest.approx(trainer.history["loss"][-1], rel=1e-12)


def test_what_does_not_go_with_it(monkeypatch):
    for arguments, sentence in (
        ({"batch_size": 32}, "batch_size is 32; expected None, all samples at once, with LBFGS"),
        ({"clip_norm": 1.0}, "clip_norm is 1.0; expected none with LBFGS, whose steps are SciPy's"),
        ({"clip_value": 1.0}, "clip_value is 1.0"),
        ({"learning_rate_factors": {0: 2}}, "learning_rate_factors is {0: 2.0}; expected none"),
        ({"averaging": "ema"}, r"averaging is EMA\(.*; expected none with LBFGS"),
        ({"decay_biases": True}, "has no weight decay"),
        ({"accumulate": 2}, "accumulate is 2 and batch_size is None"),
    ):
        with pytest.raises(ValueError, match=sentence):
            make_trainer(**arguments)
    with pytest.raises(ValueError, match=r"expected one that makes single steps\. Call fit"):
        make_trainer().step(X, LABELS)
    model = fb.Model([fb.Dense(7, "tanh"), fb.Dropout(0.5), fb.Dense(3, "softmax")], inputs=4)
    with pytest.raises(
        ValueError, match=r"layers\[1\] is Dropout\(0.5\) and .* needs the same loss at every evaluation"
    ):
        fb.Trainer(model, "cross_entropy", "lbfgs", batch_size=None)
    for layer, sentence in (
        (fb.BatchNorm(), r"layers\[0\].layers\[0\] is BatchNorm\(.* does not update running"),
        (fb.Dense(4, max_norm=1), r"layers\[0\].layers\[0\] is Dense\(.* does not support max_norm"),
    ):
        model = fb.Model([fb.Residual([layer]), fb.Dense(3, "softmax")], inputs=4)
        with pytest.raises(ValueError, match=sentence):
            fb.Trainer(model, "cross_entropy", "lbfgs", batch_size=None)
    for make, sentence in (
        (lambda: fb.LBFGS(0), "memory is 0"),
        (lambda: fb.LBFGS(gradient_tolerance=-1), "gradient_tolerance is -1; expected a finite number of 0 or more"),
        (lambda: fb.LBFGS(loss_tolerance=-1), "loss_tolerance is -1"),
        (lambda: fb.LBFGS(line_search=0), "line_search is 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            make()
    with pytest.raises(ValueError, match="row 2, column 1 of X"):
        make_trainer().fit(np.where(np.arange(360).reshape(90, 4) == 9, np.inf, X), LABELS)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "scipy" else found(name))
    with pytest.raises(ImportError, match=r"LBFGS needs SciPy, which is not installed: pip install 'fastbp\[lbfgs\]'"):
        fb.LBFGS()


def test_an_optimizer_that_a_callback_sets_at_the_beginning_is_the_one():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60.0)
    trainer = fb.Trainer(fb.Model([fb.Dense(5, "tanh"), fb.Dense(1)], inputs=3), "mse", "lbfgs", batch_size=None)

    def set_it(trainer, figures):
        trainer.optimizer = fb.LBFGS(max_calls=1)

    trainer.fit(X, y, epochs=30, callbacks=fb.LambdaCallback(on_fit_begin=set_it))
    assert trainer.history.n_epochs < 3
    assert not {"x", "jac", "hess_inv"} & trainer.parts.state.search.keys()  # each as large as the weights


def test_a_time_limit_is_heard_between_evaluations_of_the_loss():
    """A line search of a hundred evaluations is one iteration; the limit does not wait for its end."""
    calls = []

    def slow(outputs, targets):
        calls.append(time.perf_counter())
        time.sleep(0.06)
        d = outputs - targets
        return (d**2).mean(axis=1), 2 * d / d.shape[1]

    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60.0)[:, np.newaxis]
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(1)], inputs=3)
    trainer = fb.Trainer(model, slow, "lbfgs", batch_size=None, metrics=[])
    iterations = []
    begin = time.perf_counter()
    trainer.fit(
        X,
        y,
        epochs=1000,
        callbacks=[fb.TimeLimit(0.3), lambda trainer, figures: iterations.append(trainer.model.get_weights())],
    )
    assert time.perf_counter() - begin < 3
    assert trainer.stop_reason == "stopped"
    assert len(calls) < 20
    if iterations:  # the weights are those of a completed iteration
        assert all((a == b).all() for a, b in zip(model.get_weights(), iterations[-1], strict=True))
    assert trainer.parts.state.search.nit == trainer.history.n_epochs


class StopAtOnce(fb.Callback):
    """Stops at the first tick, or never, and keeps the figures of all ticks."""

    def __init__(self, stops=True):
        self.stops, self.losses = stops, []

    def on_tick(self, trainer, figures):
        self.losses.append(figures["loss"])
        if self.stops:
            trainer.stop()


@pytest.fixture
def every_look(monkeypatch):
    """Callbacks hear each look that the engine takes, and not twenty a second."""
    monkeypatch.setattr("fastbp.training.lbfgs_epochs._TICK_SECONDS", 0.0)


def long_evaluation(callbacks, epochs):
    """Training whose every evaluation of the loss takes about half a second on one thread."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40_000, 50)).astype(np.float32)
    model = fb.Model([fb.Dense(300, "tanh"), fb.Dense(300, "tanh"), fb.Dense(1)], inputs=50)
    trainer = fb.Trainer(model, "mse", fb.LBFGS(line_search=2), None, n_threads=1, metrics=[])
    before = model.get_weights()
    trainer.fit(X, X[:, 0], epochs=epochs, callbacks=callbacks)
    return trainer, before


@pytest.mark.usefixtures("every_look")
def test_a_time_limit_is_heard_within_an_evaluation_of_the_loss():
    ticks = StopAtOnce()
    trainer, before = long_evaluation([ticks], 3)
    assert len(ticks.losses) == 1
    assert np.isnan(ticks.losses[0])  # not even the first evaluation is done
    assert (trainer.stop_reason, trainer.history.n_epochs) == ("stopped", 0)
    assert_same_bits(trainer.model.get_weights(), before)
    trainer.fit(X[:, :1].repeat(50, axis=1), X[:, 0], epochs=2)  # the session is ready for more
    assert trainer.history.n_epochs == 2


@pytest.mark.usefixtures("every_look")
def test_being_looked_at_changes_no_bits():
    ticks = StopAtOnce(stops=False)
    looked_at, _ = long_evaluation([ticks], 1)
    alone, _ = long_evaluation([], 1)
    assert sum(np.isnan(ticks.losses)) > 1  # within the first evaluation
    assert_same_bits(looked_at.model.get_weights(), alone.model.get_weights())
    assert looked_at.history["loss"] == alone.history["loss"]
