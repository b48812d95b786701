"""The estimators of raw tables as ONNX: all encodings and networks, beside predict."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from exchange_helpers import assert_close, frame_inputs, matrix_input, run_both, write  # noqa: E402
from fastbp.sklearn import TabularClassifier, TabularRegressor  # noqa: E402


def make_table(n=300, seed=0):
    """Numbers with gaps, text of two, of few and of many levels, a date and a constant."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    colour, town = rng.choice(["red", "green", "blue"], n), rng.integers(0, 30, n)
    frame = pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, size),
            "colour": colour.astype(object),
            "town": [f"t{i}" for i in town],
            "open": rng.choice(["yes", "no"], n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "weight": rng.lognormal(size=n),
            "one": 1.0,
        }
    )
    frame.loc[3, "colour"] = None
    return frame, size + 2.0 * (colour == "red") + np.sin(town)


def unheard_of(frame):
    """The same rows, some with texts and numbers that training did not see."""
    frame = frame.copy()
    frame.loc[:2, ["colour", "town", "open"]] = "unheard of"
    frame.loc[4, "weight"] = 1e12
    frame.loc[5, "weight"] = np.nan
    return frame


@pytest.mark.parametrize("preset", ["fast", "default"])
def test_classes(preset, tmp_path):
    frame, worth = make_table()
    labels = np.where(worth > 1, "high", np.where(worth < 0, "low", "middle"))
    options = {} if preset == "fast" else {"n_bags": 2}
    model = TabularClassifier(preset=preset, epochs=2, random_state=0, **options).fit(frame, labels)
    other = unheard_of(frame)
    file = write(model, tmp_path / "m.onnx")
    for outputs in run_both(file, frame_inputs(file, other)):
        assert_close(outputs["probabilities"], model.predict_proba(other), 1e-5)
        assert (np.asarray(outputs["label"]) == model.predict(other)).mean() > 0.99
    model.to_onnx(tmp_path / "checked.onnx", check=True)


@pytest.mark.parametrize("linear", ["linear", "straight"])
def test_numbers(linear, tmp_path, monkeypatch):
    monkeypatch.setattr("fastbp.tabular.blending._best_shares", lambda *_: {"nets": 0.5, linear: 0.5})
    frame, worth = make_table()
    model = TabularRegressor(preset="default", n_bags=2, epochs=2, random_state=0)
    model.fit(frame, np.stack([worth, 1e6 * worth], axis=1))
    other = unheard_of(frame)
    file = write(model, tmp_path / "m.onnx")
    expected = model.predict(other)
    for outputs in run_both(file, frame_inputs(file, other)):
        for j in range(2):
            assert_close(outputs["predictions"][:, j], expected[:, j], 1e-5)
    model.to_onnx(tmp_path / "checked.onnx", check=True)


def test_an_array_of_numbers(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3))
    model = TabularRegressor(preset="fast", epochs=2, random_state=0).fit(X, X[:, 0])
    file = write(model, tmp_path / "m.onnx")
    X[0, 0], X[1, 1] = np.inf, np.nan
    for outputs in run_both(file, matrix_input(file, X)):
        assert np.isnan(outputs["predictions"][0, 0])  # predict refuses the row
        assert_close(outputs["predictions"][1:, 0], model.predict(X[1:]), 1e-5)


def test_values_of_numbers_that_recur(tmp_path, monkeypatch):
    monkeypatch.setattr("fastbp.tabular.fitting.ROWS_FOR_VALUES", 0)
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 20, 400), rng.normal(size=400), rng.integers(0, 12, 400) / 3])
    X[::9, 0] = np.nan
    model = TabularRegressor(epochs=2, random_state=0).fit(X, X[:, 2] ** 2)
    assert any(encoding.table_sizes == [20, 12] for encoding in model._table.encodings.values())
    file = write(model, tmp_path / "m.onnx")
    np.testing.assert_allclose(model.predict(X.astype(np.float32)), model.predict(X), rtol=1e-4, atol=1e-4)
    X[0], X[1] = [3.5, 0, 1e9], [-np.finfo(float).max, 0, 5]
    X[2:200] = X[2:200].astype(np.float32)
    for outputs in run_both(file, matrix_input(file, X)):
        assert_close(outputs["predictions"][:, 0], model.predict(X), 1e-5)


def test_categories_alone_none_of_which_has_two_levels(tmp_path):
    frame = pd.DataFrame({"kind": np.resize(["a", "b", "c"], 90), "town": np.resize([f"t{i}" for i in range(12)], 90)})
    model = TabularRegressor(preset="fast", epochs=1, random_state=0).fit(frame, np.arange(90.0) % 5)
    other = frame.assign(kind=np.resize(["c", "b", "x"], 90))
    file = write(model, tmp_path / "m.onnx")
    for outputs in run_both(file, frame_inputs(file, other)):
        assert_close(outputs["predictions"][:, 0], model.predict(other), 1e-5)
