"""The columns of a table, read as a model learned them: whether a file can be predicted does not depend on its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import fastbp as fb
from fastbp.commands.csv_files import with_gaps
from fastbp.commands.errors import CommandError
from fastbp.commands.tables import Table
from fastbp.data.columns import read_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_learned", "text_columns"]


def text_columns(model: fb.Model) -> set[str]:
    """Return the columns that the model learned as categories, or as text that writes numbers or moments."""
    learned = _learned(model)
    if learned is None or learned.names is None:
        return set()
    written = [j for j, writing in learned.writings.items() if writing.example]
    return {str(learned.names[j]) for j in (*learned.texts, *written)}


def as_learned(model: fb.Model, table: Table) -> pd.DataFrame:
    """Return the columns that the model takes.

    Raises
    ------
    CommandError
        If the table lacks one, or a cell is not what the model learned from; its row is named, counted from 1.
    """
    learned = _learned(model)
    if learned is None or learned.names is None:
        return table.frame
    missing = [name for name in learned.names if name not in table.frame.columns]
    if missing:
        listed = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise CommandError(
            f"{table.name!r} has no column {listed}; expected all {len(learned.names)} that the model was trained on"
        )
    columns: dict[str, Any] = {}
    for j, name in enumerate(map(str, learned.names)):
        column = table.frame[name]
        if j not in learned.texts:
            column = _as_numbers(column, learned.writings.get(j), name, table.name)
        columns[name] = column
    return table.frame[[]].assign(**columns)


def _learned(model: fb.Model) -> Any:
    return None if model.feed.preparation is None else model.feed.preparation.inputs


def _as_numbers(column: pd.Series, writing: Any, name: str, source: str) -> pd.Series:
    """Return a column of which the model learned numbers or moments."""
    if not _is_text(column):
        return column
    if writing is None:
        column = with_gaps(column)
        if not _is_text(column):
            return column
    for place, text in enumerate(column.tolist()):
        if isinstance(text, str) and (_is_no_number(text) if writing is None else writing.read(text) is None):
            expected = "a number" if writing is None else f"{writing.what} such as {writing.example or '2023-01-05'!r}"
            raise CommandError(
                f"{source!r}: row {column.index[place] + 1}, column {name!r} is {text!r}; expected {expected}, as the "
                "model was trained on. Correct it, or leave the cell empty."
            )
    return column if writing is not None else column.astype(float)


def _is_text(column: pd.Series) -> bool:
    return column.dtype.kind not in "iufbmM" and read_column(column).is_text


def _is_no_number(text: str) -> bool:
    try:
        return not np.isfinite(float(text))
    except ValueError:
        return True
