"""From an estimator's data to its network's outputs; coefs_ and intercepts_ are the network's own memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from fastbp.data.blocks import BLOCK_ROWS
from fastbp.data.classes import check_classes
from fastbp.data.sparse import checked_sparse, is_sparse
from fastbp.engine.array_reader import is_finite
from fastbp.models.model import Model
from fastbp.sklearn.networks import (
    linked_arrays,
    model_of_arrays,
)
from fastbp.sklearn.objectives import objective_named
from fastbp.sklearn.parallelism import threads_for
from fastbp.sklearn.parameters import MLPParameters
from fastbp.support.precision import MIXED

if TYPE_CHECKING:
    from fastbp.explanations.subjects import Subject

__all__ = ["FittedNetwork", "flattened"]

Array = NDArray[Any]


class FittedNetwork(MLPParameters):
    """A fitted estimator: a model, the arrays linked to it, and its outputs."""

    _target_checks: ClassVar[dict[str, Any]] = {}

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        # scikit-learn adds up all of X, on one thread, which takes a twentieth of a short fit.
        is_checked = type(X) is np.ndarray and is_finite(X, threads_for(self.n_threads))
        return validate_data(  # type: ignore[no-any-return]
            self,
            _followed(X),
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=(np.float64, np.float32),
            reset=reset,
            ensure_all_finite=not is_checked and self._must_be_finite(),
            **self._target_checks,
        )

    def _as_rows(self, X: Any, learn: bool = False) -> Any:
        """Return validated data unchanged, or dense with missing values replaced by the medians of the first fit."""
        if self.missing == "error":
            return X
        rows = checked_sparse(X, "X").toarray() if is_sparse(X) else X
        if learn or not hasattr(self, "imputer_"):
            self.imputer_ = SimpleImputer(strategy="median", keep_empty_features=True).fit(rows)
        return np.asarray(self.imputer_.transform(rows))

    def _link(self, model: Model) -> None:
        """Set the estimator's model, with coefs_ and intercepts_ that are its own memory."""
        self._model = model
        self._made_with = (self.activation, self.dropout, self.out_activation_)
        self.coefs_, self.intercepts_ = linked_arrays(model)
        self._links = [*self.coefs_, *self.intercepts_]

    def _current_model(self) -> Model:
        """Return the model; it is made again if a user has put other arrays into coefs_ or intercepts_."""
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
        """Return the network's outputs for data, (n_samples, n_outputs)."""
        if not self._is_plain(X):
            check_is_fitted(self)
            must_be_finite = self._must_be_finite()
            X = validate_data(
                self, _followed(X), accept_sparse=["csr", "csc"], reset=False, ensure_all_finite=must_be_finite
            )
        model, n_threads = self._current_model(), threads_for(self.n_threads)
        parts = _blocks(X) if self.missing == "impute" and is_sparse(X) else [X]
        precision = MIXED if self.compute_dtype == MIXED else None
        blocks = [model.predict(self._as_rows(part), n_threads, precision=precision) for part in parts]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def __explained__(self) -> Subject:
        """Return this as ``fb.explain`` takes it."""
        from fastbp.sklearn.explained_network import NetworkSubject  # for explanations only

        check_is_fitted(self)
        model, labels = self._current_model(), getattr(self, "classes_", np.empty(0))
        names = getattr(self, "feature_names_in_", range(model.n_inputs))
        is_told = len(labels) == model.n_outputs > 1 or (len(labels) == 2 and model.n_outputs == 1)
        fills = self.missing == "impute"
        return NetworkSubject(
            model,
            threads_for(self.n_threads),
            tuple(map(str, names)),
            check_classes(labels.tolist(), model.n_outputs) if is_told else None,
            lambda X: validate_data(self, X, reset=False, ensure_all_finite=self._must_be_finite()),
            self._as_rows if fills else None,
            self.imputer_.statistics_ if fills else None,
        )

    def _is_plain(self, X: Any) -> bool:
        """Whether validate_data can be skipped: it takes ten times as long as predicting a row."""
        fitted = self.__dict__
        return (
            type(X) is np.ndarray
            and X.ndim == 2
            and (X.dtype == np.float32 or X.dtype == np.float64)
            and X.shape[1] == fitted.get("n_features_in_")
            and "feature_names_in_" not in fitted
            and len(X) > 0
            and (is_finite(X, threads_for(self.n_threads)) or _has_finite_sum(X))
        )

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "coefs_" in state:
            self._current_model()  # with the arrays that users have put into coefs_
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


def flattened(y: Any) -> Any:
    """Return a single column of targets as a vector, with scikit-learn's warning."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _followed(X: Any) -> Any:
    """Return X; a sparse one with indices that can be followed, as scikit-learn does so without looking at them."""
    return checked_sparse(X, "X", own=False) if is_sparse(X) else X


def _has_finite_sum(X: Array) -> bool:
    """Whether the sum shows that all numbers are finite; if it overflows they may still be finite."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(X.sum()))


def _blocks(X: Any) -> Iterator[Any]:
    """Yield a sparse matrix BLOCK_ROWS rows at a time."""
    rows = X.tocsr()
    for start in range(0, rows.shape[0], BLOCK_ROWS):
        yield rows[start : start + BLOCK_ROWS]
