"""Rows made up for a model, on which what was exported is compared with the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.preparation.learned import Learned

__all__ = ["as_table", "made_up"]

Array = NDArray[Any]


def as_table(columns: Sequence[Array]) -> Array:
    """Return columns as one array: of numbers, or where they hold other things of objects."""
    if all(column.dtype.kind == "f" for column in columns):
        return np.stack(columns, axis=1)
    table = np.empty((len(columns[0]), len(columns)), object)
    for j, column in enumerate(columns):
        table[:, j] = list(column) if column.dtype.kind == "M" else column
    return table


def made_up(learned: Learned | None, n_columns: int, n_rows: int) -> list[Array]:
    """Return columns of numbers about as large as those learned from, of their categories, and of unknown ones."""
    rng = np.random.default_rng(0)
    columns: list[Array] = [rng.normal(size=n_rows) for _ in range(n_columns)]
    if learned is None:
        return columns
    for column, steps in learned.features:
        if column in learned.texts:
            known = [*learned.texts[column], "a text that no table has"]
            columns[column] = np.array(known, dtype=np.object_)[rng.integers(len(known), size=n_rows)]
        elif steps and steps[0][0] in ("equals", "code"):
            columns[column] = rng.choice(np.array([*steps[0][1:], 0.0]), n_rows)
        else:
            _, a, b, _ = next((step for step in steps if step[0] == "affine"), ("affine", 0.0, 1.0, 0.0))
            columns[column] = a + rng.normal(size=n_rows) / b
            if learned.holds_moments(column):
                columns[column] = (1e6 * columns[column]).astype("datetime64[us]")
    return columns
