"""Reading on a separate thread, one item ahead of its use."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, TypeVar

from fastbp.support.worker import Worker

__all__ = ["Prefetch"]

T = TypeVar("T")

_LOOK_SECONDS = 0.05  # how often the reader and its user check whether the other one has ended
_JOIN_SECONDS = 1.0  # how long to wait for a reader that is reading an item; then it is left to end by itself


class Prefetch(Generic[T]):
    """An iterator's items, each read while the one before is in use; a ``with`` statement ends the thread.

    Parameters
    ----------
    items : iterator
        Iterator that runs on the thread; its exceptions are raised here, after the items before. A generator is closed
        when reading ends for any reason.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._read: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=1)
        self._ended = threading.Event()
        self._ahead = True
        self._failure: BaseException | None = None  # what ended the thread
        self._process = os.getpid()
        self._thread = Worker(self._work)

    def __enter__(self) -> Iterator[T]:
        try:
            self._thread.start()
        except RuntimeError:  # there can be no more threads: each item is read when it is wanted
            self._ahead = False
            return self._items
        return self._taken()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._ahead:
            self._thread.join(_JOIN_SECONDS)
        else:
            self._close()

    def _taken(self) -> Iterator[T]:
        while True:
            if os.getpid() != self._process:
                raise RuntimeError(
                    "this process was forked while fit was reading chunks, on a thread that only its parent has; "
                    "expected the parent alone to go on with that call. In the child, call fit again."
                )
            try:
                item, error = self._read.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                self._raise_if_ended()
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]

    def _raise_if_ended(self) -> None:
        """Raise what ended the thread where it could not hand that over, as in want of memory."""
        if not self._thread.is_alive() and self._read.empty():
            raise self._failure or RuntimeError("the thread that reads chunks ahead has ended without an error")

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._hand_over(item, None):
                    return
            self._hand_over(None, StopIteration())
        except BaseException as error:
            self._failure = error
            with contextlib.suppress(Exception):  # who waits for it looks whether this thread lives
                self._hand_over(None, error)
        finally:
            self._close()

    def _close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()

    def _hand_over(self, item: T | None, error: BaseException | None) -> bool:
        """Wait until there is room for an item, or reading has ended; return whether it was put there."""
        while not self._ended.is_set():
            try:
                self._read.put((item, error), timeout=_LOOK_SECONDS)
                return True
            except queue.Full:
                continue
        return False
