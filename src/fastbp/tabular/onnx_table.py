"""A fitted table as an ONNX model: the encodings, the networks, and the mean of what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from fastbp.data.classes import check_classes
from fastbp.engine.number_columns import BOUND, LARGEST
from fastbp.exchange.onnx_features import bounded, features, places
from fastbp.exchange.onnx_file import describe
from fastbp.exchange.onnx_graph import Graph
from fastbp.exchange.onnx_inputs import Inputs
from fastbp.exchange.onnx_outputs import declare_outputs, spoiled
from fastbp.exchange.onnx_stages import network
from fastbp.tabular.encoding import TableEncoding
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.targets import ClassTargets, Targets

__all__ = ["table_as_onnx"]

Array = NDArray[Any]

_NO_CODE = -2


def table_as_onnx(table: FittedTable, classes: Any, opset: int) -> onnx.ModelProto:
    """Return a fitted table as an ONNX model, whose outputs are float64.

    Parameters
    ----------
    table : FittedTable
    classes : list or None
        The labels, in the order of the probabilities; None for numbers.
    opset : int
    """
    graph, reader = Graph(opset), table.reader
    inputs = Inputs(graph, [reader.learned], reader.n_columns, reader.names, np.dtype(np.float64))
    columns = features(graph, inputs.matrix(reader.learned), reader.learned)
    encoded = {kind: _encoded(graph, columns, table.encodings[kind]) for kind in table.encodings_used}
    total = ""
    blueprints = []
    for member, share in table.shares:
        blueprint = member.model.blueprint()
        outputs = network(graph, encoded[member.encoded_as], blueprint.stages, blueprint.dtype)
        part = graph.add("Mul", _decoded(graph, outputs, table.targets), graph.constant(share))
        total = graph.add("Add", total, part) if total else part
        blueprints.append(blueprint)
    y = spoiled(graph, total, _without_gaps(graph, columns))
    known = None if classes is None else check_classes(classes, len(classes))
    names = declare_outputs(graph, y, table.targets.n_outputs, table.targets.activation, known, np.dtype(np.float64))
    return describe(graph, inputs, names, blueprints, blueprints[0].dtype)


def _gather(graph: Graph, x: str, columns: Any) -> str:
    return graph.add("Gather", x, graph.constant(np.array(columns, np.int64)), axis=1)


def _without_gaps(graph: Graph, x: str) -> str:
    return graph.add("Where", graph.add("IsNaN", x), graph.constant(0.0), x)


def _encoded(graph: Graph, x: str, encoding: TableEncoding) -> str:
    """Return the inputs of a network, (rows, n), float32, in the order of ``TableEncoding.encode``."""
    parts = [*_numbers(graph, x, encoding), *_levels(graph, x, encoding)]
    if encoding.cardinalities:
        parts.append(_gather(graph, x, [len(encoding.numbers) + k for k in encoding.cardinalities]))
    for j in encoding.coded_numbers:
        singles = graph.cast(graph.cast(_gather(graph, x, [j]), np.float32), np.float64)
        parts.append(places(graph, singles, encoding.numbers[j].values.tolist()))
    whole = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    return graph.cast(_gather(graph, whole, _order(encoding)), np.float32)


def _numbers(graph: Graph, x: str, encoding: TableEncoding) -> list[str]:
    """Return the scaled numbers, the indicators of gaps, and the bins, of all columns of numbers."""
    numbers = encoding.numbers
    if not numbers:
        return []
    x = _gather(graph, x, range(len(numbers)))
    gaps = graph.add("IsNaN", x)
    centres = np.array([[each.centre for each in numbers]])
    filled = graph.add("Where", gaps, graph.constant(centres), x)
    factors = np.array([[each.factor for each in numbers]])
    parts = [_scaled(graph, filled, centres, factors, encoding.bound)]
    with_gaps = [j for j, each in enumerate(numbers) if each.with_gaps]
    if with_gaps:
        parts.append(_gather(graph, graph.cast(gaps, np.float64), with_gaps))
    binned = [(j, each.edges) for j, each in enumerate(numbers) if len(each.edges)]
    if binned:
        columns = [j for j, edges in binned for _ in edges[1:]]
        lower = np.concatenate([edges[:-1] for _, edges in binned])
        widths = np.concatenate([np.diff(edges) for _, edges in binned])
        above = graph.add("Sub", _gather(graph, filled, columns), graph.constant(lower))
        share = graph.add("Div", above, graph.constant(widths))
        share = graph.add("Clip", share, graph.constant(0.0), graph.constant(1.0))
        parts.append(graph.add("Sub", graph.add("Mul", share, graph.constant(2.0)), graph.constant(1.0)))
    return parts


def _levels(graph: Graph, x: str, encoding: TableEncoding) -> list[str]:
    """Return the columns of all categories of few levels; two levels have one column of 1 and -1."""
    if not encoding.levels:
        return []
    first = len(encoding.numbers)
    columns = [first + k for k, level in encoding.levels.items() for _ in level.centres]
    yes: list[int] = []  # the code for which each column is 1
    no: list[int] = []  # the code for which it is -1
    for level in encoding.levels.values():
        pair = len(level.codes) == 2
        yes += level.codes[1:] if pair else level.codes
        no += level.codes[:1] if pair else [_NO_CODE] * len(level.codes)
    codes = _gather(graph, x, columns)
    written = _is(graph, codes, yes)
    if set(no) != {_NO_CODE}:
        written = graph.add("Sub", written, _is(graph, codes, no))
    centres = np.concatenate([level.centres for level in encoding.levels.values()])
    factors = np.concatenate([level.factors for level in encoding.levels.values()])
    return [_scaled(graph, written, centres, factors, BOUND)]


def _is(graph: Graph, codes: str, values: list[int]) -> str:
    return graph.cast(graph.add("Equal", codes, graph.constant(np.array(values, np.float64))), np.float64)


def _scaled(graph: Graph, x: str, centres: Array, factors: Array, bound: float) -> str:
    scaled = graph.add("Mul", graph.add("Sub", x, graph.constant(centres)), graph.constant(factors))
    return bounded(graph, scaled, graph.constant(bound), graph.constant(LARGEST))


def _order(encoding: TableEncoding) -> list[int]:
    """Return the place, among the numbers, indicators and bins of all columns, of each input of a network."""
    numbers = encoding.numbers
    n_gaps = sum(each.with_gaps for each in numbers)
    gap, bin_ = len(numbers), len(numbers) + n_gaps
    order: list[int] = []
    for j, each in enumerate(numbers):
        order.append(j)
        if each.with_gaps:
            order.append(gap)
            gap += 1
        n_bins = max(len(each.edges) - 1, 0)
        order += range(bin_, bin_ + n_bins)
        bin_ += n_bins
    return [*order, *range(bin_, encoding.n_numeric + len(encoding.table_sizes))]


def _decoded(graph: Graph, outputs: str, targets: Targets) -> str:
    """Return what ``targets.decode`` makes of a network's outputs, float64."""
    y = graph.cast(outputs, np.float64)
    if isinstance(targets, ClassTargets):
        return graph.add("Div", y, graph.add("ReduceSum", y, graph.constant(np.array([1])), keepdims=1))
    y = graph.add("Add", graph.add("Mul", y, graph.constant(targets.deviation)), graph.constant(targets.mean))
    low, high = graph.constant(targets.lowest), graph.constant(targets.highest)
    y = graph.add("Where", graph.add("Less", y, low), low, y)
    return graph.add("Where", graph.add("Greater", y, high), high, y)
