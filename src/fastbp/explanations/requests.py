"""What an explanation was asked for, so that it can be asked for again: of other rows, or of another model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from fastbp.explanations.options import Options
from fastbp.explanations.questions import OutputQuestion, Question

__all__ = ["Request"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Request:
    """What is to be explained, and how.

    Attributes
    ----------
    method, columns, output : str
        As ``explain`` takes them.
    rows : ndarray of shape (n, n_columns)
        As ``Subject.read`` returns them.
    background : ndarray of shape (n_background, n_columns) or None
    question : Question
    options : Options
    """

    method: str
    columns: str
    output: str
    rows: Array
    background: Array | None
    question: Question
    options: Options

    def take(self, rows: Any) -> Request:
        """Return this for some of the rows: a slice, numbers or booleans."""
        return replace(self, rows=self.rows[rows], question=self.question.take(rows))

    def only(self, number: int) -> Request:
        """Return this for one of all outputs."""
        assert isinstance(self.question, OutputQuestion)
        return replace(self, question=self.question.only(number))
