"""``fastbp export``: what was saved, as ONNX and as C."""

from pathlib import Path

import numpy as np
import pytest

import fastbp as fb
from fastbp.cli import main
from fastbp.commands.model_files import load_model

pandas = pytest.importorskip("pandas", reason="pandas is not installed")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fb.Model([fb.Dense(3, "softmax")], inputs=4).save("net.safetensors")
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--hidden", "16,8"]], ids=["recipe", "one network"])
def test_a_model_of_train(folder, more, capsys):
    """Text, gaps and codes of classes: the ONNX file gives the labels that the table has."""
    rng = np.random.default_rng(0)
    n = 200
    size = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    frame = pandas.DataFrame({"size": size, "kind": rng.choice(["a", "b"], n)})
    frame["grade"] = np.where(frame["kind"] == "a", 7, 3)
    frame.to_csv("table.csv", index=False)
    assert (
        main(["train", "table.csv", "--target", "grade", "--quiet", "--out", "t.model", *more, "--epochs", "20"]) == 0
    )
    assert main(["export", "t.model", "t.onnx", "--check"]) == 0
    session = onnxruntime.InferenceSession("t.onnx")
    inputs = {"size": frame[["size"]].to_numpy(), "kind": frame[["kind"]].to_numpy(dtype=object)}
    probabilities, label = session.run(None, inputs)
    np.testing.assert_allclose(
        probabilities, load_model(Path("t.model")).predict(frame[["size", "kind"]], 1, None), atol=1e-6
    )
    assert (np.asarray(label).astype(str) == frame["grade"].astype(str)).mean() > 0.95
    if not more:
        assert main(["export", "t.model", "t.c", "--name", "grade"]) == 1
        assert "'t.model' holds several networks; expected one for C" in capsys.readouterr().err
        return
    assert main(["export", "t.model", "t.c", "--name", "grade"]) == 0
    assert "void grade_predict(" in (folder / "t.h").read_text()


def test_an_ensemble_and_an_estimator(folder, capsys):
    fb.Ensemble([fb.Model([fb.Dense(2)], inputs=3, seed=seed) for seed in range(2)]).save("e.safetensors")
    assert main(["export", "e.safetensors", "e.onnx"]) == 0
    assert main(["export", "e.safetensors", "e.c"]) == 1
    assert "'e.safetensors' holds several networks; expected one for C" in capsys.readouterr().err
    tabular = pytest.importorskip("fastbp.sklearn", exc_type=ImportError).TabularRegressor(
        preset="fast", epochs=1, random_state=0
    )
    X = np.random.default_rng(0).normal(size=(60, 2))
    tabular.fit(X, X[:, 0]).save("r.safetensors")
    assert main(["export", "r.safetensors", "r.onnx", "--check", "--opset", "20"]) == 0
    onnx.checker.check_model("r.onnx")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["net.safetensors", "net.pt"], "OUT is 'net.pt'; expected a name that ends with .onnx or .c"),
        (["none", "net.onnx"], "none"),
        (["other", "net.onnx"], "Expected a model of `fastbp train`"),
        (["net.safetensors", "net.onnx", "--opset", "9"], "opset is 9; expected an integer 17 to 23"),
        (["net.safetensors", "net.c", "--name", "a b"], "name is 'a b'; expected a letter"),
        (["net.safetensors", "nowhere/net.c"], "nowhere"),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments, sentence, folder, capsys):
    (folder / "other").write_text("text")
    assert main(["export", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["net.safetensors", "other"]
