"""Runs an ONNX model on rows made up for it, and compares it with what it was made of."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from fastbp.data.columns import read_column, seconds_of
from fastbp.exchange.made_up import as_table, made_up
from fastbp.exchange.onnx_inputs import shown_categories
from fastbp.preparation.learned import Learned

__all__ = ["check_agreement", "inputs_for", "run"]

Array = NDArray[Any]

_N_ROWS = 64
_TOLERANCES = {"float32": 1e-5, "float64": 1e-12}  # of the largest output


def check_agreement(
    model: onnx.ModelProto,
    learned: Learned | None,
    n_columns: int,
    predict: Callable[[Any], Array],
    dtype: np.dtype[Any],
) -> None:
    """Refuse an ONNX model that does not give what ``predict`` gives.

    Raises
    ------
    RuntimeError
        If it does not.
    """
    columns = made_up(learned, n_columns, _N_ROWS)
    expected = np.asarray(predict(as_table(columns)), np.float64)
    expected = expected.reshape(len(expected), -1)
    found = np.asarray(run(model, inputs_for(model, columns, learned))[0], np.float64)
    difference, largest = np.abs(found - expected).max(), np.abs(expected).max()
    if not difference <= _TOLERANCES[dtype.name] * max(largest, np.finfo(dtype).tiny):
        raise RuntimeError(
            f"the ONNX model's outputs differ from those of predict by {difference:.3g}, and the largest is "
            f"{largest:.3g}; expected {_TOLERANCES[dtype.name]:g} of it at most. Report it with the model's file."
        )


def run(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> list[Any]:
    """Return the outputs of a model, by ONNX Runtime where it is installed, else by onnx."""
    if importlib.util.find_spec("onnxruntime") is None:
        from onnx.reference import ReferenceEvaluator

        return list(ReferenceEvaluator(model).run(None, dict(inputs)))
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(inputs)))


def inputs_for(model: onnx.ModelProto, columns: Sequence[Array], learned: Learned | None) -> dict[str, Array]:
    """Return columns as the inputs of a model.

    Parameters
    ----------
    model : onnx.ModelProto
    columns : sequence of ndarray of shape (rows,)
        Numbers, NaN where one is missing; moments; text, as the preparation knows it, None where it is missing.
    learned : Learned or None
        What the preparation has learned.
    """
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    marker, texts = metadata.get("fastbp.missing_text"), {} if learned is None else learned.texts
    ready = []
    for j, column in enumerate(columns):
        if j in texts:
            shown = dict(zip(texts[j], shown_categories(texts[j]), strict=True)) | {None: marker}
            ready.append(np.array([shown.get(value, value) for value in column.tolist()], object))
        else:
            read = read_column(column)
            ready.append(seconds_of(read.values) if read.kind == "times" else np.asarray(read.values, np.float64))
    if marker is None:
        info = model.graph.input[0]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
        return {info.name: np.stack(ready, axis=1).astype(dtype)}
    names = [described["input"] for described in json.loads(metadata["fastbp.columns"])]
    return {name: column.reshape(-1, 1) for name, column in zip(names, ready, strict=True)}
