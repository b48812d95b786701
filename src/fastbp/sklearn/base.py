"""The base of the two estimators: from parameters and data to a trained model."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight

from fastbp.callbacks.listeners import as_callbacks
from fastbp.data.samples import Samples
from fastbp.losses.penalised import PenalisedLoss
from fastbp.models.model import Model
from fastbp.models.nonfinite import DivergenceError
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.sklearn.epochs import Epochs, Iterations, Validation
from fastbp.sklearn.networks import (
    check_fitting_layers,
    draw_weights,
    hidden_activations,
    make_model,
    with_slopes,
)
from fastbp.sklearn.objectives import Objective
from fastbp.sklearn.parallelism import threads_for
from fastbp.sklearn.private_network import PrivateNetwork
from fastbp.sklearn.solvers import LearningRate, is_lbfgs, is_stochastic, make_optimizer
from fastbp.support.checks import sentence
from fastbp.support.figures import explaining_missing_figures
from fastbp.support.precision import MIXED
from fastbp.support.user_warnings import warn_user
from fastbp.training.progress import ProgressBar
from fastbp.training.trainer import Trainer

__all__ = ["BaseMLP", "partial_fit_available"]

Array = NDArray[Any]

_FIT_VALIDATES = "Give fit a validation_set=(X, y), or make the estimator with early_stopping=True."
_PARTIAL_FIT_VALIDATES = "Give partial_fit a validation_set=(X, y)."
_LBFGS_VALIDATES = "Give fit a validation_set=(X, y)."
_BAR_DELAY = 2.0  # seconds of a fit before its progress bar appears


def _has_partial_fit(estimator: BaseMLP) -> bool:
    if not is_stochastic(estimator.solver):
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator.solver} is not stochastic."
        )
    return True


class BaseMLP(PrivateNetwork):
    """Parameters and ``fit``; the classifier and the regressor add targets and predictions."""

    @abstractmethod
    def _check_targets(self, y: Any, incremental: bool) -> Array:
        """Return validated targets, labels (n,) or (n, n_outputs), and store their classes."""

    @abstractmethod
    def _check_new_targets(self, y: Any) -> Array:
        """Return validation targets as ``_check_targets`` returns training targets."""

    @abstractmethod
    def _weigh(self, y: Any, sample_weight: Array | None, incremental: bool) -> Array | None:
        """Return the sample weights, multiplied with the class weights."""

    @abstractmethod
    def _stratify_by(self, Y: Array) -> Array | None:
        """Return the labels by which the validation fraction is stratified."""

    @staticmethod
    @abstractmethod
    def _score_outputs(outputs: Array, targets: Array, weights: Array | None) -> float:
        """Return the score for early stopping."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_set: Any = None) -> BaseMLP:
        """Fit the network to data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            float32 is computed in float32, other dtypes in float64, unless ``compute_dtype`` is set. (L-BFGS computes
            in float64.)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, labels of 0 and 1, or numbers.
        sample_weight : array-like of shape (n_samples,), default None
            Weight of each sample; none below 0, not all 0.
        validation_set : (X, y) or (X, y, sample_weight), default None
            Samples whose loss after every epoch is stored in ``validation_loss_curve_``; with ``early_stopping`` they
            also give the score, and none of X is held out. A Pipeline does not transform them.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data is not one of the above, or training diverges.
        """
        if self.privacy is not None:
            self._fit_privately(X, y, sample_weight, validation_set)
            return self
        return self._fit(X, y, sample_weight, validation_set, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_set: Any, incremental: bool) -> BaseMLP:
        if self.privacy is not None:
            raise ValueError(
                "privacy is given; expected None for partial_fit. Call fit, whose account knows all samples."
            )
        self.privacy_ = None
        hidden = self._hidden_sizes()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, y = self._check_data(X, y, reset=first)
        Y = self._check_targets(y, incremental)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        weights = self._weigh(y, sample_weight, incremental)
        rows = self._as_rows(X, learn=first)
        self.n_outputs_ = Y.shape[1] if Y.ndim == 2 else len(self.classes_)
        objective = self._make_objective(self.n_outputs_)
        self._random_state = check_random_state(self.random_state)
        units = [rows.shape[1], *hidden, self.n_outputs_]
        if first:
            self._initialize(units, objective, rows.dtype)
        model = self._current_model()
        check_fitting_layers(model, units)
        trainer = self._make_trainer(model, objective, incremental)
        data = self._samples(trainer, rows, Y, weights)
        if isinstance(trainer.optimizer, LBFGS):
            self._fit_lbfgs(trainer, objective, data, self._given_validation(trainer, objective, validation_set))
        else:
            self._fit_stochastic(trainer, objective, data, Y, validation_set, incremental)
        return self

    def _initialize(self, units: list[int], objective: Objective, dtype: np.dtype[Any]) -> None:
        """Make a model with new random weights, and reset all counts and curves."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = objective.out_activation
        if self.compute_dtype is not None:
            dtype = np.dtype(np.float32 if self.compute_dtype == MIXED else self.compute_dtype)
        elif is_lbfgs(self.solver):
            dtype = np.dtype(np.float64)
        hidden = hidden_activations(self.activation, len(units) - 2)
        model = make_model(units, hidden, objective.last, float(self.dropout), dtype)
        model.set_weights(with_slopes(*draw_weights(units, hidden, self._random_state), model))
        self._link(model)
        for name in ("_trainer", "_optimizer", "loss_curve_"):  # of an earlier fit
            self.__dict__.pop(name, None)
        self.validation_loss_curve_: list[float] | None = None
        if not is_lbfgs(self.solver):
            self._begin_curves(model)

    def _begin_curves(self, model: Model) -> None:
        """Reset the counts and curves that an epoch adds to; an existing loss curve is continued."""
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self._best_weights = model.get_weights()
        self.best_loss_: float | None = None if self.early_stopping else np.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -np.inf if self.early_stopping else None

    def _make_trainer(self, model: Model, objective: Objective, incremental: bool) -> Trainer:
        """Return a trainer for the model: the last one, or a new one with or without the last one's optimizer state."""
        goes_on = incremental or self.warm_start == "continue"
        last: Trainer | None = getattr(self, "_trainer", None)
        options = {
            "loss": PenalisedLoss(objective.loss, objective.factor, float(self.alpha)),
            "optimizer": make_optimizer(self),
            "batch_size": self._trainer_batch_size(),
            "n_threads": threads_for(self.n_threads),
            "precision": MIXED if self.compute_dtype == MIXED else None,
        }
        if goes_on and last is not None and last.model is model and self._made_trainer_of == options:
            return last
        # The seed is for dropout only: all else uses scikit-learn's random numbers.
        seed = int(self._random_state.randint(2**31)) if self.dropout > 0 else 0
        trainer = Trainer(model, **options, shuffle=False, seed=seed, metrics=objective.metrics)  # type: ignore[arg-type]
        if goes_on and last is not None and last.model.layers == model.layers:
            if last.optimizer.rule == trainer.optimizer.rule:
                trainer.parts.state.session.set_state(last.parts.state.session.get_state())
                trainer.parts.state.session.n_steps = last.n_steps
        else:
            self.__dict__.pop("_optimizer", None)
        self._trainer = trainer
        self._made_trainer_of: dict[str, Any] = options
        return trainer

    def _samples(self, trainer: Trainer, rows: Array, Y: Array, weights: Array | None, names: Any = None) -> Samples:
        names = names or ("X", "y", "sample_weight" if self._is_plain_weight else "sample_weight times class_weight")
        return trainer.parts.intake.samples(rows, Y, weights, None, names)

    def _fit_stochastic(
        self,
        trainer: Trainer,
        objective: Objective,
        data: Samples,
        Y: Array,
        validation_set: Any,
        incremental: bool,
    ) -> None:
        if not hasattr(self, "loss_curve_") or self.early_stopping != (self.best_loss_ is None):
            self._begin_curves(trainer.model)
        if self.early_stopping and incremental and validation_set is None:
            raise ValueError(
                "partial_fit does not support early_stopping=True without a validation_set=(X, y), whose score is "
                "needed."
            )
        validation = self._given_validation(trainer, objective, validation_set)
        if self.early_stopping and validation is None:
            data, validation = self._hold_out(trainer, objective, data, Y)
        self._note_validation(validation)
        if incremental and self.early_stopping:
            if getattr(self, "_has_ended", False):
                self.n_iter_ = 0
                return
            if self._has_converged():  # in the fit before
                self._no_improvement_count = 0
        if not isinstance(self.batch_size, str) and self.batch_size > len(data):
            warn_user("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
        epochs = Epochs(
            self,
            data,
            objective,
            objective.constant(data.y[data.rows_from(0, len(data))], self._weights_of(data)),
            self._learning_rate_of(trainer),
            self._random_state if self.shuffle else None,
            validation,
            bool(self.early_stopping),
            self._prints_lines(),
        )
        self._run(trainer, data, validation, epochs, incremental)

    def _run(
        self, trainer: Trainer, data: Samples, validation: Validation | None, epochs: Epochs, incremental: bool
    ) -> None:
        self.n_iter_ = 0
        n_epochs = 1 if incremental else int(self.max_iter)
        bar = ProgressBar(n_epochs, len(data), _BAR_DELAY) if self._wants_bar() else None
        trainer.parts.state.unfinished = None
        remedy = _PARTIAL_FIT_VALIDATES if incremental else _FIT_VALIDATES
        try:
            listeners = [epochs, *as_callbacks(self.callbacks or ())]
            with explaining_missing_figures(remedy), bar or nullcontext():
                trainer.fit_samples(data, n_epochs, validation.samples if validation else None, listeners, bar)
        except KeyboardInterrupt:
            warn_user("Training interrupted by user.")
        except DivergenceError as error:
            self._note_divergence(error, epochs, trainer)
        else:
            if trainer.stop_reason == "epochs" and not incremental:
                warn_user(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                    "converged yet.",
                    ConvergenceWarning,
                )
        self._has_ended = incremental and self.early_stopping and self._has_converged()
        if self._has_ended or (self.early_stopping and not incremental):
            trainer.model.network.set_arrays(self._best_weights)

    def _has_converged(self) -> bool:
        """Whether there was no progress for n_iter_no_change epochs."""
        return self._no_improvement_count > self.n_iter_no_change

    def _note_divergence(self, error: DivergenceError, epochs: Epochs, trainer: Trainer) -> None:
        """Refuse weights that are not finite; early stopping restores the best ones instead."""
        if not self.early_stopping:
            raise _not_finite(error) from error
        self.n_iter_ += 1
        epochs.note_loss(np.nan)
        epochs.note_score(np.nan, trainer)
        warn_user(f"Training has diverged: {error}", ConvergenceWarning)

    def _learning_rate_of(self, trainer: Trainer) -> LearningRate | None:
        """Return scikit-learn's learning rate for the solver "sgd", after the steps so far."""
        if not hasattr(self, "_optimizer"):
            is_sgd = isinstance(self.solver, str) and self.solver == "sgd"
            schedule = self.learning_rate if is_sgd else "constant"
            self._optimizer = LearningRate(schedule, float(self.learning_rate_init), float(self.power_t))
        return self._optimizer if isinstance(self.solver, str) and self.solver == "sgd" else None

    def _fit_lbfgs(self, trainer: Trainer, objective: Objective, data: Samples, validation: Validation | None) -> None:
        self._note_validation(validation)
        constant = objective.constant(data.y, data.sample_weights)
        iterations = Iterations(self, objective, constant, validation, self._prints_lines())
        bar = ProgressBar(int(self.max_iter), len(data), _BAR_DELAY) if self._wants_bar() else None
        listeners = [iterations, *as_callbacks(self.callbacks or ())]
        try:
            held_out = validation.samples if validation else None
            with explaining_missing_figures(_LBFGS_VALIDATES), bar or nullcontext():
                trainer.fit_samples(data, int(self.max_iter), held_out, listeners, bar)
        except DivergenceError as error:
            raise _not_finite(error) from error
        result = trainer.parts.state.search
        if trainer.stop_reason == "stopped":
            self.n_iter_ = int(result.nit)
        else:
            self.n_iter_ = int(_check_optimize_result("lbfgs", result, self.max_iter))
        figures = {"loss": float(result.fun)}
        if objective.metrics:
            figures = {**trainer.parts.evaluator.evaluate(data), **figures}
        self.loss_ = objective.reported(figures, constant)

    def _given_validation(self, trainer: Trainer, objective: Objective, validation_set: Any) -> Validation | None:
        if validation_set is None:
            return None
        if not isinstance(validation_set, (tuple, list)) or len(validation_set) not in (2, 3):
            raise TypeError(sentence("validation_set", validation_set, "a pair (X, y), or (X, y, sample_weight)"))
        X, y, *weights = validation_set
        X, y = self._check_data(X, y, reset=False)
        weight = _check_sample_weight(weights[0], X) if weights else None
        names = tuple(f"validation_set[{i}]" for i in range(3))
        samples = self._samples(trainer, self._as_rows(X), self._check_new_targets(y), weight, names)
        return Validation(samples, objective, self._score_outputs, trainer.n_threads)

    def _hold_out(self, trainer: Trainer, objective: Objective, data: Samples, Y: Array) -> tuple[Samples, Validation]:
        """Return the samples to train on, and those held out: the same as scikit-learn's."""
        train, held_out = train_test_split(
            np.arange(len(data)),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=self._stratify_by(Y),
        )
        if len(held_out) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        samples = data.part(held_out, "the samples held out")
        validation = Validation(samples, objective, self._score_outputs, trainer.n_threads)
        return data.part(train, "the samples to train on"), validation

    def _note_validation(self, validation: Validation | None) -> None:
        if validation is not None and getattr(self, "validation_loss_curve_", None) is None:
            self.validation_loss_curve_ = []

    @staticmethod
    def _weights_of(data: Samples) -> Array | None:
        return None if data.sample_weights is None else data.sample_weights[data.rows_from(0, len(data))]


def _not_finite(error: DivergenceError) -> ValueError:
    """Return scikit-learn's error for training that diverged, followed by where it happened."""
    return ValueError(
        "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
        f"preprocessed. {str(error)[0].upper()}{str(error)[1:]}"
    )


partial_fit_available = available_if(_has_partial_fit)
