"""The column that says how much each row counts: ``fastbp train --sample-weight``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.errors import CommandError
from fastbp.commands.roles import find_column
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["take_weights"]


def take_weights(frame: pd.DataFrame, name: str, target: str) -> tuple[pd.DataFrame, NDArray[np.float64], list[str]]:
    """Return the rows that count, without the column of their weights; the weights; and what is to be said.

    Raises
    ------
    CommandError
        If it is not a column of numbers of 0 or more, or is the target.
    """
    option = "--sample-weight"
    find_column(name, frame, option)
    if name == target:
        raise CommandError(f"{option} is {name!r}, which is the target; expected another column")
    column = frame[name]
    if column.dtype.kind not in "biuf":
        raise CommandError(f"{option} is {name!r}, which holds no numbers; expected a column of weights")
    weights = column.to_numpy(np.float64)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        place = int(bad.argmax())
        was = "missing" if np.isnan(weights[place]) else f"{weights[place]:g}"
        raise CommandError(
            f"row {int(frame.index[place]) + 1}: {name!r}, the weight of the row, is {was}; expected a number of 0 or "
            "more"
        )
    told = [f"Column {name!r} is how much each row counts in training; scores count all held-out rows alike."]
    counts = weights > 0
    if not counts.all():
        told.append(f"{counted(int((~counts).sum()), 'row')} of weight 0 left out.")
    return frame.drop(columns=[name])[counts], weights[counts], told
