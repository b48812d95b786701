"""On which CPU a thread begins; which CPUs it may use is the user's choice, and stays so."""

import _thread
import os
import threading

import pytest

from fastbp.engine.cpus import begin_elsewhere, usable_cpus, use_cpus
from fastbp.support.worker import Worker

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux tells which CPUs a thread may use")


def cpus_of_begun(begin):
    """The CPUs that a thread may use after ``begin(thread)``, and those after it has taken back its starter's."""
    seen, ended, usable = [], threading.Event(), usable_cpus()

    def look():
        seen.append(os.sched_getaffinity(0))
        use_cpus(usable)
        seen.append(os.sched_getaffinity(0))
        ended.set()

    begin(_thread.start_new_thread(look, ()))
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
    at_first, then = cpus_of_begun(begin_elsewhere)
    assert at_first <= usable
    assert len(at_first) == max(len(usable) - 1, 1)
    assert then == usable == os.sched_getaffinity(0)


def test_where_there_is_no_other_cpu_it_may_use_the_same(one_cpu):
    assert cpus_of_begun(begin_elsewhere) == [os.sched_getaffinity(0)] * 2


def test_a_worker_may_use_what_its_starter_may():
    seen = []
    worker = Worker(lambda: seen.append(os.sched_getaffinity(0)))
    worker.start()
    worker.join()
    assert seen == [os.sched_getaffinity(0)]


def test_cpus_that_are_not_known_change_nothing():
    usable = os.sched_getaffinity(0)
    use_cpus(b"")
    assert os.sched_getaffinity(0) == usable
