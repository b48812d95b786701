"""The temperature of classes, by rows held out: beside SciPy's minimum, and a closed form."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax

import fastbp as fb
from fastbp.sklearn import TabularClassifier
from fastbp.tabular.temperatures import Logits, best_temperature, divide_logits


def log_losses(logits, y, temperature):
    return -np.log(softmax(logits.astype(float) / temperature, axis=1)[np.arange(len(y)), y])


@pytest.mark.parametrize("wrong", [0.4, 2.5])
def test_it_is_the_minimum_of_the_log_loss(wrong):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (3000, 4))
    y = np.array([rng.choice(4, p=p) for p in softmax(logits, axis=1)])
    said = Logits.of("nets", np.arange(3000), softmax(wrong * logits, axis=1).astype(np.float32))
    found = best_temperature([said], {"nets": 1.0}, y, np.ones(len(y)))
    expected = minimize_scalar(lambda t: log_losses(wrong * logits, y, t).mean(), bounds=(0.1, 10), method="bounded").x
    assert found == pytest.approx(expected, rel=0.002)
    assert found == pytest.approx(wrong, rel=0.1)


def test_answers_that_are_all_as_sure_become_as_sure_as_they_are_right():
    """Of 1,000 rows 800 are right, all said with .95: the temperature makes it .8, the closed form."""
    y = np.zeros(1000, int)
    y[:200] = 1
    said = Logits.of("nets", np.arange(1000), np.tile(np.array([[0.95, 0.05]], np.float32), (1000, 1)))
    found = best_temperature([said], {"nets": 1.0}, y, np.ones(len(y)))
    assert found == pytest.approx(np.log(0.95 / 0.05) / np.log(0.8 / 0.2), rel=0.002)


def test_rows_count_by_their_weights():
    """Of 1,000 rows 800 are right, which count three quarters as much as the others: three of four are right."""
    y = np.zeros(1000, int)
    y[:200] = 1
    said = Logits.of("nets", np.arange(1000), np.tile(np.array([[0.95, 0.05]], np.float32), (1000, 1)))
    weights = np.where(y == 1, 1.0, 0.75)
    found = best_temperature([said], {"nets": 1.0}, y, weights)
    assert found == pytest.approx(np.log(0.95 / 0.05) / np.log(0.75 / 0.25), rel=0.002)


def test_of_several_kinds_it_is_that_of_their_mixture():
    """Folds answer rows of their own; a kind's answers are averaged, and another kind has no share."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (2000, 3))
    y = np.array([rng.choice(3, p=p) for p in softmax(logits, axis=1)])
    own = [3 * logits + rng.normal(0, 1, logits.shape) for _ in range(2)]
    other = 3 * logits[:, ::-1]
    halves = np.arange(1000), np.arange(1000, 2000)
    said = [Logits.of("nets", rows, softmax(z[rows], axis=1).astype(np.float32)) for rows in halves for z in own]
    said.append(Logits.of("linear", np.arange(2000), softmax(0.5 * logits, axis=1).astype(np.float32)))
    said.append(Logits.of("straight", np.arange(2000), softmax(other, axis=1).astype(np.float32)))

    def loss(t):
        nets = (softmax(own[0] / t, axis=1) + softmax(own[1] / t, axis=1)) / 2
        mixed = 0.75 * nets + 0.25 * softmax(0.5 * logits / t, axis=1)
        return -np.log(mixed[np.arange(2000), y]).mean()

    found = best_temperature(said, {"nets": 0.75, "linear": 0.25}, y, np.ones(2000))
    assert found == pytest.approx(minimize_scalar(loss, bounds=(1 / 3, 3), method="bounded").x, rel=0.002)


def test_what_may_be_chance_changes_nothing():
    """The loss has to fall by two standard errors: few rows cannot tell 1.1 from 1, many can."""
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (30_000, 2))
    y = np.array([rng.choice(2, p=p) for p in softmax(logits, axis=1)])
    for n, changes in ((60, False), (30_000, True)):
        said = Logits.of("nets", np.arange(n), softmax(1.1 * logits[:n], axis=1).astype(np.float32))
        assert (best_temperature([said], {"nets": 1.0}, y[:n], np.ones(n)) != 1) == changes
    assert best_temperature([], {"nets": 1.0}, y, np.ones(len(y))) == 1


def test_the_last_layer_has_it():
    model = fb.Model([fb.Dense(8, "mish"), fb.Dense(3, "softmax")], inputs=4, seed=0)
    X = np.random.default_rng(0).normal(size=(20, 4))
    logits = np.log(model.predict(X))
    divide_logits(model, 1.7)
    np.testing.assert_allclose(model.predict(X), softmax(logits / 1.7, axis=1), rtol=1e-5)


def test_an_estimator_says_it_and_files_keep_it(tmp_path, monkeypatch):
    """With a temperature of 2 for all, each member's logits are half of what they are without one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    plain = TabularClassifier(epochs=2, random_state=0).fit(X, y)
    monkeypatch.setattr("fastbp.tabular.blending.best_temperature", lambda *_: 2.0)
    warm = TabularClassifier(epochs=2, random_state=0).fit(X, y)
    assert (plain.temperature_, warm.temperature_) == (1.0, 2.0)
    said = 0.0
    for member, share in plain._table.shares:
        probabilities = member.model.predict(plain._table.encodings[member.encoded_as].encode(X))
        said = said + share * softmax(np.log(probabilities.astype(float)) / 2, axis=1)
    np.testing.assert_allclose(warm.predict_proba(X), said, rtol=1e-4)
    warm.save(tmp_path / "table.safetensors")
    again = TabularClassifier.load(tmp_path / "table.safetensors")
    assert again.temperature_ == 2.0
    np.testing.assert_array_equal(again.predict_proba(X), warm.predict_proba(X))
