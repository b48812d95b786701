"""Several private trainers on the same samples: one account, one budget, whichever way they are trained."""

import copy

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits

N = 400
X = np.random.default_rng(0).normal(size=(N, 5))
Y = (X[:, 0] > 0).astype(int)
NUMBERS = {"sampling_probability": 0.1, "delta": 1e-5}


def make(seed=0, **changes):
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(2, "softmax")], inputs=5, seed=seed)
    arguments = {"target_epsilon": 2.0, "target_delta": 1e-5, "expected_batch_size": 40, **changes}
    return fb.Trainer(model, "cross_entropy", "adam", privacy=fb.DifferentialPrivacy(**arguments))


def test_fit_many_keeps_one_budget():
    """The noise is that of all steps together; every account and statement counts all of them."""
    trainers = [make(seed) for seed in range(3)]
    fb.fit_many(trainers, X, Y, epochs=4)
    sigma = fb.privacy.noise_multiplier(target_epsilon=2.0, steps=3 * 40, **NUMBERS)
    for trainer in trainers:
        assert trainer.n_steps == 40
        assert trainer.privacy.noise_multiplier == sigma
        assert 1.98 < trainer.privacy.epsilon() <= 2.0
        assert "120 steps of 3 models" in trainer.privacy.statement()
    assert trainers[0].history["epsilon"][0] == fb.privacy.epsilon(noise_multiplier=sigma, steps=10, **NUMBERS)
    assert len({trainer.privacy.keys.key for trainer in trainers}) == 3
    with pytest.raises(ValueError, match="have used it up") as error:
        fb.fit_many(trainers, X, Y)
    assert "trainers[0]" in error.value.__notes__[0]


def test_fit_many_without_budget_is_a_fit_of_each():
    """But for the account; and steps that one made before count for all."""
    together, alone = (
        [make(seed, noise_multiplier=1.0, target_epsilon=None, secure=False) for seed in range(2)] for _ in "ab"
    )
    for trainer in (together[0], alone[0]):
        trainer.fit(X, Y)
    fb.fit_many(together, X, Y, epochs=2, validation_data=fb.Public(X[:9], Y[:9]))
    for trainer, other in zip(together, alone, strict=True):
        other.fit(X, Y, epochs=2)
        assert_same_bits(trainer.model.get_weights(), other.model.get_weights())
        assert trainer.privacy.epsilon() == fb.privacy.epsilon(noise_multiplier=1.0, steps=50, **NUMBERS)
        assert "val_loss" in trainer.history
    assert alone[0].privacy.n_steps == 30


def test_folds_compose_by_hand():
    trainers = [make(seed) for seed in range(4)]
    fb.privacy.join(trainers)
    for i, trainer in enumerate(trainers):
        rest = np.arange(N) % 4 != i
        trainer.fit(X[rest], Y[rest], epochs=3)
    expected = fb.privacy.epsilon(
        sampling_probability=40 / 300, noise_multiplier=trainers[0].privacy.noise_multiplier, steps=4 * 24, delta=1e-5
    )
    assert [trainer.privacy.epsilon() for trainer in trainers] == [expected] * 4
    assert 1.98 < expected <= 2.0


def test_a_copy_and_a_file_have_all_that_was_counted(tmp_path):
    trainers = [make(seed, noise_multiplier=1.0, target_epsilon=None) for seed in range(2)]
    fb.fit_many(trainers, X, Y)
    trainers[0].save(tmp_path / "trainer.safetensors")
    spent = trainers[0].privacy.epsilon()
    for other in (copy.deepcopy(trainers[0]), fb.Trainer.load(tmp_path / "trainer.safetensors")):
        assert other.privacy.epsilon() == spent
        assert "of 2 models" in other.privacy.statement()
        other.fit(X, Y)
        assert trainers[0].privacy.epsilon() == spent < other.privacy.epsilon()
    trainers[1].fit(X, Y)
    assert trainers[0].privacy.epsilon() > spent


def test_what_cannot_be_composed_is_refused():
    with pytest.raises(ValueError, match="one budget"):
        fb.fit_many([make(0), make(1, target_epsilon=3.0)], X, Y)
    plain = fb.Trainer(fb.Model([fb.Dense(2, "softmax")], inputs=5), "cross_entropy")
    with pytest.raises(TypeError, match="has no bound"):
        fb.fit_many([make(0), plain], X, Y)
    with pytest.raises(TypeError, match=r"trainers\[0\]"):
        fb.privacy.join([plain])
    known = make(0)
    known.fit(X, Y)
    other = make(1)
    other.fit(X, Y, epochs=2)
    with pytest.raises(ValueError, match="different noise multipliers"):
        fb.privacy.join([known, other])
    with pytest.raises(ValueError, match=r"fb\.Public"):
        fb.fit_many([make(0)], X, Y, validation_data=(X, Y))
    with pytest.raises(ValueError, match="scores on folds"):
        fb.cross_validate(make, X, Y, folds=2)
    with pytest.raises(ValueError, match="scores on folds"):
        fb.suspect_labels(make(0), X, Y)
