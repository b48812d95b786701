"""The rows of another file, to score on: ``fastbp train --test``. They are read before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.cells import refuse_infinite
from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_pandas
from fastbp.commands.learned_columns import as_learned, keep_writings, text_columns
from fastbp.commands.roles import as_written, find_column, text_of
from fastbp.commands.tables import read_table
from fastbp.commands.task import Task, targets_like
from fastbp.commands.written_tables import Reading
from fastbp.support.checks import counted
from fastbp.tabular.reading import learn_reader

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["test_rows_of"]

_FEWEST_ROWS = 5  # of which scores say anything at all


def test_rows_of(task: Task, path: Path, reading: Reading | None) -> tuple[Task, NDArray[np.int64]]:
    """Return a task with the rows of a file behind its own, and the places of these rows.

    Parameters
    ----------
    task : Task
    path : Path
        A table with the task's columns and its target.
    reading : Reading or None
        How it is written.

    Raises
    ------
    CommandError
        If it cannot be read, lacks a column, or holds what the task's table does not.
    """
    categories = [name for name in task.X.columns if text_of(task.X[name]) is not None]
    learned = learn_reader(task.X, categories)[0].learned
    keep_writings(learned, task.writings)
    as_text = text_columns(learned) | ({task.target} if any(isinstance(each, str) for each in task.classes) else set())
    table = read_table(path, reading, as_text)
    try:
        find_column(task.target, table.frame, "--target")
    except CommandError as error:
        raise CommandError(f"{table.name!r}: {error}") from None
    known = table.frame[table.frame[task.target].notna()]
    if len(known) < _FEWEST_ROWS:
        raise CommandError(
            f"{table.name!r} has {counted(len(known), 'row')} with a {task.target!r}; expected {_FEWEST_ROWS} or more"
        )
    y = targets_like(task, known[task.target], table.name)
    columns = as_learned(learned, table._replace(frame=known))
    X = require_pandas().DataFrame({name: _as_in(task, columns[name]) for name in task.X.columns}, index=known.index)
    refuse_infinite(X, table.name)
    rows = np.arange(len(task.y), len(task.y) + len(y))
    weights = None if task.weights is None else np.concatenate([task.weights, np.ones(len(y))])
    whole = require_pandas().concat([task.X, X])
    return task._replace(X=whole, y=np.concatenate([task.y, y]), weights=weights), rows


def _as_in(task: Task, column: pd.Series) -> pd.Series:
    """Return a column as the task has it: text that writes numbers or moments as these."""
    name = str(column.name)
    if name in task.writings and text_of(column) is not None:
        return as_written(column, task.writings[name])
    return column
