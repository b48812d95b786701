"""A callback that ends training after a time limit."""

from __future__ import annotations

import time

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.trainer_view import TrainerView
from fastbp.support.checks import check_number

__all__ = ["TimeLimit"]


class TimeLimit(Callback):
    """Stops training when a call of ``fit`` has taken ``seconds``, also inside an epoch, after a completed step.

    ``fit`` called again continues the epoch. L-BFGS is stopped within an evaluation of the loss; the model is then as
    after the last iteration.

    Parameters
    ----------
    seconds : float

    Raises
    ------
    TypeError, ValueError
        If it is not a number above 0.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1)], inputs=1, seed=0)
    >>> trainer = fb.Trainer(model, "mse")
    >>> history = trainer.fit([[1.0], [2.0]], [1.0, 2.0], epochs=10**9, callbacks=[fb.TimeLimit(0.05)])
    >>> history.n_epochs < 10**9, trainer.stop_reason is not None
    (True, True)
    """

    runs_alone = True

    def __init__(self, seconds: float) -> None:
        self._seconds = check_number(seconds, "seconds", above=0)
        self._end = 0.0

    def on_fit_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Start the clock."""
        self._end = time.monotonic() + self._seconds

    def on_tick(self, trainer: TrainerView, figures: Figures) -> None:
        """Stop if the time limit is reached."""
        if time.monotonic() >= self._end:
            trainer.stop()

    def on_epoch_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Stop if the time limit is reached."""
        self.on_tick(trainer, figures)
