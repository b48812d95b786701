"""A thread of which it is always known whether it lives: also one that died before it could do anything.

`threading.Thread.start` waits until the new thread has said that it runs. Where the memory does not suffice for that,
it waits for ever. A Worker has an object that only the interpreter's record of the thread holds: when the thread is
gone, for whatever reason, so is the object.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable

from fastbp.engine.cpus import start_elsewhere, usable_cpus, use_cpus

__all__ = ["Worker"]

_LOOK_SECONDS = 0.05


class _Life:
    """Held by a thread's record alone."""


class Worker:
    """A thread that runs a function once. It does not keep the process from ending.

    Parameters
    ----------
    work : callable
        It takes nothing, and what it returns is not used. It should raise nothing.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._begun, self._ended = threading.Event(), threading.Event()
        self._life: weakref.ref[_Life] | None = None
        self._process = os.getpid()
        self._cpus = b""  # that the thread may use once it has begun

    def start(self) -> None:
        """Start the thread, once.

        Raises
        ------
        RuntimeError
            If the system starts no more threads, or the memory does not suffice for one.
        """
        self.launch()
        while not self._begun.wait(_LOOK_SECONDS):
            if not self.is_alive() and not self._begun.is_set():
                raise RuntimeError("the memory does not suffice for another thread; expected some MB that are free")

    def launch(self) -> None:
        """Start the thread, once, and do not wait for it: it may die before it has done anything.

        Raises
        ------
        RuntimeError
            If the system starts no more threads.
        """
        life = _Life()
        self._life = weakref.ref(life)
        self._cpus = usable_cpus()
        start_elsewhere(self._run, (life,))

    def is_alive(self) -> bool:
        """Return whether it has been started and has not ended; in a forked child no thread of the parent lives."""
        return self._life is not None and self._life() is not None and os.getpid() == self._process

    def join(self, seconds: float | None = None) -> None:
        """Wait until it has ended, but no longer than that."""
        until = None if seconds is None else time.monotonic() + seconds
        while self.is_alive() and (until is None or time.monotonic() < until):
            if self._ended.wait(_LOOK_SECONDS):
                return

    def _run(self, life: _Life) -> None:  # pragma: no cover - a frame that began before it could be traced
        del life  # a traceback would hold it
        use_cpus(self._cpus)
        sys.settrace(threading.gettrace())  # as any thread does: for debuggers and measurements
        sys.setprofile(threading.getprofile())
        self._live()

    def _live(self) -> None:
        try:
            self._begun.set()
            self._work()
        finally:
            self._ended.set()
