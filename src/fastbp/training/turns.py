"""Who may touch a trainer's state: the thread that trains, or one that saves between two steps."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator

__all__ = ["Turns"]

_LOOK_SECONDS = 0.0002

_all: weakref.WeakSet[Turns] = weakref.WeakSet()


class Turns:
    """A lock that the training thread holds during its steps, and gives up between two of them.

    ``with turns`` is a turn of the training thread, which may take it again inside. Callbacks run outside of it, as
    they may wait for other threads. A single step does without the lock, which takes longer than 1 % of a small one: it
    sets ``stepping`` before it looks whether anyone is between steps, and who comes between steps does the two the
    other way round, so that one of them sees the other.

    Attributes
    ----------
    stepping : int
        The thread that makes a single step, 0: none.
    n_between : int
        Number of threads that are between two steps, or wait to be.
    leave : callable or None
        During a fit: what a forked child calls in place of the thread that trains, which it does not have.
    """

    def __init__(self) -> None:
        self._training = threading.RLock()  # from the beginning of a fit to its end
        self._lock, self._count_lock = threading.RLock(), threading.Lock()
        self._n_waiting = 0  # of those between, who wait
        self.n_between = self.stepping = 0
        self.leave: Callable[[], None] | None = None
        _all.add(self)

    def alone(self) -> _Alone:
        """Refuse other threads that would train with this trainer inside the ``with``.

        Raises
        ------
        RuntimeError
            If another thread is inside.
        """
        return _Alone(self)

    def __enter__(self) -> None:
        self._lock.acquire()  # others have it between two steps only, for a moment

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    @contextlib.contextmanager
    def between_steps(self) -> Iterator[None]:
        """Wait until no step is under way, on whatever thread, and let none begin inside the ``with``."""
        self._count(1, 1)
        n_waiting = 1
        try:
            with self._lock:
                self._count(-1, 0)
                n_waiting = 0
                while self.stepping not in (0, threading.get_ident()):  # a loss function of the step may save
                    time.sleep(_LOOK_SECONDS)
                yield
        finally:
            self._count(-n_waiting, -1)

    @property
    def wanted(self) -> bool:
        """Whether another thread waits for a step to end."""
        return self._n_waiting > 0

    @contextlib.contextmanager
    def given_up(self) -> Iterator[None]:
        """Let other threads in between two steps; for the training thread in its turn."""
        self._lock.release()
        try:
            yield
            self.let_others()
        finally:
            self._lock.acquire()

    def let_others(self) -> None:
        """Wait until those are in who wait: a lock often goes back to the thread that had it just before."""
        while self._n_waiting:
            time.sleep(_LOOK_SECONDS)

    def stand_back(self) -> None:
        """Begin a single step after those who are between steps, and before those who wait to be."""
        self.stepping = 0
        with self._lock:
            self.stepping = threading.get_ident()

    def _count(self, waiting: int, between: int) -> None:
        with self._count_lock:
            self._n_waiting += waiting
            self.n_between += between

    def renew(self) -> None:
        """Forget the threads that a forked process does not have; the fit of the one that forked goes on."""
        if _is_left_behind(self._training):
            self._training = threading.RLock()
            if self.leave is not None:
                self.leave()
                self.leave = None
        if _is_left_behind(self._lock):
            self._lock = threading.RLock()
        self._count_lock = threading.Lock()
        self._n_waiting = self.n_between = 0
        self.stepping = self.stepping if self.stepping == threading.get_ident() else 0


def _is_left_behind(lock: threading.RLock) -> bool:
    """Return whether another thread has a lock."""
    if not lock.acquire(blocking=False):
        return True
    lock.release()
    return False


class _Alone:  # a generator takes longer, and a call of fit may be short
    __slots__ = ("_turns",)

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        turns = self._turns
        if not turns._training.acquire(blocking=False):
            raise RuntimeError(
                "this trainer is already training, in another thread; expected one thread at a time. Give each thread "
                "a trainer and a model of its own, or wait for the other."
            )

    def __exit__(self, *error: object) -> None:
        self._turns.leave = None
        self._turns._training.release()


def _renew_all() -> None:
    for turns in list(_all):
        turns.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
