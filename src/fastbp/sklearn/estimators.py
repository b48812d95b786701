"""MLPClassifier and MLPRegressor: their targets, and what they make of the network's outputs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from fastbp.losses import Loss
from fastbp.optimizers import Optimizer
from fastbp.sklearn.base import BaseMLP, partial_fit_available
from fastbp.sklearn.objectives import (
    CLASSIFIER_LOSSES,
    REGRESSOR_LOSSES,
    Objective,
    classifier_objective,
    regressor_objective,
)
from fastbp.sklearn.scores import accuracy, r2

__all__ = ["MLPClassifier", "MLPRegressor"]

Array = NDArray[Any]


class MLPClassifier(ClassifierMixin, BaseMLP):
    """DOC_CLASSIFIER"""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(CLASSIFIER_LOSSES)), Loss],
        "class_weight": [None, dict, StrOptions({"balanced"})],
    }

    def __init__(
        self,
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
        loss: str | Loss = "log_loss",
        class_weight: Any = None,
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
        self.class_weight = class_weight

    @partial_fit_available
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None, validation_set: Any = None
    ) -> MLPClassifier:
        """Train for one epoch on data, going on from where the network is.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default None
        classes : array of shape (n_classes,), default None
            All classes that there will be; needed in the first call.
        validation_set : (X, y) or (X, y, sample_weight), default None
            As for ``fit``. With ``early_stopping=True`` it is needed: once its score was no better for more than
            ``n_iter_no_change`` calls the best weights are put back, and further calls change nothing.

        Returns
        -------
        self
        """
        if _check_partial_fit_first_call(self, classes):
            self._label_binarizer = LabelBinarizer().fit(y if type_of_target(y).startswith("multilabel") else classes)
        self._fit(X, y, sample_weight, validation_set, incremental=True)
        return self

    def predict(self, X: Any) -> Array:
        """Return the classes of samples.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._decoded(self._outputs(X))

    def _decoded(self, outputs: Array) -> Array:
        """Return the classes that outputs stand for: what LabelBinarizer.inverse_transform returns, sooner."""
        classes: Array = self.classes_
        if self._is_multiclass():
            return classes[outputs.argmax(axis=1)]
        if self._label_binarizer.y_type_ == "binary":
            return classes[(outputs[:, 0] > 0.5).astype(int) if len(classes) > 1 else np.zeros(len(outputs), int)]
        labels: Array = self._label_binarizer.inverse_transform(outputs)
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        probabilities = self.predict_proba(X)
        return np.log(probabilities, out=probabilities)

    # ---------------------------------------------------------------------------------------------- targets

    def _check_targets(self, y: Any, incremental: bool) -> Array:
        y = _flattened(y)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return self._binarized(y)

    def _check_classes(self, classes: Array) -> None:
        """Refuse to go on with other classes than those of the fit before."""
        if self.warm_start:
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {self.classes_}, `y` has {classes}"
                )
        elif len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _check_new_targets(self, y: Any) -> Array:
        y = _flattened(y)
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(
                f"validation_set[1] has the classes {unknown}; expected those of training, {self.classes_}."
            )
        return self._binarized(y)

    def _binarized(self, y: Any) -> Array:
        Y: Array = self._label_binarizer.transform(y).astype(bool)
        return Y

    def _is_multiclass(self) -> bool:
        return bool(self._label_binarizer.y_type_ == "multiclass")

    def _make_objective(self, n_outputs: int) -> Objective:
        return classifier_objective(self.loss, self._is_multiclass(), n_outputs)

    def _engine_targets(self, Y: Array) -> Array:
        return Y.argmax(axis=1) if self._is_multiclass() else Y

    def _weigh(self, y: Any, sample_weight: Array | None, incremental: bool) -> Array | None:
        self._is_plain_weight = self.class_weight is None
        if self.class_weight is None:
            return sample_weight
        if incremental and isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight is 'balanced'; expected a dictionary with partial_fit, whose calls do not say how common "
                "a class is. compute_class_weight('balanced', classes=classes, y=y) gives its values."
            )
        of_classes = compute_sample_weight(self.class_weight, _flattened(y))
        return of_classes if sample_weight is None else of_classes * sample_weight  # type: ignore[no-any-return]

    def _stratify_by(self, Y: Array) -> Array | None:
        return Y if self.n_outputs_ == 1 else None

    _score_outputs = staticmethod(accuracy)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, BaseMLP):
    """DOC_REGRESSOR"""

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
        y = _flattened(y)
        return y[:, np.newaxis] if y.ndim == 1 else y  # type: ignore[no-any-return]

    def _make_objective(self, n_outputs: int) -> Objective:
        return regressor_objective(self.loss, n_outputs)

    def _engine_targets(self, Y: Array) -> Array:
        return Y

    def _weigh(self, y: Any, sample_weight: Array | None, incremental: bool) -> Array | None:
        return sample_weight

    def _stratify_by(self, Y: Array) -> Array | None:
        return None

    _score_outputs = staticmethod(r2)


def _flattened(y: Any) -> Any:
    """Return a single column of targets as a vector, with scikit-learn's warning."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
