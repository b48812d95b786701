"""The columns of a table, read as a model learned them: whether a file can be predicted does not depend on its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.commands.csv_files import with_gaps
from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_pandas
from fastbp.commands.outputs import tell
from fastbp.commands.tables import Table
from fastbp.data.columns import read_column
from fastbp.data.frames import check_names
from fastbp.data.writings import Writing
from fastbp.data.written_moments import MomentWriting
from fastbp.data.written_numbers import is_gap
from fastbp.preparation.learned import Learned
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_learned", "keep_writings", "text_columns"]


def keep_writings(learned: Learned | None, writings: Mapping[str, Writing]) -> None:
    """Let what was learned from numbers and moments read the text that wrote them in the table."""
    places = {} if learned is None or learned.names is None else {name: j for j, name in enumerate(learned.names)}
    for name, writing in writings.items():
        if learned is not None and name in places:
            learned.writings[places[name]] = writing


def text_columns(learned: Learned | None) -> set[str]:
    """Return the columns that were learned as categories, or as text that writes numbers or moments."""
    if learned is None or learned.names is None:
        return set()
    written = [j for j, writing in learned.writings.items() if writing.example]
    return {str(learned.names[j]) for j in (*learned.texts, *written)}


def as_learned(learned: Learned | None, table: Table) -> pd.DataFrame:
    """Return the columns that a model takes, by what it learned of them; None: those of the table.

    Raises
    ------
    CommandError
        If the table lacks one, or a cell is not what the model learned from; its row is named, counted from 1.
    """
    if learned is None or learned.names is None:
        return table.frame
    try:
        check_names(list(table.frame.columns), learned.names, repr(table.name), "the model was trained on")
    except ValueError as error:
        raise CommandError(str(error)) from None
    columns: dict[str, Any] = {}
    for j, name in enumerate(map(str, learned.names)):
        column = table.frame[name]
        if j in learned.texts:
            columns[name] = _as_categories(column, learned.texts[j], name)
        else:
            columns[name] = _as_numbers(column, learned.writings.get(j), name, table.name)
    return require_pandas().DataFrame(columns, index=table.frame.index)


def _as_numbers(column: pd.Series, writing: Any, name: str, source: str) -> pd.Series:
    """Return a column of which the model learned numbers or moments."""
    if not _is_text(column):
        wants_moments = isinstance(writing, MomentWriting) and writing.has_days
        if column.notna().any() and (column.dtype.kind == "M") != wants_moments:
            was, expected = ("numbers", "dates or times") if wants_moments else ("dates or times", "numbers")
            raise CommandError(f"{source!r}: column {name!r} holds {was}; expected {expected}, as in training")
        return column
    if writing is None:
        column = with_gaps(column)
        if not _is_text(column):
            return column
        gaps = [
            isinstance(text, str) and is_gap(text) for text in column
        ]  # also where there are no numbers beside them
        column = column.mask(gaps, None)
    for place, text in enumerate(column.tolist()):
        if isinstance(text, str) and (_is_no_number(text) if writing is None else writing.read(text) is None):
            expected = "a number" if writing is None else f"{writing.what} such as {writing.example or '2023-01-05'!r}"
            raise CommandError(
                f"{source!r}: row {column.index[place] + 1}, column {name!r} is {text!r}; expected {expected}, as the "
                "model was trained on. Correct it, or leave the cell empty."
            )
    return column if writing is not None else column.astype(float)


def _as_categories(column: pd.Series, known: Collection[str], name: str) -> pd.Series:
    """Return a column of which the model learned categories, and tell of values that it never saw.

    12.0 is the category 12: a gap in the column makes floats of whole numbers, and pandas writes them so.
    """
    known = set(known)
    texts = column.dropna().astype(str)
    new = texts[~texts.isin(known)]
    whole = new.str.replace(r"^([-+]?\d+)\.0+$", r"\1", regex=True)
    whole = whole[whole.isin(known)]
    unknown = new.drop(whole.index)
    if len(unknown):
        rows = f"{counted(len(unknown), 'row')} of {len(column):,}"
        tell(f"Column {name!r} has values that the model never saw in {rows}, such as {unknown.iloc[0]!r}.")
    return (
        column.astype(object)
        .where(column.notna(), None)
        .mask(column.index.isin(whole.index), whole.reindex(column.index))
    )


def _is_text(column: pd.Series) -> bool:
    return column.dtype.kind not in "iufbmM" and read_column(column).is_text


def _is_no_number(text: str) -> bool:
    try:
        return not np.isfinite(float(text))
    except ValueError:
        return True
