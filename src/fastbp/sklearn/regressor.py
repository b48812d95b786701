"""MLPRegressor: its targets and predictions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions

from fastbp.losses.base import Loss
from fastbp.optimizers.all_optimizers import OptimizerLike
from fastbp.privacy import DifferentialPrivacy
from fastbp.sklearn.base import BaseMLP, partial_fit_available
from fastbp.sklearn.fitted_network import flattened
from fastbp.sklearn.names import (
    BatchSize,
    DTypeName,
    HiddenActivations,
    LearningRateName,
    Missing,
    RegressorLoss,
    WarmStart,
)
from fastbp.sklearn.number_targets import explain_targets
from fastbp.sklearn.objectives import (
    REGRESSOR_LOSSES,
    Objective,
    regressor_objective,
)
from fastbp.sklearn.scores import r2

__all__ = ["MLPRegressor"]

Array = NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron for regression: scikit-learn's MLPRegressor on fastbp's engine.

    Every parameter of scikit-learn's estimator has the same meaning here, and random numbers are the same: the same
    ``random_state`` gives the same first weights and the same batches, and so, up to rounding, the same fit. The page
    "From scikit-learn to fastbp" lists additions and differences.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        "squared_error" is half the squared error, "poisson" half the Poisson deviance with output activation exp, as in
        scikit-learn. fastbp's own losses, as in ``fb.Trainer``: "gamma" and "tweedie", with output activation exp,
        "mae", "huber", "log_cosh", "quantile" (the median), "mse"; or an object such as ``fb.Quantile(0.9)``.
    hidden_layer_sizes : int or array-like of int, default (100,)
        Number of units of each hidden layer.
    activation : str, Activation or list of them, default "relu"
        Activation of the hidden layers: "identity", "logistic", "tanh", "relu", another of fastbp's such as "gelu", an
        object such as ``fb.LeakyReLU(0.2)``, or a list with one for each hidden layer.
    solver : str or Optimizer, default "adam"
        "adam" and "sgd", with the parameters below; "lbfgs", for small data; another of fastbp's optimizers by name,
        with its own defaults, or an object such as ``fb.AdamW(1e-3)``. "rprop" uses all samples in one batch.
    alpha : float, default 0.0001
        Penalty alpha / 2 * sum(W**2), divided by the sum of the sample weights of a batch.
    batch_size : int or "auto", default "auto"
        Number of samples in a batch; "auto" is 200, or all samples if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Learning rate of the solver "sgd": learning_rate_init; learning_rate_init / (samples seen + 1) ** power_t after
        each epoch; or divided by 5 after n_iter_no_change epochs without progress, until it is below 1e-6.
    learning_rate_init : float, default 0.001
        Learning rate of the solvers "sgd" and "adam".
    power_t : float, default 0.5
        Exponent of "invscaling".
    max_iter : int, default 200
        Largest number of epochs, or of iterations of L-BFGS.
    shuffle : bool, default True
        Whether every epoch shuffles the samples.
    random_state : int, RandomState or None, default None
        Seed or generator of weights, shuffling, held-out samples and dropout.
    tol : float, default 1e-4
        Smallest improvement of the loss (or the validation score) that counts as progress; for "lbfgs" the largest
        element of the gradient at convergence.
    verbose : bool or int, default False
        True, or a number above 1, prints a line per epoch as scikit-learn does. The number 1 shows a progress bar for
        fits of more than two seconds.
    warm_start : bool or "continue", default False
        Whether the next ``fit`` starts with the weights of the last one; "continue" keeps the optimizer's state too.
    momentum : float, default 0.9
        Momentum of the solver "sgd", 0 <= momentum < 1.
    nesterovs_momentum : bool, default True
        Whether the solver "sgd" uses Nesterov's momentum.
    early_stopping : bool, default False
        Whether to stop when the score on held-out samples, in place of the loss, does not improve, and to restore the
        best weights.
    validation_fraction : float, default 0.1
        Fraction of samples held out, unless ``fit`` gets a validation_set.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        Parameters of the solver "adam".
    n_iter_no_change : int or inf, default 10
        Number of epochs without progress that are allowed.
    max_fun : int, default 15000
        Largest number of loss evaluations of "lbfgs".
    dropout : float, default 0.0
        Probability that an output of a hidden layer is set to 0 in a training step, 0 <= dropout < 1.
    callbacks : list of Callback or function, or None, default None
        Callbacks as for ``fb.Trainer.fit``, such as ``fb.TimeLimit(60)``, or a function of (trainer, figures) that runs
        after every epoch.
    n_threads : int or None, default None
        Largest number of threads; fewer are used where the work is small. None means ``fb.get_num_threads()``, and
        inside joblib its share of the CPUs. The result does not depend on it.
    missing : {"error", "impute"}, default "error"
        Whether NaN in X is refused, or replaced by the column's median in the first ``fit``.
    compute_dtype : {"float32", "float64", "bf16-mixed"} or None, default None
        Type of computations and predictions; None means float32 for X of float32, else float64. With None, L-BFGS uses
        float64. "bf16-mixed" is float32 with large products in bfloat16, as for ``fb.Trainer``.
    privacy : fb.DifferentialPrivacy or None, default None
        Differential privacy for the samples: training goes on for max_iter epochs or until the budget is spent, and no
        figure of the samples is kept. Scale targets by public constants.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        W (inputs, units) and b (units,) of each layer. They are the network's own memory: predictions and further
        training use values written to them, and arrays assigned in their place.
    loss_ : float
        The loss of the last epoch, including the penalty.
    loss_curve_ : list of float
        The loss of every epoch; not with "lbfgs".
    best_loss_ : float or None
        The lowest loss; None with early stopping; not with "lbfgs".
    validation_scores_ : list of float or None
        The score after every epoch, with early stopping.
    best_validation_score_ : float or None
        The highest score.
    validation_loss_curve_ : list of float or None
        The loss, without penalty, on the held-out samples or the validation_set, if there are any.
    n_iter_ : int
        Number of epochs of the last call.
    t_ : int
        Total number of samples seen.
    n_layers_, n_outputs_, out_activation_
        The number of layers, including the inputs; the number of outputs; "softmax", "logistic", "identity" or "exp".
    n_features_in_, feature_names_in_
        The number and the names of the columns of X.
    imputer_ : SimpleImputer
        The imputer, with ``missing="impute"``.

    Raises
    ------
    TypeError, ValueError
        By ``fit``, if a parameter is not one of the above.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastbp.sklearn import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> mlp = MLPRegressor(hidden_layer_sizes=10, solver="lbfgs", alpha=0.1, random_state=0, max_iter=1000)
    >>> mlp.fit(X, y).score(X, y) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(REGRESSOR_LOSSES)), Loss],
    }

    def __init__(
        self,
        loss: RegressorLoss = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: HiddenActivations = "relu",
        *,
        solver: OptimizerLike = "adam",
        alpha: float = 0.0001,
        batch_size: BatchSize = "auto",
        learning_rate: LearningRateName = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: WarmStart = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float = 0.0,
        callbacks: Any = None,
        n_threads: int | None = None,
        missing: Missing = "error",
        compute_dtype: DTypeName | None = None,
        privacy: DifferentialPrivacy | None = None,
    ) -> None:
        super().__init__(
            loss=loss,
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            dropout=dropout,
            callbacks=callbacks,
            n_threads=n_threads,
            missing=missing,
            compute_dtype=compute_dtype,
            privacy=privacy,
        )

    @partial_fit_available
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, validation_set: Any = None) -> MLPRegressor:
        """Train for one epoch on data, going on from where the network is.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default None
        validation_set : (X, y) or (X, y, sample_weight), default None
            As for ``fit``. With ``early_stopping=True`` it is needed: when its score has not improved for more than
            ``n_iter_no_change`` calls, the best weights are restored, and further calls change nothing.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, validation_set, incremental=True)
        return self

    def predict(self, X: Any) -> Array:
        """Return the predicted numbers of samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    # ---------------------------------------------------------------------------------------------- targets

    _target_checks: ClassVar[dict[str, Any]] = {"y_numeric": True}
    _is_plain_weight = True

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        try:
            return super()._check_data(X, y, reset)
        except (TypeError, ValueError, OverflowError):  # of scikit-learn or NumPy, which do not say where
            explain_targets(y, "y")
            raise

    def _learn_public_targets(self) -> None:
        pass  # numbers are learned as they are

    def _private_targets(self, y: Any) -> Array:
        return self._check_new_targets(y)

    def _check_targets(self, y: Any, incremental: bool) -> Array:
        return self._check_new_targets(y)

    def _check_new_targets(self, y: Any) -> Array:
        y = flattened(y)
        return y[:, np.newaxis] if y.ndim == 1 else y  # type: ignore[no-any-return]

    def _make_objective(self, n_outputs: int) -> Objective:
        return regressor_objective(self.loss, n_outputs)

    def _weigh(self, y: Any, sample_weight: Array | None, incremental: bool) -> Array | None:
        return sample_weight

    def _stratify_by(self, Y: Array) -> Array | None:
        return None

    _score_outputs = staticmethod(r2)
