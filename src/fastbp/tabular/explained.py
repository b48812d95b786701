"""A fitted table as what ``fb.explain`` explains: its prediction as a function of the user's columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.classes import Classes
from fastbp.data.named_rows import named_rows
from fastbp.explanations.subjects import Subject, codes_known, in_words, moments_learned
from fastbp.tabular.explained_members import MemberSubject
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.targets import ClassTargets

__all__ = ["TableSubject"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_LEAST = np.finfo(np.float64).tiny  # of a probability whose logarithm is taken


class TableSubject(Subject):
    """The mean of a table's networks.

    A row has the user's columns in their order: numbers, and codes of categories. The logit of a class is the logarithm
    of its mean probability; for methods that look into networks, each network has its own.

    Parameters
    ----------
    fitted : FittedTable
    n_threads : int or None
    classes : Classes or None
        None for numbers.
    """

    def __init__(self, fitted: FittedTable, n_threads: int | None, classes: Classes | None) -> None:
        reader = fitted.reader
        self._fitted, self._n_threads, self._learned = fitted, n_threads, reader.learned
        self._order = np.array([column for column, _ in reader.learned.features])  # of the table that the reader makes
        self.moments = moments_learned(self._learned)
        self.columns = tuple(map(str, range(reader.n_columns) if reader.names is None else reader.names))
        self.classes, self.n_outputs = classes, fitted.targets.n_outputs
        self.activation = fitted.targets.activation
        self.output_names = list(range(self.n_outputs)) if classes is None else classes.to_config()

    def parts(self, by_answers: bool) -> list[tuple[Subject, float]]:
        """Return the whole for methods that ask for answers only, else the networks."""
        if by_answers:
            return [(self, 1.0)]
        return [
            (MemberSubject(self, member, self._fitted, self._order), share) for member, share in self._fitted.shares
        ]

    def read(self, X: Any, argument: str) -> Array:
        """Return rows as numbers and codes, in the order of the user's columns."""
        named = named_rows(X, self._learned.names, argument)
        try:
            table = self._fitted.reader.read(X if named is None else named)
        except (TypeError, ValueError) as error:  # which calls the rows X
            raise error if argument == "X" else type(error)(f"in {argument}, {error}") from None
        rows = np.empty_like(table)
        rows[:, self._order] = table
        return rows

    def outputs(self, rows: Array, output: str) -> Floats:
        """Return probabilities or their logarithms, or numbers."""
        found = self._fitted.predict_table(rows[:, self._order], self._n_threads)
        is_log = output == "logit" and isinstance(self._fitted.targets, ClassTargets)
        return np.log(np.maximum(found, _LEAST)) if is_log else found

    def shown(self, rows: Array) -> Array:
        """Return rows as a user reads them: text where the column has text, and dates where it has dates."""
        missing = {j: float(len(texts)) for j, texts in self._learned.texts.items()}
        shown = rows.copy()
        for j, code in missing.items():
            shown[rows[:, j] == code, j] = np.nan
        return in_words(shown, self._learned.texts, self.moments)

    def usual(self) -> Floats:
        """Return the medians that the encoding of numbers has learned, and the commonest categories."""
        encoding = next(iter(self._fitted.encodings.values()))
        values = np.full(len(self._order), np.nan)
        n_numbers = self._fitted.reader.n_numbers
        values[self._order[:n_numbers]] = [number.centre for number in encoding.numbers]
        for column in self._order[n_numbers:].tolist():
            known, commonest = codes_known(self._learned, column), self._learned.commonest.get(column)
            if known is None or commonest is None:
                return super().usual()  # of a file of version 0.1.0, or a column without values
            values[column] = float(np.searchsorted(known, commonest))
        return values

    def values_of(self, j: int) -> Floats | None:
        """Return the codes of all categories that are known of a column."""
        known = codes_known(self._learned, j)
        return None if known is None else np.arange(len(known), dtype=np.float64)
