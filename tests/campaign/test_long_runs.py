"""Many steps, fits, models and saves in one process: its memory and its objects stay as many as they were."""

import ctypes
import gc
import sys
import threading

import numpy as np
import psutil
import pytest

import fastbp as fb
from campaign_helpers import size

pytestmark = pytest.mark.campaign

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 10)).astype("float32")
y = RNG.integers(0, 3, size=64)

MOST_BYTES = 3 * 2**20  # what the allocators keep more or less of; 2,000 leaks of 2 kB would show
MOST_OBJECTS = 200


def make_model(seed=0):
    return fb.Model(
        [fb.Dense(32, "relu"), fb.BatchNorm(), fb.Dropout(0.1), fb.Dense(3, "softmax")], inputs=10, seed=seed
    )


def make_trainer(seed=0):
    return fb.Trainer(
        make_model(seed), "cross_entropy", "adam", batch_size=16, averaging=fb.EMA(), metrics=["accuracy"]
    )


def give_back_free_memory():
    """Where the C library can: else a leak would fill memory that other tests have left free, and not be seen."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def held():
    gc.collect()
    give_back_free_memory()
    process = psutil.Process()
    n_files = process.num_handles() if hasattr(process, "num_handles") else process.num_fds()
    return process.memory_info().rss, len(gc.get_objects()), n_files, threading.active_count()


def assert_flat(work, n):
    """Work n // 4 times until everything is there that stays, then n times."""
    for i in range(max(n // 4, 1)):
        work(i)
    before = held()
    for i in range(n):
        work(i)
    n_bytes, n_objects, n_files, n_threads = (now - then for now, then in zip(held(), before, strict=True))
    assert n_bytes < MOST_BYTES, f"{n_bytes:,} bytes more after {n:,} times"
    assert n_objects < MOST_OBJECTS
    assert n_files <= 0
    assert n_threads <= 0


def test_steps():
    trainer = make_trainer()

    def work(i):
        trainer.step(X[:16], y[:16])
        if i % 10 == 0:
            trainer.model.predict(X)
            trainer.evaluate(X, y)

    assert_flat(work, size(2000, 100_000))


def test_fits_of_one_trainer():
    """The history grows, by a few numbers an epoch; nothing else does."""
    trainer = make_trainer()
    stopping = fb.EarlyStopping("loss", patience=10**6)
    assert_flat(lambda i: trainer.fit(X, y, validation_data=(X, y), callbacks=[stopping]), size(200, 10_000))


def test_fits_of_new_trainers():
    assert_flat(lambda i: make_trainer(i).fit(X, y, epochs=2), size(200, 10_000))


def test_fits_that_end_by_an_error():
    def work(i):
        trainer = make_trainer(i)
        bad = X.copy()
        bad[i % 64, 3] = np.nan
        with pytest.raises(ValueError, match=r"NaN|nan"):
            trainer.fit(bad, y)
        with pytest.raises(ZeroDivisionError):
            trainer.fit(X, y, callbacks=[lambda trainer, figures: 1 // 0])

    assert_flat(work, size(200, 10_000))


def test_models():
    def work(i):
        model = make_model(i)
        model.predict(X)
        model.loss_and_gradients(X, y, "cross_entropy")
        fb.Model.from_config(model.to_config(), model.get_weights()).predict(X[:1])

    assert_flat(work, size(200, 10_000))


@pytest.mark.parametrize(
    "load", [fb.Model.load, fb.Trainer.load, fb.Ensemble.load], ids=["model", "trainer", "ensemble"]
)
def test_saves_and_loads(tmp_path, load):
    trainer = make_trainer()
    trainer.fit(X, y)
    saved = {fb.Model.load: trainer.model, fb.Trainer.load: trainer}.get(load) or fb.Ensemble([trainer.model] * 2)

    def work(i):
        saved.save(tmp_path / "saved")
        load(tmp_path / "saved")

    assert_flat(work, size(200, 10_000))


def test_chunks_read_ahead():
    """Each fit reads on a thread, which ends with it."""
    chunks = [(X[:20], y[:20]), (X[20:], y[20:])]
    trainer = make_trainer()
    assert_flat(lambda i: trainer.fit(chunks), size(200, 10_000))


def test_a_leak_is_found():
    """The measure proves something only if it shows what grows."""
    kept = []
    with pytest.raises(AssertionError, match="bytes more after"):
        assert_flat(lambda i: kept.append(np.ones(4000)), 400)
    with pytest.raises(AssertionError):
        assert_flat(lambda i: kept.append([]), 400)
