"""What the tests of exporters share: a model as an ONNX file run by two programs, and rows as its inputs."""

import json

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx.reference import ReferenceEvaluator  # noqa: E402

onnxruntime.set_default_logger_severity(3)

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}  # of the largest output


def write(model, path, opset=17):
    """The model's file, loaded."""
    model.to_onnx(path, opset)
    return onnx.load(path)


def run_both(file, inputs):
    """The outputs of ONNX Runtime and of onnx itself."""
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    with np.errstate(all="ignore"):
        yield dict(zip(names, session.run(None, inputs), strict=True))
        yield dict(zip(names, ReferenceEvaluator(file).run(None, inputs), strict=True))


def metadata_of(file):
    return {entry.key: entry.value for entry in file.metadata_props}


def columns_of(file):
    return json.loads(metadata_of(file)["fastbp.columns"])


def matrix_input(file, X):
    """One matrix of numbers as the file's input, in its dtype."""
    (info,) = file.graph.input
    return {info.name: np.asarray(X, onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))}


def frame_inputs(file, frame):
    """A frame's columns as the file's inputs, as its metadata says."""
    marker = metadata_of(file).get("fastbp.missing_text")
    inputs, columns = {}, columns_of(file)
    numbers = []
    for described in columns:
        column = frame[described["name"]]
        if described["holds"] == "text":
            values = np.array([marker if value is None or value != value else str(value) for value in column], object)
        elif column.dtype.kind == "M":
            seconds = column.to_numpy().astype("datetime64[ns]").astype(np.int64) / 1e9
            values = np.where(column.isna(), np.nan, seconds)
        else:
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        inputs[described["input"]] = values.reshape(-1, 1)
        numbers.append(values)
    if marker is None:
        return matrix_input(file, np.stack(numbers, axis=1))
    return inputs


def assert_close(found, expected, tolerance):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if expected.size:
        assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
