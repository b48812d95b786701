"""The preparation of X as ONNX operators, in float64, and one cast at the end: as the engine computes it.

Neither Scaler nor Imputer of ai.onnx.ml: they compute in float32, in which two moments in seconds are equal.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastbp.exchange.onnx_graph import Graph
from fastbp.preparation.column_statistics import Feature
from fastbp.preparation.learned import Learned

__all__ = ["bounded", "features", "places"]

_LARGEST_RATIO = 1e100  # of a number and its bound, whose square is finite


def features(graph: Graph, x: str, learned: Learned) -> str:
    """Return the features, (rows, n_features) of float64, of the columns x, (rows, n_columns) of float64."""
    parts = [_of_run(graph, x, run, learned.n_columns) for run in _runs(learned)]
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _runs(learned: Learned) -> Iterator[list[Feature]]:
    """Yield features that follow each other and have the same kinds of steps; those with codes one by one."""
    plain = [(column, _without_own_codes(column, steps, learned)) for column, steps in learned.features]
    for kinds, run in itertools.groupby(plain, lambda feature: tuple(step[0] for step in feature[1])):
        listed = list(run)
        if "code" in kinds:
            yield from ([each] for each in listed)
        else:
            yield listed


def _without_own_codes(column: int, steps: Sequence[Any], learned: Learned) -> tuple[Any, ...]:
    """Leave out the step that gives the codes of a column of text, which are read already, the same codes again."""
    if column in learned.texts and steps and steps[0] == ("code", *map(float, range(len(learned.texts[column])))):
        return tuple(steps[1:])
    return tuple(steps)


def _of_run(graph: Graph, x: str, run: Sequence[Feature], n_columns: int) -> str:
    columns = [column for column, _ in run]
    steps = [of_feature for _, of_feature in run]
    first = steps[0][0][0] if steps[0] else ""
    if first == "equals" and len(set(columns)) == 1:
        columns = columns[:1]  # compared with all categories at once
    if columns != list(range(n_columns)):
        x = graph.add("Gather", x, graph.constant(np.array(columns, np.int64)), axis=1)
    for of_features in zip(*steps, strict=True):
        kind = of_features[0][0]
        if kind == "code":
            x = _code(graph, x, of_features[0][1:])
        else:
            x = _STEPS[kind](graph, x, list(np.array([each[1:] for each in of_features]).T))
    return x


def _fill(graph: Graph, x: str, numbers: list[Any]) -> str:
    return graph.add("Where", graph.add("IsNaN", x), _row(graph, numbers[0]), x)


def _affine(graph: Graph, x: str, numbers: list[Any]) -> str:
    """(x - a) * b + c, without what changes nothing."""
    a, b, c = numbers
    if a.any():
        x = graph.add("Sub", x, _row(graph, a))
    if (b != 1).any():
        x = graph.add("Mul", x, _row(graph, b))
    return graph.add("Add", x, _row(graph, c)) if c.any() else x


def _clip(graph: Graph, x: str, numbers: list[Any]) -> str:
    return bounded(graph, x, _row(graph, numbers[0]), _row(graph, _LARGEST_RATIO * numbers[0]))


def bounded(graph: Graph, x: str, bound: str, largest: str) -> str:
    """x / sqrt(1 + (x / bound)^2), of at most +-largest; NaN stays."""
    x = graph.add("Where", graph.add("Greater", x, largest), largest, x)
    lowest = graph.add("Neg", largest)
    x = graph.add("Where", graph.add("Less", x, lowest), lowest, x)
    ratio = graph.add("Div", x, bound)
    square = graph.add("Add", graph.add("Mul", ratio, ratio), graph.constant(1.0))
    return graph.add("Div", x, graph.add("Sqrt", square))


def _missing(graph: Graph, x: str, numbers: list[Any]) -> str:
    return graph.cast(graph.add("IsNaN", x), np.float64)


def _equals(graph: Graph, x: str, numbers: list[Any]) -> str:
    return graph.cast(graph.add("Equal", x, _row(graph, numbers[0])), np.float64)


def places(graph: Graph, x: str, values: Sequence[float]) -> str:
    """The place of x among the values, -1 where it is not among them or missing."""
    keys = graph.tensor(np.array([*values], np.float64))
    codes = graph.tensor(np.arange(len(values), dtype=np.float64))
    default = graph.tensor(np.array([-1.0]))
    return graph.add("LabelEncoder", x, ml_version=4, keys_tensor=keys, values_tensor=codes, default_tensor=default)


def _code(graph: Graph, x: str, values: Sequence[float]) -> str:
    """The same, but NaN where x is missing."""
    return graph.add("Where", graph.add("IsNaN", x), x, places(graph, x, values))


def _row(graph: Graph, numbers: Any) -> str:
    """A constant of shape (1, n_features); one number where they are equal and are more."""
    equal = len(numbers) > 1 and bool((numbers == numbers[0]).all())
    return graph.constant(numbers[0] if equal else numbers.reshape(1, -1), np.float64)


_STEPS: dict[str, Callable[[Graph, str, list[Any]], str]] = {
    "fill": _fill,
    "affine": _affine,
    "clip": _clip,
    "missing": _missing,
    "equals": _equals,
}
