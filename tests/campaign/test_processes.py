"""Processes forked from one that has used a team, and started anew: they train to the same bits, and end."""

import concurrent.futures
import multiprocessing
import os
import pickle
import signal
import threading
import time

import pytest

from campaign_helpers import SEED, block_name, blocks, needs_fork, random_of
from campaign_workers import X, bits, go_on, make_trainer, train, y

pytestmark = [pytest.mark.campaign, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]

SLOWEST_CHILD = 30  # seconds
SLOWEST_POOL = 200

GOOD, OTHER_BITS, FAILED = 0, 2, 3


def forked(work, wanted):
    """The exit status of a child that does the work and compares its result; a child that hangs is killed."""
    child = os.fork()
    if child == 0:
        status = FAILED
        try:
            signal.alarm(SLOWEST_CHILD)
            status = GOOD if work() == wanted else OTHER_BITS
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_thread(function):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(timeout=2 * SLOWEST_CHILD)


@pytest.fixture
def teams(limits):
    """Every network gets its team of two threads, however small it is."""
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)


@needs_fork
@pytest.mark.parametrize("block", blocks(20, 10_000, of=20), ids=block_name)
def test_forks_from_a_process_that_has_used_a_team(teams, block):
    trainer = make_trainer(n_threads=2)
    trainer.fit(X, y)
    sent = pickle.dumps(trainer)
    wanted = {
        "train": {n_threads: train(n_threads=n_threads) for n_threads in (1, 2, 3)},
        "predict": bits(trainer.model),
        "go on": go_on(pickle.loads(sent)),
    }
    for case in block:
        rng = random_of("fork", case)
        n_threads, what = rng.choice([1, 2, 3]), rng.choice(list(wanted))
        work = {
            "train": lambda n_threads=n_threads: train(n_threads=n_threads),
            "predict": lambda: bits(trainer.model),
            "go on": lambda: go_on(trainer),  # in the child only: the parent's stays as it is
        }[what]
        goal = wanted[what][n_threads] if what == "train" else wanted[what]
        from_thread = rng.random() < 0.3
        status = in_thread(lambda: forked(work, goal)) if from_thread else forked(work, goal)  # noqa: B023
        assert status == GOOD, f"case {case} of seed {SEED}: {what}, {n_threads} threads, from a thread: {from_thread}"
    assert bits(trainer.model) == wanted["predict"]


@needs_fork
@pytest.mark.parametrize("block", blocks(5, 1000, of=5), ids=block_name)
def test_forks_beside_a_thread_that_trains(teams, block):
    wanted, ended = train(), threading.Event()

    def train_on():
        trainer = make_trainer(seed=2)
        while not ended.is_set():
            trainer.fit(X, y)

    thread = threading.Thread(target=train_on)
    thread.start()
    try:
        for case in block:
            time.sleep(random_of("fork beside", case).uniform(0, 0.005))
            assert forked(train, wanted) == GOOD, f"case {case} of seed {SEED}"
    finally:
        ended.set()
        thread.join(SLOWEST_CHILD)
    assert not thread.is_alive()


def pools():
    """Name to a function that makes an executor of two processes."""

    def of(method):
        context = multiprocessing.get_context(method)
        return lambda: concurrent.futures.ProcessPoolExecutor(2, mp_context=context)

    def loky():
        externals = pytest.importorskip("joblib.externals.loky", reason="joblib is not installed")
        return externals.ProcessPoolExecutor(2)

    return {method: of(method) for method in multiprocessing.get_all_start_methods()} | {"loky": loky}


@pytest.mark.filterwarnings("ignore:.*resource_tracker.*:UserWarning")
@pytest.mark.parametrize("method", pools())
@pytest.mark.parametrize("block", blocks(1, 20, of=1), ids=block_name)
def test_processes_of_a_pool(method, block):
    """Started after this process has used a team; they train anew, and go on with trainers that were sent."""
    wanted = train()
    trainer = make_trainer()
    trainer.fit(X, y)
    sent = pickle.dumps(trainer)
    farther = go_on(pickle.loads(sent))
    with pools()[method]() as pool:
        futures = [pool.submit(train) for _ in range(4)] + [pool.submit(go_on, trainer) for _ in range(2)]
        results = [future.result(timeout=SLOWEST_POOL) for future in futures]
    assert results == [wanted] * 4 + [farther] * 2
