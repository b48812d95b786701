"""Preparations as ONNX: text, gaps, categories, moments, and targets in their units, beside predict."""

import numpy as np
import pytest

from exchange_helpers import (
    TOLERANCES,
    assert_close,
    columns_of,
    frame_inputs,
    matrix_input,
    metadata_of,
    run_both,
    write,
)

pd = pytest.importorskip("pandas")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import fastbp as fb  # noqa: E402
from preparation_helpers import make_data, make_mixed, make_model  # noqa: E402

DTYPES = ["float32", "float64"]
NUMERIC = [
    fb.Standardize(),
    fb.Scale(1 / 255),
    fb.Scale(),
    [fb.Impute("median", indicator=True), fb.Standardize(), fb.RobustScale()],
    [fb.RobustScale(clip=None), fb.Impute()],
]


def agree(model, frame, path, dtype):
    file = write(model, path)
    expected = model.predict(frame)
    for outputs in run_both(file, frame_inputs(file, frame)):
        assert_close(next(iter(outputs.values())), expected, TOLERANCES[dtype])
    return file


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("prepare", NUMERIC, ids=str)
def test_numbers(prepare, dtype, tmp_path):
    """Also moments of 1.6e9, whose differences float32 does not hold, and targets in millions."""
    X, y = make_data()
    if not any(isinstance(each, fb.Impute) for each in np.atleast_1d(prepare)):
        X = np.nan_to_num(X, nan=1.0)
    model = make_model(prepare, dtype=dtype)
    model.build(X, y)
    file = write(model, tmp_path / "m.onnx")
    for outputs in run_both(file, matrix_input(file, X)):
        assert_close(outputs["predictions"], model.predict(X), TOLERANCES[dtype])
    model.to_onnx(tmp_path / "checked.onnx", check=True)


def test_a_gap_that_nothing_fills_is_nan(tmp_path):
    X, y = make_data()
    model = make_model(fb.RobustScale())
    model.build(np.nan_to_num(X), y)
    file = write(model, tmp_path / "m.onnx")
    for outputs in run_both(file, matrix_input(file, X)):
        assert np.isnan(outputs["predictions"][:, 0]).tolist() == np.isnan(X).any(axis=1).tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "categorical", [fb.OneHot(), fb.OneHot(max_categories=1), [fb.Ordinal(), fb.Standardize()]], ids=str
)
def test_text(categorical, dtype, tmp_path):
    mixed, y = make_mixed()
    model = make_model(fb.Columns([fb.Impute("median", True), fb.Standardize()], categorical), dtype=dtype)
    model.build(mixed, y)
    mixed[:4, 1] = ["violet", None, "", "red"]
    frame = pd.DataFrame(mixed, columns=range(5))
    file = write(model, tmp_path / "m.onnx")
    for outputs in run_both(file, frame_inputs(file, frame)):
        assert_close(outputs["predictions"], model.predict(frame.where(frame != "", None)), TOLERANCES[dtype])
    assert [each["holds"] for each in columns_of(file)] == ["number", "text", "number", "number", "number"]
    assert [each["input"] for each in columns_of(file)] == [f"column_{j}" for j in range(5)]
    model.to_onnx(tmp_path / "checked.onnx", check=True)


def make_frame(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, rng.normal(1000, 10, n)),
            "kind": rng.choice(["bat", "ball", None], n),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "grade": pd.Categorical(rng.integers(1, 6, n)),
            "label": rng.random(n) < 0.5,
        }
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_frame(dtype, tmp_path):
    """Text, moments, categories that are no text, and a column that is called as an output is."""
    frame = make_frame()
    prepare = fb.Columns([fb.Impute(), fb.Standardize()], fb.OneHot())
    model = fb.Model([fb.Dense(7, "gelu"), fb.Dense(3, "softmax")], prepare=prepare, dtype=dtype)
    fb.Trainer(model, "cross_entropy").fit(frame, np.arange(len(frame)) % 3, epochs=1)
    file = agree(model, frame, tmp_path / "m.onnx", dtype)
    assert [each["holds"] for each in columns_of(file)] == [
        "number",
        "text",
        "seconds since 1970, UTC",
        "text",
        "number",
    ]
    assert [each.name for each in file.graph.input] == list(frame)
    assert [each.name for each in file.graph.output] == ["probabilities", "label_"]
    assert metadata_of(file)["fastbp.missing_text"] == ""
    model.to_onnx(tmp_path / "checked.onnx", check=True)


def test_numbers_as_categories(tmp_path):
    rng = np.random.default_rng(0)
    X = np.stack([rng.integers(0, 5, 300) * 1.5, rng.normal(size=300), rng.integers(0, 4, 300)], axis=1)
    X[::9, 2] = np.nan
    prepare = fb.Columns(fb.Standardize(), fb.Ordinal(), categories=[0, 2])
    for categorical in (fb.Ordinal(), fb.OneHot()):
        prepare = fb.Columns(fb.Standardize(), categorical, categories=[0, 2])
        model = fb.Model([fb.Dense(7, "tanh"), fb.Dense(2)], prepare=prepare, dtype="float64")
        model.build(X)
        X[:3, 0] = [7.25, -0.0, np.nan]
        file = write(model, tmp_path / "m.onnx")
        for outputs in run_both(file, matrix_input(file, X)):
            assert_close(outputs["predictions"], model.predict(X), 1e-12)
        model.to_onnx(tmp_path / "checked.onnx", check=True)
        X[:3, 0] = 0


def test_the_marker_of_a_gap_is_no_category(tmp_path):
    frame = pd.DataFrame({"kind": ["", "a", None, "<missing>"] * 10, "": np.arange(40.0)})
    model = fb.Model([fb.Dense(2)], prepare=fb.Columns(fb.Standardize(), fb.OneHot()))
    model.build(frame)
    file = agree(model, frame, tmp_path / "m.onnx", "float32")
    assert metadata_of(file)["fastbp.missing_text"] == "<missing1>"


def test_an_ensemble_of_frames(tmp_path):
    frame = make_frame()
    models = []
    for seed in range(3):
        prepare = fb.Columns([fb.Impute(), fb.Standardize()], fb.OneHot())
        model = fb.Model([fb.Dense(7, "relu"), fb.Dense(1)], prepare=prepare, prepare_targets=fb.Scale(), seed=seed)
        model.build(frame[seed * 50 :], frame["size"].fillna(0)[seed * 50 :])
        models.append(model)
    agree(fb.Ensemble(models), frame, tmp_path / "m.onnx", "float32")
    fb.Ensemble(models).to_onnx(tmp_path / "checked.onnx", check=True)
    other = fb.Model([fb.Dense(7, "relu"), fb.Dense(1)], prepare=prepare, prepare_targets=fb.Scale())
    other.build(frame[["kind", "size", "day", "grade", "label"]], frame["size"].fillna(0))
    with pytest.raises(ValueError, match=r"models\[1\] has the columns .* expected the same names in the same order"):
        fb.Ensemble([models[0], other]).to_onnx(tmp_path / "n.onnx")


cells = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "é", " a", "A"]))
floats = st.one_of(st.just(np.nan), st.floats(-1e6, 1e6))


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(floats, cells, floats), max_size=8),
    one_hot=st.booleans(),
    dtype=st.sampled_from(DTYPES),
)
def test_any_table(rows, one_hot, dtype, tmp_path):
    """Any rows of a model that learned from other ones: gaps, unknown texts, none at all."""
    learned = pd.DataFrame({"u": [1.0, np.nan, 3.0, 4.0], "v": ["a", "b", None, "d"], "w": [1e3, 2e3, 4e3, 9e3]})
    categorical = fb.OneHot() if one_hot else [fb.Ordinal(), fb.Scale(0.1)]
    prepare = fb.Columns([fb.Impute(), fb.Standardize(), fb.RobustScale()], categorical)
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(2)], prepare=prepare, dtype=dtype)
    model.build(learned)
    frame = pd.DataFrame(rows, columns=["u", "v", "w"]).astype({"u": float, "w": float, "v": object})
    agree(model, frame, tmp_path / "m.onnx", dtype)
