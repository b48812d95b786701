"""The section about the held-out rows with the largest losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.commands.outcome import Outcome
from fastbp.commands.report import markup
from fastbp.commands.report.rows import log_losses, worst_rows
from fastbp.commands.words import figure, percent, shortened
from fastbp.explanations.cells import plainly

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["row_section"]

_MOST_COLUMNS = 4


def row_section(outcome: Outcome, columns: Sequence[str]) -> str:
    """Return the ten worst rows, with some of their columns.

    Parameters
    ----------
    outcome : Outcome
    columns : sequence of str
        Names of columns, the most telling first.
    """
    task, outputs = outcome.task, outcome.outputs
    y = task.y[outcome.test_rows]
    is_class = task.kind == "class"
    losses = log_losses(y, outputs) if is_class else np.abs(outputs[:, 0] - y)
    places = worst_rows(losses)
    shown = [str(name) for name in columns[:_MOST_COLUMNS]]
    head = {"row": True, "true": not is_class, "predicted": not is_class}
    head |= {"probability of the true": True} if is_class else {"predicted - true": True}
    names = {shortened(name, 24): _is_number(task.X[name]) for name in shown}
    values = task.X.iloc[outcome.test_rows[places]]
    rows = []
    for i, place in enumerate(places):
        cells = [f"{values.index[i] + 1:,}", *_answers(outcome, int(place), y[place])]
        rows.append(cells + [show_value(values[name].iloc[i]) for name in shown])
    said = "The held-out rows with the largest losses. Rows are counted from 1, after the header: wrong entries and "
    said += "cases unlike all others are found here."
    return markup.section("Worst rows", markup.paragraph(said, quiet=True), markup.table(head | names, rows))


def _answers(outcome: Outcome, place: int, truth: Any) -> list[str]:
    """Return the true and the predicted answer of a held-out row, and how far they are apart."""
    classes, output = outcome.task.classes, outcome.outputs[place]
    if outcome.task.kind == "regression":
        return [figure(float(truth)), figure(float(output[0])), figure(float(output[0] - truth))]
    return [shortened(classes[truth], 30), shortened(classes[output.argmax()], 30), percent(float(output[truth]))]


def _is_number(column: pd.Series) -> bool:
    """Return whether a column stands at the right, and is not folded: of numbers, or dates."""
    return column.dtype.kind in "iufM"


def show_value(value: Any) -> str:
    """Return what stands in a row of a column; nothing for a gap."""
    import pandas

    if pandas.isna(value):
        return ""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return figure(float(value))
    return shortened(plainly(value), 30)
