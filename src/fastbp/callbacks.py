"""Code of the user's that runs while a trainer trains: between epochs, between steps, and now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from fastbp.checks import check_number, sentence

if TYPE_CHECKING:
    from fastbp.trainer import Trainer

__all__ = ["Callback", "CallbackLike", "Figures", "LambdaCallback", "TimeLimit", "as_callbacks", "keyed"]

Figures: TypeAlias = Mapping[str, float]


class Callback:
    """What happens at the events of training; a subclass overrides those that it is for.

    ``figures`` holds those of the latest epoch: ``epoch`` (counted from 1 over all calls of ``fit``), ``loss``,
    ``accuracy``, ``val_loss`` and so on. Inside an epoch it holds ``epoch``, the one under way; ``step``, the number of
    steps of the trainer so far; ``samples``, how many of the epoch are done; and ``loss``.

    ``trainer.stop()`` ends training behind the epoch, or inside one behind the step; ``trainer.learning_rate = 1e-4``
    and ``trainer.optimizer = ...`` take effect with the next step. An exception ends training, with the model as after
    the last completed step.
    """

    runs_last: ClassVar[bool] = False  # whether it is told of an event after all those that are not so

    def on_fit_begin(self, trainer: Trainer, figures: Figures) -> None:
        """Run before the first epoch of a call of ``fit``; no figures before the first ever."""

    def on_epoch_begin(self, trainer: Trainer, figures: Figures) -> None:
        """Run before every epoch, with the figures of the one before."""

    def on_step_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run after every step; ``loss`` is that of its samples, before the step.

        The engine, which otherwise stays below Python for a whole epoch, comes up for it after every step.
        """

    def on_tick(self, trainer: Trainer, figures: Figures) -> None:
        """Run inside an epoch about twenty times a second, between two steps; ``loss`` is the epoch's mean so far."""

    def on_epoch_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run after every epoch and its validation."""

    def on_fit_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run after the last epoch of a call of ``fit``, also if that ends by an error or by Ctrl-C.

        ``trainer.stop_reason`` tells which it was.
        """

    def get_state(self) -> dict[str, Any]:
        """Return what ``Trainer.save`` is to keep: numbers, texts, None, lists and dictionaries of them, arrays."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of ``get_state``."""

    def hears(self, event: str) -> bool:
        """Return whether anything happens here at an event, such as "on_step_end"."""
        return getattr(type(self), event) is not getattr(Callback, event)


CallbackLike: TypeAlias = Callback | Callable[["Trainer", Figures], Any]
Event: TypeAlias = Callable[["Trainer", Figures], Any]


class LambdaCallback(Callback):
    """Functions as a callback, each for one event; ``Callback`` says when they run and with what figures.

    Parameters
    ----------
    on_fit_begin, on_epoch_begin, on_step_end, on_tick, on_epoch_end, on_fit_end : callable or None, default None
        function(trainer, figures)

    Raises
    ------
    TypeError
        If one is neither.
    """

    def __init__(
        self,
        on_fit_begin: Event | None = None,
        on_epoch_begin: Event | None = None,
        on_step_end: Event | None = None,
        on_tick: Event | None = None,
        on_epoch_end: Event | None = None,
        on_fit_end: Event | None = None,
    ) -> None:
        given = {
            "on_fit_begin": on_fit_begin,
            "on_epoch_begin": on_epoch_begin,
            "on_step_end": on_step_end,
            "on_tick": on_tick,
            "on_epoch_end": on_epoch_end,
            "on_fit_end": on_fit_end,
        }
        for event, function in given.items():
            if function is not None and not callable(function):
                raise TypeError(sentence(event, function, "a function of (trainer, figures), or None"))
        self._functions = {event: function for event, function in given.items() if function is not None}

    def hears(self, event: str) -> bool:
        """Return whether there is a function for an event."""
        return event in self._functions

    def _run(self, event: str, trainer: Trainer, figures: Figures) -> None:
        if event in self._functions:
            self._functions[event](trainer, figures)

    def on_fit_begin(self, trainer: Trainer, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_fit_begin", trainer, figures)

    def on_epoch_begin(self, trainer: Trainer, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_epoch_begin", trainer, figures)

    def on_step_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_step_end", trainer, figures)

    def on_tick(self, trainer: Trainer, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_tick", trainer, figures)

    def on_epoch_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_epoch_end", trainer, figures)

    def on_fit_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_fit_end", trainer, figures)


class TimeLimit(Callback):
    """Stops training when a call of ``fit`` has taken so long, also inside an epoch, behind a completed step.

    ``fit`` called again goes on with the epoch.

    Parameters
    ----------
    seconds : float

    Raises
    ------
    TypeError, ValueError
        If it is not a number above 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = check_number(seconds, "seconds", above=0)
        self._end = 0.0

    def on_fit_begin(self, trainer: Trainer, figures: Figures) -> None:
        """Start the clock."""
        self._end = time.monotonic() + self._seconds

    def on_tick(self, trainer: Trainer, figures: Figures) -> None:
        """Stop when the time is up."""
        if time.monotonic() >= self._end:
            trainer.stop()

    def on_epoch_end(self, trainer: Trainer, figures: Figures) -> None:
        """Stop when the time is up."""
        self.on_tick(trainer, figures)


def as_callbacks(callbacks: Iterable[CallbackLike] | CallbackLike) -> list[Callback]:
    """Return callbacks as objects, in the order in which they are told; a function runs at the end of every epoch."""
    if isinstance(callbacks, Callback) or callable(callbacks):
        callbacks = [callbacks]
    expected = "a list of fb.Callback objects or functions of (trainer, figures)"
    if not isinstance(callbacks, Iterable) or isinstance(callbacks, str):
        raise TypeError(sentence("callbacks", callbacks, expected))
    listeners = [_as_callback(callback, f"callbacks[{i}]") for i, callback in enumerate(callbacks)]
    return sorted(listeners, key=lambda listener: listener.runs_last)


def _as_callback(callback: Any, argument: str) -> Callback:
    if isinstance(callback, Callback):
        return callback
    if isinstance(callback, type) and issubclass(callback, Callback):
        raise TypeError(sentence(argument, callback, "an object", f"Add parentheses: {callback.__name__}()."))
    if callable(callback):
        return LambdaCallback(on_epoch_end=callback)
    raise TypeError(sentence(argument, callback, "an fb.Callback object or a function of (trainer, figures)"))


def keyed(listeners: Iterable[Callback]) -> dict[str, Callback]:
    """Return callbacks by what tells them apart in a file: the class, and a number where there are several of one."""
    by_key: dict[str, Callback] = {}
    counts: dict[str, int] = {}
    for listener in listeners:
        name = type(listener).__name__
        counts[name] = counts.get(name, 0) + 1
        by_key[name if counts[name] == 1 else f"{name}-{counts[name]}"] = listener
    return by_key
