"""Gradient accumulation: k batches a step are one batch of k times the size."""

import pickle

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(203, 4))
LABELS = RNG.integers(0, 3, 203)
WEIGHTS = RNG.random(203) * (np.arange(203) % 3 > 0)


def make_trainer(batch_size, accumulate=1, dtype="float64", dropout=False, loss="cross_entropy", **arguments):
    layers = [fb.Dense(23, "tanh"), *([fb.Dropout(0.3)] if dropout else []), fb.Dense(3, "softmax")]
    model = fb.Model(layers, inputs=4, dtype=dtype)
    return fb.Trainer(model, loss, batch_size=batch_size, accumulate=accumulate, **arguments)


@pytest.mark.parametrize("batch_size", [1, 7, 16])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["once", "weighted"])
@pytest.mark.parametrize("arguments", [{}, {"clip_norm": 0.1}, {"averaging": fb.EMA(0.9)}], ids=str)
def test_as_one_batch_of_that_many_samples(isa, batch_size, weights, arguments):
    trainers = [make_trainer(batch_size, 4, **arguments), make_trainer(batch_size * 4, **arguments)]
    histories = [trainer.fit(X, LABELS, epochs=3, sample_weight=weights) for trainer in trainers]
    assert trainers[0].n_steps == trainers[1].n_steps == 3 * -(-203 // (4 * batch_size))
    for figure in ("loss", "accuracy"):
        np.testing.assert_allclose(histories[0][figure], histories[1][figure], rtol=1e-12)
    for a, b in zip(*(trainer.model.get_weights() for trainer in trainers), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


def test_ten_steps_follow_pytorch(torch):
    trainer = make_trainer(10, 3, optimizer=fb.SGD(0.1, momentum=0.9), shuffle=False)
    weights = [torch.tensor(w, requires_grad=True) for w in trainer.model.get_weights()]
    peer = torch.optim.SGD(weights, lr=0.1, momentum=0.9)
    for step in range(10):
        peer.zero_grad()
        for part in range(3):
            rows = slice(10 * part, 10 * part + 10)
            Z = torch.tanh(torch.tensor(X[rows]) @ weights[0] + weights[1]) @ weights[2] + weights[3]
            (torch.nn.functional.cross_entropy(Z, torch.tensor(LABELS[rows])) / 3).backward()
        peer.step()
        trainer.fit(X[:30], LABELS[:30])
        assert trainer.n_steps == step + 1
    for found, expected in zip(trainer.model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("changed", [{}, {"long_step": 0.0, "apart": 0.0, "piece": 0.0}], ids=str)
def test_any_team_gets_the_same_bits(limits, dtype, changed):
    limits(epoch_thread=1.0, paced=0.0, **changed)
    trainers = [make_trainer(50, 2, dtype, dropout=True, n_threads=n) for n in (1, 2, 5)]
    losses = [trainer.fit(X, LABELS, epochs=2, sample_weight=WEIGHTS)["loss"] for trainer in trainers]
    assert losses[0] == losses[1] == losses[2]
    for trainer in trainers[1:]:
        assert_same_bits(trainer.model.get_weights(), trainers[0].model.get_weights())


def test_each_batch_of_a_step_drops_out_numbers_of_its_own():
    """Two batches of the same rows: were they dropped out alike, the step would be that of one of them."""
    changes = []
    for rows, accumulate in ((np.zeros(20, int), 2), (np.zeros(10, int), 1)):
        trainer = make_trainer(10, accumulate, dropout=True, optimizer=fb.SGD(1.0))
        trainer.fit(X[rows], LABELS[rows])
        changes.append(trainer.model.get_weights()[2])
    assert not np.allclose(*changes)


def test_a_loss_function_is_called_for_each_batch():
    sizes = []

    def square(outputs, targets):
        sizes.append(len(outputs))
        return (outputs**2).sum(axis=1), 2 * outputs

    trainer = make_trainer(30, 3, loss=square)
    trainer.fit(X, LABELS)
    assert sizes == [30, 30, 30, 30, 30, 30, 23]
    assert trainer.n_steps == 3


def test_a_bad_row_is_named_with_its_batch():
    bad = X.copy()
    bad[95, 2] = np.nan
    trainer = make_trainer(10, 3, shuffle=False)
    with pytest.raises(ValueError, match="row 95, column 2 of X"):
        trainer.fit(bad, LABELS)
    assert trainer.n_steps == 3
    model = fb.Model([fb.Dense(1)], inputs=4, dtype="float64")
    trainer = fb.Trainer(model, "mse", fb.SGD(1e200), batch_size=10, accumulate=3, shuffle=False)
    with pytest.raises(FloatingPointError, match="in epoch 1, batch 4, the"):
        trainer.fit(X, LABELS)


def test_it_is_checked_shown_and_copied():
    for value, error in ((0, ValueError), (2.0, TypeError), (None, TypeError)):
        with pytest.raises(error, match="accumulate is"):
            make_trainer(10, value)
    with pytest.raises(ValueError, match="accumulate is 2 and batch_size is None"):
        make_trainer(None, 2)
    trainer = make_trainer(10, 2)
    assert trainer.accumulate == 2
    assert "accumulate=2" in repr(trainer)
    assert "accumulate" not in repr(make_trainer(10))
    trainer.fit(X, LABELS)
    twin = pickle.loads(pickle.dumps(trainer))
    assert trainer.fit(X, LABELS)["loss"] == twin.fit(X, LABELS)["loss"]
