"""LayerNorm and BatchNorm: statistics of batches and of predictions, and what is refused."""

import numpy as np
import pytest

import fastbp as fb
import reference
from engine_helpers import assert_close, assert_same_bits, make_data
from layer_helpers import oracle_of, torch_of
from layer_models import DTYPES, N_INPUTS, data_for, make_model, set_training, some_weights, weights_of_model

# ---- Normalisation ----


@pytest.mark.parametrize("kind", [fb.LayerNorm(), fb.BatchNorm()])
def test_gain_and_shift_begin_at_one_and_zero_and_do_not_decay(kind):
    model = fb.Model([fb.Dense(9, "relu"), kind, fb.Dense(2)], inputs=N_INPUTS)
    gain, shift = model.get_weights()[2:4]
    assert (gain == 1).all()
    assert (shift == 0).all()
    for optimizer in (fb.AdamW(0.01, weight_decay=1.0), fb.SGD(0.1, weight_decay=1.0)):
        model.set_weights([*model.get_weights()[:-2], np.zeros((9, 2)), np.zeros(2)])  # no gradient: only the decay
        fb.Trainer(model, "mse", optimizer).step(np.ones((2, N_INPUTS)), np.zeros((2, 2)))
        np.testing.assert_array_equal(model.get_weights()[2], gain)
        np.testing.assert_array_equal(model.get_weights()[3], shift)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_batch_has_its_own_statistics_the_last_short_one_too(isa, dtype):
    """An epoch of four batches, the last one of 17 of 70 rows, against the oracle step by step."""
    model, _ = make_model("batch norm between", dtype)
    X, y = make_data(77, N_INPUTS, 3, "mse", dtype)
    oracle = oracle_of(model)
    set_training(oracle)
    fb.Trainer(model, "mse", fb.SGD(0.1), batch_size=20, shuffle=False, n_threads=1).fit(X, y)
    for first in range(0, 77, 20):
        rows = slice(first, first + 20)
        _, gradients = reference.block_loss_and_gradients(oracle, X[rows], y[rows], "mse")
        for kind, array, gradient in zip(weights_of_model(model), oracle.arrays, gradients, strict=True):
            if kind.trained:
                array -= 0.1 * gradient
    for array, wanted in zip(model.get_weights(), oracle.arrays, strict=True):
        assert_close(array, wanted, dtype, factor=10)


def test_each_batch_of_a_step_is_normalised_by_itself_as_in_pytorch(torch):
    """And moves the running statistics, in the batches' order."""
    model, _ = make_model("batch norms behind all kinds")
    X, y = make_data(60, N_INPUTS, 3, "mse", "float64")
    peer, parameters = torch_of(torch, model)
    optimizer = torch.optim.SGD([p for p in parameters if p.requires_grad], lr=0.1)
    trainer = fb.Trainer(model, "mse", fb.SGD(0.1), batch_size=20, accumulate=3, shuffle=False)
    for _ in range(5):
        optimizer.zero_grad()
        for part in range(3):
            rows = slice(20 * part, 20 * part + 20)
            (torch.nn.functional.mse_loss(peer(torch.tensor(X[rows])), torch.tensor(y[rows])) / 3).backward()
        optimizer.step()
        trainer.fit(X, y)
    assert trainer.n_steps == 5
    for array, parameter in zip(model.get_weights(), parameters, strict=True):
        np.testing.assert_allclose(array, parameter.detach().numpy().T, rtol=0, atol=1e-10)


def test_statistics_count_every_row_once_whatever_its_weight():
    X, y = make_data(40, N_INPUTS, 3, "mse", "float64")
    weights = some_weights(40)
    model, loss = make_model("batch norm between")
    other, _ = make_model("batch norm between")
    fb.Trainer(model, loss, fb.SGD(1e-30)).step(X, y, weights)
    fb.Trainer(other, loss, fb.SGD(1e-30)).step(X, y)
    assert_same_bits(model.get_weights(), other.get_weights())

    arrays = model.get_weights()
    _, gradients = model.loss_and_gradients(X, y, loss, sample_weight=weights, training=True)
    for i, kind in enumerate(weights_of_model(model)):
        d = np.random.default_rng(i).normal(size=kind.shape)
        values = []
        for h in (1e-6, -1e-6):
            model.set_weights([*arrays[:i], arrays[i] + h * d * kind.trained, *arrays[i + 1 :]])
            values.append(model.loss_and_gradients(X, y, loss, sample_weight=weights, training=True)[0])
        assert (values[0] - values[1]) / 2e-6 == pytest.approx(np.vdot(gradients[i], d), rel=1e-6, abs=1e-8)


def test_a_step_that_fails_in_its_last_batch_leaves_the_statistics():
    model, loss = make_model("batch norm between")
    X, y = data_for(model, loss, 60, "float64")
    X[55, 2] = np.nan
    before = model.get_weights()
    with pytest.raises(ValueError, match="row 55, column 2 of X"):
        fb.Trainer(model, loss, batch_size=20, accumulate=3, shuffle=False).fit(X, y)
    assert_same_bits(model.get_weights(), before)


def test_a_prediction_is_the_folded_layers_and_follows_the_weights():
    model = fb.Model([fb.Dense(9), fb.Dropout(0.1), fb.BatchNorm(), fb.Dense(2)], inputs=3, dtype="float64")
    X = np.random.default_rng(0).normal(size=(30, 3))
    trainer = fb.Trainer(model, "mse", fb.SGD(0.1))
    predictions = []
    for step in range(3):
        W1, b1, gain, shift, mean, variance, W2, b2 = model.get_weights()
        wanted = (gain * (X @ W1 + b1 - mean) / np.sqrt(variance + 1e-5) + shift) @ W2 + b2
        np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-12, atol=1e-14)
        predictions.append(model.predict(X))
        trainer.step(X, np.ones((30, 2)))
        if step == 1:
            model.set_weights([array + 0.1 for array in model.get_weights()])
    assert not np.array_equal(predictions[0], predictions[1])


def test_statistics_move_only_with_a_completed_step():
    model, loss = make_model("batch norm between", "float32")
    X, y = data_for(model, loss, 40, "float32")
    before = model.get_weights()
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3, column 2 of X"):
        fb.Trainer(model, loss).step(X, y)
    assert_same_bits(model.get_weights(), before)


def test_a_batch_of_many_chunks_has_the_statistics_of_predict():
    """In loss_and_gradients, where nothing is trained, any number of rows will do."""
    model, loss = make_model("batch norms behind all kinds")
    X, y = data_for(model, loss, 9000, "float64")
    _, wanted = reference.block_loss_and_gradients(oracle_of(model), X, y, loss)
    for gradient, expected, weight in zip(
        model.loss_and_gradients(X, y, loss)[1], wanted, weights_of_model(model), strict=True
    ):
        if weight.trained:
            assert_close(gradient, expected, "float64", factor=10)


def test_batches_that_have_no_statistics_are_refused():
    model = fb.Model([fb.Dense(4), fb.BatchNorm(), fb.Dense(1)], inputs=2)
    X, y = np.zeros((5001, 2)), np.zeros(5001)
    for call, what in (
        (lambda: fb.Trainer(model, "mse").step(X[:1], y[:1]), "the batch has 1 sample; expected 2 to 4,096"),
        (lambda: fb.Trainer(model, "mse", batch_size=1).fit(X, y), "the batch has 1 sample; expected 2 to 4,096"),
        (
            lambda: fb.Trainer(model, "mse", batch_size=None).fit(X, y),
            "the batch has 5,001 samples; expected 2 to 4,096",
        ),
        (
            lambda: fb.Trainer(model, "mse", batch_size=100).fit(X, y),
            "the last batch of 5001 samples has 1 sample; expected 2 to 4,096 for BatchNorm",
        ),
        (lambda: model.loss_and_gradients(X[:1], y[:1], "mse", training=True), "X has 1 sample; expected 2 to 4,096"),
    ):
        with pytest.raises(ValueError, match=what):
            call()
