"""What the two estimators share: from parameters and data to a trained model, and predictions."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from numbers import Integral, Real
from operator import is_
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastbp.callbacks.base import Callback
from fastbp.callbacks.listeners import as_callbacks
from fastbp.data.samples import Samples
from fastbp.data.sparse import is_sparse
from fastbp.layers.activations import Activation
from fastbp.losses.base import Loss
from fastbp.losses.penalised import PenalisedLoss
from fastbp.models.model import Model
from fastbp.models.nonfinite import DivergenceError
from fastbp.optimizers.all_optimizers import OPTIMIZERS
from fastbp.optimizers.base import Optimizer
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.sklearn.epochs import Epochs, Iterations, Validation
from fastbp.sklearn.networks import (
    ACTIVATION_NAMES,
    check_fitting_layers,
    draw_weights,
    hidden_activations,
    linked_arrays,
    make_model,
    model_of_arrays,
    with_slopes,
)
from fastbp.sklearn.objectives import Objective, objective_named
from fastbp.sklearn.parallelism import threads_for
from fastbp.sklearn.solvers import LearningRate, is_lbfgs, is_stochastic, make_optimizer
from fastbp.support.checks import sentence
from fastbp.training.progress import ProgressBar
from fastbp.training.trainer import Trainer

__all__ = ["BaseMLP", "partial_fit_available"]

Array = NDArray[Any]

_BLOCK_ROWS = 4096  # of a sparse matrix with gaps that are dense at a time
_BAR_DELAY = 2.0  # seconds that a fit takes before it gets a progress bar


def _has_partial_fit(estimator: BaseMLP) -> bool:
    if not is_stochastic(estimator.solver):
        raise AttributeError(
            f"partial_fit is only available for stochastic optimizers. {estimator.solver} is not stochastic."
        )
    return True


class BaseMLP(BaseEstimator, metaclass=ABCMeta):
    """The parameters, fit and the network's outputs; targets and predictions are the classifier's and regressor's."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATION_NAMES)), Activation, list, tuple],
        "solver": [StrOptions(set(OPTIMIZERS)), Optimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean", StrOptions({"continue"})],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "callbacks": [None, list, tuple, Callback, callable],
        "n_threads": [None, Interval(Integral, 1, 1024, closed="both")],
        "missing": [StrOptions({"error", "impute"})],
        "compute_dtype": [None, StrOptions({"float32", "float64"})],
    }

    def __init__(
        self,
        *,
        loss: str | Loss,
        hidden_layer_sizes: Any,
        activation: Any,
        solver: str | Optimizer,
        alpha: float,
        batch_size: int | str,
        learning_rate: str,
        learning_rate_init: float,
        power_t: float,
        max_iter: int,
        shuffle: bool,
        random_state: Any,
        tol: float,
        verbose: bool | int,
        warm_start: bool | str,
        momentum: float,
        nesterovs_momentum: bool,
        early_stopping: bool,
        validation_fraction: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
        n_iter_no_change: float,
        max_fun: int,
        dropout: float,
        callbacks: Any,
        n_threads: int | None,
        missing: str,
        compute_dtype: str | None,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.callbacks = callbacks
        self.n_threads = n_threads
        self.missing = missing
        self.compute_dtype = compute_dtype

    # ------------------------------------------------------------------------ what the two estimators differ in

    @abstractmethod
    def _check_targets(self, y: Any, incremental: bool) -> Array:
        """Return validated targets, and learn their classes on the way: labels (n,), or (n, n_outputs)."""

    @abstractmethod
    def _check_new_targets(self, y: Any) -> Array:
        """Return targets of validation as ``_check_targets`` returns those of training."""

    @abstractmethod
    def _make_objective(self, n_outputs: int) -> Objective:
        """Return what is minimised."""

    @abstractmethod
    def _weigh(self, y: Any, sample_weight: Array | None, incremental: bool) -> Array | None:
        """Return the samples' weights, those of their classes included."""

    @abstractmethod
    def _stratify_by(self, Y: Array) -> Array | None:
        """Return what the validation fraction is to have in the proportions of the whole."""

    @staticmethod
    @abstractmethod
    def _score_outputs(outputs: Array, targets: Array, weights: Array | None) -> float:
        """Return the score that early stopping goes by."""

    # ---------------------------------------------------------------------------------------------------- fit

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_set: Any = None) -> BaseMLP:
        """Fit the network to data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            float32 is computed in float32, all else in float64, unless ``compute_dtype`` says so. (L-BFGS computes in
            float64.)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, labels of 0 and 1, or numbers.
        sample_weight : array-like of shape (n_samples,), default None
            How often each sample counts; none below 0, not all 0.
        validation_set : (X, y) or (X, y, sample_weight), default None
            Samples whose loss after every epoch is to be in ``validation_loss_curve_``; with ``early_stopping`` the
            score is theirs too, and none of X is held out. A Pipeline does not transform them.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the data is not one of the above, or training diverges.
        """
        return self._fit(X, y, sample_weight, validation_set, incremental=False)

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_set: Any, incremental: bool) -> BaseMLP:
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

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        for size in sizes:
            if not isinstance(size, Integral) or isinstance(size, bool):
                raise ValueError(sentence("hidden_layer_sizes", self.hidden_layer_sizes, "integers of 1 or more"))
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _initialize(self, units: list[int], objective: Objective, dtype: np.dtype[Any]) -> None:
        """Make a model with weights drawn anew, and begin all counts and curves."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = objective.out_activation
        if self.compute_dtype is not None:
            dtype = np.dtype(self.compute_dtype)
        elif is_lbfgs(self.solver):
            dtype = np.dtype(np.float64)
        hidden = hidden_activations(self.activation, len(units) - 2)
        model = make_model(units, hidden, objective.last, float(self.dropout), dtype)
        model.set_weights(with_slopes(*draw_weights(units, hidden, self._random_state), model))
        self._link(model)
        for name in ("_trainer", "_optimizer", "loss_curve_"):  # of a fit before
            self.__dict__.pop(name, None)
        self.validation_loss_curve_: list[float] | None = None
        if not is_lbfgs(self.solver):
            self._begin_curves(model)

    def _begin_curves(self, model: Model) -> None:
        """Begin the counts and curves that an epoch adds to; a loss curve that there is goes on."""
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self._best_weights = model.get_weights()
        self.best_loss_: float | None = None if self.early_stopping else np.inf
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -np.inf if self.early_stopping else None

    def _make_trainer(self, model: Model, objective: Objective, incremental: bool) -> Trainer:
        """Return a trainer for the model: the last one, or a new one that goes on with what that gathered, or anew."""
        goes_on = incremental or self.warm_start == "continue"
        last: Trainer | None = getattr(self, "_trainer", None)
        options = {
            "loss": PenalisedLoss(objective.loss, objective.factor, float(self.alpha)),
            "optimizer": make_optimizer(self),
            "batch_size": self._trainer_batch_size(),
            "n_threads": threads_for(self.n_threads),
        }
        if goes_on and last is not None and last.model is model and self._made_trainer_of == options:
            return last
        # Chance of its own only for dropout: all else follows scikit-learn's random numbers.
        seed = int(self._random_state.randint(2**31)) if self.dropout > 0 else 0
        trainer = Trainer(model, **options, shuffle=False, seed=seed, metrics=objective.metrics)  # type: ignore[arg-type]
        if goes_on and last is not None and last.model.layers == model.layers:
            if last.optimizer.rule == trainer.optimizer.rule:
                trainer.state.session.set_state(last.state.session.get_state())
                trainer.state.session.n_steps = last.n_steps
        else:
            self.__dict__.pop("_optimizer", None)
        self._trainer = trainer
        self._made_trainer_of: dict[str, Any] = options
        return trainer

    def _trainer_batch_size(self) -> int | None:
        if not is_stochastic(self.solver):
            return None
        return 200 if isinstance(self.batch_size, str) else int(self.batch_size)

    def _samples(self, trainer: Trainer, rows: Array, Y: Array, weights: Array | None, names: Any = None) -> Samples:
        names = names or ("X", "y", "sample_weight" if self._is_plain_weight else "sample_weight times class_weight")
        return trainer.intake.samples(rows, Y, weights, None, names)

    # ------------------------------------------------------------------------------------------- sgd, adam and kin

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
                "partial_fit does not support early_stopping=True without a validation_set=(X, y), whose score says "
                "when to stop."
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
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=4
            )
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
        trainer.state.unfinished = None
        try:
            listeners = [epochs, *as_callbacks(self.callbacks or ())]
            with bar or nullcontext():
                trainer.train(data, n_epochs, validation.samples if validation else None, listeners, bar)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        except DivergenceError as error:
            self._note_divergence(error, epochs, trainer)
        else:
            if trainer.stop_reason == "epochs" and not incremental:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and the optimization hasn't "
                    "converged yet.",
                    ConvergenceWarning,
                    stacklevel=5,
                )
        self._has_ended = incremental and self.early_stopping and self._has_converged()
        if self._has_ended or (self.early_stopping and not incremental):
            trainer.model.network.set_arrays(self._best_weights)

    def _has_converged(self) -> bool:
        """Whether nothing was gained for long enough."""
        return self._no_improvement_count > self.n_iter_no_change

    def _note_divergence(self, error: DivergenceError, epochs: Epochs, trainer: Trainer) -> None:
        """Refuse weights that are not finite; with early stopping there are better ones to go back to."""
        if not self.early_stopping:
            raise _not_finite(error) from error
        self.n_iter_ += 1
        epochs.note_loss(np.nan)
        epochs.note_score(np.nan, trainer)
        warnings.warn(f"Training has diverged: {error}", ConvergenceWarning, stacklevel=6)

    def _learning_rate_of(self, trainer: Trainer) -> LearningRate | None:
        """Return scikit-learn's learning rate for the solver "sgd", as the steps before have left it."""
        if not hasattr(self, "_optimizer"):
            is_sgd = isinstance(self.solver, str) and self.solver == "sgd"
            schedule = self.learning_rate if is_sgd else "constant"
            self._optimizer = LearningRate(schedule, float(self.learning_rate_init), float(self.power_t))
        return self._optimizer if isinstance(self.solver, str) and self.solver == "sgd" else None

    # ------------------------------------------------------------------------------------------------ L-BFGS

    def _fit_lbfgs(self, trainer: Trainer, objective: Objective, data: Samples, validation: Validation | None) -> None:
        self._note_validation(validation)
        constant = objective.constant(data.y, data.sample_weights)
        iterations = Iterations(self, objective, constant, validation, self._prints_lines())
        bar = ProgressBar(int(self.max_iter), len(data), _BAR_DELAY) if self._wants_bar() else None
        listeners = [iterations, *as_callbacks(self.callbacks or ())]
        try:
            held_out = validation.samples if validation else None
            with bar or nullcontext():
                trainer.train(data, int(self.max_iter), held_out, listeners, bar)
        except DivergenceError as error:
            raise _not_finite(error) from error
        result = trainer.state.search
        if trainer.stop_reason == "stopped":
            self.n_iter_ = int(result.nit)
        else:
            self.n_iter_ = int(_check_optimize_result("lbfgs", result, self.max_iter))
        figures = {"loss": float(result.fun)}
        if objective.metrics:
            figures = {**trainer.evaluator.evaluate(data), **figures}
        self.loss_ = objective.reported(figures, constant)

    # --------------------------------------------------------------------------------------- samples held out

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
        """Return the samples to train on, and those held out: the ones that scikit-learn would hold out."""
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

    def _prints_lines(self) -> bool:
        return bool(self.verbose) and not self._wants_bar()

    def _wants_bar(self) -> bool:
        """Whether verbose is the number 1: True, and larger numbers, are lines of text, as in scikit-learn."""
        return isinstance(self.verbose, Integral) and not isinstance(self.verbose, bool) and self.verbose == 1

    # ---------------------------------------------------------------------------------------------- the data

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        return validate_data(  # type: ignore[no-any-return]
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
            ensure_all_finite=self._must_be_finite(),
            **self._target_checks,
        )

    _target_checks: ClassVar[dict[str, Any]] = {}

    def _must_be_finite(self) -> bool | str:
        return "allow-nan" if self.missing == "impute" else True

    def _as_rows(self, X: Any, learn: bool = False) -> Any:
        """Return validated data as it is, or dense, with gaps filled by the medians of the first fit."""
        if self.missing == "error":
            return X
        rows = X.toarray() if is_sparse(X) else X
        if learn or not hasattr(self, "imputer_"):
            self.imputer_ = SimpleImputer(strategy="median", keep_empty_features=True).fit(rows)
        return np.asarray(self.imputer_.transform(rows))

    # ------------------------------------------------------------------------------------------- the network

    def _link(self, model: Model) -> None:
        """Make a model the estimator's, with coefs_ and intercepts_ that are its own memory."""
        self._model = model
        self._made_with = (self.activation, self.dropout, self.out_activation_)
        self.coefs_, self.intercepts_ = linked_arrays(model)
        self._links = [*self.coefs_, *self.intercepts_]

    def _current_model(self) -> Model:
        """Return the model; made anew where a user has put other arrays into coefs_ or intercepts_."""
        model: Model | None = getattr(self, "_model", None)
        if (
            model is not None
            and len(self._links) == len(self.coefs_) + len(self.intercepts_)
            and all(map(is_, self._links, chain(self.coefs_, self.intercepts_)))
            and self._made_with == (self.activation, self.dropout, self.out_activation_)
        ):
            return model
        last = objective_named(self.out_activation_)
        self._link(model_of_arrays(self.coefs_, self.intercepts_, self.activation, last, float(self.dropout), model))
        return self._model

    def _outputs(self, X: Any) -> Array:
        """Return what the network puts out for data, (n_samples, n_outputs)."""
        if not self._is_plain(X):
            check_is_fitted(self)
            must_be_finite = self._must_be_finite()
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False, ensure_all_finite=must_be_finite)
        model, n_threads = self._current_model(), threads_for(self.n_threads)
        parts = _blocks(X) if self.missing == "impute" and is_sparse(X) else [X]
        blocks = [model.predict(self._as_rows(part), n_threads) for part in parts]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def _is_plain(self, X: Any) -> bool:
        """Whether validate_data would find nothing to say or do: it takes ten times as long as to predict a row."""
        fitted = self.__dict__
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and (X.dtype == np.float32 or X.dtype == np.float64)
            and X.shape[1] == fitted.get("n_features_in_")
            and "feature_names_in_" not in fitted
            and len(X) > 0
            and _is_finite(X)
        )

    # ------------------------------------------------------------------------------------- keeping and restoring

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "coefs_" in state:
            self._current_model()  # with what users have put into coefs_
            state |= {"_model": self._model, "_made_with": self._made_with}
            for name in ("coefs_", "intercepts_", "_links"):  # the model's own memory
                state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_model" in state:
            made_with = self._made_with
            self._link(self._model)
            self._made_with = made_with

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.missing == "impute"
        return tags


def _not_finite(error: DivergenceError) -> ValueError:
    """Return what scikit-learn says at the end of training that diverged, and behind it where that was."""
    return ValueError(
        "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
        f"preprocessed. {str(error)[0].upper()}{str(error)[1:]}"
    )


def _is_finite(X: Array) -> bool:
    """Whether a sum shows that all numbers are finite; where it overflows they may be, too."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(X.sum()))


def _blocks(X: Any) -> Iterator[Any]:
    """Yield a sparse matrix so many rows at a time."""
    rows = X.tocsr()
    for start in range(0, rows.shape[0], _BLOCK_ROWS):
        yield rows[start : start + _BLOCK_ROWS]


partial_fit_available = available_if(_has_partial_fit)
