"""Steps with differential privacy: norms and clipping against batches of one, noise, samples, the same bits."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from engine_helpers import assert_same_bits
from fastbp.data.samples import NAMES
from fastbp.engine import secret_numbers
from fastbp.engine.errors import NonFinite
from fastbp.engine.private_session import PrivateSession, PrivateSteps
from fastbp.engine.records import EpochPlan
from fastbp.engine.session import Session
from layer_models import DTYPES, MODELS, batch_norms, data_for, make_model, max_norms

KEY = hashlib.sha256(b"a key").digest()
SGD = {"learning_rate": 1.0}
PRIVATE = [
    name
    for name, (layers, _) in MODELS.items()
    if not batch_norms(layers) and not name.startswith(("periodic", "piecewise linear between"))
]
PLAIN = [name for name in PRIVATE if "penalties" not in name and not max_norms(MODELS[name][0])]
ROUNDING = {"float32": 3e-4, "float64": 1e-9}  # of what a step changes, to its size


def tabular_model(dtype):
    model = fb.Model(
        [fb.Dense(9, "tanh"), fb.Dense(2)], inputs=fb.Tabular(3, [5, 40, 1, 3], [2, 19, 1, 8]), dtype=dtype, seed=2
    )
    rng = np.random.default_rng(3)
    codes = [rng.integers(0, n + 1, 60) for n in (5, 40, 1, 3)]
    return model, np.column_stack([rng.normal(size=(60, 3)), *codes]), rng.normal(size=(60, 2))


def problem(name, dtype, n=60):
    """A model, its loss and samples."""
    if name == "tables":
        model, X, y = tabular_model(dtype)
        return model, "mse", X[:n], y[:n]
    model, loss = make_model(name, dtype)
    return (model, loss, *data_for(model, loss, n, dtype))


def samples_of(model, loss, X, y, sample_weight=None):
    trainer = fb.Trainer(model, loss)
    return trainer.parts.intake.samples(X, y, sample_weight, None, NAMES).for_engine(), trainer.loss.objective


def steps(model, loss, X, y, *, C=np.inf, sigma=0.0, divisor=None, probability=1.0, n_steps=1, n_threads=1, **options):
    """Some private steps of plain gradient descent; the session."""
    numbers = options.pop("numbers", SGD)
    samples, objective = samples_of(model, loss, X, y, options.pop("sample_weight", None))
    session = options.pop("session", None) or PrivateSession(model.network, objective, (), "sgd", n_threads)
    divisor = len(X) * probability if divisor is None else divisor
    plan = PrivateSteps(n_steps, numbers, options.pop("key", KEY), probability, divisor, C, sigma, **options)
    assert session.private_steps(samples, plan)
    return session


def flat(arrays):
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])


def change(model, *arguments, **options):
    """What the steps change in the weights: minus the gradient, at a learning rate of 1."""
    before = flat(model.get_weights())
    steps(model, *arguments, **options)
    after = flat(model.get_weights())
    return before - after


def single_gradients(model, loss, X, y):
    """Each sample's gradient, by batches of one: (n, parameters)."""
    return np.array([flat(model.loss_and_gradients(X[i : i + 1], y[i : i + 1], loss)[1]) for i in range(len(X))])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*PLAIN, "tables"])
def test_each_sample_is_clipped_by_the_norm_of_its_own_gradient(name, dtype):
    model, loss, X, y = problem(name, dtype)
    gradients = single_gradients(model, loss, X, y)
    norms = np.linalg.norm(gradients, axis=1)
    C = float(np.median(norms[norms > 0]))
    bound = C * (1 - 2**-10)
    expected = (gradients * np.minimum(1, bound / np.maximum(norms, 1e-30))[:, None]).sum(axis=0) / 32.0
    found = change(model, loss, X, y, C=C, divisor=32.0)
    assert np.abs(found - expected).max() <= ROUNDING[dtype] * np.abs(expected).max()
    # One sample alone is the sharpest look at its norm.
    for i in np.flatnonzero(norms > 0)[:2]:
        model, loss, X, y = problem(name, dtype)
        alone = change(model, loss, X[i : i + 1], y[i : i + 1], C=norms[i] / 4, divisor=1.0)
        assert np.linalg.norm(alone) == pytest.approx(norms[i] / 4 * (1 - 2**-10), rel=ROUNDING[dtype])


def without_penalties(config):
    """A model's description without penalties and bounds of weights."""
    if isinstance(config, dict):
        return {k: without_penalties(v) for k, v in config.items() if k not in ("l1", "l2", "max_norm")}
    return [without_penalties(each) for each in config] if isinstance(config, list) else config


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(PRIVATE) - set(PLAIN)))
def test_penalties_are_not_clipped_and_take_no_part_in_norms(name, dtype):
    """They depend on the weights alone; weights are bounded after the noise."""
    model, loss, X, y = problem(name, dtype)
    plain = fb.Model.from_config(without_penalties(model.to_config()), model.get_weights())
    gradients = single_gradients(plain, loss, X, y)
    norms = np.linalg.norm(gradients, axis=1)
    C = float(np.median(norms[norms > 0]))
    clipped = (gradients * np.minimum(1, C * (1 - 2**-10) / np.maximum(norms, 1e-30))[:, None]).sum(axis=0) / 32.0
    found = change(plain, loss, X, y, C=C, divisor=32.0)
    assert np.abs(found - clipped).max() <= ROUNDING[dtype] * np.abs(clipped).max()
    if max_norms(MODELS[name][0]):
        return  # a step that bounds the weights is no gradient
    penalty = flat(model.loss_and_gradients(X[:1], y[:1], loss)[1]) - gradients[0]
    found = change(model, loss, X, y, C=C, divisor=60.0)
    expected = clipped * 32.0 / 60.0 + penalty
    assert np.abs(found - expected).max() <= ROUNDING[dtype] * np.abs(expected).max()


@pytest.mark.parametrize(
    "name",
    ["layer norm between", "residuals of all kinds", "prelu between", "scaling first", "parametric between", "tables"],
)
def test_other_rules_of_clipping(name):
    name = "residual between" if name == "residuals of all kinds" else name
    model, loss, X, y = problem(name, "float64")
    gradients = single_gradients(model, loss, X, y)
    norms = np.linalg.norm(gradients, axis=1)
    found = change(model, loss, X, y, C=0.5, divisor=60.0, clipping="automatic")
    expected = (gradients * ((1 - 2**-10) * 0.5 / (norms + 0.01))[:, None]).mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    # per_layer: every single sample's gradient has a norm of at most C, each layer's its share.
    model, loss, X, y = problem(name, "float64")
    for i in range(3):
        alone = change(model, loss, X[i : i + 1], y[i : i + 1], C=1e-4, divisor=1.0, clipping="per_layer")
        # float64 leaves 1e-16 / 1e-4 of the change
        assert np.linalg.norm(alone) <= 1e-4
        assert np.linalg.norm(alone) >= 0.5e-4


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*PRIVATE, "tables"])
def test_without_noise_and_clipping_it_is_the_plain_step(limits, name, dtype, n_threads):
    """To the bit, at an equal divisor, all samples in each step: 3 steps of momentum, in micro-batches too."""
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    numbers = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.01}
    found = []
    for private in (True, False):
        model, loss, X, y = problem(name, dtype)
        samples, objective = samples_of(model, loss, X, y)
        if private:
            steps(model, loss, X, y, n_steps=3, numbers=numbers, n_threads=n_threads)
        else:
            session = Session(model.network, objective, (), "sgd", n_threads)
            for epoch in range(3):
                session.epoch(samples, EpochPlan(len(X), False, 0, epoch, numbers))
        found.append(model.get_weights())
    if name == "tables":  # rows that no sample has decay too, as noise goes to all of them
        for a, b in zip(*found, strict=True):
            seen = (np.abs(a - b) < 1e-12).all(axis=-1) if a.ndim == 2 else np.ones(len(a), bool)
            assert seen.mean() > 0.2
        return
    assert_same_bits(*found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",
    ["layer norm between", "residual between", "prelu among all", "scaling first", "parametric between", "tables"],
)
def test_the_same_bits_on_any_number_of_threads(limits, name, dtype):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    name = "prelu between" if name.startswith("prelu") else name
    found = []
    for n_threads in (1, 2, 5):
        model, loss, X, y = problem(name, dtype)
        steps(model, loss, X, y, C=0.3, sigma=1.0, probability=0.6, n_steps=7, n_threads=n_threads)
        found.append(model.get_weights())
    assert_same_bits(found[0], found[1])
    assert_same_bits(found[0], found[2])


def test_micro_batches_are_summed_in_one_step(limits):
    """Of any size, they are parts of one sum: the same up to rounding, and the same noise."""
    found = []
    for most in (4096, 16, 7):
        model, loss, X, y = problem("layer norm between", "float64")
        steps(model, loss, X, y, C=0.3, sigma=1.0, probability=0.6, n_steps=4, max_physical_batch_size=most)
        found.append(flat(model.get_weights()))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[2], found[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["layer norm between", "tables"])
def test_the_noise_that_reaches_the_weights(name, dtype):
    """Its deviation is sigma C / L in every weight, also where no sample had the row; no two weights share it."""
    changes = []
    for noisy in (2.0, 0.0):
        model, loss, X, y = problem(name, dtype)
        changes.append(change(model, loss, X, y, C=0.5, sigma=noisy, divisor=20.0))
    added = changes[0] - changes[1]
    n = len(added)
    assert abs(added.std() / (2.0 * 0.5 / 20) - 1) < 5 / np.sqrt(2 * n)
    assert abs(added.mean()) < 5 * 0.05 / np.sqrt(n)
    assert len(np.unique(np.round(added, 7))) > 0.95 * n
    assert (added != 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_no_sample_has_stay_where_they_are_without_noise(dtype):
    """Their gradient is zero and not nearly: steps that go by its sign would move them."""
    model, loss, X, y = problem("tables", dtype, n=8)
    before = model.get_weights()[1]  # the table of 40 and one more
    numbers = {"learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99}
    _, objective = samples_of(model, loss, X, y)
    session = PrivateSession(model.network, objective, (), "lion", 1)
    steps(model, loss, X, y, n_steps=2, numbers=numbers, session=session)
    after = model.get_weights()[1]
    moved = (after != before).any(axis=1)
    assert before.shape[0] == 41
    assert set(np.flatnonzero(moved)) == set(X[:, 4].astype(int))


def test_empty_batches_are_noise_alone():
    model, loss, X, y = problem("layer norm between", "float64")
    session = PrivateSession(model.network, samples_of(model, loss, X, y)[1], (), "sgd", 1)
    moved = change(model, loss, X, y, C=0.5, sigma=2.0, divisor=20.0, probability=1e-9, n_steps=3, session=session)
    assert session.n_steps == 3
    assert len(session.sampled_rows()) == 0
    assert np.std(moved) == pytest.approx(np.sqrt(3) * 2 * 0.5 / 20, rel=0.2)
    model, loss, X, y = problem("tables", "float64")
    assert np.std(change(model, loss, X, y, C=0.5, sigma=2.0, divisor=20.0, probability=1e-9)) > 0.04


def test_a_step_takes_the_rows_that_the_key_says():
    model, loss, X, y = problem("layer norm between", "float64")
    session = steps(model, loss, X, y, C=0.5, probability=0.4, n_steps=5)
    np.testing.assert_array_equal(session.sampled_rows(), secret_numbers.poisson_rows(KEY, 4, 0.4, 0, len(X)))
    # And their sum is what the step uses.
    model, loss, X, y = problem("layer norm between", "float64")
    rows = secret_numbers.poisson_rows(KEY, 0, 0.4, 0, len(X))
    expected = single_gradients(model, loss, X[rows], y[rows]).sum(axis=0) / 24.0
    np.testing.assert_allclose(change(model, loss, X, y, probability=0.4, divisor=24.0), expected, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["layer norm between", "residual between", "prelu between", "no bias", "tables"]),
    dtype=st.sampled_from(DTYPES),
    removed=st.integers(0, 39),
    log_scale=st.floats(-6, 6),
    log_C=st.floats(-3, 1),
    clipping=st.sampled_from(["flat", "per_layer", "automatic"]),
    weight=st.floats(0, 100),
)
def test_neighbouring_data_differ_by_at_most_C(name, dtype, removed, log_scale, log_C, clipping, weight):
    """One sample more or less, of any size and weight, moves the noiseless sum by at most C."""
    sums, C = [], 10.0**log_C
    for without in (False, True):
        model, loss, X, y = problem(name, dtype, 40)
        X = np.array(X, dtype=np.float64)
        X[removed, :3] *= 10.0**log_scale
        weights = np.ones(40)
        weights[removed] = weight
        kept = np.arange(40) != removed if without else np.ones(40, bool)
        numbers = {"learning_rate": 1.0}
        sums.append(
            change(
                model,
                loss,
                X[kept],
                y[kept],
                C=C,
                divisor=1.0,
                clipping=clipping,
                sample_weight=weights[kept],
                numbers=numbers,
            )
        )
    # The weights themselves are rounded to their own size.
    rounding = 1e-5 * np.sqrt(len(sums[0])) if dtype == "float32" else 1e-12
    assert np.linalg.norm(sums[0] - sums[1]) <= C + rounding


@pytest.mark.parametrize("name", ["layer norm first", "prelu first and last", "activation between"])
def test_a_sample_that_overflows_counts_as_none(name):
    """It must not show as a NaN in the weights: that would tell of it, noise or not."""
    found = []
    for huge in (True, False):
        model, loss, X, y = problem(name, "float32")
        X = np.array(X, np.float32)
        if huge:
            X[7] = 3e38 * np.where(np.arange(X.shape[1]) % 2, 1, -1)
        kept = np.arange(len(X)) >= 0 if huge else np.arange(len(X)) != 7
        found.append(change(model, loss, X[kept], y[kept], C=0.5, divisor=50.0))
    assert np.isfinite(found[0]).all()
    assert np.linalg.norm(found[0] - found[1]) <= 0.5 / 50 + 1e-6


def test_bad_numbers_are_told_without_their_row():
    model, loss, X, y = problem("layer norm between", "float64")
    X[3, 2] = np.nan
    samples, objective = samples_of(model, loss, X, y)
    session = PrivateSession(model.network, objective, (), "sgd", 1)
    with pytest.raises(NonFinite) as error:
        session.private_steps(samples, PrivateSteps(1, SGD, KEY, 1.0, 60.0, 1.0, 1.0))
    assert (error.value.where, error.value.row, error.value.batch) == ("inputs", -1, -1)


def test_a_call_ends_where_on_tick_says_and_goes_on_to_the_same_bits():
    model, loss, X, y = problem("layer norm between", "float64")
    options = {"C": 0.3, "sigma": 1.0, "probability": 0.5}
    steps(model, loss, X, y, n_steps=6, **options)
    whole = model.get_weights()
    model, loss, X, y = problem("layer norm between", "float64")
    samples, objective = samples_of(model, loss, X, y)
    session = PrivateSession(model.network, objective, (), "sgd", 1)
    plan = PrivateSteps(6, SGD, KEY, 0.5, 30.0, 0.3, 1.0, on_tick=lambda done: done == 2, every_step=True)
    assert not session.private_steps(samples, plan)
    assert session.n_steps == 2
    steps(model, loss, X, y, n_steps=4, session=session, **options)
    assert_same_bits(whole, model.get_weights())
