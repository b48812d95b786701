"""Code of the user's that runs while a trainer trains: between epochs, between steps, and now and then."""

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
    ``accuracy``, ``val_loss`` and so on. Inside an epoch it holds ``epoch``, the one under way; ``step``, the number of
    steps of the trainer so far; ``samples``, how many of the epoch are done; and ``loss``.

    ``trainer.stop()`` ends training behind the epoch, or inside one behind the step; ``trainer.learning_rate = 1e-4``
    and ``trainer.optimizer = ...`` take effect with the next step. An exception ends training, with the model as after
    the last completed step.
    """

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
