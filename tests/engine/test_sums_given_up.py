"""A step that is given up after its first losses leaves none of them in the sums of the epoch."""

import signal
import time

import numpy as np
import pytest

from engine_helpers import ADAM, make_data, make_pair, targets_of
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import NonFinite
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session

SPECS = [(300, "relu", 0.0), (300, "relu", 0.0), (5, "softmax", 0.0)]
N, BATCH = 1200, 200


class Stopped(Exception):
    pass


@pytest.fixture
def alarm():
    """alarm(seconds): Stopped is raised by a signal handler, as KeyboardInterrupt is by Ctrl-C's."""
    if not hasattr(signal, "SIGALRM"):
        pytest.skip("this system has no alarm")

    def handler(signum, frame):
        raise Stopped

    former = signal.signal(signal.SIGALRM, handler)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


def make_session(n_threads):
    network, _ = make_pair(33, SPECS, "float32")
    return Session(network, "cross_entropy", ("correct",), "adam", n_threads)


def run(session, X, y, batches_per_step, on_tick=None):
    plan = EpochPlan(BATCH, True, 3, 0, ADAM, batches_per_step=batches_per_step, on_tick=on_tick, every_step=True)
    return session.epoch(SampleSet(ArrayReader(X), targets_of(y)), plan)


def sums_by_row(X, y, batches_per_step):
    """Rows done to the sums of them, after every step of an epoch that nobody disturbs; and how long that took."""
    session, found = make_session(1), {0: None}

    def keep(row, loss):
        found[row] = session.progress(0)[2]

    start = time.perf_counter()
    run(session, X, y, batches_per_step, keep)
    seconds = time.perf_counter() - start
    found[0] = np.zeros_like(found[max(found)])
    return found, seconds


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("batches_per_step", [1, 3])
def test_an_interrupted_step(limits, alarm, n_threads, batches_per_step):
    limits(long_step=0.0, apart=0.0, piece=1e5, epoch_thread=1.0, paced=0.0)
    X, y = make_data(N, 33, 5, "cross_entropy", "float32")
    wanted, seconds = sums_by_row(X, y, batches_per_step)
    assert len(wanted) == N // BATCH // batches_per_step + 1
    n_interrupted = 0
    for case in range(40):
        session = make_session(n_threads)
        try:
            alarm(max(seconds * (case + 1) / 50, 1e-4))
            run(session, X, y, batches_per_step)
        except Stopped:
            n_interrupted += 1
        alarm(0)
        if session.progress(0) is None:  # it had not begun
            continue
        row, _, sums = session.progress(0)
        assert sums.tobytes() == wanted[row].tobytes(), f"case {case}, at row {row}"
    assert n_interrupted > 5


def test_a_step_of_several_batches_whose_last_one_is_not_finite():
    X, y = make_data(N, 33, 5, "cross_entropy", "float32")
    wanted, _ = sums_by_row(X, y, 3)
    X[order_of(X, y)[-1]] = np.nan
    session = make_session(1)
    with pytest.raises(NonFinite):
        run(session, X, y, 3)
    row, _, sums = session.progress(0)
    assert row == N // 2
    assert sums.tobytes() == wanted[row].tobytes()


def order_of(X, y):
    """The rows in the order of the epoch."""
    session = make_session(1)
    run(session, X, y, 3)
    return session.rows_in_order().copy()
