"""Interrupted, forked, called from several threads: the engine stands at a completed step."""

import gc
import os
import signal
import threading
import time

import psutil
import pytest

from engine_helpers import (
    ADAM,
    SPECS,
    assert_same_bits,
    batches,
    make_data,
    make_pair,
    parameters,
    predict,
    targets_of,
    train,
)
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.engine.session import Session
from fastbp.engine.team import work_limits

LOOK_SECONDS = 0.05  # look_seconds() of team.pxd

# ---- Interruption, forks, memory, threads of the caller ----


class Stopped(Exception):
    pass


@pytest.fixture
def alarm():
    """alarm(seconds): Stopped is raised by a signal handler, as KeyboardInterrupt is by Ctrl-C's."""

    def handler(signum, frame):
        raise Stopped

    former = signal.signal(signal.SIGALRM, handler)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


def steps_until_stopped(session, X, y, batch_size, alarm, seconds):
    """Trains until the alarm; returns how long after it the call came back."""
    alarm(seconds)
    started = time.perf_counter()
    with pytest.raises(Stopped):
        for epoch in range(1_000_000):
            session.epoch(SampleSet(ArrayReader(X), targets_of(y)), EpochPlan(batch_size, True, 3, epoch, ADAM))
    return time.perf_counter() - started - seconds


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(
    ("specs", "n_samples", "batch_size", "changed"),
    [
        (SPECS, 3000, 8, {"epoch_thread": 1.0, "paced": 0.0}),  # thousands of short steps
        (
            [(1000, "relu", 0.0), (1000, "relu", 0.0), (5, "softmax", 0.0)],
            4000,
            4000,
            {"long_step": 0.0, "apart": 0.0, "piece": 1e7},
        ),  # long ones
    ],
)
def test_interrupted_training_stands_at_a_completed_step(
    limits, alarm, n_threads, specs, n_samples, batch_size, changed
):
    limits(**changed)
    X, y = make_data(n_samples, 33, 5, "cross_entropy", "float32")
    network, _ = make_pair(33, specs, "float32")
    session = Session(network, "cross_entropy", (), "adam", n_threads)
    late = steps_until_stopped(session, X, y, batch_size, alarm, 0.3)
    assert late < 1.0  # what an overloaded machine may add to the 100 ms that are aimed at
    # The weights are those of exactly n_steps steps.
    again, _ = make_pair(33, specs, "float32")
    replay = Session(again, "cross_entropy", (), "adam", n_threads)
    left, epoch = session.n_steps, 0
    while left > 0:
        for rows in batches(n_samples, batch_size, 3, epoch):
            if left > 0:
                replay.step(SampleSet(ArrayReader(X[rows]), y[rows]), ADAM)
                left -= 1
        epoch += 1
    assert_same_bits(parameters(again), parameters(network))


def test_no_work_between_two_looks_at_signals_takes_long():
    """At 5e9 operations a second and lane: then there is time left of the 100 ms where others want the CPU."""
    limits = work_limits()
    longest = max(limits["piece"], limits["apart"] / 3)  # a kernel call; weight gradients that cannot be given up
    assert longest / 5e9 + LOOK_SECONDS / 4 < 0.05


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(6000, 3), (20, 2000)])
def test_a_step_is_given_up_while_samples_are_read_and_while_they_are_scored(
    limits, alarm, n_threads, n_inputs, n_outputs
):
    """Full batches whose rows are wide, or whose outputs are many: signals are looked at from panel to panel."""
    limits(long_step=0.0, apart=0.0, epoch_thread=1.0, paced=0.0)
    X, y = make_data(3000, n_inputs, n_outputs, "cross_entropy", "float32")
    network, _ = make_pair(n_inputs, [(n_outputs, "softmax", 0.0)], "float32")
    session = Session(network, "cross_entropy", (), "adam", n_threads)
    assert steps_until_stopped(session, X, y, 3000, alarm, 0.2) < 1.0
    again, _ = make_pair(n_inputs, [(n_outputs, "softmax", 0.0)], "float32")
    replay = Session(again, "cross_entropy", (), "adam", n_threads)
    for epoch in range(session.n_steps):
        replay.epoch(SampleSet(ArrayReader(X), targets_of(y)), EpochPlan(3000, True, 3, epoch, ADAM))
    assert_same_bits(parameters(again), parameters(network))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_trains_and_predicts(limits):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    X, y = make_data(300, 33, 5, "cross_entropy", "float32")
    wanted, _ = train(33, SPECS, "float32", X, y, "cross_entropy", 3, 50)  # the parent has used a team
    child = os.fork()
    if child == 0:
        status = 1
        try:
            got, _ = train(33, SPECS, "float32", X, y, "cross_entropy", 3, 50)
            network, _ = make_pair(33, SPECS, "float32")
            predict(network, X, 3)
            status = 0 if all(a.tobytes() == b.tobytes() for a, b in zip(got, wanted, strict=True)) else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the forked child was still running after 30 s")


def test_memory_does_not_grow_over_ten_thousand_steps():
    X, y = make_data(32, 16, 5, "cross_entropy", "float32")
    network, _ = make_pair(16, SPECS, "float32")
    session = Session(network, "cross_entropy", ("correct",), "adam", 2)

    def work(n):
        for i in range(n):
            session.step(SampleSet(ArrayReader(X), y), ADAM)
            if i % 10 == 0:
                predict(network, X, 2)
                session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(7, True, 0, i, ADAM))
        gc.collect()
        return psutil.Process().memory_info().rss

    before = work(1000)
    assert work(10_000) - before < 2 * 2**20


def test_python_threads_predict_side_by_side(limits):
    limits(call_thread=1.0)
    network, _ = make_pair(33, SPECS, "float32")
    inputs = [make_data(500, 33, 5, "cross_entropy", "float32", seed=i)[0] for i in range(4)]
    wanted = [predict(network, X) for X in inputs]
    wrong = []

    def work(i):
        for _ in range(50):
            if predict(network, inputs[i], 1 + i % 2).tobytes() != wanted[i].tobytes():
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_one_session_trains_one_call_at_a_time():
    network, _ = make_pair(33, SPECS, "float32")
    X, y = make_data(500, 33, 5, "cross_entropy", "float32")
    session = Session(network, "cross_entropy", (), "adam", 1)
    refused = []

    def nested(done, loss):
        try:
            session.step(SampleSet(ArrayReader(X), y), ADAM)
        except RuntimeError as error:
            refused.append(str(error))

    session.epoch(SampleSet(ArrayReader(X), y), EpochPlan(100, True, 0, 0, ADAM, on_tick=nested))
    assert refused
    assert "another thread" in refused[0]
    session.step(SampleSet(ArrayReader(X), y), ADAM)
