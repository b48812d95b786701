"""Functions as a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from fastbp.callbacks.base import Callback, Figures, SomeTrainer, written
from fastbp.callbacks.trainer_view import TrainerView
from fastbp.support.checks import sentence

__all__ = ["LambdaCallback"]


Event: TypeAlias = Callable[[SomeTrainer, Figures], Any]


class LambdaCallback(Callback):
    """Functions as a callback, each for one event; ``Callback`` says when they run and with what figures.

    Parameters
    ----------
    on_fit_begin, on_epoch_begin, on_step_end, on_tick, on_epoch_end, on_fit_end : callable or None, default None
        function(trainer, figures)

    Raises
    ------
    TypeError
        If one is neither a function nor None.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, seed=0)
    >>> shout = fb.LambdaCallback(on_epoch_end=lambda trainer, figures: print("epoch", figures["epoch"]))
    >>> history = fb.Trainer(model, "mse").fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, callbacks=[shout])
    epoch 1
    epoch 2
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

    def __repr__(self) -> str:
        return written(self, self._functions)

    def _run(self, event: str, trainer: TrainerView, figures: Figures) -> None:
        if event in self._functions:
            self._functions[event](trainer, figures)

    def on_fit_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_fit_begin", trainer, figures)

    def on_epoch_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_epoch_begin", trainer, figures)

    def on_step_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_step_end", trainer, figures)

    def on_tick(self, trainer: TrainerView, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_tick", trainer, figures)

    def on_epoch_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_epoch_end", trainer, figures)

    def on_fit_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Run the function for this event."""
        self._run("on_fit_end", trainer, figures)
