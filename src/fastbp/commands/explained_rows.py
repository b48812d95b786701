"""What ``fastbp explain`` finds about rows, and the sentences about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import fastbp as fb
from fastbp.commands.words import figure, shortened
from fastbp.explanations.cells import plainly
from fastbp.support.checks import counted

__all__ = ["ExplainedRow", "Findings"]


class ExplainedRow(NamedTuple):
    """A row of the table.

    Attributes
    ----------
    number : int
        Counted from 1.
    answer : str or None
        The predicted class; None for numbers.
    output : float
        Its probability, or the predicted number.
    other : str or None
        The next probable class.
    changes : dict of str to (object, object), or None
        What would have to change for that class; None where nothing was found, or for numbers.
    """

    number: int
    answer: Any
    output: float
    other: Any
    changes: Mapping[str, tuple[Any, Any]] | None


class Findings(NamedTuple):
    """What is found about rows.

    Attributes
    ----------
    target : str
    explanation : Explanation
    rows : list of ExplainedRow
        In the explanation's order.
    n_behind : int
        How many rows they are compared with.
    """

    target: str
    explanation: fb.Explanation
    rows: Sequence[ExplainedRow]
    n_behind: int

    @property
    def mean_of(self) -> str:
        """What the rows are compared with."""
        return f"mean of {counted(self.n_behind, 'row')}"

    @staticmethod
    def shown(value: Any) -> str:
        """Return a cell as text."""
        if value is None or value != value:
            return "missing"
        return figure(float(value)) if isinstance(value, (int, float, np.number)) else shortened(plainly(value), 30)

    def what_changes(self, row: ExplainedRow) -> str:
        """Return what would have to change for the next probable class."""
        other = shortened(row.other, 30)
        if row.changes is None:
            return f"No change of up to four columns was found for which it would be {other}."
        changes = [
            f"{shortened(name, 40)} were {self.shown(after)} instead of {self.shown(before)}"
            for name, (before, after) in row.changes.items()
        ]
        return f"It would be {other} if {' and '.join(changes)}."
