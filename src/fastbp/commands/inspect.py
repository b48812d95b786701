"""``fastbp inspect``: tells what ``fastbp train`` would make of a table, and what is odd about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastbp.commands.outputs import say
from fastbp.commands.report import describe_classes, describe_copies, describe_leaks, describe_problems, findings_of
from fastbp.commands.roles import Choice, choose_columns
from fastbp.commands.tables import Table, read_table
from fastbp.commands.task import Task, task_of
from fastbp.commands.written_tables import Reading
from fastbp.support.checks import counted

__all__ = ["run"]


def run(data: Path, target: str | None = None, reading: Reading | None = None) -> None:
    """Print a report on a file.

    Raises
    ------
    CommandError
        If the file cannot be read, or does not have the target.
    """
    table = read_table(data, reading)
    task = _without_target(table) if target is None else task_of(table, target, "auto")
    n_columns = table.frame.shape[1] - (target is not None)
    columns = (
        f"{counted(n_columns, 'column')} beside the target" if target is not None else counted(n_columns, "column")
    )
    say(f"{table.name}: {counted(len(table.frame), 'row')}, {columns}; a model would learn from {task.X.shape[1]:,}")
    findings = findings_of(task)
    told = [*task.notes[:1], *table.notes, *task.notes[1:]] if target is not None else [*table.notes, *task.notes]
    if target is not None:
        told += [*describe_leaks(task, findings), *describe_classes(task)]
    told += [*describe_copies(findings), *describe_problems(task, findings)]
    for sentence in told or ["Nothing is odd."]:
        say(sentence)


def _without_target(table: Table) -> Task:
    """Return what is known about a table of which nobody says what is to be learned."""
    roles = choose_columns(table.frame, None, False, Choice())
    return Task("regression", "", roles.X, np.arange(len(roles.X)), [], roles.notes, roles.ids, roles.writings)
