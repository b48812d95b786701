"""MLPRegressor: its targets, and what it makes of the network's outputs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions

from fastbp.losses.base import Loss
from fastbp.optimizers.base import Optimizer
from fastbp.sklearn.base import BaseMLP, partial_fit_available
from fastbp.sklearn.fitted_network import flattened
from fastbp.sklearn.objectives import (
    REGRESSOR_LOSSES,
    Objective,
    regressor_objective,
)
from fastbp.sklearn.scores import r2

__all__ = ["MLPRegressor"]

Array = NDArray[Any]


class MLPRegressor(RegressorMixin, BaseMLP):
    """A multilayer perceptron that estimates numbers: scikit-learn's MLPRegressor on fastbp's engine.

    Every parameter that scikit-learn's estimator has means what it means there, down to the random numbers: the same
    ``random_state`` gives the same first weights and the same batches, and so, up to rounding, the same fit. The page
    "From scikit-learn to fastbp" lists what is more and what differs.

    Parameters
    ----------
    loss : str or Loss, default "squared_error"
        "squared_error" is half of it, "poisson" half of Poisson's deviance with an exp at the end, as in scikit-learn.
        Beside them fastbp's own, as ``fb.Trainer`` has them: "gamma" and "tweedie", with an exp at the end, "mae",
        "huber", "log_cosh", "quantile" (the median), "mse"; or an object such as ``fb.Quantile(0.9)``.
    hidden_layer_sizes : int or array-like of int, default (100,)
        How many units each hidden layer has.
    activation : str, Activation or list of them, default "relu"
        Of the hidden layers: "identity", "logistic", "tanh", "relu", any other of fastbp's such as "gelu", an object
        such as ``fb.LeakyReLU(0.2)``, or a list with one for each hidden layer.
    solver : str or Optimizer, default "adam"
        "adam" and "sgd" by the parameters below; "lbfgs" for small data; any other of fastbp's optimizers by name, with
        its own defaults, or an object such as ``fb.AdamW(1e-3)``. "rprop" takes all samples in one batch.
    alpha : float, default 0.0001
        The penalty alpha / 2 * sum(W**2), divided by the weight of a batch's samples together.
    batch_size : int or "auto", default "auto"
        "auto" is 200, or all samples if those are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"}, default "constant"
        Of the solver "sgd": learning_rate_init; learning_rate_init / (samples seen + 1) ** power_t after each epoch; or
        divided by 5 whenever nothing was gained for n_iter_no_change epochs, until it is below 1e-6.
    learning_rate_init : float, default 0.001
        Of the solvers "sgd" and "adam".
    power_t : float, default 0.5
        Of "invscaling".
    max_iter : int, default 200
        Epochs, or iterations of L-BFGS, at most.
    shuffle : bool, default True
        Whether every epoch has an order of its own.
    random_state : int, RandomState or None, default None
        Where weights, orders, held-out samples and dropout come from.
    tol : float, default 1e-4
        What the loss (or the validation score) must be better by to count as progress; for "lbfgs" the largest element
        that the gradient may have at the end.
    verbose : bool or int, default False
        True, or a number above 1, prints a line an epoch as scikit-learn does. The number 1 shows a progress bar on
        fits of more than two seconds.
    warm_start : bool or "continue", default False
        True begins the next ``fit`` with the weights of the last one; "continue" with what the optimizer has gathered,
        too.
    momentum : float, default 0.9
        Of the solver "sgd", 0 <= momentum < 1.
    nesterovs_momentum : bool, default True
        Of the solver "sgd".
    early_stopping : bool, default False
        Stop when the score on samples held out, in place of the loss, is no better, and go back to the best weights.
    validation_fraction : float, default 0.1
        How many samples are held out, unless ``fit`` is given a validation_set.
    beta_1, beta_2, epsilon : float, default 0.9, 0.999, 1e-8
        Of the solver "adam".
    n_iter_no_change : int or inf, default 10
        So many epochs without progress are forgiven.
    max_fun : int, default 15000
        How often "lbfgs" asks for the loss, at most.
    dropout : float, default 0.0
        The share of each hidden layer's outputs that a step of training leaves out, 0 <= dropout < 1.
    callbacks : list of Callback or function, or None, default None
        As for ``fb.Trainer.fit``: ``fb.TimeLimit(60)``, say, or a function of (trainer, figures) after every epoch.
    n_threads : int or None, default None
        At most so many; fewer where the work is small. None is all CPUs, and joblib's share of them inside joblib. The
        result does not depend on it.
    missing : {"error", "impute"}, default "error"
        Whether NaN in X is refused, or filled with the column's median in the first ``fit``.
    compute_dtype : {"float32", "float64"} or None, default None
        What is computed in and what probabilities or numbers come out as; None is float32 for X of float32, else
        float64, which L-BFGS always takes.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        W (inputs, units) and b (units,) of each layer. They are the network's own memory: what is written there, or put
        in their places, predictions and further training go by.
    loss_ : float
        The loss of the last epoch, its penalty included.
    loss_curve_ : list of float
        That of every epoch; not with "lbfgs".
    best_loss_ : float or None
        The lowest; None with early stopping; not with "lbfgs".
    validation_scores_ : list of float or None
        After every epoch, with early stopping.
    best_validation_score_ : float or None
        The highest.
    validation_loss_curve_ : list of float or None
        The loss, without penalty, on the samples held out or on the validation_set, if there are any.
    n_iter_ : int
        Epochs of the last call.
    t_ : int
        Samples seen in all.
    n_layers_, n_outputs_, out_activation_
        The number of layers, the inputs counted as one; the outputs; "softmax", "logistic", "identity" or "exp".
    n_features_in_, feature_names_in_
        Of X.
    imputer_ : SimpleImputer
        With ``missing="impute"``.

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
        loss: str | Loss = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str | Optimizer = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool | str = False,
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
        missing: str = "error",
        compute_dtype: str | None = None,
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
            As for ``fit``. With ``early_stopping=True`` it is needed: once its score was no better for more than
            ``n_iter_no_change`` calls the best weights are put back, and further calls change nothing.

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
