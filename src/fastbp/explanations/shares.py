"""Each column's share of each row's answer: the numbers of an explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.cells import seconds_of
from fastbp.explanations.requests import Request

__all__ = ["Shares", "as_numbers", "largest"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Shares:
    """The numbers of an explanation, as ``Explanation`` describes them."""

    values: Floats
    base_values: Floats | None
    data: Array
    columns: tuple[str, ...]
    completeness_error: Floats | None
    standard_errors: Floats | None
    method: str
    output: str
    title: str
    outputs: tuple[Any, ...] | None = None
    spread: Floats | None = None
    request: Request | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def importance(self) -> Floats:
        """The mean size of each column's values, (n_columns,) or (n_columns, n_outputs)."""
        return np.asarray(np.abs(self.values).mean(axis=0))

    @property
    def order(self) -> Sequence[int]:
        """The numbers of the columns, those with the largest values first; of several outputs by their mean sizes."""
        sizes = self.importance
        return largest(sizes if sizes.ndim == 1 else sizes.mean(axis=1), len(self.columns))


def largest(sizes: Floats, most: int) -> Sequence[int]:
    """Return the places of the largest numbers, the largest first."""
    order: Sequence[int] = np.argsort(-sizes, kind="stable")[:most].tolist()
    return order


def as_numbers(data: Array) -> Floats:
    """Return rows as numbers: dates by their seconds since 1970, NaN for what is missing.

    Text is its place among the sorted texts of its column.
    """
    if data.dtype != object:
        return data.astype(np.float64)
    return np.column_stack([_column_as_numbers(column) for column in data.T])


def _column_as_numbers(column: Array) -> Floats:
    texts = sorted({value for value in column if isinstance(value, str)})
    places = {text: float(i) for i, text in enumerate(texts)}
    return np.array([_as_number(value, places) for value in column], np.float64)


def _as_number(value: Any, places: Mapping[str, float]) -> Any:
    if value is None:
        return np.nan
    return seconds_of(value) if isinstance(value, datetime) else places.get(value, value)
