"""The inputs of an ONNX model: one matrix of numbers, or where some columns hold text an input for each column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastbp.data.labels import without_mark
from fastbp.data.written_moments import MomentWriting
from fastbp.exchange.onnx_graph import Graph
from fastbp.preparation.learned import Learned

__all__ = ["Inputs", "shown_categories"]

_MISSING = -2  # the code of a gap; -1 is an unknown category, as the preparation has it


class Inputs:
    """The inputs of a graph, for one model or several that read the same columns.

    Parameters
    ----------
    graph : Graph
    readings : sequence of Learned or None
        What each model's preparation has learned; None for a model that takes numbers as they are.
    n_columns : int
    names : sequence of str or int, or None
        Of the columns.
    dtype : numpy.dtype
        Of a matrix of numbers that no model prepares; what is prepared is float64.

    Attributes
    ----------
    columns : list of dict
        For the metadata: each column's name, the input that has it, and what it holds.
    marker : str or None
        The text that stands for a gap; None without columns of text.
    """

    def __init__(
        self,
        graph: Graph,
        readings: Sequence[Learned | None],
        n_columns: int,
        names: Sequence[str | int] | None,
        dtype: np.dtype[Any],
    ) -> None:
        self._graph = graph
        self._text = _text_columns(readings, names)
        self.dtype = np.dtype(np.float64) if any(each is not None for each in readings) else dtype
        learned = next((each for each in readings if each is not None), None)
        kinds = ["text" if j in self._text else _kind(learned, j) for j in range(n_columns)]
        self.marker = _marker(readings) if self._text else None
        if self._text:
            wishes = [str(names[j]) if names is not None else f"column_{j}" for j in range(n_columns)]
            inputs = [graph.unused(wish) for wish in wishes]
            for name, kind in zip(inputs, kinds, strict=True):
                graph.declare_input(name, str if kind == "text" else np.float64, 1)
            self._inputs = inputs
        else:
            self._inputs = [graph.declare_input(graph.unused("X"), self.dtype, n_columns)]
        self.columns = [
            {
                "name": j if names is None else names[j],
                "input": self._inputs[j if self._text else 0],
                "holds": kinds[j],
            }
            for j in range(n_columns)
        ]

    def matrix(self, learned: Learned | None) -> str:
        """Return the columns as numbers, (rows, n_columns): text as the codes that this preparation gives it."""
        if not self._text:
            return self._inputs[0]
        assert learned is not None
        parts = [
            self._codes(name, learned.texts[j]) if j in self._text else name for j, name in enumerate(self._inputs)
        ]
        return self._graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]

    def _codes(self, x: str, categories: Sequence[str]) -> str:
        """Return the code of each text, float64: -1 for one that is unknown, NaN for a gap."""
        graph, keys = self._graph, [*shown_categories(categories), self.marker]
        values = [*range(len(categories)), _MISSING]
        code = graph.add("LabelEncoder", x, ml_version=2, keys_strings=keys, values_int64s=values, default_int64=-1)
        gap = graph.add("Equal", code, graph.constant(_MISSING, np.int64))
        return graph.add("Where", gap, graph.constant(np.nan), graph.cast(code, np.float64))


def shown_categories(categories: Sequence[str]) -> list[str]:
    """Return the texts by which a column's categories are given: of a category that is no text, its text alone."""
    plain = [without_mark(category) for category in categories]
    counts = Counter(plain)
    return [short if counts[short] == 1 else own for short, own in zip(plain, categories, strict=True)]


def _text_columns(readings: Sequence[Learned | None], names: Sequence[str | int] | None) -> frozenset[int]:
    """Return the columns that hold text; all models have to agree on them."""
    each = [frozenset(() if learned is None else learned.texts) for learned in readings]
    for i, columns in enumerate(each):
        if columns != each[0]:
            j = min(columns ^ each[0])
            raise ValueError(
                f"column {j if names is None else names[j]!r} is text for one of models[0] and models[{i}], and "
                "numbers for the other; expected the same for all, to make one input of it. Export them one by one."
            )
    return each[0]


def _marker(readings: Sequence[Learned | None]) -> str:
    """Return the text for a gap: "", unless that is a category."""
    known = {text for learned in readings if learned for texts in learned.texts.values() for text in texts}
    return next(text for text in ("", *(f"<missing{i or ''}>" for i in range(len(known) + 1))) if text not in known)


def _kind(learned: Learned | None, j: int) -> str:
    if learned is not None and learned.holds_moments(j):
        return "seconds since 1970, UTC"
    return "seconds" if learned is not None and isinstance(learned.writings.get(j), MomentWriting) else "number"
