"""A trainer that is saved by another thread while it trains: each file is of the end of one step."""

import contextlib
import os
import threading
import time

import numpy as np
import pytest

import fastbp as fb
from fastbp.training.turns import Turns


def make_data(n=600):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 6)).astype("f4"), rng.integers(0, 3, n)


def make_trainer(optimizer="adam", batch_size=20, **options):
    model = fb.Model([fb.Dense(16, "relu"), fb.Dense(3, "softmax")], inputs=6)
    return fb.Trainer(model, "cross_entropy", optimizer, batch_size=batch_size, n_threads=1, **options)


@contextlib.contextmanager
def saving(trainer, tmp_path, loaded):
    """Save and load on another thread, as often as it can, while the body runs."""
    ended, errors = threading.Event(), []

    def work():
        while not ended.is_set() and not errors:
            try:
                trainer.save(tmp_path / "other.ckpt")
                loaded.append(fb.Trainer.load(tmp_path / "other.ckpt"))
            except BaseException as error:
                errors.append(error)
                loaded.extend([None] * 1000)  # training need not wait for more

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(60)
    assert not thread.is_alive()
    assert errors == []


def until(loaded, n):
    """Return a callback that ends training when n files were loaded."""
    start = time.monotonic()
    return lambda trainer, figures: trainer.stop() if len(loaded) >= n or time.monotonic() > start + 60 else None


def test_each_file_goes_on_to_the_same_bits(tmp_path):
    X, y = make_data()
    trainer, loaded = make_trainer(), []
    with saving(trainer, tmp_path, loaded):
        trainer.fit(X, y, epochs=10**6, callbacks=until(loaded, 12))
    n_epochs = trainer.history.n_epochs
    goal = make_trainer()
    goal.fit(X, y, epochs=n_epochs)
    np.testing.assert_array_equal(trainer.model.get_weights()[0], goal.model.get_weights()[0])
    for other in loaded[:12:2]:
        done = other.history.n_epochs
        assert other.n_steps - 30 * done in range(31)
        other.fit(X, y, epochs=n_epochs - done)
        assert other.history["loss"] == goal.history["loss"]
        for a, b in zip(other.model.get_weights(), goal.model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_single_steps(tmp_path):
    X, y = make_data()
    trainer, loaded = make_trainer(), []
    with saving(trainer, tmp_path, loaded):
        while len(loaded) < 8:
            trainer.step(X[:20], y[:20])
    steps = [other.n_steps for other in loaded]
    assert steps == sorted(steps)
    goal = make_trainer()
    for _ in range(steps[len(steps) // 2]):
        goal.step(X[:20], y[:20])
    np.testing.assert_array_equal(loaded[len(steps) // 2].model.get_weights()[0], goal.model.get_weights()[0])


@pytest.mark.parametrize("how", ["chunks", "lbfgs", "averages", "rollback"])
def test_other_ways_to_train(tmp_path, how):
    X, y = make_data()
    loaded = []
    if how == "lbfgs":
        pytest.importorskip("scipy")
        trainer = make_trainer(fb.LBFGS(gradient_tolerance=0, loss_tolerance=0), None)
        with saving(trainer, tmp_path, loaded):
            trainer.fit(X, y, epochs=1000, callbacks=until(loaded, 8))
        for other in loaded:
            assert other.n_steps == other.history.n_epochs
    elif how == "chunks":
        trainer = make_trainer()
        with saving(trainer, tmp_path, loaded):
            chunks = [(X[:333], y[:333]), (X[333:], y[333:])]
            trainer.fit(chunks, epochs=10**6, callbacks=until(loaded, 8))
    else:
        options = {"averaging": fb.EMA()} if how == "averages" else {}
        trainer = make_trainer(**options)
        with saving(trainer, tmp_path, loaded):
            on_nan = "rollback" if how == "rollback" else "raise"
            trainer.fit(X, y, epochs=10**6, callbacks=until(loaded, 8), on_nan=on_nan)
    for other in loaded:
        assert other.history.get("loss", []) == trainer.history["loss"][: other.history.n_epochs]


def test_a_callback_may_wait_for_a_thread_that_saves(tmp_path):
    X, y = make_data()

    class Waits(fb.Callback):
        def wait(self, trainer):
            thread = threading.Thread(target=trainer.save, args=(tmp_path / "run.ckpt",))
            thread.start()
            thread.join(30)
            assert not thread.is_alive()

        def on_step_end(self, trainer, figures):
            if figures["step"] % 10 == 0:
                self.wait(trainer)

        def on_epoch_end(self, trainer, figures):
            self.wait(trainer)

    trainer = make_trainer()
    trainer.fit(X, y, epochs=2, callbacks=Waits())
    assert fb.Trainer.load(tmp_path / "run.ckpt").n_steps == 60
    pytest.importorskip("scipy")
    make_trainer("lbfgs", None).fit(X, y, epochs=3, callbacks=Waits().on_epoch_end)


def test_many_threads_that_save_to_one_file(tmp_path):
    """Each file is one of those that were saved, and nothing is left behind."""
    trainers = [make_trainer(seed=seed) for seed in range(4)]
    ended, errors = threading.Event(), []

    def save(trainer):
        try:
            while not ended.is_set():
                trainer.save(tmp_path / "run.ckpt")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=(trainer,)) for trainer in trainers]
    trainers[0].save(tmp_path / "run.ckpt")
    for thread in threads:
        thread.start()
    seeds = {fb.Trainer.load(tmp_path / "run.ckpt").seed for _ in range(300)}
    ended.set()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert seeds <= {0, 1, 2, 3}
    assert os.listdir(tmp_path) == ["run.ckpt"]


def test_a_trainer_is_trained_by_one_thread_at_a_time():
    X, y = make_data()
    trainer, errors = make_trainer(), []

    class Trains(fb.Callback):
        def on_step_end(self, trainer, figures):
            def step():
                try:
                    trainer.step(X[:20], y[:20])
                except RuntimeError as error:
                    errors.append(str(error))

            thread = threading.Thread(target=step)
            thread.start()
            thread.join(30)

    trainer.fit(X, y, callbacks=Trains())
    assert len(errors) == 30
    assert "already training, in another thread" in errors[0]


def test_a_forked_process_saves_what_another_thread_trains(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    X, y = make_data()
    trainer = make_trainer()
    stop = threading.Event()

    def train():
        while not stop.is_set():
            trainer.fit(X, y)

    thread = threading.Thread(target=train)
    thread.start()
    codes = []
    for i in range(5):
        child = os.fork()
        if child == 0:
            try:
                trainer.save(tmp_path / f"{i}.ckpt")
            except BaseException:
                os._exit(1)
            os._exit(0)
        codes.append(os.waitpid(child, 0)[1])
    stop.set()
    thread.join(30)
    assert codes == [0] * 5


def test_what_happens_between_two_steps_waits_for_a_step_of_another_thread():
    """Which has given up the lock for a moment, as for a loss function in Python."""
    turns, entered = Turns(), threading.Event()

    def enter():
        with turns.between_steps():
            entered.set()

    turns.stepping = threading.get_ident()
    thread = threading.Thread(target=enter)
    thread.start()
    assert not entered.wait(0.1)
    turns.stepping = 0
    assert entered.wait(30)
    thread.join(30)
