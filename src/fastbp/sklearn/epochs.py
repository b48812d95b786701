"""The work between epochs: shuffling the samples, the curves, and the check for progress."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastbp.callbacks.base import Callback, Figures
from fastbp.data.samples import Samples
from fastbp.engine.numpy_shuffle import shuffle
from fastbp.sklearn.objectives import Objective
from fastbp.sklearn.solvers import LearningRate, set_learning_rate
from fastbp.training.trainer import Trainer

__all__ = ["Epochs", "Iterations", "Validation"]


class Validation:
    """Held-out samples, and a model's loss and score on them.

    Parameters
    ----------
    samples : Samples
    objective : Objective
    score : callable
        score(outputs, targets, weights) -> float
    n_threads : int
    """

    def __init__(
        self, samples: Samples, objective: Objective, score: Callable[[Any, Any, Any], float], n_threads: int
    ) -> None:
        rows = samples.rows_from(0, len(samples))
        self.samples, self._objective, self._n_threads = samples, objective, n_threads
        self._X, self._targets = samples.X[rows], samples.y[rows]
        self._weights = None if samples.sample_weights is None else samples.sample_weights[rows]
        self._constant = objective.constant(self._targets, self._weights)
        self._score = score

    def loss(self, figures: Figures) -> float:
        """Return the reported loss from a trainer's figures."""
        return self._objective.reported(figures, self._constant, "val_")

    def score(self, trainer: Trainer) -> float:
        """Return the current score of the model; NaN if its outputs are not finite."""
        outputs = trainer.model.predict(self._X, self._n_threads, precision=trainer.precision)
        if not np.isfinite(outputs).all():
            return math.nan
        return self._score(outputs, self._targets, self._weights)


class Epochs(Callback):
    """Shuffles and stops as scikit-learn does, and stores losses and scores on the estimator.

    Parameters
    ----------
    estimator : BaseMLP
        The estimator; its curves, counts and best figures are continued.
    samples : Samples
        The training samples; their rows are shuffled every epoch, if ``random`` is given.
    objective : Objective
    constant : float
        Constant added to the reported loss.
    rate : LearningRate or None
        Learning rate of the solver "sgd"; None for other solvers.
    random : RandomState or None
        Generator for shuffling; None means no shuffling.
    validation : Validation or None
    early_stopping : bool
        Whether progress is measured by the validation score instead of the loss.
    print_lines : bool
    """

    def __init__(
        self,
        estimator: Any,
        samples: Samples,
        objective: Objective,
        constant: float,
        rate: LearningRate | None,
        random: np.random.RandomState | None,
        validation: Validation | None,
        early_stopping: bool,
        print_lines: bool,
    ) -> None:
        self._estimator, self._samples, self._objective, self._constant = estimator, samples, objective, constant
        self._rate, self._random, self._validation = rate, random, validation
        self._early_stopping, self._print_lines = early_stopping, print_lines
        self._order = np.arange(len(samples), dtype=np.int64) if samples.subset is None else samples.subset
        self.stopped = False

    def on_epoch_begin(self, trainer: Trainer, figures: Figures) -> None:
        """Shuffle the rows as sklearn.utils.shuffle does: the same seed gives the same batches."""
        if self._random is None:
            return
        self._order = self._order.copy()  # the epoch before keeps its own
        shuffle(self._random, self._order)
        self._samples.subset = self._order

    def on_epoch_end(self, trainer: Trainer, figures: Figures) -> None:
        """Store the figures, and stop after too many epochs without progress."""
        estimator = self._estimator
        estimator.n_iter_ += 1
        estimator.t_ += len(self._samples)
        self.note_loss(self._objective.reported(figures, self._constant))
        if self._validation is not None:
            estimator.validation_loss_curve_.append(self._validation.loss(figures))
        if self._early_stopping:
            assert self._validation is not None
            self.note_score(self._validation.score(trainer), trainer)
        else:
            self._count_by_loss()
        self._go_on_or_stop(trainer)

    def note_loss(self, loss: float) -> None:
        """Add an epoch's loss to the curve."""
        estimator = self._estimator
        estimator.loss_ = loss
        estimator.loss_curve_.append(loss)
        if self._print_lines:
            print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")

    def note_score(self, score: float, trainer: Trainer) -> None:
        """Add an epoch's validation score, count the epochs without a better one, and keep the best weights."""
        estimator = self._estimator
        estimator.validation_scores_.append(score)
        if self._print_lines:
            print(f"Validation score: {score:f}")
        self._count(worse=score < estimator.best_validation_score_ + estimator.tol)
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            estimator._best_weights = trainer.model.get_weights()

    def _count_by_loss(self) -> None:
        estimator = self._estimator
        self._count(worse=estimator.loss_ > estimator.best_loss_ - estimator.tol)
        estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)

    def _count(self, worse: bool) -> None:
        self._estimator._no_improvement_count = self._estimator._no_improvement_count + 1 if worse else 0

    def _go_on_or_stop(self, trainer: Trainer) -> None:
        estimator = self._estimator
        if self._rate is not None:
            self._rate.end_epoch(estimator.t_)
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            what = "Validation score" if self._early_stopping else "Training loss"
            message = (
                f"{what} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} "
                "consecutive epochs."
            )
            rate = self._rate or LearningRate("constant", 0.0, 0.0)
            if rate.gains_nothing(message, self._print_lines):
                self.stopped = True
                trainer.stop()
            else:
                estimator._no_improvement_count = 0
        if self._rate is not None:
            set_learning_rate(trainer, self._rate.learning_rate)


class Iterations(Callback):
    """Stores the losses of L-BFGS's iterations on the estimator.

    Parameters
    ----------
    estimator : BaseMLP
    objective : Objective
    constant : float
        Constant added to the reported loss.
    validation : Validation or None
    print_lines : bool
    """

    def __init__(
        self,
        estimator: Any,
        objective: Objective,
        constant: float,
        validation: Validation | None,
        print_lines: bool,
    ) -> None:
        self._estimator, self._objective, self._constant = estimator, objective, constant
        self._validation, self._print_lines = validation, print_lines
        self._n_done = 0

    def on_epoch_end(self, trainer: Trainer, figures: Figures) -> None:
        """Store the figures."""
        self._n_done += 1
        if self._validation is not None:
            self._estimator.validation_loss_curve_.append(self._validation.loss(figures))
        if self._print_lines:
            print(f"Iteration {self._n_done}, loss = {self._objective.reported(figures, self._constant):.8f}")
