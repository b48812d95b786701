"""The usual value of each column, as far as a preparation has learned it: the median or the mean; or the commonest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.preparation.columns import Chain, Columns
from fastbp.preparation.imputing import Impute
from fastbp.preparation.model_preparation import ModelPreparation
from fastbp.preparation.running import RunningStandardize
from fastbp.preparation.scaling import RobustScale, Standardize

__all__ = ["usual_values"]

Floats = NDArray[np.float64]


def usual_values(preparation: ModelPreparation, names: Sequence[str]) -> Floats:
    """Return the median of each column where a preparation knows it, else the mean, (n_columns,).

    Of a column of categories it is the commonest one.

    Raises
    ------
    ValueError
        If it knows none of them of a column.
    """
    learned = preparation.inputs
    values = np.full(len(names), np.nan)
    for column, value in () if learned is None else learned.commonest.items():
        values[column] = value
    for column, steps in () if learned is None else learned.features:
        if np.isnan(values[column]):
            values[column] = _usual_value(_chain_of(preparation, steps), steps)
    unknown = np.isnan(values)
    if unknown.any():
        j = int(unknown.argmax())
        raise ValueError(
            f"baseline and background are None, and the preparation knows no usual value of column {names[j]!r}; "
            "expected one of the two. Give rows of the training data as background=."
        )
    return values


def _chain_of(preparation: ModelPreparation, steps: Sequence[tuple[Any, ...]]) -> Chain:
    """Return the preparations that made these steps; none for categories."""
    if any(step[0] in ("equals", "code") for step in steps):
        return ()
    prepare = preparation.prepare
    return prepare.numeric if isinstance(prepare, Columns) else prepare or ()


def _usual_value(chain: Chain, steps: Sequence[tuple[Any, ...]]) -> float:
    """Return the median of a column from the steps that a chain has learned, else the mean, else NaN."""
    mean, undo = float("nan"), [(0.0, 1.0, 0.0)]
    left = list(steps)
    for part in chain:
        if not left:
            break
        kind, *numbers = left.pop(0)
        centre = numbers[0] if kind in ("fill", "affine") else float("nan")
        for a, b, c in reversed(undo):
            centre = (centre - c) / b + a
        if isinstance(part, RobustScale) or (isinstance(part, Impute) and part.strategy == "median"):
            return float(centre)
        if isinstance(part, (Impute, Standardize, RunningStandardize)) and np.isnan(mean):
            mean = float(centre)
        if kind == "affine":
            undo.append((numbers[0], numbers[1], numbers[2]))
        if left and left[0][0] == "clip":
            break
    return mean
