"""Files that were written before the modules moved into folders load, and training goes on to the same bits.

They were written by version 0.1.0, on baseline kernels of x86-64, which have no fused multiply-add and so round alike
on every such CPU; elsewhere the numbers are compared up to rounding.
"""

import platform
from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp.engine import kernels

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

DATA = Path(__file__).resolve().parents[1] / "data"
EXPECTED = np.load(DATA / "moved-expected.npz")
ROUNDS_ALIKE = platform.machine() in ("x86_64", "AMD64")


@pytest.fixture(autouse=True)
def baseline():
    former = kernels.isa()
    kernels.select_isa("baseline")
    yield
    kernels.select_isa(former)


def make_table(n=300):
    rng = np.random.default_rng(0)
    kinds = rng.choice(["bat", "ball", "net"], n)
    size = np.where(rng.random(n) < 0.1, np.nan, rng.normal(1000, 10, n))
    frame = pandas.DataFrame({"kind": kinds, "size": size, "age": rng.integers(0, 90, n)})
    return frame, (kinds == "bat") + 2 * (np.nan_to_num(size, nan=1000) > 1000)


def make_numbers(n=300):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    return X, X @ rng.normal(size=6) + 0.1 * rng.normal(size=n)


def check(array, name):
    if ROUNDS_ALIKE:
        np.testing.assert_array_equal(array, EXPECTED[name], name)
    else:
        np.testing.assert_allclose(array, EXPECTED[name], rtol=0.02, atol=0.02, err_msg=name)


def check_weights(model, name):
    for i, weight in enumerate(model.get_weights()):
        check(weight, f"{name}_w{i}")


def test_a_model():
    frame, _ = make_table()
    model = fb.Model.load(DATA / "moved-model.safetensors")
    assert model.metadata == {"classes": ["a", "b", "c", "d"]}
    check(model.predict(frame), "model_outputs")


def test_a_trainer_in_the_midst_of_an_epoch():
    frame, y = make_table()
    trainer = fb.Trainer.load(DATA / "moved-trainer.ckpt")
    assert trainer.n_steps == 27
    trainer.fit(frame, y, epochs=2)
    check_weights(trainer.model, "trainer")
    check(trainer.history["loss"], "trainer_loss")
    check(trainer.averaged_model().predict(frame), "trainer_average")


def test_a_trainer_with_tables_and_a_penalty():
    X, y = make_numbers()
    X = np.column_stack([X, np.random.default_rng(2).integers(0, 5, (300, 2))])
    trainer = fb.Trainer.load(DATA / "moved-penalised.ckpt")
    trainer.fit(X, y, epochs=2)
    check_weights(trainer.model, "penalised")
    check(trainer.history["loss"], "penalised_loss")
    check(trainer.averaged_model().predict(X), "penalised_average")


def test_an_ensemble():
    X, _ = make_numbers()
    mean, spread = fb.Ensemble.load(DATA / "moved-ensemble.safetensors").predict_spread(X)
    check(mean, "ensemble_mean")
    check(spread, "ensemble_spread")
