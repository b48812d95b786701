"""The parameters of both estimators, and values derived from them."""

from __future__ import annotations

from abc import ABCMeta
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, InvalidParameterError, Options, StrOptions

from fastbp.callbacks.base import Callback
from fastbp.layers.activations import Activation
from fastbp.losses.base import Loss
from fastbp.optimizers.all_optimizers import OPTIMIZERS, OptimizerLike
from fastbp.optimizers.base import Optimizer
from fastbp.privacy import DifferentialPrivacy
from fastbp.sklearn.names import BatchSize, DTypeName, HiddenActivations, LearningRateName, Missing, WarmStart
from fastbp.sklearn.networks import (
    ACTIVATION_NAMES,
)
from fastbp.sklearn.solvers import is_stochastic
from fastbp.support.checks import sentence
from fastbp.support.foreign_names import OBJECTS
from fastbp.support.suggestions import did_you_mean

__all__ = ["MLPParameters"]

Array = NDArray[Any]


class MLPParameters(BaseEstimator, metaclass=ABCMeta):
    """Parameters as scikit-learn requires: stored as given, checked by ``fit``."""

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
        "compute_dtype": [None, StrOptions({"float32", "float64", "bf16-mixed"})],
        "privacy": [None, DifferentialPrivacy],
    }

    def __init__(
        self,
        *,
        loss: str | Loss,
        hidden_layer_sizes: Any,
        activation: HiddenActivations,
        solver: OptimizerLike,
        alpha: float,
        batch_size: BatchSize,
        learning_rate: LearningRateName,
        learning_rate_init: float,
        power_t: float,
        max_iter: int,
        shuffle: bool,
        random_state: Any,
        tol: float,
        verbose: bool | int,
        warm_start: WarmStart,
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
        missing: Missing,
        compute_dtype: DTypeName | None,
        privacy: DifferentialPrivacy | None,
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
        self.privacy = privacy

    def _validate_params(self) -> None:
        """Let scikit-learn check the parameters; where a name is close to one that exists, say so."""
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            for parameter, constraints in self._parameter_constraints.items():
                value = getattr(self, parameter)
                names = {name for each in constraints if isinstance(each, StrOptions) for name in each.options}
                meant = did_you_mean(value, sorted(names), OBJECTS) if isinstance(value, str) else ""
                if meant and value not in names:
                    raise InvalidParameterError(f"{error} {meant}") from None
            raise

    def _hidden_sizes(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        for size in sizes:
            if not isinstance(size, Integral) or isinstance(size, bool):
                raise ValueError(sentence("hidden_layer_sizes", self.hidden_layer_sizes, "integers of 1 or more"))
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [int(size) for size in sizes]

    def _trainer_batch_size(self) -> int | None:
        if not is_stochastic(self.solver):
            return None
        return 200 if isinstance(self.batch_size, str) else int(self.batch_size)

    def _prints_lines(self) -> bool:
        return bool(self.verbose) and not self._wants_bar()

    def _wants_bar(self) -> bool:
        """Whether verbose is the number 1: True and larger numbers print lines of text, as in scikit-learn."""
        return isinstance(self.verbose, Integral) and not isinstance(self.verbose, bool) and self.verbose == 1

    def _must_be_finite(self) -> bool | str:
        return "allow-nan" if self.missing == "impute" else True
