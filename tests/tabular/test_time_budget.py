"""The seconds of a fit: shares of trainings on a clock that the tests turn; no test waits."""

import pickle
import time

import numpy as np
import pytest

from fastbp.callbacks.time_limit import TimeLimit
from fastbp.tabular import fitting, time_budget
from fastbp.tabular.learning import Rows, fit_rows, splits_of
from fastbp.tabular.reading import learn_reader
from fastbp.tabular.recipe import PRESETS
from fastbp.tabular.time_budget import TimeBudget, TimeShare


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(("n", "at_once"), [(4, 1), (4, 2), (5, 2), (4, 3), (1, 8), (32, 2)])
def test_trainings_that_use_their_shares_end_in_time(n, at_once):
    clock = Clock()
    budget = TimeBudget(10.0, clock)
    clock.now += 4.0  # reading and encoding
    budget.expect(n, -(-n // at_once))
    ends = [clock.now] * at_once
    for _ in range(n):
        worker = int(np.argmin(ends))
        clock.now = ends[worker]
        ends[worker] += budget.share()
    assert 109 < max(ends) < 110
    clock.now = 1000.0
    assert budget.left == 0
    assert budget.share() > 0  # some steps all the same


def test_what_follows_has_its_share_and_what_ends_early_leaves_its_own():
    clock = Clock()
    budget = TimeBudget(10.0, clock)
    budget.expect(2, 2, rounds_after=3.0)
    assert budget.share() == pytest.approx(9.8 / 5)
    clock.now += 0.5
    assert budget.share() == pytest.approx(9.3 / 4)
    assert budget.part(0.5).left == pytest.approx(0.98 * 4.65)
    budget.reserve(1.0)
    assert budget.left == pytest.approx(8.3)
    budget.reserve(100.0)  # what is left is for the trainings too
    assert budget.left == pytest.approx(4.15)


@pytest.mark.parametrize("refit", [False, True])
def test_encoding_is_counted(monkeypatch, refit):
    """An encoding takes 2 s of the clock: 10 of 20 seconds are gone before the first share, and the rest is shared."""
    clock = Clock()
    shares = []

    class Slow(fitting.TableEncoding):
        def encode(self, table):
            clock.now += 2.0
            return super().encode(table)

    def share(budget, is_counted):
        shares.append(budget.share(is_counted))
        clock.now += shares[-1]
        return 1e9  # the training itself goes by another clock

    def slowly(*arguments):
        found = learn(*arguments)
        return {kind: Slow(each.numbers, each.levels, each.cardinalities, each.bound) for kind, each in found.items()}

    learn = fitting.learn_encodings
    monkeypatch.setattr(fitting, "learn_encodings", slowly)
    monkeypatch.setattr(TimeBudget, "reserve", lambda self, seconds: None)
    monkeypatch.setattr(TimeShare, "on_fit_begin", lambda self, trainer, figures: share(self._budget, self._is_counted))
    monkeypatch.setattr(TimeShare, "on_tick", lambda self, trainer, figures: None)
    X = np.random.default_rng(0).normal(size=(4100, 3))
    reader, table = learn_reader(X, "auto")
    fit = fitting.Fit(PRESETS["default"], "rmse", 1, refit, TimeBudget(20.0, clock), 1, 0, False)
    rows = Rows(table, X[:, :1])
    fit_rows(reader, rows, "mse", fit, splits_of(rows, fit, None, 0))
    assert len(shares) == 12 + 12 * refit  # a network and two linear models of each of four folds
    assert sum(shares) < 20 - 5 * 2
    assert sum(shares) > 0.9 * (19.6 - 5 * 2)
    np.testing.assert_allclose(shares[:4], shares[0])
    assert shares[4] < 1.1 * shares[0]


@pytest.mark.parametrize(("preset", "n_threads", "used"), [("default", 1, 0.1), ("default", 2, 0.03), ("fast", 2, 0.1)])
def test_each_fold_has_a_fair_share(monkeypatch, preset, n_threads, used):
    """Each fold has a network, and linear models, which use a part of their shares."""
    clock = Clock()
    given, of_networks = [], []

    def train(jobs, *options):
        """All jobs on workers, each for its share of the clock."""
        ends = [clock.now] * n_threads
        for job in sorted(jobs, key=lambda job: -job.work):
            is_network = len(job.trainer.model.layers) > 1
            worker = int(np.argmin(ends))
            clock.now = ends[worker]
            job.listeners[1].on_fit_begin(job.trainer, {})
            ends[worker] += given[-1] if is_network else used * given[-1]
            of_networks.extend(given[-1:] * is_network)
            job.trainer.fit_samples(job.data, 1, job.validation, job.listeners[:1], None)
        clock.now = max(ends)

    class Limit(TimeLimit):
        def __init__(self, seconds):
            super().__init__(seconds)
            given.append(seconds)

    monkeypatch.setattr(fitting, "train_all", train)
    monkeypatch.setattr(time_budget, "TimeLimit", Limit)
    monkeypatch.setattr(TimeBudget, "reserve", lambda self, seconds: None)
    X = np.random.default_rng(0).normal(size=(4100, 3))
    reader, table = learn_reader(X, "auto")
    fit_of = fitting.Fit(PRESETS[preset], "rmse", 1, False, TimeBudget(20.0, clock), n_threads, 0, False)
    rows = Rows(table, X[:, :1])
    fit_rows(reader, rows, "mse", fit_of, splits_of(rows, fit_of, 4, 0))
    assert len(of_networks) == 4
    assert min(of_networks) > 0.85 * max(of_networks)
    assert 0.8 * 20 < clock.now - 100 < 20


def test_a_budget_in_another_process_has_the_seconds_that_were_left(monkeypatch):
    """Their clocks differ, and what waited for a free worker has waited."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    budget = TimeBudget(100.0)
    budget.expect(4, 2)
    sent = pickle.dumps(budget)
    now[0] += 30.0
    there = pickle.loads(sent)
    assert 60 < there.left <= budget.left - 30 + 1e-3
    assert there.share() == pytest.approx(there.left / 2, rel=1e-3)
