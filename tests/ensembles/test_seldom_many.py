"""Many trainers where something is odd: workers that lose results, frames in another order, few suspects."""

import time

import numpy as np
import pytest

import fastbp as fb
from fastbp.ensembles import side_by_side
from fastbp.support.worker import Worker

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)


def make_trainer(seed=0, **options):
    model = fb.Model([fb.Dense(4, "relu"), fb.Dense(2, "softmax")], inputs=3, seed=seed)
    return fb.Trainer(model, "cross_entropy", batch_size=16, n_threads=1, **options)


def test_a_backend_that_loses_results(monkeypatch):
    joblib = pytest.importorskip("joblib")

    class Forgetful:
        def __call__(self, jobs):
            return list(jobs)[:1]

    monkeypatch.setattr(joblib, "Parallel", Forgetful)
    with (
        joblib.parallel_config("threading", n_jobs=2),
        pytest.raises(RuntimeError, match="joblib returned 1 result of 2 trainers"),
    ):
        fb.fit_many([make_trainer(0), make_trainer(1)], X, y)


def test_frames_are_read_by_each_model_s_own_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    trainers = [make_trainer(seed) for seed in (0, 1)]
    trainers[0].fit(frame, y)
    trainers[1].fit(frame, y)
    alone = [make_trainer(seed) for seed in (0, 1)]
    for trainer in alone:
        trainer.fit(frame, y)
        trainer.fit(frame, y)
    fb.fit_many(trainers, frame[["c", "a", "b"]], y)
    for one, other in zip(trainers, alone, strict=True):
        for array, same in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
            np.testing.assert_array_equal(array, same)


def test_where_no_thread_can_be_started_the_caller_trains(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    together = [make_trainer(seed) for seed in range(3)]
    fb.fit_many(together, X, y, epochs=2)
    monkeypatch.setattr(Worker, "start", refuse)
    alone = [make_trainer(seed) for seed in range(3)]
    fb.fit_many(alone, X, y, epochs=2)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.model.predict(X), other.model.predict(X))


def test_jobs_that_wait_are_left_out_after_an_error():
    class StopNowError(Exception):
        pass

    def stop(trainer, figures):
        raise StopNowError

    def wait(trainer, figures):
        time.sleep(0.05)

    trainers = [make_trainer(seed) for seed in range(4)]
    with pytest.raises(StopNowError):
        fb.fit_many(trainers, X, y, epochs=50, n_threads=1, callbacks=lambda i: [stop if i == 0 else wait])
    assert trainers[0].history.n_epochs == 1
    assert trainers[3].history.n_epochs < 50


def test_few_suspects_are_all_shown():
    found = fb.suspect_labels(make_trainer(), X[:12], y[:12], folds=2, epochs=1)
    assert len(found) == 12
    few = fb.suspect_labels(make_trainer(), X[:6], np.array([0, 1] * 3), folds=2, epochs=1)
    assert len(repr(few).splitlines()) == 6 + 2


def test_ctrl_c_while_the_caller_s_thread_looks_on_stops_all(monkeypatch):
    trainers = [make_trainer(seed) for seed in range(3)]
    shown = []

    def show(bar, n, *arguments):
        shown.append(n)
        raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side.EpochBar, "show", show)
    with pytest.raises(KeyboardInterrupt):
        fb.fit_many(trainers, X, y, epochs=10**6, n_threads=2, progress=True)
    assert len(shown) == 1
    monkeypatch.undo()
    assert all(trainer.history.n_epochs < 10**6 for trainer in trainers)
    fb.fit_many(trainers, X, y, epochs=1, n_threads=2)  # they go on
