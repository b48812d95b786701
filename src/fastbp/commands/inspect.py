"""``fastbp inspect``: reports problems of a table before a model is trained on it."""

from __future__ import annotations

from pathlib import Path

import fastbp as fb
from fastbp.commands.csv_files import Reading
from fastbp.commands.outputs import say
from fastbp.commands.roles import find_column
from fastbp.commands.tables import read_table

__all__ = ["run"]


def run(data: Path, target: str | None = None, reading: Reading | None = None) -> None:
    """Print a report on a file.

    Raises
    ------
    CommandError
        If the file cannot be read, or does not have the target.
    """
    table = read_table(data, reading)
    for note in table.notes:
        say(note)
    if target is None:
        say(str(fb.inspect_data(table.frame)))
        return
    find_column(target, table.frame, "--target")
    say(str(fb.inspect_data(table.frame.drop(columns=[target]), table.frame[target])))
