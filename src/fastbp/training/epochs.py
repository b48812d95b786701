"""One call of ``Trainer.fit``: epoch after epoch, what is told on the way, and where it stands when it ends."""

from __future__ import annotations

import math
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.callbacks.base import Callback
from fastbp.data.chunks import Chunks
from fastbp.data.samples import Samples
from fastbp.engine.network import NonFinite
from fastbp.engine.records import EpochPlan, SampleSet
from fastbp.models.nonfinite import DivergenceError, explain_nonfinite
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.training.evaluation import evaluate_chunks
from fastbp.training.lbfgs_epochs import minimise
from fastbp.training.progress import ProgressBar

if TYPE_CHECKING:
    from fastbp.training.trainer import Trainer

__all__ = ["ArrayFitting", "Figures", "Fitting", "OnNaN", "StopReason", "Unfinished"]

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
    outputs : ndarray of shape (n_samples, n_outputs) or None
        Where metrics ask for them: those of the samples done, in the epoch's order, NaN for the others.
    """

    n_samples: int
    so_far: tuple[int, float, NDArray[np.float64]]
    seconds: float
    outputs: NDArray[Any] | None


class Fitting(ABC):
    """The epochs of one call, wherever their samples come from.

    Parameters
    ----------
    trainer : Trainer
    validation : Samples, Chunks or None
    listeners : list of Callback
    bar : ProgressBar or None
    on_nan : {"raise", "rollback"}
    """

    def __init__(
        self,
        trainer: Trainer,
        validation: Samples | Chunks | None,
        listeners: Sequence[Callback],
        bar: ProgressBar | None,
        on_nan: OnNaN,
    ) -> None:
        self._trainer, self._validation = trainer, validation
        self.listeners, self._bar = listeners, bar
        self._of_steps = [listener for listener in listeners if listener.hears("on_step_end")]
        self._of_ticks = [listener for listener in listeners if listener.hears("on_tick")]
        self._rolls_back = on_nan == "rollback"
        self._n_rollbacks = 0  # since an epoch was completed
        self.search: Any = None  # SciPy's account of one that L-BFGS made
        self._outputs: NDArray[Any] | None = None  # of the epoch under way, where metrics ask for them
        self._n_samples = 0  # of an epoch, where that is known
        self._begun = False  # whether the session has begun with that epoch

    def run(self, n_epochs: int) -> StopReason:
        """Train for so many epochs at most; return why it ended."""
        trainer = self._trainer
        if n_epochs == 0:
            return "epochs"
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
        for listener in self.listeners:
            listener.on_epoch_begin(self._trainer, self._trainer._latest())

    @abstractmethod
    def _run_epoch(self) -> Figures | None:
        """Train on all samples once and return the figures; None where training ended before."""

    def _train(
        self, data: Samples, unfinished: Unfinished | None, start: float, *, shuffle: bool, n_before: int = 0
    ) -> tuple[float, Sequence[NDArray[np.float64]]] | None:
        """Train on samples, behind so many others of the epoch; None where the engine came up before their end.

        It does when training is to end, and when the numbers of the optimizer are others.
        """
        trainer = self._trainer
        n_left = len(data) - (unfinished.so_far[0] if unfinished else 0)
        batch_size = trainer._batch_size_of(len(data))
        n_steps = -(-n_left // (batch_size * trainer.accumulate))  # 0 where the epoch was left behind its last step
        numbers = trainer._numbers_of_steps(max(n_steps, 1))
        self._begun = True
        return trainer._session.epoch(
            SampleSet(data.rows, data.targets, data.weights, data.subset),
            EpochPlan(
                batch_size,
                shuffle,
                trainer.seed,
                trainer.history.n_epochs,
                numbers,
                batches_per_step=trainer.accumulate,
                progress=unfinished.so_far if unfinished else None,
                on_tick=_InnerEvents(self, unfinished, start, n_before).on_tick,
                every_step=bool(self._of_steps),
                outputs=self._outputs,
            ),
        )

    def _standing(self, start: float) -> Unfinished | None:
        """Return where the engine stands."""
        so_far = self._trainer._session.progress()
        if so_far is None:
            return None
        return Unfinished(self._n_samples, so_far, time.perf_counter() - start, self._outputs)

    def _kept(self, standing: Unfinished | None) -> Unfinished | None:
        """Return what another call can go on from."""
        return standing

    def _validate(self) -> Figures:
        if self._validation is None:
            return {}
        trainer = self._trainer
        if isinstance(self._validation, Chunks):
            figures = evaluate_chunks(trainer, self._validation, None, trainer.model)
        else:
            figures = trainer._evaluate(self._validation, trainer.model)
        return {f"val_{name}": value for name, value in figures.items()}

    def _end_epoch(self, figures: Figures) -> None:
        """Do what follows the training of an epoch, with its figures."""
        trainer = self._trainer
        self._n_rollbacks = 0
        trainer._unfinished = None
        if trainer.averaging is not None and trainer.averaging.takes_epoch(trainer.history.n_epochs + 1):
            trainer._session.average()
        trainer._remember(figures)
        trainer.history.append(figures)
        if self._bar is not None:
            self._bar.end_epoch(figures)
        for listener in self.listeners:
            listener.on_epoch_end(trainer, trainer._latest())

    # ------------------------------------------------------------------------------------------ other ways

    def _roll_back(self, error: DivergenceError, good: Any) -> None:
        """Go back to the last good epoch, with half the learning rate; or raise the error."""
        trainer = self._trainer
        trainer._unfinished = None  # to validate the same weights again would end the same
        if good is None:
            raise error
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


class ArrayFitting(Fitting):
    """The epochs of one call on samples that are all there.

    Parameters
    ----------
    trainer : Trainer
    data : Samples
        What is trained on.
    validation, listeners, bar, on_nan
        As for Fitting.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: Samples,
        validation: Samples | Chunks | None,
        listeners: Sequence[Callback],
        bar: ProgressBar | None = None,
        on_nan: OnNaN = "raise",
    ) -> None:
        super().__init__(trainer, validation, listeners, bar, on_nan)
        self._data, self._n_samples = data, len(data)

    def run(self, n_epochs: int) -> StopReason:
        """Train for so many epochs at most; return why it ended."""
        optimizer = self._trainer._optimizer
        if n_epochs and isinstance(optimizer, LBFGS):
            return self._run_iterations(optimizer, n_epochs)
        return super().run(n_epochs)

    def _run_epoch(self) -> Figures | None:
        """Train on all samples once, or on those that an epoch before has left; None where this one is left too."""
        trainer, n_samples = self._trainer, len(self._data)
        unfinished = trainer._unfinished
        trainer._unfinished = None
        if unfinished is not None and unfinished.n_samples != n_samples:
            unfinished = None  # of other data
        seconds_before = unfinished.seconds if unfinished else 0.0
        self._outputs = unfinished.outputs if unfinished else None
        if self._outputs is None:
            self._outputs = trainer._room_for_outputs(self._data)
        start = time.perf_counter()
        done = None
        self._begun = False
        try:
            while done is None and not trainer._stopping:
                done = self._train(self._data, unfinished, start - seconds_before, shuffle=trainer.shuffle)
                unfinished = self._standing(start - seconds_before)
            seconds = time.perf_counter() - start + seconds_before
            rows = trainer._session.rows_in_order()
            figures = None if done is None else trainer._figures(*done, self._data, self._outputs, rows)
        except NonFinite as error:
            epoch = trainer.history.n_epochs + 1
            where = f"in epoch {epoch}" + (f", batch {error.batch + 1}" if error.batch >= 0 else "")
            explain_nonfinite(error, trainer.model, self._data, where, trainer._divergence())
        except BaseException:
            trainer._unfinished = self._standing(start - seconds_before) if self._begun else unfinished
            raise
        trainer._unfinished = unfinished  # a whole epoch too, until it is validated and told of
        return None if figures is None else {**figures, "seconds": seconds}

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
            self.search = minimise(
                optimizer,
                trainer.model,
                lambda: trainer._session.gradients(SampleSet(data.rows, data.targets, data.weights, data.subset)),
                n_epochs,
                after_iteration,
            )
        except NonFinite as error:
            where = f"in the search of epoch {trainer.history.n_epochs + 1}"
            explain_nonfinite(error, trainer.model, data, where, "Scale the columns of X to similar sizes.")
        if trainer._stopping:
            return "stopped"
        return "epochs" if trainer.history.n_epochs >= goal else "converged"


class _InnerEvents:
    """What is told inside an epoch, and whether the engine is to come up for good."""

    def __init__(self, fitting: Fitting, unfinished: Unfinished | None, start: float, n_before: int) -> None:
        self._fitting, self._start, self._n_before = fitting, start, n_before
        self._revision = fitting._trainer._revision
        self._weight, self._total = (unfinished.so_far[1], float(unfinished.so_far[2][0])) if unfinished else (0.0, 0.0)

    def on_tick(self, n_done: int, loss: float) -> bool:
        """Tell the bar and the callbacks; return whether the engine is to leave the epoch."""
        fitting, trainer = self._fitting, self._fitting._trainer
        n_done += self._n_before
        if fitting._bar is not None:
            fitting._bar.tick(n_done, loss)
        if fitting._of_steps or fitting._of_ticks:
            now = fitting._standing(self._start)
            trainer._unfinished = fitting._kept(now)  # a callback may save the trainer
            figures = {"epoch": trainer.history.n_epochs + 1, "step": trainer.n_steps, "samples": n_done}
            if fitting._of_steps:
                step_loss = self._loss_of_step(now)
                for listener in fitting._of_steps:
                    listener.on_step_end(trainer, figures | {"loss": step_loss})
            for listener in fitting._of_ticks:
                listener.on_tick(trainer, figures | {"loss": loss})
        return trainer._stopping or trainer._revision != self._revision

    def _loss_of_step(self, now: Unfinished | None) -> float:
        """Return by what the sum over the epoch grew; NaN where all samples of the step weigh nothing."""
        assert now is not None
        _, weight, sums = now.so_far
        share = (weight - self._weight) * self._fitting._trainer._session.terms_per_sample
        loss = (float(sums[0]) - self._total) / share if share > 0 else math.nan
        self._weight, self._total = weight, float(sums[0])
        return loss
