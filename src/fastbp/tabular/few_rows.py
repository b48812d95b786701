"""The encoding of numbers for few rows: all columns in a handful of calls, where a call for each would take longer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BOUND", "LARGEST", "FewRows"]

Floats = NDArray[np.float64]

BOUND = 3.0  # of a scaled number
LARGEST = 1e9  # whose bounded value is the bound itself


class FewRows:
    """Writes the inputs that columns of numbers become, the same bits as column by column.

    Parameters
    ----------
    numbers : sequence of NumberEncoding
    """

    def __init__(self, numbers: Sequence[Any]) -> None:
        self._centres = np.array([number.centre for number in numbers])
        self._factors = np.array([number.factor for number in numbers])
        scaled: list[int] = []
        gaps: list[int] = []
        gap_columns: list[int] = []
        bins: list[int] = []
        bin_columns: list[int] = []
        place = 0
        for j, number in enumerate(numbers):
            scaled.append(place)
            place += 1
            if number.with_gaps:
                gaps.append(place)
                gap_columns.append(j)
                place += 1
            n_bins = max(len(number.edges) - 1, 0)
            bins += range(place, place + n_bins)
            bin_columns += [j] * n_bins
            place += n_bins
        self._scaled, self._gaps, self._bins = (np.array(places, np.intp) for places in (scaled, gaps, bins))
        self._gap_columns, self._bin_columns = np.array(gap_columns, np.intp), np.array(bin_columns, np.intp)
        lefts = [number.edges[:-1] for number in numbers if len(number.edges)]
        self._left = np.concatenate(lefts) if lefts else np.empty(0)
        self._width = np.concatenate([np.diff(n.edges) for n in numbers if len(n.edges)]) if lefts else np.empty(0)

    def write(self, values: Floats, out: NDArray[np.float32]) -> None:
        """Write the inputs.

        Parameters
        ----------
        values : ndarray of shape (n_rows, n_numbers)
            IN, NaN for a gap.
        out : ndarray of shape (n_rows, n_inputs)
            OUT, its first columns.
        """
        with np.errstate(over="ignore"):  # infinity is bounded too
            self._write(values, out)

    def _write(self, values: Floats, out: NDArray[np.float32]) -> None:
        known = values == values  # not NaN
        filled = values if known.all() else np.where(known, values, self._centres)
        scaled = (filled - self._centres) * self._factors
        np.minimum(scaled, LARGEST, out=scaled)
        np.maximum(scaled, -LARGEST, out=scaled)
        out[:, self._scaled] = scaled / np.sqrt(1 + (scaled / BOUND) ** 2)
        if len(self._gaps):
            out[:, self._gaps] = ~known[:, self._gap_columns]
        if len(self._bins):
            shares = filled[:, self._bin_columns]
            shares -= self._left
            shares /= self._width
            np.minimum(shares, 1, out=shares)
            np.maximum(shares, 0, out=shares)
            shares *= 2
            shares -= 1
            out[:, self._bins] = shares
