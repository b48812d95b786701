"""A lock that a forked child finds open."""

from __future__ import annotations

import os
import threading
from types import TracebackType

__all__ = ["Lock"]


class Lock:
    """A lock for a ``with``; the thread that has it may take it again.

    Make few of them, each at the top of a module: what is to be done at a fork stays registered.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)  # the thread that had it is not in the child

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()
