"""What a function that looks at many rows asks of a model: the rows, and answers for changed ones, blocks at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.questions import Question, question_of
from fastbp.explanations.subjects import Subject, subject_of

__all__ = ["Asked"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MOST_NUMBERS = 2**20  # of the rows that are made at once


class Asked:
    """A model, rows, and a question about them.

    Parameters
    ----------
    model, X, target, output, y, n_threads
        As for ``explain``.

    Attributes
    ----------
    subject : Subject
    rows : ndarray of shape (n, n_columns)
    question : Question
    """

    def __init__(
        self, model: Any, X: Any, target: Any = None, output: str = "prediction", y: Any = None, n_threads: Any = None
    ) -> None:
        self.subject: Subject = subject_of(model, n_threads)
        self.rows = self.subject.read(X, "X")
        self.subject.check(self.rows)
        self.question: Question = question_of(self.subject, self.rows, target, output, y)

    def answers(self, rows: Array, numbers: NDArray[np.int64] | int) -> Floats:
        """Return the answers for rows made of those with these numbers, (n, n_answers)."""
        return self.question.answers(self.subject.outputs(rows, self.question.output), numbers)

    def with_values(self, columns: Sequence[int], values: Array, numbers: NDArray[np.int64] | None = None) -> Floats:
        """Return the answers for rows with each of some values in some columns, (n_values, n, n_answers).

        Many values are predicted at once.

        Parameters
        ----------
        columns : sequence of int
        values : ndarray of shape (n_values, n_columns_changed)
        numbers : int64 ndarray of shape (n,) or None
            The rows; None is all.
        """
        numbers = np.arange(len(self.rows)) if numbers is None else numbers
        rows = self.rows[numbers]
        n, n_columns = rows.shape
        at_once = max(1, _MOST_NUMBERS // (n * n_columns))
        found = []
        for start in range(0, len(values), at_once):
            part = values[start : start + at_once]
            made = np.repeat(rows[np.newaxis], len(part), axis=0)
            for place, column in enumerate(columns):
                made[:, :, column] = part[:, place, np.newaxis]
            answers = self.answers(made.reshape(-1, n_columns), np.tile(numbers, len(part)))
            found.append(answers.reshape(len(part), n, -1))
        return np.concatenate(found)
