"""The epochs of one call of ``fit``: the loop, its events, and why it ends."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.callbacks.listeners import Listeners
from fastbp.data.chunks import Chunks
from fastbp.data.samples import Samples
from fastbp.engine.records import EpochPlan
from fastbp.models.nonfinite import DivergenceError
from fastbp.support.user_warnings import warn_user
from fastbp.training.evaluation import Evaluator
from fastbp.training.progress import ProgressBar
from fastbp.training.settings import Figures, OnNaN, StopReason, TrainerSettings
from fastbp.training.state import Snapshot, TrainingState, UnfinishedEpoch

if TYPE_CHECKING:
    from fastbp.training.part_data import PartData

__all__ = ["EpochParts", "Epochs", "is_to_stop"]

_MOST_ROLLBACKS = 10  # in a row; the learning rate is then a thousandth of the first


class EpochParts(NamedTuple):
    """The objects that all epochs use.

    Attributes
    ----------
    settings : TrainerSettings
    state : TrainingState
    evaluator : Evaluator
    listeners : Listeners
    validation : Samples, Chunks, PartData or None
        Samples on which the model is evaluated after every epoch.
    bar : ProgressBar or None
    on_nan : {"raise", "rollback"}
    """

    settings: TrainerSettings
    state: TrainingState
    evaluator: Evaluator
    listeners: Listeners
    validation: Samples | Chunks | PartData | None = None
    bar: ProgressBar | None = None
    on_nan: OnNaN = "raise"


class Epochs(ABC):
    """The epochs of one call of ``fit``; subclasses train on arrays or chunks."""

    def __init__(self, parts: EpochParts) -> None:
        self._settings, self._state, self._evaluator = parts.settings, parts.state, parts.evaluator
        self._listeners, self._validation, self._bar = parts.listeners, parts.validation, parts.bar
        self._rolls_back = parts.on_nan == "rollback"
        self._n_rollbacks = 0  # since the last complete epoch
        self._outputs: NDArray[Any] | None = None  # of the current epoch, if metrics need them
        self._n_samples = 0  # in an epoch, if known
        self._start = 0.0  # of the epoch

    def run(self, n_epochs: int) -> StopReason:
        """Train for at most n_epochs; return why training ended."""
        state = self._state
        if n_epochs == 0:
            return "epochs"
        goal = state.history.n_epochs + n_epochs
        good = state.snapshot() if self._rolls_back else None
        self._listeners.epoch_begin(state.latest)
        while True:
            try:
                figures = self._run_epoch()
                if figures is None:
                    return "stopped"
                figures |= self._validate()
            except DivergenceError as error:
                self._roll_back(error, good)
                continue
            self._record(figures)
            state.turns.let_others()
            self._listeners.epoch_end(state.latest)
            if state.stopping:
                return "stopped"
            if state.history.n_epochs >= goal:
                return "epochs"
            if self._rolls_back:
                good = state.snapshot()
            self._listeners.epoch_begin(state.latest)

    # ------------------------------------------------------------------------------------------ one epoch

    @abstractmethod
    def _run_epoch(self) -> Figures | None:
        """Train on all samples once and return the figures; None if training was stopped."""

    def _train(
        self,
        data: Samples,
        unfinished: UnfinishedEpoch | None,
        start: float,
        *,
        shuffle: bool,
        n_before: int = 0,
        n_steps: int | None = None,
    ) -> tuple[float, Sequence[NDArray[np.float64]]] | None:
        """Train on samples, after n_before others of the epoch; None if the engine stopped early.

        They are cut into batches, unless it is known how many steps are left. The engine stops early when training is
        to stop, or when the optimizer's numbers have changed.
        """
        settings, state = self._settings, self._state
        n_left = len(data) - (unfinished.progress[0] if unfinished else 0)
        batch_size = settings.batch_size_of(len(data))
        if n_steps is None:
            n_steps = -(-n_left // (batch_size * settings.accumulate))  # 0 if the epoch was stopped after its last step
        numbers = state.numbers_of(max(n_steps, 1))
        inner = _InnerEvents(self, state, self._listeners, self._bar, unfinished, start, n_before)
        plan = EpochPlan(
            batch_size,
            shuffle,
            settings.seed,
            state.history.n_epochs,
            numbers,
            batches_per_step=settings.accumulate,
            progress=unfinished.progress if unfinished else None,
            on_tick=inner.on_tick,
            every_step=self._listeners.hear_steps,
            outputs=self._outputs,
        )
        done = state.session.epoch(data.for_engine(), plan)
        if state.exchange is not None and state.exchange.stopping:
            state.stopping = True
        return done

    def standing(self, start: float) -> UnfinishedEpoch | None:
        """Return the engine's progress in an epoch that began at ``start``."""
        return self._state.standing(self._n_samples, start, self._outputs)

    def resumable(self, standing: UnfinishedEpoch | None) -> UnfinishedEpoch | None:
        """Return the progress from which another call can continue."""
        return standing

    def leave(self) -> None:
        """Leave the epoch where the engine stands; also in a forked child, which lacks the thread of this call."""
        self._state.unfinished = self.resumable(self.standing(self._start)) or self._state.unfinished

    def _validate(self) -> Figures:
        if self._validation is None:
            return {}
        figures = self._evaluator.evaluate(self._validation, exchange=self._state.exchange)
        return {f"val_{name}": value for name, value in figures.items()}

    def _record(self, figures: Figures) -> None:
        """Record an epoch's figures, and update averages and schedules."""
        state, averaging = self._state, self._settings.averaging
        self._n_rollbacks = 0
        with state.turns:
            state.unfinished = None
            if averaging is not None and averaging.takes_epoch(state.history.n_epochs + 1):
                state.session.average()
            state.numbers.observe(figures)
            state.history.append(figures)
        if self._bar is not None:
            self._bar.end_epoch(figures)

    # -------------------------------------------------------------------------------------------- rollback

    def _roll_back(self, error: DivergenceError, good: Snapshot | None) -> None:
        """Go back to the last good epoch, with half the learning rate; or raise the error."""
        state = self._state
        state.unfinished = None  # validating the same weights again would fail again
        if good is None or state.n_steps == 0:  # half the learning rate would not help before the first step
            raise error
        scale = state.numbers.rate_scale
        state.restore(good)
        if self._n_rollbacks == _MOST_ROLLBACKS:
            error.add_note(f"on_nan='rollback' has halved the learning rate {_MOST_ROLLBACKS} times.")
            raise error
        self._n_rollbacks += 1
        state.numbers.scale_rate(scale / 2)
        warn_user(
            f"{error} Rolled back to the end of epoch {state.history.n_epochs}; training continues with half the "
            f"learning rate, {state.learning_rate:g}.",
            RuntimeWarning,
        )


def is_to_stop(state: TrainingState, revision: int) -> bool:
    """Return whether the engine is to return: training is stopped, or a callback has set other numbers of the steps.

    With several ranks these are an error, which all raise in the next step, or at the end of the epoch.
    """
    changed = state.numbers.revision != revision
    if state.exchange is None:
        return state.stopping or changed
    if changed and state.exchange.deferred is None:
        state.exchange.deferred = RuntimeError(
            "a callback has set the optimizer or the learning rate inside an epoch; expected that at its end, in "
            "on_epoch_end, with several ranks: the others have gone on. A schedule changes it from step to step."
        )
    return state.stopping


class _InnerEvents:
    """The events inside an epoch, and whether the engine is to stop."""

    def __init__(
        self,
        epochs: Epochs,
        state: TrainingState,
        listeners: Listeners,
        bar: ProgressBar | None,
        unfinished: UnfinishedEpoch | None,
        start: float,
        n_before: int,
    ) -> None:
        self._epochs, self._state, self._listeners, self._bar = epochs, state, listeners, bar
        self._start, self._n_before = start, n_before
        self._revision = state.numbers.revision
        self._weight, self._total = 0.0, 0.0  # of the samples before the next step
        if unfinished is not None:
            self._weight, self._total = unfinished.progress[1], float(unfinished.progress[2][0])

    def on_tick(self, n_done: int, loss: float) -> bool:
        """Update the bar and run the callbacks; return whether the engine is to stop."""
        state, listeners = self._state, self._listeners
        n_done += self._n_before
        if self._bar is not None:
            self._bar.tick(n_done, loss)
        if listeners.hear_steps or listeners.hear_ticks or state.turns.wanted:
            now = self._epochs.standing(self._start)
            state.unfinished = self._epochs.resumable(now)  # a callback, or another thread, may save the trainer
            figures = state.figures_within(n_done)
            with state.turns.given_up():
                if listeners.hear_steps:
                    listeners.step_end(figures | {"loss": self._loss_of_step(now)})
                listeners.tick(figures | {"loss": loss})
        return is_to_stop(state, self._revision)

    def _loss_of_step(self, now: UnfinishedEpoch | None) -> float:
        """Return the loss of the last step; NaN if all its sample weights are 0."""
        assert now is not None
        _, weight, sums = now.progress
        share = (weight - self._weight) * self._state.session.terms_per_sample
        loss = (float(sums[0]) - self._total) / share if share > 0 else math.nan
        self._weight, self._total = weight, float(sums[0])
        return loss
