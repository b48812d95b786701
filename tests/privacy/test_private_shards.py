"""Private steps whose samples are cut into shards: the same samples, clipping and noise, added by a fixed tree."""

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits
from fastbp.data.samples import NAMES
from fastbp.engine import secret_numbers
from fastbp.engine.private_session import PrivateSession, PrivateSteps
from layer_models import MODELS, batch_norms, data_for, make_model

KEY = bytes(range(32))
ROUNDING = {"float32": 3e-4, "float64": 1e-9}  # of what a step changes, to its size
NAMES_OF_MODELS = [*(name for name, (layers, _) in MODELS.items() if not batch_norms(layers)), "tables"]


def problem(name, dtype, n=60):
    """A model, its loss and samples."""
    if name == "tables":
        rng = np.random.default_rng(3)
        tables = fb.Tabular(3, [5, 40, 1, 3], [2, 19, 1, 8])
        codes = [rng.integers(0, n_codes + 1, n) for n_codes in (5, 40, 1, 3)]
        X = np.column_stack([rng.normal(size=(n, 3)), *codes])
        return fb.Model([fb.Dense(9, "tanh"), fb.Dense(2)], inputs=tables, dtype=dtype, seed=2), "mse", X, X[:, :2]
    model, loss = make_model(name, dtype)
    return (model, loss, *data_for(model, loss, n, dtype))


def weights_after(
    name, dtype, shards, *, C=0.3, sigma=0.0, probability=0.6, divisor=36.0, n_steps=1, n_threads=1, **plan
):
    """The weights before and after some steps of gradient descent, flat, and the session."""
    model, loss, X, y = problem(name, dtype)
    trainer = fb.Trainer(model, loss)
    samples = trainer.parts.intake.samples(X, y, None, None, NAMES).for_engine()
    session = PrivateSession(model.network, trainer.loss.objective, (), "sgd", n_threads)
    if shards > 1:
        session.cut_into(shards)
    before = model.get_weights()
    steps = PrivateSteps(n_steps, {"learning_rate": 1.0}, KEY, probability, divisor, C, sigma, **plan)
    assert session.private_steps(samples, steps)
    return before, model.get_weights(), session


def flat(arrays):
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES_OF_MODELS)
def test_clipped_sums_and_noise_are_those_of_the_plain_step(name, dtype):
    """Up to rounding: the plain step is the oracle, which is compared with batches of one elsewhere."""
    for sigma in (0.0, 1.0):
        before, plain, one = weights_after(name, dtype, 1, sigma=sigma)
        _, sharded, session = weights_after(name, dtype, 4, sigma=sigma)
        np.testing.assert_array_equal(one.sampled_rows(), session.sampled_rows())
        size = np.abs(flat(plain) - flat(before)).max()
        assert np.abs(flat(sharded) - flat(plain)).max() <= ROUNDING[dtype] * size


@pytest.mark.parametrize("name", ["layer norm between", "prelu between", "tables"])
def test_the_same_bits_on_any_number_of_threads(limits, name):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    found = [weights_after(name, "float32", 4, sigma=1.0, n_steps=5, n_threads=n)[1] for n in (1, 2, 5)]
    assert_same_bits(found[0], found[1])
    assert_same_bits(found[0], found[2])


def test_more_samples_than_there_is_room_for():
    """Chance may draw more than memory was laid out for: then that grows, and the sums are the same to the bit."""
    found = []
    for divisor in (60.0, 1.0):  # room for all samples, and for 41 of the 60
        _, after, session = weights_after(
            "layer norm between", "float64", 4, C=0.25, probability=1.0, divisor=divisor, max_physical_batch_size=32
        )
        before, expected, _ = weights_after(
            "layer norm between", "float64", 1, C=0.25, probability=1.0, divisor=divisor
        )
        assert len(session.sampled_rows()) == 60
        np.testing.assert_allclose(flat(after), flat(expected), rtol=0, atol=1e-9)
        found.append((flat(after) - flat(before)) * divisor)
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-12)


def test_large_shards_pass_in_micro_batches_of_whole_panels():
    _, expected, _ = weights_after("layer norm between", "float64", 1, sigma=1.0, n_steps=3)
    for most in (4096, 20, 3):  # 20 is 16, and so is 3
        _, found, _ = weights_after(
            "layer norm between", "float64", 2, sigma=1.0, n_steps=3, max_physical_batch_size=most
        )
        np.testing.assert_allclose(flat(found), flat(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["layer norm between", "tables"])
def test_a_step_without_samples_is_noise_alone(name):
    before, after, session = weights_after(name, "float64", 4, sigma=2.0, probability=1e-9, n_steps=3)
    assert len(session.sampled_rows()) == 0
    _, plain, _ = weights_after(name, "float64", 1, sigma=2.0, probability=1e-9, n_steps=3)
    np.testing.assert_allclose(flat(after), flat(plain), rtol=0, atol=1e-12)
    assert np.std(flat(after) - flat(before)) == pytest.approx(np.sqrt(3) * 2 * 0.3 / 36, rel=0.2)


def test_each_sample_is_drawn_as_without_shards():
    _, _, session = weights_after("layer norm between", "float64", 8, n_steps=5)
    np.testing.assert_array_equal(session.sampled_rows(), secret_numbers.poisson_rows(KEY, 4, 0.6, 0, 60))
