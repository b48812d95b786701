"""One call of ``Trainer.fit``: epoch after epoch, what is told on the way, and where it stands when it ends."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp._network import NonFinite
from fastbp.callbacks import Callback
from fastbp.lbfgs import minimise
from fastbp.nonfinite import DivergenceError, explain_nonfinite
from fastbp.optimizers import LBFGS
from fastbp.progress import ProgressBar
from fastbp.samples import Samples

if TYPE_CHECKING:
    from fastbp.trainer import Trainer

__all__ = ["Fitting", "OnNaN", "StopReason", "Unfinished"]

StopReason = Literal["epochs", "stopped", "converged", "error"]
OnNaN = Literal["raise", "rollback"]
Figures = dict[str, float]

_MOST_ROLLBACKS = 10  # in a row: a thousandth of the learning rate cures what a learning rate can cure


@dataclass(frozen=True)
class Unfinished:
    """An epoch that was left before its end.

    Attributes
    ----------
    n_samples : int
        Of the epoch.
    so_far : (int, float, ndarray)
        Samples done, their weight, and the sums over them, as the engine counts them.
    seconds : float
        What it took so far.
    """

    n_samples: int
    so_far: tuple[int, float, NDArray[np.float64]]
    seconds: float


class Fitting:
    """The epochs of one call.

    Parameters
    ----------
    trainer : Trainer
    data : Samples
        What is trained on.
    validation : Samples or None
    listeners : list of Callback
    bar : ProgressBar or None
    on_nan : {"raise", "rollback"}
    """

    def __init__(
        self,
        trainer: Trainer,
        data: Samples,
        validation: Samples | None,
        listeners: Sequence[Callback],
        bar: ProgressBar | None,
        on_nan: OnNaN,
    ) -> None:
        self._trainer, self._data, self._validation = trainer, data, validation
        self._listeners, self._bar = listeners, bar
        self._of_steps = [listener for listener in listeners if listener.hears("on_step_end")]
        self._of_ticks = [listener for listener in listeners if listener.hears("on_tick")]
        self._rolls_back = on_nan == "rollback"
        self._n_rollbacks = 0  # since an epoch was completed

    def run(self, n_epochs: int) -> StopReason:
        """Train for so many epochs at most; return why it ended."""
        trainer = self._trainer
        if n_epochs == 0:
            return "epochs"
        if isinstance(trainer._optimizer, LBFGS):
            return self._run_iterations(trainer._optimizer, n_epochs)
        goal = trainer.history.n_epochs + n_epochs
        good = trainer._snapshot() if self._rolls_back else None
        self._begin_epoch()
        while True:
            try:
                figures = self._run_epoch()
                if figures is None:
                    return "stopped"
                figures |= self._validate()
            except DivergenceError as error:
                self._roll_back(error, good)
                continue
            self._end_epoch(figures)
            if trainer._stopping:
                return "stopped"
            if trainer.history.n_epochs >= goal:
                return "epochs"
            if self._rolls_back:
                good = trainer._snapshot()
            self._begin_epoch()

    # ------------------------------------------------------------------------------------------ one epoch

    def _begin_epoch(self) -> None:
        for listener in self._listeners:
            listener.on_epoch_begin(self._trainer, self._trainer._latest())

    def _run_epoch(self) -> Figures | None:
        """Train on all samples once, or on those that an epoch before has left; None where this one is left too."""
        trainer, n_samples = self._trainer, len(self._data)
        unfinished = trainer._unfinished
        trainer._unfinished = None
        if unfinished is not None and unfinished.n_samples != n_samples:
            unfinished = None  # of other data
        seconds_before = unfinished.seconds if unfinished else 0.0
        start = time.perf_counter()
        done = None
        try:
            while done is None and not trainer._stopping:
                done = self._run_part(unfinished, start - seconds_before)
                unfinished = self._standing(start - seconds_before)
        except NonFinite as error:
            epoch = trainer.history.n_epochs + 1
            where = f"in epoch {epoch}" + (f", batch {error.batch + 1}" if error.batch >= 0 else "")
            explain_nonfinite(error, trainer.model, self._data, where, trainer._divergence())
        except BaseException:
            trainer._unfinished = self._standing(start - seconds_before)
            raise
        if done is None:
            trainer._unfinished = unfinished
            return None
        trainer._unfinished = None
        seconds = time.perf_counter() - start + seconds_before
        return {**trainer._figures(*done, self._data), "seconds": seconds}

    def _run_part(
        self, unfinished: Unfinished | None, start: float
    ) -> tuple[float, Sequence[NDArray[np.float64]]] | None:
        """Train until the epoch ends, or the training, or the numbers of the optimizer are others."""
        trainer, data = self._trainer, self._data
        n_left = len(data) - (unfinished.so_far[0] if unfinished else 0)
        batch_size = trainer._batch_size_of(len(data))
        n_steps = -(-n_left // (batch_size * trainer.accumulate))  # 0 where the epoch was left behind its last step
        numbers = trainer._numbers_of_steps(max(n_steps, 1))
        revision = trainer._revision
        total_before, weight_before = 0.0, 0.0
        if unfinished is not None:
            weight_before = unfinished.so_far[1]
            total_before = float(unfinished.so_far[2][0])

        def tell_of_steps(now: Unfinished) -> None:
            """Tell the listeners of the step that is done: a loss is what the sum over the epoch grew by."""
            nonlocal total_before, weight_before
            _, weight, sums = now.so_far
            share = (weight - weight_before) * trainer._session.terms
            figures = self._inner_figures(now, (float(sums[0]) - total_before) / share if share > 0 else math.nan)
            total_before, weight_before = float(sums[0]), weight
            for listener in self._of_steps:
                listener.on_step_end(trainer, figures)

        def on_tick(n_done: int, loss: float) -> bool:
            if self._bar is not None:
                self._bar.tick(n_done, loss)
            if self._of_steps or self._of_ticks:
                now = self._standing(start)
                trainer._unfinished = now
                assert now is not None
                if self._of_steps:
                    tell_of_steps(now)
                for listener in self._of_ticks:
                    listener.on_tick(trainer, self._inner_figures(now, loss))
            return trainer._stopping or trainer._revision != revision

        return trainer._session.epoch(
            data.rows,
            data.targets,
            batch_size,
            trainer.shuffle,
            trainer.seed,
            trainer.history.n_epochs,
            numbers,
            on_tick,
            data.weights,
            trainer.accumulate,
            data.subset,
            unfinished.so_far if unfinished else None,
            bool(self._of_steps),
        )

    def _standing(self, start: float) -> Unfinished | None:
        """Return where the epoch under way stands."""
        so_far = self._trainer._session.progress()
        return None if so_far is None else Unfinished(len(self._data), so_far, time.perf_counter() - start)

    def _inner_figures(self, now: Unfinished, loss: float) -> Figures:
        """Return what is known inside an epoch."""
        trainer = self._trainer
        return {
            "epoch": trainer.history.n_epochs + 1,
            "step": trainer.n_steps,
            "samples": now.so_far[0],
            "loss": loss,
        }

    def _validate(self) -> Figures:
        if self._validation is None:
            return {}
        figures = self._trainer._evaluate(self._validation, self._trainer.model)
        return {f"val_{name}": value for name, value in figures.items()}

    def _end_epoch(self, figures: Figures) -> None:
        """Do what follows the training of an epoch, with its figures."""
        trainer = self._trainer
        self._n_rollbacks = 0
        if trainer.averaging is not None and trainer.averaging.takes_epoch(trainer.history.n_epochs + 1):
            trainer._session.average()
        trainer._remember(figures)
        trainer.history.append(figures)
        if self._bar is not None:
            self._bar.end_epoch(figures)
        for listener in self._listeners:
            listener.on_epoch_end(trainer, trainer._latest())

    # ------------------------------------------------------------------------------------------ other ways

    def _roll_back(self, error: DivergenceError, good: Any) -> None:
        """Go back to the last good epoch, with half the learning rate; or raise the error."""
        if good is None:
            raise error
        trainer = self._trainer
        scale = trainer._rate_scale
        trainer._restore(good)
        if self._n_rollbacks == _MOST_ROLLBACKS:
            error.add_note(f"on_nan='rollback' has halved the learning rate {_MOST_ROLLBACKS} times.")
            raise error
        self._n_rollbacks += 1
        trainer._scale_rates(scale / 2)
        warnings.warn(
            f"{error} Rolled back to the end of epoch {trainer.history.n_epochs}, to go on with half the learning "
            f"rate, {trainer.learning_rate:g}.",
            RuntimeWarning,
            stacklevel=5,  # where fit was called
        )

    def _run_iterations(self, optimizer: LBFGS, n_epochs: int) -> StopReason:
        """Train by an optimizer that makes its steps itself, an iteration an epoch."""
        trainer, data = self._trainer, self._data
        goal = trainer.history.n_epochs + n_epochs
        start = time.perf_counter()

        def after_iteration(loss: float) -> bool:
            nonlocal start
            seconds = time.perf_counter() - start
            trainer._session.n_steps += 1
            figures = trainer._evaluate(data, trainer.model) if trainer.metrics else {"loss": loss}
            self._end_epoch({**figures, "seconds": seconds, **self._validate()})
            start = time.perf_counter()
            return not trainer._stopping

        try:
            minimise(
                optimizer,
                trainer.model,
                lambda: trainer._session.gradients(data.rows, data.targets, data.weights, subset=data.subset),
                n_epochs,
                after_iteration,
            )
        except NonFinite as error:
            where = f"in the search of epoch {trainer.history.n_epochs + 1}"
            explain_nonfinite(error, trainer.model, data, where, "Scale the columns of X to similar sizes.")
        if trainer._stopping:
            return "stopped"
        return "epochs" if trainer.history.n_epochs >= goal else "converged"
