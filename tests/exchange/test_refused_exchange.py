"""Models that another format cannot hold, or not by what is given: a sentence, and what to do."""

import sys

import numpy as np
import pytest

import fastbp as fb
from fastbp.exchange.c_numbers import literal
from fastbp.exchange.extras import require

pd = pytest.importorskip("pandas")


def test_a_package_that_is_missing_and_one_that_lacks_another(tmp_path, monkeypatch):
    with pytest.raises(ImportError, match=r"to_x needs no_such_package, which is not installed: pip install nsp"):
        require("no_such_package", "to_x", "nsp")
    (tmp_path / "is_there.py").write_text("import what_it_needs\n")
    monkeypatch.syspath_prepend(tmp_path)
    was = "which is installed and cannot be imported: No module named 'what"
    with pytest.raises(ImportError, match=f"is_there, {was}") as error:
        require("is_there", "to_x", "nsp")
    assert "KERAS" not in str(error.value)
    (tmp_path / "keras.py").write_text("import what_it_needs\n")
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with pytest.raises(ImportError, match=f"keras, {was}.*KERAS_BACKEND=torch"):
        require("keras", "to_keras", "keras")


@pytest.mark.parametrize("error", ["OSError('libx.so: cannot open')", "RuntimeError('already defined')"])
def test_a_package_that_is_broken(tmp_path, monkeypatch, error):
    """A library that it loads is missing, or its import was interrupted before."""
    (tmp_path / "is_broken.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(tmp_path)
    was = "to_x needs is_broken, which is installed and cannot be imported: (libx|already).* Try a new process"
    with pytest.raises(ImportError, match=was):
        require("is_broken", "to_x", "is_broken")


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_constant_is_read_back_to_the_bit(dtype):
    rng = np.random.default_rng(0)
    numbers = np.r_[rng.normal(size=200) * 10.0 ** rng.integers(-30, 30, 200), 0.0, 1.0, 1e30, 1 / 3].astype(dtype)
    for number in numbers:
        text = literal(number, number.dtype)
        assert ("." in text or "e" in text) and np.dtype(dtype).type(text.rstrip("f")) == number
    assert literal(np.float32("nan"), np.dtype("f4")) == "NAN"
    assert literal(np.int32(-7), np.dtype("i4")) == "-7"


def test_columns_that_are_text_for_one_model_and_numbers_for_another():
    pytest.importorskip("onnx")
    text = pd.DataFrame({"a": ["1", "2", "x"] * 4, "b": np.arange(12.0)})
    members = []
    for frame in (text, text.assign(a=np.arange(12.0))):
        model = fb.Model([fb.Dense(1)], prepare=fb.Columns(fb.Standardize(), fb.OneHot()), seed=0)
        model.build(frame)
        members.append(model)
    with pytest.raises(ValueError, match=r"'a' .*|models\[1\]"):
        fb.Ensemble(members).to_onnx("x.onnx")


def test_a_network_of_scikit_learn_with_a_function_that_fastbp_lacks():
    neural = pytest.importorskip("sklearn.neural_network")
    X = np.random.default_rng(0).normal(size=(30, 2))
    mlp = neural.MLPRegressor(hidden_layer_sizes=(3,), max_iter=200, solver="lbfgs", random_state=0).fit(X, X[:, 0])
    mlp.activation = "softsign"
    with pytest.raises(ValueError, match=r"activation is 'softsign'; expected one of .*, which fastbp has"):
        fb.Model.from_sklearn(mlp)


def test_one_slope_of_a_state_dict_stands_for_all_units():
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.PReLU(), torch.nn.Linear(3, 1))
    model = fb.Model.from_torch(net.state_dict(), layers=[fb.Dense(3), fb.Activation("prelu"), fb.Dense(1)], inputs=2)
    X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    np.testing.assert_allclose(model.predict(X), net(torch.from_numpy(X).float()).detach().numpy(), atol=1e-6)
