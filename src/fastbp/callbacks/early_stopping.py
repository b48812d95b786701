"""Stopping when a figure no longer improves."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastbp.callbacks.base import Callback, Figures
from fastbp.callbacks.best_figure import BestFigure, Mode, Ties
from fastbp.callbacks.trainer_view import TrainerView
from fastbp.support.checks import check_flag, check_int, sentence

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stops training when a figure has not improved for some epochs, and restores the best weights.

    Parameters
    ----------
    monitor : str, default "val_loss"
        Name of a figure in the history.
    patience : int, default 10
        Number of epochs in a row without improvement after which training ends.
    min_delta : float, default 0.0
        A figure counts as better only by more than this.
    restore_best : bool, default True
        Whether the model gets the weights of the best epoch when ``fit`` ends, whether by this callback, by another one
        or after the last epoch. After an error or Ctrl-C it keeps the weights of the last step, from which training can
        continue.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; "auto" decides by the name of the figure.
    ties : {"first", "last"}, default "first"
        Which of several epochs with the same best value is the best one: the first, or the last, which also counts as
        an improvement. A figure such as the accuracy of a few samples often comes back to its best value, with weights
        that have learned more meanwhile.

    Attributes
    ----------
    best : float
        The best value so far; NaN before the first epoch.
    best_epoch : int
        Epoch of the best value, counted from 1; 0 before the first.
    best_weights : list of ndarray or None
        Weights after that epoch; None with restore_best=False.
    stopped_epoch : int
        The epoch after which this callback ended training; 0 if it did not.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above; in training, if there is no such figure.

    Notes
    -----
    Passed to ``fit`` again with the same trainer, it continues counting. It starts again if it has ended training or
    the trainer is a different one. ``Trainer.save`` saves its state, including the best weights.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(8, "relu"), fb.Dense(1)], inputs=1)
    >>> trainer = fb.Trainer(model, loss="mse")
    >>> stopping = fb.EarlyStopping("loss", patience=3)
    >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=10_000, callbacks=[stopping])
    >>> history.n_epochs < 10_000
    True
    """

    runs_alone = True

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: Mode = "auto",
        ties: Ties = "first",
    ) -> None:
        self._watched = BestFigure(monitor, mode, min_delta, ties)
        self._monitor, self._mode, self._min_delta, self._ties = monitor, mode, self._watched.min_delta, ties
        self._patience = check_int(patience, "patience")
        self._restore_best = check_flag(restore_best, "restore_best")
        self._trainer: weakref.ref[TrainerView] | None = None
        self._reset()

    def _reset(self) -> None:
        self._watched.reset()
        self._n_worse = 0
        self._stopped_epoch = 0
        self._best_weights: list[NDArray[Any]] | None = None

    @property
    def watched(self) -> str:
        """The name of the figure that decides."""
        return self._monitor

    @property
    def best(self) -> float:
        """The best value so far."""
        return self._watched.best

    @property
    def best_epoch(self) -> int:
        """The epoch of the best value, counted from 1; 0 before the first."""
        return self._watched.best_epoch

    @property
    def best_weights(self) -> list[NDArray[Any]] | None:
        """The weights after the best epoch, as ``Model.get_weights`` returns them; None without restore_best."""
        return self._best_weights

    @property
    def stopped_epoch(self) -> int:
        """The epoch after which this callback ended training; 0 if it did not."""
        return self._stopped_epoch

    def on_fit_begin(self, trainer: TrainerView, figures: Figures) -> None:
        """Start again, or continue counting."""
        known = self._trainer is None or self._trainer() is trainer
        if self._stopped_epoch or not known:
            self._reset()
        self._trainer = weakref.ref(trainer)

    def on_epoch_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Count, and stop training."""
        if self._watched.see(figures):
            self._n_worse = 0
            if self._restore_best:
                self._best_weights = trainer.model.get_weights()
            return
        self._n_worse += 1
        if self._n_worse >= self._patience:
            self._stopped_epoch = int(figures["epoch"])
            trainer.stop()

    def on_fit_end(self, trainer: TrainerView, figures: Figures) -> None:
        """Restore the best weights, unless an error or Ctrl-C ended training."""
        if self._best_weights is not None and trainer.stop_reason != "error":
            trainer.model.set_weights(self._best_weights)
            trainer.history.kept_epoch = self.best_epoch

    def get_state(self) -> dict[str, Any]:
        """Return the best figure and weights, and the epochs since."""
        return {
            **self._watched.get_state(),
            "n_worse": self._n_worse,
            "stopped_epoch": self._stopped_epoch,
            "best_weights": self._best_weights,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""
        self._watched.set_state(state)
        self._n_worse = check_int(state["n_worse"], "n_worse", minimum=0)
        self._stopped_epoch = check_int(state["stopped_epoch"], "stopped_epoch", minimum=0)
        weights = state["best_weights"]
        if weights is not None and not isinstance(weights, list):
            raise TypeError(sentence("best_weights", weights, "a list of arrays, or None"))
        self._best_weights = weights and list(weights)
        self._trainer = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_trainer": None}
