"""Models and ensembles as ONNX files."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from fastbp.exchange.blueprint import Blueprint
from fastbp.exchange.onnx_features import features
from fastbp.exchange.onnx_graph import Graph
from fastbp.exchange.onnx_inputs import Inputs
from fastbp.exchange.onnx_outputs import declare_outputs, in_units, spoiled
from fastbp.exchange.onnx_stages import network
from fastbp.support.checks import check_int
from fastbp.support.replacement import replace_file

__all__ = ["HIGHEST_OPSET", "LOWEST_OPSET", "as_onnx", "check_opset", "describe", "outputs_of", "write"]

LOWEST_OPSET, HIGHEST_OPSET = 17, 23  # LayerNormalization came with 17; with all of these every test is done


def check_opset(opset: Any) -> int:
    """Return the version of the operators, checked."""
    return check_int(opset, "opset", minimum=LOWEST_OPSET, maximum=HIGHEST_OPSET)


def as_onnx(models: Sequence[Blueprint], opset: int) -> onnx.ModelProto:
    """Return a model, or the mean of several with the same inputs, outputs, dtype and classes, as an ONNX model."""
    graph, first = Graph(opset), models[0]
    _check_names(models)
    inputs = Inputs(graph, [model.learned for model in models], first.n_columns, _names(models), first.dtype)
    outputs = [outputs_of(graph, inputs, model) for model in models]
    y = outputs[0] if len(outputs) == 1 else _mean(graph, outputs, first.dtype)
    names = declare_outputs(graph, y, first.n_outputs, first.output_activation, first.classes, first.dtype)
    return describe(graph, inputs, names, models, first.dtype)


def _names(models: Sequence[Blueprint]) -> tuple[str | int, ...] | None:
    return next((model.names for model in models if model.names is not None), None)


def _check_names(models: Sequence[Blueprint]) -> None:
    """Refuse models that find their columns by different names: an input has one place."""
    named = [(i, model.names) for i, model in enumerate(models) if model.names is not None]
    for i, names in named:
        if names != named[0][1]:
            raise ValueError(
                f"models[{i}] has the columns {list(names)}, models[{named[0][0]}] {list(named[0][1])}; expected the "
                "same names in the same order, to make one input of each. Export them one by one."
            )


def outputs_of(graph: Graph, inputs: Inputs, model: Blueprint) -> str:
    """Return what ``predict`` returns, (rows, n_outputs) of the model's dtype; NaN in rows that it would refuse."""
    x = inputs.matrix(model.learned)
    prepared = x if model.learned is None else features(graph, x, model.learned)
    numbers = prepared if model.learned is None and inputs.dtype == model.dtype else graph.cast(prepared, model.dtype)
    y = network(graph, numbers, model.stages, model.dtype)
    y = spoiled(graph, y, _numbers_alone(graph, numbers, model))
    return y if model.targets is None else in_units(graph, y, model.targets, model.n_outputs, model.dtype)


def _numbers_alone(graph: Graph, x: str, model: Blueprint) -> str:
    """Return the columns of x that have to be finite: all but the codes of embedding tables."""
    first = model.stages[0]
    if first.kind != "tabular":
        return x
    return graph.add("Gather", x, graph.constant(np.arange(first.spec["numeric"], dtype=np.int64)), axis=1)


def _mean(graph: Graph, outputs: Sequence[str], dtype: np.dtype[Any]) -> str:
    total = graph.cast(outputs[0], np.float64)
    for each in outputs[1:]:
        total = graph.add("Add", total, graph.cast(each, np.float64))
    return graph.cast(graph.add("Div", total, graph.constant(float(len(outputs)))), dtype)


def describe(
    graph: Graph, inputs: Inputs, outputs: Sequence[str], models: Sequence[Blueprint], dtype: np.dtype[Any]
) -> onnx.ModelProto:
    """Return the finished model, with what a reader of the file has to know in its metadata."""
    version = str(sys.modules["fastbp"].__version__)  # the one place that says it; no import, which would go upward
    metadata = {
        "fastbp.version": version,
        "fastbp.weights_sha256": _hash_of(models),
        "fastbp.dtype": str(dtype),
        "fastbp.columns": json.dumps(inputs.columns),
        "fastbp.outputs": json.dumps(list(outputs)),
    }
    if inputs.marker is not None:
        metadata["fastbp.missing_text"] = inputs.marker
    return graph.model("fastbp", metadata, version)


def _hash_of(models: Sequence[Blueprint]) -> str:
    """Return the SHA-256 of all arrays, one after the other, as little-endian bytes."""
    digest = hashlib.sha256()
    for array in (array for model in models for stage in model.stages for array in stage.arrays):
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def write(model: onnx.ModelProto, path: str | os.PathLike[str]) -> None:
    """Check a model by ONNX's own rules and write it to a file.

    Raises
    ------
    OSError
        If it cannot be written.
    ValueError
        If it is too large: ONNX files have at most 2 GB.
    """
    if model.ByteSize() > onnx.checker.MAXIMUM_PROTOBUF:
        raise ValueError(
            f"the model has {model.ByteSize():,} bytes; expected at most {onnx.checker.MAXIMUM_PROTOBUF:,}, the "
            "largest ONNX file. Save it with model.save instead."
        )
    onnx.checker.check_model(model, full_check=True)
    replace_file(path, lambda file: file.write(model.SerializeToString(deterministic=True)))
