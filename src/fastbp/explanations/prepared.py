"""A model as a function of its network's own inputs: what the preparation, and the tables of codes, make of X."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.subjects import ModelSubject, Subject
from fastbp.explanations.twins import twin
from fastbp.preparation.learned import Learned
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Features"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


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
        self._twins = {output: twin(self._model, output, prepared=True) for output in ("logit", "prediction")}

    def of(self, rows: Array) -> Array:
        """Return the features of rows, (n_rows, n_features)."""
        own = self._subject.own(rows)
        return own if self._learned is None else self._learned.apply(own, self._model.dtype)

    @underflows_to_zero
    def outputs(self, features: Array, output: str) -> Floats:
        """Return what the model says of features, (n_rows, n_outputs)."""
        return self._twins[output].predict_read(features, self._n_threads).astype(np.float64)


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
