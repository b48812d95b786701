"""Single cells of a table that no network takes, named by their row in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastbp.commands.errors import CommandError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LARGEST", "refuse_infinite"]

LARGEST = 1e30  # a number beyond this is a mistake, and its square is infinite in float32's range


def refuse_infinite(frame: pd.DataFrame, source: str) -> None:
    """Refuse the first number, in the order of the file, that is infinite or nearly so.

    Parameters
    ----------
    frame : DataFrame
        Its index has the rows' numbers in the file, from 0.
    source : str
        The name of the file.

    Raises
    ------
    CommandError
        If there is one; rows are counted from 1, below the heading.
    """
    numbers = [name for name in frame.columns if frame[name].dtype.kind == "f"]
    bad = {name: np.flatnonzero(np.abs(frame[name].to_numpy()) > LARGEST) for name in numbers}
    first = min(((rows[0], name) for name, rows in bad.items() if len(rows)), default=None)
    if first is not None:
        place, name = first
        raise CommandError(
            f"{source!r}: row {frame.index[place] + 1}, column {name!r} is {frame[name].iloc[place]:g}; expected a "
            f"number of at most {LARGEST:g}. Correct it, or leave the cell empty."
        )
