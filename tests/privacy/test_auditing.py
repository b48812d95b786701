"""Audits: they catch training that is not private, and never contradict one that is."""

import math

import numpy as np
import pytest
from scipy import stats

import fastbp as fb
from fastbp.privacy.auditing import probability_of_guesses

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(300, 30)), RNG.integers(0, 10, 300)
CANARIES = 4 * RNG.normal(size=(400, 30)), RNG.integers(0, 10, 400)


def train_with(**changes):
    def train(X, y):
        arguments = {"noise_multiplier": 1.0, "target_delta": 1e-5, "expected_batch_size": 100, **changes}
        model = fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=30)
        trainer = fb.Trainer(
            model, "cross_entropy", fb.Adam(0.01), privacy=fb.DifferentialPrivacy(secure=False, **arguments)
        )
        trainer.fit(X, y, epochs=60)
        found.append(trainer.privacy.epsilon())
        return trainer

    found = []
    return train, found


@pytest.mark.slow
def test_an_audit_bounds_epsilon_from_below():
    bounds = []
    for sigma, C in ((4.0, 1.0), (0.3, 1.0), (0.02, 10.0)):
        train, found = train_with(noise_multiplier=sigma, max_grad_norm=C)
        result = fb.privacy.audit(train, X, Y, CANARIES, delta=1e-5)
        assert result.epsilon <= found[0]
        assert (result.n_canaries, result.n_guesses, result.confidence) == (400, 200, 0.95)
        bounds.append(result.epsilon)
    assert bounds[-1] > 1.5  # next to no noise: most guesses are right


def test_what_was_trained_without_privacy_is_found_out():
    def train(X, y):
        trainer = fb.Trainer(
            fb.Model([fb.Dense(64, "relu"), fb.Dense(10, "softmax")], inputs=30), "cross_entropy", fb.Adam(0.01)
        )
        trainer.fit(X, y, epochs=60)
        return trainer

    result = fb.privacy.audit(train, X[:50], Y[:50], [part[:120] for part in CANARIES], delta=1e-5)
    assert result.n_right > 0.85 * result.n_guesses
    assert result.epsilon > 1.5


def test_who_tells_nothing_is_not_accused():
    class Constant:
        def evaluate(self, X, y):
            return {"loss": 1.0}

    n_accused = sum(
        fb.privacy.audit(lambda X, y: Constant(), X, Y, CANARIES, delta=1e-6, seed=seed).epsilon > 0
        for seed in range(100)
    )
    assert n_accused <= 12  # at a confidence of 95 %


def test_chances_are_binomial_without_delta():
    for epsilon in (0.0, 1.0, 3.0):
        q = math.exp(epsilon) / (1 + math.exp(epsilon))
        for n_right in (0, 10, 20, 30):
            expected = stats.binom.sf(n_right - 1, 30, q)
            assert probability_of_guesses(100, 30, n_right, epsilon, 0.0) == pytest.approx(expected, rel=1e-9)
    assert probability_of_guesses(100, 30, 25, 1.0, 1e-3) > probability_of_guesses(100, 30, 25, 1.0, 1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"canaries": (X[:5], Y[:4])}, "canaries has 5 rows of X and 4 of y"),
        ({"n_guesses": 1}, "n_guesses is 1"),
        ({"n_guesses": 500}, "n_guesses is 500"),
        ({"confidence": 1.0}, "confidence is 1"),
        ({"delta": 0.0}, "delta is 0"),
    ],
)
def test_refusals(changes, words):
    arguments = {"canaries": CANARIES, "delta": 1e-5, **changes}
    with pytest.raises((TypeError, ValueError), match=words):
        fb.privacy.audit(None, X, Y, **arguments)
