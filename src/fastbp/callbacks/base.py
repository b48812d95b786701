"""The base of all callbacks: user code that runs during training."""

from __future__ import annotations

import inspect
import os
import reprlib
from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

from fastbp.support.checks import describe

__all__ = ["Callback", "Figures", "SomeTrainer", "written"]


Figures: TypeAlias = Mapping[str, float]

# The trainer that a callback gets has all of ``TrainerView``. A subclass annotates that, or ``fb.Trainer``.
SomeTrainer: TypeAlias = Any


class Callback:
    """Methods that run at the events of training; a subclass overrides the ones that it needs.

    ``figures`` holds the figures of the latest epoch: ``epoch`` (counted from 1 over all calls of ``fit``), ``loss``,
    ``accuracy``, ``val_loss`` and so on. Inside an epoch it holds ``epoch``, the current one; ``step``, the trainer's
    number of steps so far; ``samples``, the number of samples of the epoch done; and ``loss``.

    ``trainer.stop()`` ends training after the epoch, or inside an epoch after the step; ``trainer.learning_rate =
    1e-4`` and ``trainer.optimizer = ...`` take effect at the next step. An exception ends training; the model is then
    as after the last completed step.

    Examples
    --------
    >>> import fastbp as fb
    >>> class Losses(fb.Callback):
    ...     def __init__(self):
    ...         self.seen = []
    ...     def on_epoch_end(self, trainer, figures):
    ...         self.seen.append(figures["loss"])
    >>> model = fb.Model([fb.Dense(1, use_bias=False)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]]])
    >>> losses = Losses()
    >>> history = fb.Trainer(model, "mse", fb.SGD(0.25)).fit([[1.0]], [0.0], epochs=2, callbacks=[losses])
    >>> losses.seen
    [1.0, 0.25]
    """

    runs_alone: ClassVar[bool] = False  # whether one object is for one call of ``fit`` at a time, as it keeps a state
    runs_last: ClassVar[bool] = False  # whether it runs at each event after the callbacks without this flag

    def on_fit_begin(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run before the first epoch of a call of ``fit``; ``figures`` is empty before the trainer's first epoch."""

    def on_epoch_begin(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run before every epoch, with the figures of the epoch before."""

    def on_step_end(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run after every step; ``loss`` is the loss of the step's samples before the update.

        The engine otherwise runs a whole epoch without Python; with this method it calls Python after every step.
        """

    def on_tick(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run inside an epoch about twenty times a second, between two steps; ``loss`` is the epoch's mean so far."""

    def on_epoch_end(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run after every epoch and its validation."""

    def on_fit_end(self, trainer: SomeTrainer, figures: Figures) -> None:
        """Run after the last epoch of a call of ``fit``, also when an error or Ctrl-C ends it.

        ``trainer.stop_reason`` says how it ended.
        """

    def get_state(self) -> dict[str, Any]:
        """Return the state for ``Trainer.save``: numbers, strings, None, arrays, and lists and dictionaries of them."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that ``get_state`` returned."""

    def hears(self, event: str) -> bool:
        """Return whether this callback handles an event, such as "on_step_end"."""
        return getattr(type(self), event) is not getattr(Callback, event)

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        """Return the call that makes it, with the arguments that it holds as ``name`` or ``_name``."""
        held = {name.removeprefix("_"): value for name, value in vars(self).items()}
        given = [name for name in inspect.signature(type(self)).parameters if name in held]
        return written(self, {name: held[name] for name in given})


def written(callback: Callback, arguments: Mapping[str, Any]) -> str:
    """Return a callback as the call that makes it: "TimeLimit(seconds=60.0)"."""
    return f"{type(callback).__name__}({', '.join(f'{name}={_brief(value)}' for name, value in arguments.items())})"


def _brief(value: Any) -> str:
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else describe(value)
