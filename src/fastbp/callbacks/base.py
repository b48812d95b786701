"""What a callback is: code of the user's that runs while a trainer trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

__all__ = ["Callback", "Figures", "SomeTrainer"]


Figures: TypeAlias = Mapping[str, float]

# What callbacks are told of: it has all of ``TrainerView``. A subclass names that, or ``fb.Trainer`` to use more.
SomeTrainer: TypeAlias = Any


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

    def on_fit_begin(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run before the first epoch of a call of ``fit``; no figures before the first ever."""

    def on_epoch_begin(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run before every epoch, with the figures of the one before."""

    def on_step_end(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run after every step; ``loss`` is that of its samples, before the step.

        The engine, which otherwise stays below Python for a whole epoch, comes up for it after every step.
        """

    def on_tick(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run inside an epoch about twenty times a second, between two steps; ``loss`` is the epoch's mean so far."""

    def on_epoch_end(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run after every epoch and its validation."""

    def on_fit_end(self, trainer: SomeTrainer, figures: Figures) -> None:
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
