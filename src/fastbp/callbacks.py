"""Code of the user's that runs while a trainer trains: between epochs, never inside one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from fastbp.checks import sentence

if TYPE_CHECKING:
    from fastbp.trainer import Trainer

__all__ = ["Callback", "CallbackLike", "as_callbacks"]

Figures: TypeAlias = Mapping[str, float]


class Callback:
    """What happens at the events of training; a subclass overrides those that it is for.

    ``figures`` holds those of the latest epoch: ``epoch`` (counted from 1 over all calls of ``fit``), ``loss``,
    ``accuracy``, ``val_loss`` and so on. ``trainer.stop()`` ends training after the epoch,
    ``trainer.optimizer = fb.Adam(1e-4)`` changes the learning rate from the next.
    """

    def on_fit_begin(self, trainer: Trainer, figures: Figures) -> None:
        """Run before the first epoch of a call of ``fit``; no figures before the first ever."""

    def on_epoch_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run after every epoch and its validation."""

    def on_fit_end(self, trainer: Trainer, figures: Figures) -> None:
        """Run after the last epoch of a call of ``fit``, also if that ends by an error or by Ctrl-C."""


CallbackLike: TypeAlias = Callback | Callable[["Trainer", Figures], Any]


class _AtEpochEnd(Callback):
    """A plain function as a callback."""

    def __init__(self, function: Callable[[Trainer, Figures], Any]) -> None:
        self._function = function

    def on_epoch_end(self, trainer: Trainer, figures: Figures) -> None:
        self._function(trainer, figures)


def as_callbacks(callbacks: Iterable[CallbackLike] | CallbackLike) -> list[Callback]:
    """Return callbacks as objects; a function is one that runs at the end of every epoch."""
    if isinstance(callbacks, Callback) or callable(callbacks):
        callbacks = [callbacks]
    expected = "a list of fb.Callback objects or functions of (trainer, figures)"
    if not isinstance(callbacks, Iterable) or isinstance(callbacks, str):
        raise TypeError(sentence("callbacks", callbacks, expected))
    return [_as_callback(callback, f"callbacks[{i}]") for i, callback in enumerate(callbacks)]


def _as_callback(callback: Any, argument: str) -> Callback:
    if isinstance(callback, Callback):
        return callback
    if isinstance(callback, type) and issubclass(callback, Callback):
        raise TypeError(sentence(argument, callback, "an object", f"Add parentheses: {callback.__name__}()."))
    if callable(callback):
        return _AtEpochEnd(callback)
    raise TypeError(sentence(argument, callback, "an fb.Callback object or a function of (trainer, figures)"))
