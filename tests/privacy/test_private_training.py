"""Private trainers: account and budget, history, files, the key, copies."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits
from fastbp.privacy.keys import KeyChain

N = 400
X = np.random.default_rng(0).normal(size=(N, 5))
Y = (X[:, 0] > 0).astype(int)


def make(seed=0, optimizer="adam", layers=None, **changes):
    model = fb.Model(layers or [fb.Dense(8, "tanh"), fb.Dropout(0.1), fb.Dense(2, "softmax")], inputs=5, seed=seed)
    arguments = {"noise_multiplier": 1.0, "target_delta": 1e-5, "expected_batch_size": 40, **changes}
    return fb.Trainer(model, "cross_entropy", optimizer, privacy=fb.DifferentialPrivacy(**arguments))


def test_the_account_is_that_of_the_steps():
    trainer = make()
    assert trainer.privacy.epsilon() == 0
    assert "nothing is revealed" in trainer.privacy.statement()
    history = trainer.fit(X, Y, epochs=3)
    assert history["steps"] == [10, 20, 30]
    numbers = {"sampling_probability": 0.1, "noise_multiplier": 1.0}
    expected = [fb.privacy.epsilon(**numbers, steps=steps, delta=1e-5) for steps in (10, 20, 30)]
    assert history["epsilon"] == pytest.approx(expected, rel=1e-12)
    assert trainer.privacy.epsilon(1e-7) == fb.privacy.epsilon(**numbers, steps=30, delta=1e-7)
    trainer.fit(X[:200], Y[:200])  # 5 steps of another probability, on the same samples
    total = fb.privacy.epsilon(sampling_probability=[0.1, 0.2], noise_multiplier=1.0, steps=[30, 5], delta=1e-5)
    assert trainer.privacy.epsilon() == pytest.approx(total, rel=1e-12)
    statement = trainer.privacy.statement()
    for words in (
        "35 steps",
        "Poisson",
        "once an epoch",
        "one sample, added or removed",
        "taken as public",
        "secret key",
    ):
        assert words in statement, words


def test_noise_alone_has_no_budget_and_both_stop_at_it():
    both = make(target_epsilon=3.0)
    both.fit(X, Y, epochs=1000)
    assert both.stop_reason == "budget"
    steps = both.privacy.n_steps
    numbers = {"sampling_probability": 0.1, "noise_multiplier": 1.0, "delta": 1e-5}
    assert both.privacy.epsilon() <= 3.0 < fb.privacy.epsilon(**numbers, steps=steps + 1)
    assert both.history["steps"][-1] == steps
    weights = both.model.get_weights()
    with pytest.raises(ValueError, match="have used it up"):
        both.fit(X, Y)
    assert_same_bits(both.model.get_weights(), weights)


@pytest.mark.parametrize("epochs", [1, 7])
def test_the_noise_follows_from_the_budget_and_the_first_fit(epochs):
    trainer = make(noise_multiplier=None, target_epsilon=2.0)
    trainer.fit(X, Y, epochs=epochs)
    assert trainer.stop_reason == "epochs"
    assert 1.98 < trainer.privacy.epsilon() <= 2.0
    expected = fb.privacy.noise_multiplier(target_epsilon=2.0, sampling_probability=0.1, steps=10 * epochs, delta=1e-5)
    assert trainer.privacy.noise_multiplier == expected


def test_steps_that_a_callback_ends_are_counted():
    trainer = make()

    def stop(trainer, figures):
        if figures["step"] == 13:
            trainer.stop()

    trainer.fit(X, Y, epochs=5, callbacks=[fb.LambdaCallback(on_step_end=stop)])
    assert (trainer.stop_reason, trainer.privacy.n_steps, trainer.n_steps) == ("stopped", 13, 13)
    trainer.fit(X, Y, epochs=1)  # the rest of that epoch
    assert trainer.history["steps"] == [10, 20]

    def fail(trainer, figures):
        if figures["step"] == 24:
            raise KeyError("in a callback")

    with pytest.raises(KeyError):
        trainer.fit(X, Y, epochs=1, callbacks=[fb.LambdaCallback(on_step_end=fail)])
    assert trainer.privacy.n_steps == trainer.n_steps == 24


def test_not_secure_is_reproducible_and_says_so_everywhere():
    found = []
    for _ in range(2):
        trainer = make(secure=False)
        trainer.fit(X, Y, epochs=2)
        found.append(trainer.model.get_weights())
    assert_same_bits(*found)
    for text in (trainer.privacy.statement(), repr(trainer.privacy)):
        assert "NOT PRIVATE" in text
    assert "secure=False" in repr(trainer)
    assert "40 expected" in trainer._repr_html_()
    secret = [make() for _ in range(2)]
    for trainer in secret:
        trainer.fit(X, Y, epochs=1)
    assert not np.array_equal(secret[0].model.get_weights()[0], secret[1].model.get_weights()[0])


@pytest.mark.parametrize("step", [7, 10, 13])
def test_a_file_goes_on_to_the_same_bits(tmp_path, step):
    """Within an epoch and at its end: the key is in the file, and the data are the same."""
    path = tmp_path / "trainer.safetensors"

    def save(trainer, figures):
        if trainer.n_steps == step:
            trainer.save(path)

    trainer = make()
    trainer.fit(X, Y, epochs=3, callbacks=[fb.LambdaCallback(on_step_end=save)])
    again = fb.Trainer.load(path)
    assert again.privacy.n_steps == step
    assert again.privacy.settings == trainer.privacy.settings
    again.fit(X, Y, epochs=3 - again.history.n_epochs)
    assert_same_bits(again.model.get_weights(), trainer.model.get_weights())
    assert again.privacy.runs == trainer.privacy.runs
    assert again.history["epsilon"] == trainer.history["epsilon"]


CHANGES = {
    "a number": lambda trainer: (np.where(np.arange(N)[:, None] == 3, X + 1, X), Y),
    "a label": lambda trainer: (X, np.where(np.arange(N) == 3, 1 - Y, Y)),
    "a sample": lambda trainer: (X[1:], Y[1:]),
    "the weights": lambda trainer: (trainer.model.set_weights([w * 1.01 for w in trainer.model.get_weights()]), (X, Y))[
        1
    ],
    "the rate": lambda trainer: (setattr(trainer, "learning_rate", 0.5), (X, Y))[1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_key_is_never_used_for_two_trainings(tmp_path, change):
    """The same noise on other data, or from other weights, would show the difference without noise."""
    path = tmp_path / "trainer.safetensors"
    trainer = make()
    trainer.fit(X, Y)
    trainer.save(path)
    keys = set()
    for changed in (False, True, True):
        again = fb.Trainer.load(path)
        data = CHANGES[change](again) if changed else (X, Y)
        again.fit(*data)
        keys.add(again.privacy.keys.key)
        assert (again.privacy.keys.key == trainer.privacy.keys.key) == (not changed)
    assert len(keys) == 2  # the same change gives the same key: there is nothing to learn from it


def test_a_key_chain_keeps_and_changes_its_key():
    chain = KeyChain(None)
    first = chain.key_for(b"a")
    assert chain.key_for(b"a") != first  # nothing was left under these circumstances
    key = chain.key
    chain.leave(b"b")
    assert chain.key_for(b"b") == key
    assert chain.key_for(b"c") != key
    assert KeyChain(None).key != KeyChain(None).key
    assert KeyChain(3).key == KeyChain(3).key != KeyChain(4).key


def test_copies_are_independent_and_the_model_has_no_key(tmp_path):
    trainer = make()
    trainer.fit(X, Y)
    other = pickle.loads(pickle.dumps(trainer))
    third = copy.deepcopy(trainer)
    for each in (other, third):
        assert each.privacy.runs == trainer.privacy.runs
        each.fit(X, Y)
    assert_same_bits(other.model.get_weights(), third.model.get_weights())
    trainer.model.save(tmp_path / "model.safetensors")
    assert trainer.privacy.keys.key.hex().encode() not in (tmp_path / "model.safetensors").read_bytes()


def test_a_damaged_account_is_refused(tmp_path):
    path = tmp_path / "trainer.safetensors"
    trainer = make()
    trainer.fit(X, Y)
    trainer.save(path)
    written = path.read_bytes()
    key = trainer.privacy.keys.key.hex().encode()
    path.write_bytes(written.replace(key, b"zz" + key[2:]))
    with pytest.raises(ValueError, match=r"trainer\.safetensors"):
        fb.Trainer.load(path)


def test_the_same_bits_on_any_number_of_threads(limits):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    found = []
    for n_threads in (1, 4):
        trainer = make(secure=False, layers=[fb.Dense(64, "tanh"), fb.Residual([fb.Dense(64)]), fb.Dense(2, "softmax")])
        with trainer.parts.state.on_threads(n_threads):
            trainer.fit(X, Y, epochs=2)
        found.append(trainer.model.get_weights())
    assert_same_bits(*found)


def test_overflow_and_bad_numbers_name_no_row():
    bad = X.copy()
    bad[3, 2] = np.inf
    trainer = make()
    with pytest.raises(ValueError, match="Which row is not told") as error:
        trainer.fit(bad, Y, epochs=50)
    assert "row 3" not in str(error.value)


def test_weights_that_overflow_are_named_by_epoch_and_layer_and_no_row():
    privacy = fb.DifferentialPrivacy(max_grad_norm=1e5, noise_multiplier=1.0, target_delta=1e-5, expected_batch_size=8)
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], inputs=3, seed=0)
    trainer = fb.Trainer(model, "mse", fb.SGD(1e36), privacy=privacy, seed=0)
    with pytest.raises(FloatingPointError, match=r"in epoch 1,? .*layer") as error:
        trainer.fit(np.ones((40, 3)), np.ones(40), epochs=20)
    assert "row" not in str(error.value)


def test_it_learns():
    """A line through 4000 points is learnt within epsilon 2."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=(4000, 3))
    labels = (data @ [1.0, -2.0, 0.5] > 0).astype(int)
    trainer = fb.Trainer(
        fb.Model([fb.Dense(2, "softmax")], inputs=3),
        "cross_entropy",
        fb.Adam(0.05),
        privacy=fb.DifferentialPrivacy(target_epsilon=2.0, target_delta=1e-5, expected_batch_size=400, secure=False),
    )
    trainer.fit(data, labels, epochs=10)
    assert trainer.evaluate(data, labels)["accuracy"] > 0.97
    assert math.isclose(trainer.privacy.epsilon(), 2.0, rel_tol=1e-2)
    assert all(a < b for a, b in itertools.pairwise(trainer.history["epsilon"]))
