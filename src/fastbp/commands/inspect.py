"""``fastbp inspect``: reports problems of a table before a model is trained on it."""

from __future__ import annotations

from pathlib import Path

import fastbp as fb
from fastbp.commands.errors import CommandError
from fastbp.commands.tables import read_table

__all__ = ["run"]


def run(data: Path, target: str | None = None) -> None:
    """Print a report on a file.

    Raises
    ------
    CommandError
        If the file cannot be read, or does not have the target.
    """
    frame = read_table(data)
    if target is None:
        print(fb.inspect_data(frame))
        return
    if target not in frame.columns:
        known = ", ".join(map(repr, frame.columns))
        raise CommandError(f"--target is {target!r}; expected a column of the table: {known}")
    print(fb.inspect_data(frame.drop(columns=[target]), frame[target]))
