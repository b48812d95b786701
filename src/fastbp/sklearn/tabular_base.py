"""What TabularClassifier and TabularRegressor share: reading, fitting, files, what is known of a fit."""

from __future__ import annotations

import os
from dataclasses import asdict
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastbp.data.arrays import refuse_masked
from fastbp.data.folds import check_groups
from fastbp.data.frames import is_frame
from fastbp.privacy import DifferentialPrivacy, Promise, Public
from fastbp.sklearn.explained import ExplainedTable
from fastbp.sklearn.exported_table import ExportedTable
from fastbp.sklearn.parallelism import threads_for
from fastbp.sklearn.private_table import PrivateTable
from fastbp.support.checks import sentence
from fastbp.support.underflow import underflows_to_zero
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.fitting import Fit
from fastbp.tabular.importances import HeldOut, column_importances, sample_held_out
from fastbp.tabular.learning import Rows, fit_rows, splits_of
from fastbp.tabular.reading import learn_reader
from fastbp.tabular.recipe import PRESETS
from fastbp.tabular.time_budget import TimeBudget

__all__ = ["BaseTabular", "PresetName"]

Array = NDArray[Any]
PresetName = Literal["fast", "default", "best"]


class BaseTabular(PrivateTable, ExplainedTable, ExportedTable, BaseEstimator):
    """What both estimators share."""

    _metrics: ClassVar[tuple[str, ...]] = ()
    _table: FittedTable
    _held_out: HeldOut | None
    _importances: Array | None
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "preset": [StrOptions(set(PRESETS))],
        "categories": [StrOptions({"auto"}), "array-like"],
        "n_bags": [None, Interval(Integral, 2, 100, closed="both")],
        "refit": ["boolean"],
        "epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "time_limit": [None, Interval(Real, 0, None, closed="neither")],
        "privacy": [None, DifferentialPrivacy],
        "public": [None, Public],
        "n_threads": [None, Interval(Integral, 1, 1024, closed="both")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return "_table" in self.__dict__

    @underflows_to_zero
    def _fit_table(
        self, X: Any, y: Array, n_classes: int, weights: Array | None, groups: Any, validation: Any, metric: str
    ) -> None:
        """Read the table, split it, and train."""
        if self.public is not None:
            raise ValueError(sentence("public", self.public, "None without privacy", "All is learned from X and y."))
        self.privacy_ = None
        budget = None if self.time_limit is None else TimeBudget(float(self.time_limit))
        self.__dict__.pop("feature_names_in_", None)
        seed = int(check_random_state(self.random_state).randint(2**31))
        reader, table = learn_reader(X, self.categories if isinstance(self.categories, str) else list(self.categories))
        rows, splits = Rows(table, y, weights, groups), None
        if validation is not None:
            for name, value in (("n_bags", self.n_bags), ("groups", groups)):
                if value is not None:
                    raise ValueError(
                        f"{name} is given and validation_set too; expected one of them: no row of X is held out."
                    )
            rows, splits = rows.and_to_choose_by(reader.read(validation[0]), validation[1])
        fit = Fit(
            preset=PRESETS[self.preset],
            metric=metric,
            epochs=None if self.epochs == "auto" else int(self.epochs),
            refit=bool(self.refit),
            budget=budget,
            n_threads=threads_for(self.n_threads),
            seed=seed,
            progress=bool(self.verbose),
            may_be_constant=self.epochs == "auto",
        )
        splits = splits or splits_of(rows, fit, self.n_bags, n_classes)
        self._table = fit_rows(reader, rows, "auto", fit, splits, n_classes)
        self._held_out = sample_held_out(rows.table, rows.y, splits, seed)
        self._importances = None
        self.n_features_in_ = reader.n_columns
        if reader.names is not None and all(isinstance(name, str) for name in reader.names):
            self.feature_names_in_ = np.array(reader.names, dtype=object)

    def _plain(self, y: Any) -> Array:
        """Return targets as an array; of a frame or a series its values."""
        if y is None:
            name = type(self).__name__
            raise ValueError(f"This {name} estimator requires y to be passed, but the target y is None.")
        refuse_masked(y, "y")
        array = np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y)
        if array.dtype == object and array.ndim == 1 and len(array) and all(isinstance(each, str) for each in array):
            return array.astype(str)
        return array

    def _counting_rows(
        self, X: Any, y: Array, sample_weight: Any, groups: Any
    ) -> tuple[Any, Array, Array | None, Array | None]:
        """Return the rows that count: those whose weight is not 0."""
        if len(X) != len(y):
            raise ValueError(f"X has {len(X)} rows and y {len(y)}; expected as many: a row is a sample.")
        checked = None if groups is None else check_groups(groups, len(y))
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        if weights is not None and not (weights > 0).all():
            rows = np.flatnonzero(weights > 0)
            X, y, weights = _safe_indexing(X, rows), y[rows], weights[rows]
            checked = None if checked is None else checked[rows]
        if len(y) < 2:
            raise ValueError(f"X has n_samples={len(y)} that count; expected 2 at least, to train on and to hold out.")
        return X, y, weights, checked

    def _as_table(self, X: Any, reset: bool) -> Any:
        """Return X as ``learn_reader`` takes it: frames as they are, the rest as scikit-learn checks it."""
        if is_frame(X):
            return X
        refuse_masked(X, "X")
        array = X if hasattr(X, "toarray") else np.asarray(X)
        if array.dtype.kind in "OUS":
            if array.ndim != 2:
                raise ValueError("Expected 2D array, got 1D array instead. Reshape your data.")
            if reset:
                self.n_features_in_ = array.shape[1]
            return array
        checked = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan")
        return checked.astype(np.float64) if checked.dtype.kind == "b" else checked

    @underflows_to_zero
    def _predicted(self, X: Any) -> Array:
        if type(X) is np.ndarray and self._takes_at_once(X):
            return self._table.predict(X, threads_for(self.n_threads))
        check_is_fitted(self)
        return self._table.predict(self._as_table(X, reset=False), threads_for(self.n_threads))

    def _takes_at_once(self, X: Array) -> bool:
        """Return whether an array of numbers needs none of scikit-learn's checks, which take longer than a row does."""
        known = self.__dict__
        return (
            X.dtype.kind == "f"
            and X.ndim == 2
            and "_table" in known
            and "feature_names_in_" not in known
            and X.shape[1] == known.get("n_features_in_")
            and X.shape[0] > 0
        )

    def _check_metric(self, auto: str) -> str:
        if self.metric == "auto":
            return auto
        if self.metric not in self._metrics:
            names = ", ".join(map(repr, ("auto", *self._metrics)))
            raise ValueError(sentence("metric", self.metric, f"one of {names}"))
        return str(self.metric)

    @property
    def evals_(self) -> dict[str, dict[str, list[float]]]:
        """The figures of each network by epoch, "val_..." on the rows held out: ``evals_[network][figure][epoch]``."""
        check_is_fitted(self)
        return {course.name: {k: list(v) for k, v in course.figures.items()} for course in self._table.courses}

    @property
    def feature_importances_(self) -> Array:
        """How much worse rows held out are predicted when a column is shuffled, (n_features_in_,).

        The log loss, or for numbers the squared error (the absolute one for metric="mae") in units of the targets'
        deviation, grows by so much. Each of up to 2,000 rows is predicted by the networks that were not trained on it;
        with ``refit`` by those that predict, which were. Computed when first asked for, in seconds, and kept.

        Raises
        ------
        AttributeError
            If the estimator was loaded from a file that was saved before they were asked for: it holds no rows.
        """
        check_is_fitted(self)
        if self._importances is None:
            if self.privacy_ is not None:
                raise AttributeError(
                    "feature_importances_ is not known: private training holds no rows out. Call "
                    "fb.permutation_importance with public rows."
                )
            if self._held_out is None:
                raise AttributeError(
                    "feature_importances_ is not known: files hold no rows to compute it from. Ask for it before save."
                )
            table, threads = self._table, threads_for(self.n_threads)
            self._importances = column_importances(table, self._held_out, table.record.metric, threads)
        return self._importances

    @property
    def is_constant_(self) -> bool:
        """Whether all rows are predicted alike, as a constant was hardly worse on rows held out."""
        check_is_fitted(self)
        return self._table.record.is_constant

    @property
    def n_members_(self) -> int:
        """The number of networks, and of linear models beside them, of which a mean is predicted."""
        check_is_fitted(self)
        return len(self._table.members)

    def _about(self) -> dict[str, Any]:
        """Return what a file holds beside the networks."""
        parameters = self.get_params()
        if not isinstance(parameters["random_state"], (int, type(None))):
            parameters["random_state"] = None
        parameters.pop("public")  # what was learned of these rows is in the reader
        privacy = parameters.pop("privacy")
        promise = None if self.privacy_ is None else self.privacy_.to_config()
        settings = None if privacy is None else asdict(privacy)
        names = getattr(self, "feature_names_in_", None)
        return {
            "estimator": type(self).__name__,
            "parameters": parameters,
            "privacy": None if promise is None else {"settings": settings, "promise": promise},
            "n_features_in": self.n_features_in_,
            "feature_names_in": None if names is None else list(names),
            "importances": None if self._importances is None else self._importances.tolist(),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a safetensors file; no pickle.

        Raises
        ------
        OSError
            If the file cannot be written.
        TypeError
            If a parameter is not plain data.
        """
        check_is_fitted(self)
        self._table.save(path, self._about())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the estimator that ``save`` wrote.

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If ``save`` of this class did not write it, or it was altered.
        """
        table, about = FittedTable.load(path)
        if about["estimator"] != cls.__name__:
            raise ValueError(f"{os.fspath(path)!r} holds a {about['estimator']}; expected a {cls.__name__}.")
        known = about.get("privacy")
        settings = None if known is None else known["settings"]  # None: privacy was set to None after the fit
        privacy = None if settings is None else DifferentialPrivacy(**settings)
        estimator = cls(**about["parameters"], privacy=privacy)
        estimator.privacy_ = None if known is None else Promise.from_config(known["promise"])
        estimator._table = table
        estimator._held_out = None
        importances = about.get("importances")
        estimator._importances = None if importances is None else np.array(importances)
        estimator.n_features_in_ = about["n_features_in"]
        if about["feature_names_in"] is not None:
            estimator.feature_names_in_ = np.array(about["feature_names_in"], dtype=object)
        estimator._restore(about)
        return estimator

    def _restore(self, about: dict[str, Any]) -> None:
        """Set what only one of the estimators has."""
