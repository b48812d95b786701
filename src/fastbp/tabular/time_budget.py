"""The seconds that a fit may take: reading and encoding are counted, what is left is shared among the trainings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.time_limit import TimeLimit
from fastbp.callbacks.trainer_view import TrainerView

__all__ = ["TimeBudget", "TimeShare"]

_FOR_THE_END = 0.02  # of the seconds, for what follows on the last training
_MOST_RESERVED = 0.5  # of what is left
_LEAST = 0.01  # seconds of a training: some steps
_UNCOUNTED = 0.1  # of a share: what is kept for a training that is not counted


class TimeBudget:
    """Seconds that began when it was made, for trainings of which some run at once.

    Each training gets its share when it begins, so that what was slow before it, or ended early, is accounted for.

    Parameters
    ----------
    seconds : float
    clock : callable, default time.monotonic

    Attributes
    ----------
    has_reserve : bool
        Whether ``reserve`` was called.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + (1 - _FOR_THE_END) * seconds
        self.has_reserve = False
        self._n_trainings, self._n_rounds = 1, 1
        self._waiting = self._uncounted = 0
        self._rounds_after = 0.0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs, which has a clock of its own: the seconds left, and when that was."""
        state = {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_clock", "_end")}
        return state | {"left": self.left, "sent": time.time()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        left, sent = state.pop("left"), state.pop("sent")
        self.__dict__.update(state)
        self._clock, self._lock = time.monotonic, threading.Lock()
        self._end = self._clock() + left - max(time.time() - sent, 0.0)  # it may have waited for a free worker

    @property
    def left(self) -> float:
        """Seconds for trainings; 0 if none are left."""
        return max(self._end - self._clock(), 0.0)

    def reserve(self, seconds: float) -> None:
        """Keep so many seconds, at most half of those left, for what is to follow on the trainings."""
        self._end -= min(seconds, _MOST_RESERVED * self.left)
        self.has_reserve = True

    def part(self, share: float) -> TimeBudget:
        """Return a budget of this share of what is left."""
        return TimeBudget(share * self.left, self._clock)

    def expect(self, n_trainings: int, n_rounds: int, rounds_after: float = 0.0, n_uncounted: int = 0) -> None:
        """Say how many trainings share what is left, one after another or some at once, and what follows on them.

        Parameters
        ----------
        n_trainings : int
        n_rounds : int
            How many durations of a training they take in all.
        rounds_after : float
            What follows, in the same unit.
        n_uncounted : int
            Trainings beside them that end long before a share is used up.
        """
        self._n_trainings, self._n_rounds, self._rounds_after = n_trainings, n_rounds, rounds_after
        self._waiting, self._uncounted = n_trainings, n_uncounted

    def share(self, is_counted: bool = True) -> float:
        """Return the seconds of a training that begins now; one that is not counted takes no other's place."""
        with self._lock:
            rounds = -(-max(self._waiting, 1) * self._n_rounds // self._n_trainings) + self._rounds_after
            rounds += _UNCOUNTED * self._uncounted * self._n_rounds / self._n_trainings
            if is_counted:
                self._waiting -= 1
            else:
                self._uncounted -= 1
        return max(self.left / rounds, _LEAST)


class TimeShare(Callback):
    """Stops a training when its share of a budget is used up.

    Parameters
    ----------
    budget : TimeBudget
    is_counted : bool
        Whether the training is one of those that share the budget.
    """

    runs_alone = True

    def __init__(self, budget: TimeBudget, is_counted: bool) -> None:
        self._budget, self._is_counted = budget, is_counted
        self._limit: TimeLimit | None = None

    def on_fit_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Take a share, and start its clock."""
        self._limit = TimeLimit(self._budget.share(self._is_counted))
        self._limit.on_fit_begin(trainer, figures)

    def on_tick(self, trainer: TrainerView, figures: Figures) -> None:
        """Stop if the share is used up."""
        assert self._limit is not None
        self._limit.on_tick(trainer, figures)

    def on_epoch_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Stop if the share is used up."""
        self.on_tick(trainer, figures)
