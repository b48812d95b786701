"""A model as a function of its network's own inputs: what the preparation, and the tables of codes, make of X."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.subjects import ModelSubject, Subject
from fastbp.explanations.twins import logits_of_mean, mixes_probabilities, twin
from fastbp.layers.tabular import Tabular
from fastbp.models.model import Model
from fastbp.preparation.learned import Learned
from fastbp.preparation.slopes import slopes_of
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Featured", "Features", "NetworkFeatures", "features_of"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


class NetworkFeatures(Protocol):
    """What a network reads of the user's rows, and the network itself.

    Attributes
    ----------
    names : tuple of str
    columns : int64 ndarray of shape (n_features,)
        The column of each.
    """

    names: tuple[str, ...]
    columns: NDArray[np.int64]

    def of(self, rows: Array) -> Array:
        """Return the features of rows, (n_rows, n_features)."""

    def network(self, output: Literal["logit", "prediction"]) -> Model:
        """Return a model that takes the features, and has the outputs that are explained, in the targets' units."""

    def slopes_by_column(self, rows: Array, slopes: Floats) -> Floats:
        """Return slopes by the features, (n, n_features, n_answers), as slopes by the user's columns at these rows.

        A value that was filled in has no influence: its slope is 0.
        """


@runtime_checkable
class Featured(Protocol):
    """A subject that is no model and is one network all the same."""

    def features(self) -> NetworkFeatures:
        """Return what the network reads."""


def features_of(subject: Subject) -> NetworkFeatures:
    """Return what the network of a subject reads of the user's rows.

    Raises
    ------
    ValueError
        If it is not a single network.
    """
    if isinstance(subject, ModelSubject) or not isinstance(subject, Featured):  # to look for the latter takes longer
        return Features(subject)
    return subject.features()


class Features:
    """The features that a model's preparation makes of the user's columns.

    Parameters
    ----------
    subject : Subject

    Attributes
    ----------
    names : tuple of str
    columns : int64 ndarray of shape (n_features,)
        The column of each.

    Raises
    ------
    ValueError
        If it is not a single network.
    """

    def __init__(self, subject: Subject, n_threads: int | None = None) -> None:
        if not isinstance(subject, ModelSubject):
            raise ValueError(
                "columns is 'prepared' and the model is an estimator of several networks with inputs of their own; "
                "expected columns='original'."
            )
        self._subject, self._model, self._n_threads = subject, subject.model, n_threads
        preparation = self._model.feed.preparation
        learned = None if preparation is None else preparation.inputs
        if learned is None:
            self.names, self.columns = subject.columns, np.arange(len(subject.columns))
        else:
            self.names = tuple(feature_names(learned, subject.columns))
            self.columns = np.array([column for column, _ in learned.features])
        self._learned = learned
        self._twins: dict[str, Model] = {}

    def of(self, rows: Array) -> Array:
        """Return the features of rows, (n_rows, n_features)."""
        own = self._subject.own(rows)
        return own if self._learned is None else self._learned.apply(own, self._model.dtype)

    def network(self, output: Literal["logit", "prediction"]) -> Model:
        """Return the model behind its preparation."""
        if output not in self._twins:
            self._twins[output] = twin(self._model, output, prepared=True)
        return self._twins[output]

    def slopes_by_column(self, rows: Array, slopes: Floats) -> Floats:
        """Return slopes by the features as slopes by the user's columns at these rows.

        Raises
        ------
        ValueError
            If a column holds categories.
        """
        if isinstance(self._model.inputs, Tabular):
            raise ValueError(
                "a column of X holds categories, by which nothing can be differentiated; expected numbers in all "
                "columns. Pass columns='prepared' for slopes by the numbers that the first layer reads."
            )
        if self._learned is None:
            return np.where(np.isnan(rows)[:, :, np.newaxis], 0.0, slopes)
        try:
            found = slopes_of(self._learned, self._subject.own(rows), "X")
        except ValueError as error:
            said = str(error).replace("space='prepared' for derivatives", "columns='prepared' for slopes")
            raise ValueError(said) from None
        return found.to_columns(slopes.swapaxes(1, 2)).swapaxes(1, 2)

    @underflows_to_zero
    def outputs(self, features: Array, output: str) -> Floats:
        """Return what the model says of features, (n_rows, n_outputs)."""
        is_of_mean = output == "logit" and mixes_probabilities(self._model)
        model = self.network("logit" if output == "logit" and not is_of_mean else "prediction")
        found = model.predict_read(features, self._n_threads)
        return logits_of_mean(model, found) if is_of_mean else found.astype(np.float64)


def feature_names(learned: Learned, columns: Sequence[str]) -> list[str]:
    """Return a name for each feature: the column's, with the category or "missing" where it stands for that."""
    return [_feature_name(columns[j], learned.texts.get(j), steps) for j, steps in learned.features]


def _feature_name(column: str, texts: Sequence[str] | None, steps: Sequence[tuple[Any, ...]]) -> str:
    kind, *numbers = steps[-1] if steps else ("",)
    if kind == "missing":
        return f"{column} missing"
    if kind != "equals":
        return column
    return f"{column}={numbers[0]:g}" if texts is None else f"{column}={texts[int(numbers[0])]}"
