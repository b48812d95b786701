"""What exporters seldom meet: columns of moments, tables alone, categories that nobody has seen, files without end."""

import importlib.util
import sys
import zipfile

import numpy as np
import onnx
import pytest

import fastbp as fb
from c_helpers import COMPILERS, Library, require
from exchange_helpers import assert_close, matrix_input, write
from fastbp.exchange import keras_files, onnx_check

pd = pytest.importorskip("pandas", reason="pandas is not installed")


def c_outputs(model, rows, folder, dtype):
    """What compiled C makes of rows."""
    require("gcc")
    model.to_c(folder / "net.c")
    library = Library(folder, "gcc", COMPILERS["gcc"], [folder / "net.c"])
    assert library.selftest("net") == 0
    return library.predict("net", np.asarray(rows, dtype), model.n_outputs, model.dtype)


def test_moments_are_seconds_in_c(tmp_path):
    frame = pd.DataFrame({"day": pd.date_range("2023-01-01", periods=20), "size": np.arange(20.0)})
    model = fb.Model([fb.Dense(2)], prepare=fb.Columns())
    model.build(frame)
    seconds = frame["day"].to_numpy().astype("datetime64[s]").astype(np.int64)
    found = c_outputs(model, np.stack([seconds, frame["size"]], axis=1), tmp_path, np.float64)
    np.testing.assert_allclose(found, model.predict(frame), rtol=1e-5, atol=1e-6)
    header = (tmp_path / "net.h").read_text()
    assert "x[0] day: seconds since 1970, UTC" in header
    assert "x[1] size" in header


def test_tables_without_numbers_in_c(tmp_path):
    model = fb.Model([fb.Dense(2, "tanh")], inputs=fb.Tabular(0, [4, 3], [3, 2]))
    codes = np.array([[0, 0], [3, 2], [1, 7], [-1, 1], [2, np.nan]])
    found = c_outputs(model, codes, tmp_path, np.float32)
    np.testing.assert_allclose(found, model.predict(codes), rtol=1e-5, atol=1e-6)


def test_a_column_of_codes_of_which_none_was_seen(tmp_path):
    """All of it was missing: any value is an unknown category."""
    X = np.stack([np.full(20, np.nan), np.arange(20.0)], axis=1)
    model = fb.Model([fb.Dense(2)], prepare=fb.Columns(fb.Scale(), fb.Ordinal(), categories=[0]))
    model.build(X)
    rows = np.array([[np.nan, 1.0], [3.0, 2.0]])
    found = c_outputs(model, rows, tmp_path, np.float64)
    np.testing.assert_allclose(found, model.predict(rows), rtol=1e-5, atol=1e-6)


def test_a_description_without_end_is_not_unpacked(tmp_path, monkeypatch):
    """A few bytes of a zip file may be gigabytes: nobody reads them."""
    pytest.importorskip("h5py")
    path = tmp_path / "bomb.keras"
    monkeypatch.setattr(keras_files, "_LARGEST_CONFIG", 1000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", " " * 1001)
        file.writestr("model.weights.h5", b"")
    with pytest.raises(
        ValueError, match=r"bomb\.keras'; expected a file that Keras 3 saved: its config\.json is too l"
    ):
        fb.Model.from_keras(path)


def test_a_model_beyond_the_largest_onnx_file(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.checker, "MAXIMUM_PROTOBUF", 10_000)
    path = tmp_path / "net.onnx"
    with pytest.raises(ValueError, match=r"has [\d,]+ bytes; expected at most 10,000, the largest ONNX file"):
        fb.Model([fb.Dense(100)], inputs=100).to_onnx(path)
    assert not path.exists()


def test_a_function_with_shares_that_fastbp_lacks():
    torch = pytest.importorskip("torch")
    from fastbp.exchange.torch_modules import Parametric

    net = torch.nn.Sequential(torch.nn.Linear(3, 2), Parametric(torch.nn.Hardtanh(), 2))
    with pytest.raises((TypeError, ValueError), match=r"(?s)Hardtanh.*expected one of nn\.\w+"):
        fb.Model.from_torch(net)


def test_numbers_whose_scale_is_1_are_only_shifted(tmp_path):
    X = np.array([[2.0], [4.0]] * 10)  # a mean of 3, a standard deviation of 1
    model = fb.Model([fb.Dense(2)], prepare=fb.Standardize())
    model.build(X)
    file = write(model, tmp_path / "net.onnx")
    kinds = [node.op_type for node in file.graph.node]
    assert "Sub" in kinds
    assert "Mul" not in kinds
    (found,) = onnx_check.run(file, matrix_input(file, X))
    assert_close(found, model.predict(X), 1e-5)


def test_without_onnx_runtime_a_file_is_checked_by_onnx(tmp_path, monkeypatch):
    model = fb.Model([fb.Dense(3, "gelu"), fb.LayerNorm(), fb.Dense(2)], inputs=4)
    X = np.random.default_rng(0).normal(size=(5, 4))
    file = write(model, tmp_path / "net.onnx")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (found,) = onnx_check.run(file, matrix_input(file, X))
    assert_close(found, model.predict(X), 1e-5)
