"""Progress as plain lines, for files and logs: none is written over, and there are never very many."""

from __future__ import annotations

import sys
import time

__all__ = ["Log"]

_MOST_LINES = 100  # about
_PAUSE = 10.0  # seconds after which the next epoch gets a line however many there are
_SILENCE = 60.0  # seconds after which there is a line within an epoch


class Log:
    """Writes lines to stderr: about a hundred for all epochs, one in ten seconds, one a minute within an epoch.

    The first and the last epoch have theirs. Without a stderr nothing is written.

    Parameters
    ----------
    n_epochs : int
    delay : float, default 0.0
        Seconds before the first line.
    """

    def __init__(self, n_epochs: int, delay: float = 0.0) -> None:
        self._stream = sys.stderr
        self._every = -(-n_epochs // _MOST_LINES) or 1
        self._start = self._written_at = time.monotonic()
        self._delay, self._n_written = delay, 0
        self._waiting: str | None = None  # the line of the latest epoch, if it was not written

    @property
    def seconds(self) -> float:
        """The time since the beginning."""
        return time.monotonic() - self._start

    def end_epoch(self, n_epochs: int, line: str) -> None:
        """Take the line of an epoch; n_epochs have ended."""
        self._waiting = line
        is_first = self._n_written == 0
        if is_first or n_epochs // self._every > self._n_written // self._every or self._has_been_silent(_PAUSE):
            self._n_written = n_epochs
            self._write_waiting()

    def wants_tick(self) -> bool:
        """Return whether there is to be a line within the epoch."""
        return self._has_been_silent(_SILENCE)

    def tick(self, line: str) -> None:
        """Write a line within an epoch."""
        self._waiting = line
        self._write_waiting()

    def close(self) -> None:
        """Write the line of the last epoch, if it was not written."""
        self._write_waiting()

    def _has_been_silent(self, seconds: float) -> bool:
        return time.monotonic() - self._written_at >= seconds

    def _write_waiting(self) -> None:
        if self._waiting is None or self._stream is None or self.seconds < self._delay:
            return
        self._written_at = time.monotonic()
        try:
            print(self._waiting, file=self._stream, flush=True)
        except (OSError, ValueError):  # a full disk, a closed pipe: training goes on
            self._stream = None
        self._waiting = None
