"""A model's network alone: from the numbers that its first layer reads to the outputs that are explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.overflow import finite
from fastbp.explanations.prepared import features_of
from fastbp.explanations.questions import Question
from fastbp.explanations.subjects import Subject
from fastbp.explanations.twins import refuse_members
from fastbp.layers.tabular import Tabular
from fastbp.models.feed import Feed
from fastbp.models.model import Model
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Network"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


class Network:
    """A model behind its preparation and its tables of codes.

    Parameters
    ----------
    subject : Subject
    output : {"logit", "prediction"}
    n_threads : int or None

    Attributes
    ----------
    model : Model
        It takes the first layer's inputs, and has the outputs that are explained, in the targets' units.
    names : tuple of str
        Of the inputs.
    columns : int64 ndarray of shape (n_inputs,)
        The user's column that each input is made of.

    Raises
    ------
    ValueError
        If it is not a single network, or one of members.
    """

    def __init__(self, subject: Subject, output: str, n_threads: int | None = None) -> None:
        features = features_of(subject)
        self._subject, self._features, self._n_threads = subject, features, n_threads
        bare = features.network("logit" if output == "logit" else "prediction")
        refuse_members(bare)
        tables = bare.inputs
        self._tables: list[Array] = []
        self.names, self.columns, self.model = features.names, features.columns, bare
        if isinstance(tables, Tabular):
            weights = bare.get_weights()
            self._tables = weights[: len(tables.categories)]
            self.model = Model(bare.layers, inputs=tables.n_features, dtype=bare.dtype)
            self.model.adopt(Feed(tables.n_features, bare.feed.preparation, bare.dtype))  # of the targets, if any
            self.model.set_weights(weights[len(tables.categories) :])
            self.columns = np.repeat(features.columns, [1] * tables.numeric + list(tables.dims))
            self.names = tuple(
                name if j < tables.numeric else f"{name}[{i}]"
                for j, name in enumerate(features.names)
                for i in range(1 if j < tables.numeric else tables.dims[j - tables.numeric])
            )
        n_columns = len(subject.columns)
        self._has_a_column_each = len(self.columns) == n_columns and bool((self.columns == np.arange(n_columns)).all())

    def inputs(self, rows: Array) -> Array:
        """Return what the first layer reads of rows, (n_rows, n_inputs), in the model's dtype."""
        features = self._features.of(rows)
        if not self._tables:
            return features.astype(self.model.dtype, copy=False)
        n_numbers = features.shape[1] - len(self._tables)
        vectors = []
        for table, codes in zip(self._tables, features[:, n_numbers:].astype(self.model.dtype).T, strict=True):
            with np.errstate(invalid="ignore"):
                known = (codes >= 0) & (codes < len(table) - 1) & (codes == np.floor(codes))
            vectors.append(table[np.where(known, codes, len(table) - 1).astype(np.int64)])
        return np.concatenate([features[:, :n_numbers].astype(self.model.dtype), *vectors], axis=1)

    @underflows_to_zero
    def gradients(self, question: Question, inputs: Array, numbers: NDArray[np.int64]) -> list[Array]:
        """Return the gradient of each answer with respect to the inputs, an array (n, n_inputs) for each.

        Raises
        ------
        DivergenceError
            If they, or outputs that they depend on, are not finite.
        """
        model, n_threads = self.model, self._n_threads
        if question.names is not None:
            jacobian = finite(model.jacobian(inputs, n_threads=n_threads), "the gradients")
            return [jacobian[:, i] for i in range(jacobian.shape[1])]
        outputs = np.zeros((len(inputs), model.n_outputs))
        if not question.is_linear:
            outputs = finite(model.predict_read(inputs, n_threads), "the model's outputs").astype(np.float64)
        slopes = question.slopes(outputs, numbers)
        return [finite(model.vjp(inputs, each, n_threads=n_threads)[1], "the gradients") for each in slopes]

    def by_column(self, values: Floats) -> Floats:
        """Return sums over the inputs made of the same column: (n, n_inputs, ...) to (n, n_columns, ...)."""
        if self._has_a_column_each:
            return values
        sums = np.zeros((len(values), len(self._subject.columns), *values.shape[2:]))
        for place, column in enumerate(self.columns):
            sums[:, column] += values[:, place]
        return sums

    def last_by_column(self, values: Array) -> Array:
        """Return the same sums where the inputs are the last axis, in the values' dtype."""
        if self._has_a_column_each:
            return values
        sums = np.zeros((*values.shape[:-1], len(self._subject.columns)), values.dtype)
        for place, column in enumerate(self.columns):
            sums[..., column] += values[..., place]
        return sums

    def slopes_by_column(self, rows: Array, slopes: Floats) -> Floats:
        """Return slopes by the inputs, (n, n_inputs, n_answers), as slopes by the user's columns at these rows.

        A value that was filled in has no influence: its slope is 0.

        Raises
        ------
        ValueError
            If a column holds categories.
        """
        return self._features.slopes_by_column(rows, slopes)
