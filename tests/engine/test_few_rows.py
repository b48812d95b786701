"""A few samples alone: the bits that they have among others, from the first call on and once weights are turned."""

import tracemalloc

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import assert_close, assert_same_bits, make_pair, predict
from fastbp.engine.errors import NonFinite

ENOUGH = 7  # calls after which the weights are turned
SPECS = [(40, "relu", 0.0), (23, "gelu", 0.0), (5, "softmax", 0.0)]
SIZES = [(1, 1, 1), (3, 16, 17), (15, 8, 4), (16, 7, 31), (33, 9, 1), (600, 33, 70), (17, 300, 130)]


def check_rows_alone(model, X):
    """Each row alone, more than often enough, has the bits of the row among the others."""
    together = model.predict(X)
    for row in [*range(len(X))] * ENOUGH:
        assert_same_bits(model.predict(X[row : row + 1]), together[row : row + 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", reference.ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES)
def test_a_row_alone_has_the_bits_that_it_has_among_others(isa, dtype, activation, sizes):
    n_inputs, n_hidden, n_outputs = sizes
    hidden = "linear" if activation == "exp" else activation  # exp of exp magnifies every rounding
    specs = [(n_hidden, hidden, 0.1), (n_outputs, activation, 0.1)]
    network, layers = make_pair(n_inputs, specs, dtype)
    X = np.random.default_rng(3).normal(size=(40, n_inputs)).astype(dtype)
    together = predict(network, X)
    assert_close(together, reference.predict(layers, X.astype(float)), dtype)
    for row in [*range(5)] * 2:
        assert_same_bits([predict(network, X[row : row + 1])], [together[row : row + 1]])
    for few in range(2, 18):  # beyond what is taken without a panel on any instruction set
        assert_same_bits([predict(network, X[few : 2 * few])], [together[few : 2 * few]])


@pytest.mark.parametrize("n_rows", range(1, 9))
def test_what_is_not_finite_is_found_among_a_few(isa, n_rows):
    network, _ = make_pair(3, SPECS, "float32")
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    for row in [*range(n_rows)] * ENOUGH:
        for number in (np.nan, np.inf, -np.inf, 1e300):
            bad = X.copy()
            bad[row, 1] = number
            with pytest.raises(NonFinite) as info:
                predict(network, bad)
            assert (info.value.where, info.value.row) == ("inputs", row)


@pytest.mark.parametrize("times", [1, ENOUGH])
def test_a_single_row_is_read_like_many(isa, times):
    network, _ = make_pair(3, SPECS, "float32")
    for dtype in ("?", "i1", "u2", "i8", "f2", "f8"):
        X = np.array([[0, 1, 1], [1, 0, 1]], dtype)
        for rows in (X, X[:, ::-1], np.asfortranarray(X)):
            for _ in range(times):
                np.testing.assert_array_equal(predict(network, rows[:1]), predict(network, rows)[:1])


def make_model(*layers):
    return fb.Model([*layers, fb.Dense(3, "softmax")], inputs=6, seed=0)


X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 40)


@pytest.mark.parametrize("layers", [[fb.Dense(20, "relu")], [fb.Dense(20), fb.BatchNorm(), fb.Dropout(0.5)]])
def test_turned_weights_follow_every_change(layers, tmp_path):
    model = make_model(*layers)
    trainer = fb.Trainer(model, "cross_entropy", seed=0)
    check_rows_alone(model, X[:3])
    trainer.step(X, Y)
    check_rows_alone(model, X[:3])
    trainer.fit(X, Y, epochs=3)
    check_rows_alone(model, X[:3])
    model.set_weights([2 * array for array in model.get_weights()])
    check_rows_alone(model, X[:3])
    model.save(tmp_path / "model.safetensors")
    check_rows_alone(fb.Model.load(tmp_path / "model.safetensors"), X[:3])


def test_whoever_is_called_while_training_sees_the_weights_of_now():
    """A loss and a callback that predict a row again and again, as the weights change between the calls."""
    model = make_model(fb.Dense(20, "relu"))

    def mean_error(outputs, targets):
        check_rows_alone(model, X[:2])
        one_hot = np.eye(3)[targets]
        return ((outputs - one_hot) ** 2).mean(axis=1), 2 / 3 * (outputs - one_hot)

    class Predicting(fb.Callback):
        def on_epoch_end(self, trainer, figures):
            check_rows_alone(model, X[:2])

    trainer = fb.Trainer(model, loss=mean_error, batch_size=5, seed=0)
    trainer.fit(X, Y, epochs=3, callbacks=[Predicting()])


def test_weights_written_from_outside_are_seen_at_once():
    """scikit-learn's coefs_ are the model's own memory."""
    MLPClassifier = pytest.importorskip("fastbp.sklearn", exc_type=ImportError).MLPClassifier
    estimator = MLPClassifier(8, random_state=0).partial_fit(X, Y, classes=[0, 1, 2])
    for factor in (0.5, 3.0):
        before = [estimator.predict_proba(X[:1]) for _ in range(ENOUGH)][-1]
        estimator.coefs_[0][:] *= factor
        after = estimator.predict_proba(X[:1])
        assert np.abs(after - before).max() > 1e-4
        np.testing.assert_array_equal(after, estimator.predict_proba(X[:2])[:1])


@pytest.mark.parametrize(("n_inputs", "units", "copies"), [(4200, 100, 1), (4200, 4200, 0), (200_000, 1, 0)])
def test_weights_are_kept_twice_only_where_that_gains(n_inputs, units, copies):
    """More than 64 MB come from the memory, whose speed turning does not change; one unit would be mostly padding."""
    model = fb.Model([fb.Dense(units), fb.Dense(4)], inputs=n_inputs)
    X = np.random.default_rng(0).normal(size=(40, n_inputs)).astype(np.float32)
    model.predict(X[:1])
    tracemalloc.start()
    for _ in range(ENOUGH):
        model.predict(X[:1])
    grown = tracemalloc.get_traced_memory()[0] / (4 * units * n_inputs)
    tracemalloc.stop()
    assert copies <= grown < copies + 0.2
    together = model.predict(X)
    for few in (1, 3):
        assert_same_bits(model.predict(X[:few]), together[:few])
