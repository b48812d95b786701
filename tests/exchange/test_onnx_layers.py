"""Every layer and activation as ONNX: two other programs compute what predict does."""

import numpy as np
import pytest

import fastbp as fb
from exchange_helpers import TOLERANCES, assert_close, matrix_input, metadata_of, onnx, run_both, write
from fastbp.exchange.onnx_file import HIGHEST_OPSET, LOWEST_OPSET
from fastbp.layers.activations import ACTIVATIONS
from layer_models import DTYPES, MODELS, N_INPUTS, make_model


def agree(model, X, path, opset=17):
    file = write(model, path, opset)
    expected = model.predict(X)
    for outputs in run_both(file, matrix_input(file, X)):
        assert_close(next(iter(outputs.values())), expected, TOLERANCES[model.dtype.name])
        yield outputs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_layer(name, dtype, tmp_path):
    model, _ = make_model(name, dtype)
    X = np.random.default_rng(0).normal(size=(37, N_INPUTS)).astype(dtype)
    assert len(list(agree(model, X, tmp_path / "m.onnx"))) == 2


@pytest.mark.parametrize("opset", [LOWEST_OPSET, 18, 20, HIGHEST_OPSET])
def test_every_opset(opset, tmp_path):
    model, _ = make_model("residuals in residuals", "float32")
    X = np.random.default_rng(0).normal(size=(5, N_INPUTS)).astype(np.float32)
    list(agree(model, X, tmp_path / "m.onnx", opset))
    file = onnx.load(tmp_path / "m.onnx")
    assert [(each.domain, each.version) for each in file.opset_import] == [("", opset)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, fb.LeakyReLU(0.3), fb.ELU(2.5), fb.PReLU(-0.5)])
def test_every_activation_far_out(activation, dtype, tmp_path):
    """Between the layers, from very large to very small sums."""
    model = fb.Model([fb.Dense(64, activation), fb.Dense(3)], inputs=1, dtype=dtype)
    sums = np.concatenate([np.linspace(-9, 9, 61), [-700.0, 80.0, 0.0]])
    _, _, *slopes, last, bias = model.get_weights()
    model.set_weights([np.ones((1, 64)), sums, *slopes, np.eye(64)[:, :3] + 0.01 * last, bias])
    X = np.zeros((1, 1), dtype)
    with np.errstate(over="ignore"):
        assert len(list(agree(model, X, tmp_path / "m.onnx"))) == 2


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one(n, dtype, tmp_path):
    model = fb.Model([fb.Dense(9, "gelu"), fb.LayerNorm(), fb.Dense(4, "softmax")], inputs=3, dtype=dtype)
    for outputs in agree(model, np.ones((n, 3), dtype), tmp_path / "m.onnx"):
        assert outputs["label"].shape == (n,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tables_of_codes(dtype, tmp_path):
    """Codes that are unknown, not whole, or not finite have the last row."""
    inputs = fb.Tabular(numeric=2, categories=[7, 3], dims=[4, 2])
    model = fb.Model([fb.Dense(8, "relu"), fb.Dense(2)], inputs=inputs, dtype=dtype)
    model.set_weights([np.random.default_rng(1).normal(size=each.shape) for each in model.get_weights()])
    X = np.random.default_rng(0).normal(size=(9, 4)).astype(dtype)
    X[:, 2] = [0, 6, 7, -1, 2.5, np.nan, np.inf, -0.0, 3]
    X[:, 3] = [2, 3, -np.inf, 0, 1, 1, 1e30, 2, 0.5]
    assert len(list(agree(model, X, tmp_path / "m.onnx"))) == 2


def test_a_row_that_predict_refuses_is_nan(tmp_path):
    """A relu makes a number of NaN in some runtimes: the gap is seen in the output all the same."""
    model = fb.Model([fb.Dense(9, "relu"), fb.Dense(2, "relu")], inputs=3)
    X = np.ones((3, 3), np.float32)
    X[0, 1], X[2, 2] = np.nan, np.inf
    file = write(model, tmp_path / "m.onnx")
    for outputs in run_both(file, {"X": X}):
        assert np.isnan(outputs["predictions"]).all(axis=1).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("classes", "dtype"), [(["b", "a", "ü"], object), ([10, 20, -1], np.int64), ([0.5, 1.5, 9.0], np.float64)]
)
def test_labels(classes, dtype, tmp_path):
    model = fb.Model([fb.Dense(3, "softmax")], inputs=4)
    model.classes = classes
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    for outputs in agree(model, X, tmp_path / "m.onnx"):
        assert list(outputs) == ["probabilities", "label"]
        assert np.asarray(outputs["label"]).tolist() == model.predict_classes(X).tolist()
        assert dtype is object or outputs["label"].dtype == dtype


@pytest.mark.parametrize("activation", ["sigmoid", "linear", "tanh"])
@pytest.mark.parametrize("classes", [None, [False, True], ["no", "yes"], [-1, 1]])
def test_labels_of_one_output(activation, classes, tmp_path):
    model = fb.Model([fb.Dense(1, activation)], inputs=4)
    model.classes = classes
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    for outputs in agree(model, X, tmp_path / "m.onnx"):
        if activation == "sigmoid" or classes:
            assert np.asarray(outputs["label"]).tolist() == model.predict_classes(X).tolist()
        else:
            assert list(outputs) == ["predictions"]


def test_labels_of_several_sigmoids(tmp_path):
    model = fb.Model([fb.Dense(5, "sigmoid")], inputs=4)
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    for outputs in agree(model, X, tmp_path / "m.onnx"):
        assert outputs["label"].tolist() == model.predict_classes(X).tolist()


def test_the_file_says_what_it_is(tmp_path):
    model = fb.Model([fb.Dense(3, "softmax")], inputs=4)
    file = write(model, tmp_path / "m.onnx")
    about = metadata_of(file)
    assert about["fastbp.version"] == fb.__version__
    assert about["fastbp.dtype"] == "float32"
    assert len(about["fastbp.weights_sha256"]) == 64
    assert file.ir_version == 8
    write(model, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()


def test_what_is_refused(tmp_path):
    model = fb.Model([fb.Dense(3, "softmax")], inputs=4)
    with pytest.raises(ValueError, match=r"opset is 16; expected an integer 17 to"):
        model.to_onnx(tmp_path / "m.onnx", opset=16)
    with pytest.raises(TypeError, match=r"path is 3; expected the name of a file"):
        model.to_onnx(3)
    with pytest.raises(TypeError, match=r"check is 'yes'; expected True or False"):
        model.to_onnx(tmp_path / "m.onnx", check="yes")
    with pytest.raises(ValueError, match=r"the model is not built yet"):
        fb.Model([fb.Dense(3)]).to_onnx(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_onnx_the_sentence_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r'to_onnx needs onnx, which is not installed: pip install "fastbp\[onnx\]"'):
        fb.Model([fb.Dense(3)], inputs=2).to_onnx(tmp_path / "m.onnx")


def test_check_finds_a_difference(tmp_path, monkeypatch):
    model = fb.Model([fb.Dense(3, "softmax")], inputs=4)
    model.to_onnx(tmp_path / "m.onnx", check=True)
    monkeypatch.setattr("fastbp.exchange.onnx_check.run", lambda model, inputs: [np.ones((64, 3))])
    with pytest.raises(RuntimeError, match="differ from those of predict"):
        model.to_onnx(tmp_path / "n.onnx", check=True)
    assert not (tmp_path / "n.onnx").exists()


def test_an_ensemble_is_the_mean(tmp_path):
    layers = [fb.Dense(8, "tanh"), fb.Dense(3, "softmax")]
    ensemble = fb.Ensemble([fb.Model(layers, inputs=4, seed=seed) for seed in range(3)])
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    for outputs in agree(ensemble, X, tmp_path / "m.onnx"):
        assert outputs["label"].tolist() == ensemble.predict_classes(X).tolist()
    ensemble.to_onnx(tmp_path / "n.onnx", check=True)
