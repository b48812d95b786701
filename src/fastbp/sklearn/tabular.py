"""TabularClassifier and TabularRegressor: one call from a raw table to predictions."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from fastbp.privacy import DifferentialPrivacy, Public
from fastbp.sklearn.number_targets import number_targets
from fastbp.sklearn.tabular_base import BaseTabular, PresetName
from fastbp.support.checks import counted, sentence
from fastbp.support.underflow import underflows_to_zero
from fastbp.tabular.learning import CLASS_METRICS, NUMBER_METRICS, choose_metric
from fastbp.tabular.targets import NumberTargets

__all__ = ["TabularClassifier", "TabularRegressor"]

Array = NDArray[Any]


class TabularClassifier(ClassifierMixin, BaseTabular):
    """Classes from a raw table: numbers with gaps, text, categories, dates; an ensemble of dense networks.

    The rows are in four folds, each held out once. For each a network is trained on the other three, by an encoding of
    its own, with the rows held out to choose its best epoch; the mean of the four is predicted. Linear models beside
    the networks have the share of the prediction that is best for the rows held out.

    Parameters
    ----------
    preset : {"fast", "default", "best"}, default "default"
        "fast" is one network, trained for half as long, or four of up to 4,000 rows; "best" is six networks of each of
        eight folds, of one to three layers, which have the weights that are best on rows held out: about sixteen
        times the time.
    metric : {"auto", "accuracy", "log_loss", "roc_auc"}, default "auto"
        What decides which epoch is best; "auto" is the accuracy, and for two classes of which one has less than a
        tenth of the rows the area under the ROC curve.
    categories : "auto" or sequence of str or int, default "auto"
        Columns that hold categories: their names, or places from 0. "auto" takes text and data frames' own categories.
    n_bags : int or None, default None
        Number of folds; each is held out once. None: by the preset and the number of rows.
    refit : bool, default False
        Whether the networks are trained again on all rows, for as many epochs as were best.
    epochs : int or "auto", default "auto"
        Number of epochs of each network.
    time_limit : float or None, default None
        Seconds that ``fit`` may take; reading and encoding are counted, and the networks share what they leave.
    class_weight : dict, "balanced" or None, default None
        Weight of each class, multiplied with sample_weight.
    privacy : fb.DifferentialPrivacy or None, default None
        Differential privacy for the rows. Then one network is trained, on all rows: nothing is held out or chosen by
        them, and what is learned of the columns and the classes comes from ``public``.
    public : fb.Public or None, default None
        With privacy: rows and targets that are nobody's secret, real ones or those that
        ``fb.privacy.Schema.public`` makes up from ranges and categories.
    n_threads : int or None, default None
        Number of threads; None means ``fb.get_num_threads()``. The result does not depend on it.
    random_state : int, RandomState or None, default None
        Seed of splits, weights, shuffling and dropout.
    verbose : bool or int, default 0
        Whether to show a progress bar.

    Attributes
    ----------
    classes_ : ndarray
        The classes in sorted order.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        The columns' names, if X was a data frame.
    n_members_ : int
        The number of networks.
    is_constant_ : bool
        Whether all rows are predicted alike: of fewer than 2,000 rows, those held out were not predicted better than by
        a constant, beyond a standard error. Not with the metric "roc_auc", nor where ``epochs`` says how long to train.
    temperature_ : float
        By which the logits of all networks were divided, so that the probabilities of rows held out were best; 1 if
        nothing was clearly better.
    privacy_ : fb.privacy.Promise or None
        With privacy, what is promised to the rows: epsilon, delta and a statement, which files keep.
    evals_ : dict of str to dict of str to list of float
        The figures of each network by epoch, "val_..." on the rows held out.
    feature_importances_ : ndarray of shape (n_features_in_,)
        How much the log loss of rows held out grows when a column is shuffled; computed when first asked for.

    Examples
    --------
    >>> import pandas as pd
    >>> from fastbp.sklearn import TabularClassifier
    >>> table = pd.DataFrame({"size": [1.0, 2.0, None, 4.0] * 25, "colour": ["red", "blue", "red", None] * 25})
    >>> label = ["small", "large", "small", "large"] * 25
    >>> model = TabularClassifier(preset="fast", epochs=5, random_state=0).fit(table, label)
    >>> model.predict(table[:2]).tolist()
    ['small', 'large']
    """

    _metrics = CLASS_METRICS
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseTabular._parameter_constraints,
        "metric": [str],
        "class_weight": [None, dict, StrOptions({"balanced"})],
    }

    def __init__(
        self,
        *,
        preset: PresetName = "default",
        metric: str = "auto",
        categories: Literal["auto"] | Sequence[str | int] = "auto",
        n_bags: int | None = None,
        refit: bool = False,
        epochs: int | Literal["auto"] = "auto",
        time_limit: float | None = None,
        class_weight: dict[Any, float] | Literal["balanced"] | None = None,
        privacy: DifferentialPrivacy | None = None,
        public: Public | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: bool | int = 0,
    ) -> None:
        self.preset = preset
        self.metric = metric
        self.categories = categories
        self.n_bags = n_bags
        self.refit = refit
        self.epochs = epochs
        self.time_limit = time_limit
        self.class_weight = class_weight
        self.privacy = privacy
        self.public = public
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None, validation_set: Any = None
    ) -> TabularClassifier:
        """Train on a table.

        Parameters
        ----------
        X : pandas, polars or pyarrow table, or array-like of shape (n_samples, n_features)
            Numbers, NaN where they are missing; text, categories and dates in data frames and arrays of objects.
        y : array-like of shape (n_samples,)
            A class for each row.
        sample_weight : array-like of shape (n_samples,) or None, default None
            Weight of each row.
        groups : array-like of shape (n_samples,) or None, default None
            Rows of the same group are held out together.
        validation_set : tuple (X, y) or None, default None
            Rows to choose by, instead of a part of these; without n_bags and groups.

        Returns
        -------
        TabularClassifier
            This estimator.

        Raises
        ------
        TypeError, ValueError
            If X or y cannot be used.
        """
        if self.privacy is not None:
            self._fit_privately(X, y, sample_weight, {"groups": groups, "validation_set": validation_set})
            return self
        X = self._as_table(X, reset=True)
        labels = column_or_1d(self._plain(y), warn=True)
        check_classification_targets(labels)
        X, labels, weights, groups = self._counting_rows(X, labels, sample_weight, groups)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"Classifier can't train when only one class is present: y has {self.classes_[0]!r} alone."
            )
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, labels)
            weights = of_class if weights is None else weights * of_class
        metric = self._check_metric(choose_metric(numbers, len(self.classes_))[0])
        validation = None
        if validation_set is not None:
            held_out = column_or_1d(self._plain(validation_set[1]))
            known = np.isin(held_out, self.classes_)
            if not known.all():
                unknown = held_out[~known].tolist()[0]
                raise ValueError(f"validation_set has the class {unknown!r}, which y lacks; expected classes of y.")
            validation = validation_set[0], np.searchsorted(self.classes_, held_out)
        self._fit_table(X, numbers, len(self.classes_), weights, groups, validation, metric)
        return self

    @property
    def temperature_(self) -> float:
        """By which the logits of all networks were divided."""
        check_is_fitted(self)
        return self._table.record.temperature

    def _learn_targets(self, y: Any) -> tuple[Array, int]:
        labels = column_or_1d(self._plain(y))
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("public has one class; expected all classes that there can be, two or more.")
        return numbers, len(self.classes_)

    def _read_targets(self, y: Any) -> Array:
        labels = column_or_1d(self._plain(y))
        if not np.isin(labels, self.classes_).all():
            raise ValueError("y has a class that public lacks")
        numbers: Array = np.searchsorted(self.classes_, labels)
        return numbers

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (n_samples, n_classes)."""
        return self._predicted(X)

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row, (n_samples,)."""
        numbers = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[numbers])

    def _about(self) -> dict[str, Any]:
        return {**super()._about(), "classes": [self.classes_.tolist(), self.classes_.dtype.str]}

    def _restore(self, about: dict[str, Any]) -> None:
        values, dtype = about["classes"]
        self.classes_ = np.array(values, dtype=object if dtype.endswith("O") else dtype)


class TabularRegressor(RegressorMixin, BaseTabular):
    """Numbers from a raw table: numbers with gaps, text, categories, dates; an ensemble of dense networks.

    The rows are in four folds, each held out once. For each a network is trained on the other three, by an encoding of
    its own, with the rows held out to choose its best epoch; the mean of the four is predicted. Linear models beside
    the networks have the share of the prediction that is best for the rows held out. A prediction is never far
    beyond the targets seen.

    Parameters
    ----------
    preset : {"fast", "default", "best"}, default "default"
        "fast" is one network, trained for half as long, or four of up to 4,000 rows; "best" is six networks of each of
        eight folds, of one to three layers, which have the weights that are best on rows held out: about sixteen
        times the time.
    metric : {"auto", "rmse", "mae"}, default "auto"
        What decides which epoch is best; "auto" is "rmse".
    categories, n_bags, refit, epochs, time_limit, privacy, public, n_threads, random_state, verbose
        As for ``TabularClassifier``.

    Attributes
    ----------
    n_features_in_, feature_names_in_, n_members_, is_constant_, privacy_, evals_
        As for ``TabularClassifier``.
    feature_importances_ : ndarray of shape (n_features_in_,)
        How much the squared error of rows held out grows when a column is shuffled (the absolute one for
        metric="mae"), in units of the targets' deviation; computed when first asked for.
    target_form_ : {"plain", "log", "poisson"}
        Whether the numbers, their logarithms or the means of counts were learned: the best of these on rows held out,
        where the targets are positive with a few large ones, or counts.

    Examples
    --------
    >>> import numpy as np
    >>> from fastbp.sklearn import TabularRegressor
    >>> X = np.linspace(0, 1, 200).reshape(-1, 1)
    >>> model = TabularRegressor(preset="fast", random_state=0).fit(X, X[:, 0] ** 2)
    >>> low, high = model.predict_interval([[0.5]], coverage=0.9)
    >>> bool(low[0] < model.predict([[0.5]])[0] < high[0])
    True
    """

    _metrics = NUMBER_METRICS
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {**BaseTabular._parameter_constraints, "metric": [str]}

    def __init__(
        self,
        *,
        preset: PresetName = "default",
        metric: str = "auto",
        categories: Literal["auto"] | Sequence[str | int] = "auto",
        n_bags: int | None = None,
        refit: bool = False,
        epochs: int | Literal["auto"] = "auto",
        time_limit: float | None = None,
        privacy: DifferentialPrivacy | None = None,
        public: Public | None = None,
        n_threads: int | None = None,
        random_state: Any = None,
        verbose: bool | int = 0,
    ) -> None:
        self.preset = preset
        self.metric = metric
        self.categories = categories
        self.n_bags = n_bags
        self.refit = refit
        self.epochs = epochs
        self.time_limit = time_limit
        self.privacy = privacy
        self.public = public
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, groups: Any = None, validation_set: Any = None
    ) -> TabularRegressor:
        """Train on a table.

        Parameters
        ----------
        X : pandas, polars or pyarrow table, or array-like of shape (n_samples, n_features)
            As for ``TabularClassifier.fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight, groups, validation_set
            As for ``TabularClassifier.fit``.

        Returns
        -------
        TabularRegressor
            This estimator.

        Raises
        ------
        TypeError, ValueError
            If X or y cannot be used.
        """
        if self.privacy is not None:
            self._fit_privately(X, y, sample_weight, {"groups": groups, "validation_set": validation_set})
            return self
        X = self._as_table(X, reset=True)
        numbers = self._numbers(y)
        self._single = numbers.shape[1] == 1
        X, numbers, weights, groups = self._counting_rows(X, numbers, sample_weight, groups)
        validation = None
        if validation_set is not None:
            held_out = self._numbers(validation_set[1])
            if held_out.shape[1] != numbers.shape[1]:
                of_others = counted(held_out.shape[1], "column")
                raise ValueError(f"y of validation_set has {of_others} and y {numbers.shape[1]}; expected as many.")
            validation = validation_set[0], held_out
        self._fit_table(X, numbers, 0, weights, groups, validation, self._check_metric("rmse"))
        return self

    @property
    def target_form_(self) -> str:
        """How the targets were learned: "plain", "log" (their logarithms), or "poisson" (counts and their means)."""
        check_is_fitted(self)
        targets = self._table.targets
        return targets.form if isinstance(targets, NumberTargets) else "plain"

    def _learn_targets(self, y: Any) -> tuple[Array, int]:
        numbers = self._numbers(y)
        self._single = numbers.shape[1] == 1
        return numbers, 0

    def _read_targets(self, y: Any) -> Array:
        return self._numbers(y)

    def _numbers(self, y: Any) -> Array:
        """Return targets as (n_rows, n_outputs)."""
        array = self._plain(y)
        if array.ndim == 2 and array.shape[1] == 1:
            array = column_or_1d(array, warn=True)
        return number_targets(array, "y")

    def predict(self, X: Any) -> Array:
        """Return the prediction for each row, (n_samples,) or (n_samples, n_outputs)."""
        predicted = self._predicted(X)
        return predicted[:, 0] if self._single else predicted

    @underflows_to_zero
    def predict_interval(self, X: Any, coverage: float = 0.9) -> tuple[Array, Array]:
        """Return the ends of an interval around each prediction that has the target with this probability.

        Its width is that of the errors on rows that were held out (split-conformal prediction: Vovk et al., 2005), the
        same for every row. With folds or ``refit`` the networks that predict have seen more rows than those errors'.

        Parameters
        ----------
        X : as for ``predict``
        coverage : float, default 0.9
            Above 0 and below 1.

        Returns
        -------
        low, high : ndarray of the shape of ``predict(X)``
        """
        if not (isinstance(coverage, Real) and 0 < coverage < 1):
            raise ValueError(sentence("coverage", coverage, "a number above 0 and below 1"))
        predicted = self._predicted(X)
        if self.privacy_ is not None:
            raise ValueError("predict_interval needs errors of rows held out, which private training has not.")
        width = self._table.half_width(float(coverage))
        low, high = predicted - width, predicted + width
        return (low[:, 0], high[:, 0]) if self._single else (low, high)

    def _about(self) -> dict[str, Any]:
        return {**super()._about(), "single": self._single}

    def _restore(self, about: dict[str, Any]) -> None:
        self._single = bool(about["single"])
