"""The masks of dropout are a function of seed, step, layer, sample and unit: the same on every CPU, in every dtype."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

import fastbp as fb
import reference
from dropout_helpers import key_of, masks_by_lane, masks_of_a_step
from engine_helpers import assert_same_bits, make_data
from fastbp.engine import kernels

DATA = Path(__file__).resolve().parents[1] / "data"
DTYPES = ["float32", "float64"]
SHAPES = [(1, 1), (3, 5), (16, 4), (17, 66), (37, 23)]  # n_samples, n_units: whole panels and groups, and rests of both


def assert_masks(found, wanted, dtype):
    np.testing.assert_array_equal(found != 0, wanted != 0)
    np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_masks_are_the_oracles_on_every_instruction_set(isa, dtype, shape):
    for seed, step, behind_a_layer in [(0, 0, False), (5, 7, True), (2**63 + 9, 2**40 + 3, False)]:
        found = masks_of_a_step(0.4, *shape, dtype, behind_a_layer, seed, step)
        wanted = reference.dropout_factors(0.4, *shape, key_of(seed, int(behind_a_layer)), step)
        assert_masks(found, wanted, dtype)


@pytest.mark.parametrize("rate", [1e-12, 2.0**-32, 1e-3, 0.5, 0.75, 1 - 1e-6, np.nextafter(1.0, 0.0)])
def test_rates_at_the_edge(isa, rate):
    found = masks_of_a_step(rate, 33, 70, "float64")
    assert_masks(found, reference.dropout_factors(rate, 33, 70, key_of(0, 0), 0), "float64")
    if rate < 2.0**-32:  # the resolution
        assert (found != 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "options",
    [{"n_threads": 3}, {"batch_size": 10, "accumulate": 4}, {"batch_size": 7, "accumulate": 6, "n_threads": 2}],
    ids=str,
)
def test_a_sample_has_its_mask_however_the_step_is_cut(isa, limits, dtype, options):
    limits(epoch_thread=1.0, paced=0.0)
    found = masks_of_a_step(0.4, 40, 23, dtype, **options)
    assert_masks(found, reference.dropout_factors(0.4, 40, 23, key_of(0, 0), 0), dtype)


def test_a_large_batch_counts_its_samples_on(isa):
    """The weights' gradient adds up the masks of all 5,000 samples, which pass as two micro-batches."""
    model = fb.Model([fb.Dropout(0.5), fb.Dense(1)], inputs=9, dtype="float64")
    model.set_weights([np.zeros((9, 1)), [0.0]])
    weights = np.random.default_rng(0).integers(1, 100, 5000)  # the sums tell the samples apart
    trainer = fb.Trainer(model, "mse", fb.SGD(1.0), batch_size=None, shuffle=False)
    trainer.fit(np.ones((5000, 9)), weights * 5000 / 2)
    wanted = weights @ reference.dropout_factors(0.5, 5000, 9, key_of(0, 0), 0)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], wanted, rtol=1e-12)


def test_no_two_samples_units_steps_seeds_or_layers_go_together():
    """Their masks are uncorrelated: below five deviations, of which in a million numbers one half would be beyond."""
    n_samples, n_units = 60, 200
    arguments = [{}, {"step": 1}, {"step": 2**32}, {"seed": 1}, {"seed": 2**32}, {"behind_a_layer": True}]
    masks = [masks_of_a_step(0.5, n_samples, n_units, "float32", **each) - 1.0 for each in arguments]
    everything = np.concatenate(masks)  # each -1 or 1
    between_samples = everything @ everything.T / n_units
    np.fill_diagonal(between_samples, 0)
    assert np.abs(between_samples).max() < 5.5 / np.sqrt(n_units)
    between_units = everything.T @ everything / len(everything)
    np.fill_diagonal(between_units, 0)
    assert np.abs(between_units).max() < 5.5 / np.sqrt(len(everything))
    whole = np.reshape(masks, (len(masks), -1))
    between_masks = whole @ whole.T / whole.shape[1]
    np.fill_diagonal(between_masks, 0)
    assert np.abs(between_masks).max() < 5 / np.sqrt(whole.shape[1])


# ---- Two CPUs ----

TRAIN = """
import sys
import numpy as np
import fastbp as fb

rng = np.random.default_rng(3)
X = rng.normal(size=(500, 20))
y = (X[:, :4] @ rng.normal(size=(4, 3))).argmax(axis=1)
layers = [fb.Dense(48, "relu"), fb.Dropout(0.2), fb.Dense(24, "tanh"), fb.Dropout(0.5), fb.Dense(3, "softmax")]
model = fb.Model(layers, inputs=20, dtype=sys.argv[1], seed=1)
fb.Trainer(model, "cross_entropy", fb.SGD(0.05, momentum=0.9), batch_size=30).fit(X, y, epochs=10)
np.save(sys.argv[2], model.predict(X))
"""


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_instruction_sets_differ_by_rounding_alone(tmp_path, dtype, tolerance):
    outputs = []
    for isa in kernels.available_isas():
        arguments = [sys.executable, "-c", TRAIN, dtype, tmp_path / "outputs.npy"]
        subprocess.run(arguments, env={**os.environ, "FASTBP_ISA": isa}, check=True, timeout=120)
        outputs.append(np.load(tmp_path / "outputs.npy"))
    for others in outputs[1:]:
        np.testing.assert_allclose(others, outputs[0], rtol=0, atol=tolerance)


# ---- Trainers of version 0.1 ----


def lanes_of(trainer):
    return 4096 // trainer.parts.state.session.shares(4096)[0][0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_masks_of_version_0_1_are_kept(isa, dtype, shape):
    model = fb.Model([fb.Dense(1)], inputs=1, dtype=dtype)
    lanes = lanes_of(fb.Trainer(model, "mse", n_threads=1))
    for seed, step, behind_a_layer in [(0, 0, False), (5, 7, True), (2**63 + 9, 2**40 + 3, False)]:
        found = masks_of_a_step(0.4, *shape, dtype, behind_a_layer, seed, step, by_lane=True)
        key = key_of(seed, int(behind_a_layer))
        assert_masks(found, masks_by_lane(0.4, *shape, key, step, lanes, dtype), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_of_version_0_1_goes_on_with_its_masks(isa, dtype, tmp_path):
    """Written by it in the midst of the third epoch; the weights after two calls of fit are those that it came to."""
    expected = np.load(DATA / "dropout-mask-1.npz")
    rng = np.random.default_rng(17)
    X, y = rng.normal(size=(70, 5)), rng.normal(size=(70, 2))
    trainer = fb.Trainer.load(DATA / f"dropout-mask-1-{dtype}.ckpt")
    trainer.fit(X, y)
    trainer.save(tmp_path / "again.ckpt")
    trainer = pickle.loads(pickle.dumps(fb.Trainer.load(tmp_path / "again.ckpt")))
    trainer.fit(X, y)
    like = "baseline" if isa == "neon" else isa  # as many lanes
    for i, weight in enumerate(trainer.model.get_weights()):
        tolerance = 2e-6 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(weight, expected[f"{dtype}_{like}_{i}"], rtol=0, atol=tolerance)


def saved_description(path):
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["fastbp"])["trainer"]


def test_the_file_says_which_masks(tmp_path):
    path = tmp_path / "trainer.ckpt"
    old = fb.Trainer.load(DATA / "dropout-mask-1-float32.ckpt")
    old.save(path)
    assert saved_description(path)["dropout_mask"] == 1
    fb.Trainer(old.model, "mse", fb.SGD(0.1)).save(path)  # a new trainer of the same model
    assert saved_description(path)["dropout_mask"] == 2
    assert fb.Trainer.load(path).parts.state.session.dropout_mask == 2


def test_a_pickle_of_version_0_1_goes_on_with_its_masks():
    state = fb.Trainer(fb.Model([fb.Dropout(0.2), fb.Dense(2)], inputs=5), "mse").__getstate__()
    assert state["gathered"].pop("dropout_mask") == 2
    trainer = fb.Trainer.__new__(fb.Trainer)
    trainer.__setstate__(state)
    assert trainer.parts.state.session.dropout_mask == 1


def test_a_file_may_ask_for_no_other_masks(tmp_path, monkeypatch):
    from fastbp.training.state import TrainingState

    gathered = TrainingState.gathered
    monkeypatch.setattr(TrainingState, "gathered", lambda self: gathered(self) | {"dropout_mask": 3})
    fb.Trainer(fb.Model([fb.Dense(2)], inputs=5), "mse").save(tmp_path / "trainer.ckpt")
    with pytest.raises(ValueError, match="dropout_mask is 3; expected an integer 1 to 2"):
        fb.Trainer.load(tmp_path / "trainer.ckpt")


def test_rolled_back_and_copied_trainers_keep_their_masks():
    X, y = make_data(70, 5, 2, "mse", "float64")
    trainers = [fb.Trainer.load(DATA / "dropout-mask-1-float64.ckpt") for _ in range(2)]
    trainers[1].parts.state.restore(trainers[1].parts.state.snapshot())
    for trainer in trainers:
        trainer.fit(X, y)
    assert_same_bits(*[trainer.model.get_weights() for trainer in trainers])
