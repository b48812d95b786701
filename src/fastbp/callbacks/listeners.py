"""The callbacks of one call of ``fit``, as objects, in the order in which they run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from fastbp.callbacks.base import Callback, Figures, SomeTrainer
from fastbp.callbacks.lambda_callback import LambdaCallback
from fastbp.callbacks.trainer_view import TrainerView
from fastbp.support.checks import check_list, sentence
from fastbp.support.registry import DESCRIPTION_ERRORS

__all__ = ["CallbackLike", "Listeners", "as_callbacks"]


_users: dict[int, Listeners] = {}  # of callbacks with a state, by their id; setdefault decides between two threads
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_users.clear)  # the other threads' calls of fit are not in the child

_NOTHING_CLAIMED = contextlib.nullcontext()

CallbackLike: TypeAlias = Callback | Callable[[SomeTrainer, Figures], Any]


def as_callbacks(callbacks: Iterable[CallbackLike] | CallbackLike) -> list[Callback]:
    """Return callbacks as objects, in the order in which they run; a function runs at the end of every epoch."""
    if type(callbacks) in (tuple, list) and not callbacks:  # the fast path, for short calls of fit
        return []
    if isinstance(callbacks, Callback) or callable(callbacks):
        callbacks = [callbacks]
    expected = "a list of fb.Callback objects or functions of (trainer, figures)"
    if not isinstance(callbacks, Iterable) or isinstance(callbacks, str):
        raise TypeError(sentence("callbacks", callbacks, expected))
    listeners = [
        _as_callback(callback, f"callbacks[{i}]")
        for i, callback in enumerate(check_list(callbacks, "callbacks", expected))
    ]
    return sorted(listeners, key=lambda listener: listener.runs_last)


def _as_callback(callback: Any, argument: str) -> Callback:
    if isinstance(callback, Callback):
        return callback
    if isinstance(callback, type) and issubclass(callback, Callback):
        raise TypeError(sentence(argument, callback, "an object", f"Add parentheses: {callback.__name__}()."))
    if callable(callback):
        return LambdaCallback(on_epoch_end=callback)
    raise TypeError(sentence(argument, callback, "an fb.Callback object or a function of (trainer, figures)"))


class Listeners:
    """The callbacks of one call of ``fit``, and the trainer that they get.

    Where there are callbacks, events outside of an epoch ask a function, ``latest``, for the figures of the latest one.

    Parameters
    ----------
    callbacks : sequence of Callback
        Callbacks in the order in which they run.
    trainer : TrainerView

    Attributes
    ----------
    hear_steps, hear_ticks : bool
        Whether a callback handles steps, and ticks about twenty times a second.
    """

    def __init__(self, callbacks: Sequence[Callback], trainer: TrainerView) -> None:
        self._callbacks, self._trainer = list(callbacks), trainer
        self._of_steps = [callback for callback in callbacks if callback.hears("on_step_end")]
        self._of_ticks = [callback for callback in callbacks if callback.hears("on_tick")]
        self.hear_steps, self.hear_ticks = bool(self._of_steps), bool(self._of_ticks)

    def claimed(self) -> contextlib.AbstractContextManager[None]:
        """Refuse another call of ``fit``, in another thread, that would use callbacks with a state inside the ``with``.

        Raises
        ------
        RuntimeError
            If one of them is in use.
        """
        own = [callback for callback in self._callbacks if callback.runs_alone]
        return self._claim(own) if own else _NOTHING_CLAIMED

    @contextlib.contextmanager
    def _claim(self, own: Sequence[Callback]) -> Iterator[None]:
        claimed: list[int] = []
        try:
            for callback in own:
                if _users.setdefault(id(callback), self) is not self:
                    raise RuntimeError(
                        f"callbacks has {callback!r}, which another call of fit is using; expected an object for each "
                        "trainer. Make a new one."
                    )
                claimed.append(id(callback))
            yield
        finally:
            for key in claimed:
                _users.pop(key, None)

    def fit_begin(self, latest: Callable[[], Figures]) -> None:
        """Run the callbacks at the beginning of a call of ``fit``."""
        if self._callbacks:
            figures = latest()
            for callback in self._callbacks:
                callback.on_fit_begin(self._trainer, figures)

    def epoch_begin(self, latest: Callable[[], Figures]) -> None:
        """Run the callbacks at the beginning of an epoch."""
        if self._callbacks:
            figures = latest()
            for callback in self._callbacks:
                callback.on_epoch_begin(self._trainer, figures)

    def step_end(self, figures: Figures) -> None:
        """Run the callbacks after a step."""
        for callback in self._of_steps:
            callback.on_step_end(self._trainer, figures)

    def tick(self, figures: Figures) -> None:
        """Run the callbacks at a tick inside an epoch."""
        for callback in self._of_ticks:
            callback.on_tick(self._trainer, figures)

    def epoch_end(self, latest: Callable[[], Figures]) -> None:
        """Run the callbacks after an epoch and its validation."""
        if self._callbacks:
            figures = latest()
            for callback in self._callbacks:
                callback.on_epoch_end(self._trainer, figures)

    def fit_end(self, latest: Callable[[], Figures]) -> None:
        """Run the callbacks at the end of a call of ``fit``."""
        if self._callbacks:
            figures = latest()
            for callback in self._callbacks:
                callback.on_fit_end(self._trainer, figures)

    def get_states(self) -> dict[str, Any]:
        """Return the callbacks' states by their keys, without empty ones."""
        states = {key: callback.get_state() for key, callback in _keyed(self._callbacks).items()}
        return {key: state for key, state in states.items() if state}

    def set_states(self, states: Mapping[str, Any]) -> None:
        """Restore the callbacks that have a state among these."""
        for key, callback in _keyed(self._callbacks).items():
            if key in states:
                try:
                    callback.set_state(states[key])
                except DESCRIPTION_ERRORS as error:
                    why = f"it has no entry {error}" if isinstance(error, KeyError) else str(error)
                    was = f"the state of {key} in the trainer's file is not one of {type(callback).__qualname__}"
                    raise ValueError(f"{was}: {why}") from error


def _keyed(listeners: Iterable[Callback]) -> dict[str, Callback]:
    """Return callbacks under their keys in a file: the class, and a number if there are several of a class."""
    by_key: dict[str, Callback] = {}
    counts: dict[str, int] = {}
    for listener in listeners:
        name = type(listener).__name__
        counts[name] = counts.get(name, 0) + 1
        by_key[name if counts[name] == 1 else f"{name}-{counts[name]}"] = listener
    return by_key
