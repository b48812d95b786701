"""On which CPU a thread begins; which CPUs it may use is the user's choice, and stays so."""

import os
import sys
import sysconfig
import threading

import pytest

from fastbp.engine.cpus import start_elsewhere, usable_cpus, use_cpus
from fastbp.support.worker import Worker

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux tells which CPUs a thread may use")


def cpus_of_begun():
    """The CPUs that a thread may use when it begins, and those after it has taken back its starter's."""
    seen, ended, usable = [], threading.Event(), usable_cpus()

    def look():
        seen.append(os.sched_getaffinity(0))
        use_cpus(usable)
        seen.append(os.sched_getaffinity(0))
        ended.set()

    start_elsewhere(look, ())
    assert ended.wait(10)
    return seen


@pytest.fixture
def one_cpu():
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usable)})
    yield
    os.sched_setaffinity(0, usable)


def test_a_thread_begins_on_another_cpu_than_its_starters():
    usable = os.sched_getaffinity(0)
    at_first, then = cpus_of_begun()
    assert at_first <= usable
    is_moved = not sysconfig.get_config_var("Py_GIL_DISABLED")  # without a GIL it may have ended before
    assert len(at_first) == max(len(usable) - is_moved, 1)
    assert then == usable == os.sched_getaffinity(0)


def test_where_there_is_no_other_cpu_it_may_use_the_same(one_cpu):
    assert cpus_of_begun() == [os.sched_getaffinity(0)] * 2


def test_a_worker_may_use_what_its_starter_may():
    seen = []
    worker = Worker(lambda: seen.append(os.sched_getaffinity(0)))
    worker.start()
    worker.join()
    assert seen == [os.sched_getaffinity(0)]


def test_threads_that_end_at_once_beside_others_that_want_the_gil_leave_all_as_it_was():
    """A thread that has ended cannot be moved: its starter would be moved in its place, or the process would crash."""
    usable, stop = os.sched_getaffinity(0), threading.Event()
    busy = [threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)]) for _ in range(3)]
    former = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for each in busy:
            each.start()
        for _ in range(300):
            start_elsewhere(int, ())
            assert os.sched_getaffinity(0) == usable
    finally:
        stop.set()
        sys.setswitchinterval(former)
        for each in busy:
            each.join()


def test_cpus_that_are_not_known_change_nothing():
    usable = os.sched_getaffinity(0)
    use_cpus(b"")
    assert os.sched_getaffinity(0) == usable
