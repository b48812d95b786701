"""The stages of a network as ONNX operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.blueprint import BuiltStage, folded
from fastbp.exchange.onnx_activations import activate
from fastbp.exchange.onnx_graph import Graph

__all__ = ["network"]

Array = NDArray[Any]


def network(graph: Graph, x: str, stages: Sequence[BuiltStage], dtype: np.dtype[Any]) -> str:
    """Return the outputs of the last stage, (rows, n_outputs), for features x, (rows, n_features), of this dtype."""
    forks: list[str] = []
    for stage in folded(stages):
        if stage.kind == "fork":
            forks.append(x)
            continue
        x = graph.add("Add", x, forks.pop()) if stage.kind == "add" else _STAGES[stage.kind](graph, x, stage, dtype)
        x = activate(graph, x, stage.activation, stage.parameter, dtype)
    return x


def _dense(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    return graph.add("Gemm", x, *map(graph.constant, stage.weights))


def _only_activation(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    return x


def _prelu(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    zero = graph.constant(0.0, dtype)
    scaled = graph.add("Mul", x, graph.constant(stage.arrays[0]))
    return graph.add("Where", graph.add("Greater", x, zero), x, scaled)


def _scaling(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    return graph.add("Mul", x, graph.constant(stage.arrays[0]))


def _basis(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    """The features of each column, then all numbers; of waves, whole turns are taken off first."""
    waves = stage.spec["waves"]
    frequency, phase = (array.astype(np.float64) for array in stage.arrays)
    n, size = frequency.shape
    chosen = range(n) if stage.spec["columns"] is None else stage.spec["columns"]
    spread = _columns(graph, x, [column for column in chosen for _ in range(size)])
    turns = graph.add("Mul", spread, graph.constant(frequency.reshape(-1), dtype))
    turns = graph.add("Add", turns, graph.constant((phase / (2 * np.pi) if waves else phase).reshape(-1), dtype))
    if not waves:
        limited = graph.add("Max", turns, graph.constant(0.0, dtype))
        return graph.add("Concat", graph.add("Min", limited, graph.constant(1.0, dtype)), x, axis=1)
    angle = graph.add("Mul", graph.add("Sub", turns, graph.add("Floor", turns)), graph.constant(2 * np.pi, dtype))
    return graph.add("Concat", graph.add("Cos", angle), x, axis=1)


def _grouped(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    """A product for each group of the numbers, then what is left of them."""
    W, b = stage.arrays
    n, size = W.shape[0] * W.shape[1], b.size
    groups = graph.add("Reshape", _range(graph, x, 0, n), graph.constant(np.array([-1, *W.shape[:2]])))
    made = graph.add("MatMul", graph.add("Transpose", groups, perm=[1, 0, 2]), graph.constant(W))
    flat = graph.add("Reshape", graph.add("Transpose", made, perm=[1, 0, 2]), graph.constant(np.array([-1, size])))
    made = graph.add("Add", flat, graph.constant(b.reshape(-1)))
    return graph.add("Concat", made, _range(graph, x, n, 2**31 - 1), axis=1)


def _range(graph: Graph, x: str, first: int, end: int) -> str:
    """Return columns first..end of x."""
    return graph.add("Slice", x, *(graph.constant(np.array([number])) for number in (first, end, 1)))


def _parametric(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    """alpha * f(x) + (1 - alpha) * x"""
    alpha = stage.arrays[0]
    bent = graph.add("Mul", activate(graph, x, stage.spec["function"], 0.0, dtype), graph.constant(alpha))
    return graph.add("Add", bent, graph.add("Mul", x, graph.constant(1 - alpha)))


def _layer_norm(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    """gain * (x - mean) / sqrt(variance + epsilon) + shift.

    Not LayerNormalization, whose epsilon is float32: in float64 that costs seven digits.
    """
    gain, shift = map(graph.constant, stage.arrays)
    centred = graph.add("Sub", x, _mean_of_row(graph, x))
    variance = _mean_of_row(graph, graph.add("Mul", centred, centred))
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.constant(stage.spec["epsilon"], dtype)))
    return graph.add("Add", graph.add("Mul", graph.add("Div", centred, deviation), gain), shift)


def _mean_of_row(graph: Graph, x: str) -> str:
    """The mean over the units, (rows, 1); the axis became an input with version 18."""
    if graph.opset < 18:
        return graph.add("ReduceMean", x, axes=[1], keepdims=1)
    return graph.add("ReduceMean", x, graph.constant(np.array([1])), keepdims=1)


def _batch_norm(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    """(x - mean) * factor + shift, where no dense stage before it takes it in."""
    gain, shift, mean, variance = (array.astype(np.float64) for array in stage.arrays)
    factor = gain / np.sqrt(variance + stage.spec["epsilon"])
    centred = graph.add("Sub", x, graph.constant(mean, dtype))
    return graph.add("Add", graph.add("Mul", centred, graph.constant(factor, dtype)), graph.constant(shift, dtype))


def _tables(graph: Graph, x: str, stage: BuiltStage, dtype: np.dtype[Any]) -> str:
    """The numbers, and for each code the row of its table; the last row for invalid codes."""
    numeric = int(stage.spec["numeric"])
    parts = [_columns(graph, x, list(range(numeric)))] if numeric else []
    for j, table in enumerate(stage.arrays):
        code = _columns(graph, x, [numeric + j])
        invalid = graph.constant(len(table) - 1, dtype)
        inside = graph.add(
            "And",
            graph.add("GreaterOrEqual", code, graph.constant(0.0, dtype)),
            graph.add("Less", code, invalid),
        )
        whole = graph.add("Equal", graph.add("Floor", code), code)
        row = graph.cast(graph.add("Where", graph.add("And", inside, whole), code, invalid), np.int64)
        flat = graph.add("Reshape", row, graph.constant(np.array([-1])))
        parts.append(graph.add("Gather", graph.constant(table), flat, axis=0))
    return graph.add("Concat", *parts, axis=1)


def _columns(graph: Graph, x: str, columns: list[int]) -> str:
    return graph.add("Gather", x, graph.constant(np.array(columns, np.int64)), axis=1)


_STAGES: dict[str, Callable[[Graph, str, BuiltStage, np.dtype[Any]], str]] = {
    "dense": _dense,
    "activation": _only_activation,
    "prelu": _prelu,
    "parametric": _parametric,
    "scaling": _scaling,
    "basis": _basis,
    "grouped": _grouped,
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "tabular": _tables,
}
