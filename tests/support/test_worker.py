"""Threads of which it is known whether they live, also those that died before they could do anything."""

import _thread
import os
import sys
import threading
import time

import pytest

from fastbp.support.worker import Worker


def test_it_runs_beside_its_starter_and_ends():
    go_on, seen = threading.Event(), []
    worker = Worker(lambda: (go_on.wait(), seen.append(threading.get_ident())))
    assert not worker.is_alive()
    worker.join()  # one that was never started has ended
    worker.start()
    assert worker.is_alive() and not seen
    worker.join(0.01)
    assert worker.is_alive()
    go_on.set()
    worker.join()
    assert seen and seen[0] != threading.get_ident()
    while worker.is_alive():
        time.sleep(0.001)


@pytest.mark.parametrize("dies", ["before it runs a function", "when it says that it runs"])
def test_one_that_dies_at_once_is_an_error(monkeypatch, dies):
    """As in want of memory; threading.Thread.start then never returns."""
    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    real = _thread.start_new_thread

    def no_memory(*life):
        del life  # which the traceback would keep
        raise MemoryError

    if dies.startswith("before"):
        monkeypatch.setattr(_thread, "start_new_thread", lambda function, arguments: real(no_memory, arguments))
    worker = Worker(lambda: None)
    if dies.startswith("when"):
        monkeypatch.setattr(worker._begun, "set", no_memory)
    with pytest.raises(RuntimeError, match="the memory does not suffice for another thread; expected some MB"):
        worker.start()
    assert len(ignored) == 1
    assert not worker.is_alive()


def test_one_that_begins_late_is_waited_for(monkeypatch):
    """As on a busy machine: it lives, and has not yet said that it runs."""
    go_on = threading.Event()
    worker = Worker(go_on.wait)
    say = worker._begun.set
    monkeypatch.setattr("fastbp.support.worker._LOOK_SECONDS", 0.001)
    monkeypatch.setattr(worker._begun, "set", lambda: (time.sleep(0.1), say()))
    worker.start()
    assert worker.is_alive()
    go_on.set()
    worker.join()


def test_where_the_system_starts_no_thread(monkeypatch):
    def refuse(*args):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    worker = Worker(lambda: None)
    with pytest.raises(RuntimeError, match="can't start"):
        worker.start()
    assert not worker.is_alive()


def test_one_that_is_launched_is_not_waited_for(monkeypatch):
    seen = []
    worker = Worker(lambda: seen.append(threading.get_ident()))
    monkeypatch.setattr(worker._begun, "wait", lambda *seconds: pytest.fail("it is waited for"))
    worker.launch()
    worker.join()
    assert seen and seen[0] != threading.get_ident()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_none_of_its_parents():
    go_on = threading.Event()
    worker = Worker(go_on.wait)
    worker.start()
    child = os.fork()
    if child == 0:
        os._exit(worker.is_alive())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert worker.is_alive()
    go_on.set()
    worker.join()


def test_debuggers_and_profilers_see_it_as_any_thread():
    former = threading.gettrace(), threading.getprofile()
    seen = []

    def look(frame, event, argument):
        seen.append((threading.get_ident(), frame.f_code.co_name, event))

    def work():
        ran.append(threading.get_ident())

    for attach, kept in ((threading.settrace, former[0]), (threading.setprofile, former[1])):
        ran = []
        attach(look)
        try:
            worker = Worker(work)
            worker.start()
            worker.join()
        finally:
            attach(kept)
        assert (ran[0], "work", "call") in seen
        seen.clear()
