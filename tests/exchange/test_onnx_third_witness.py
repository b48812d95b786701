"""A third witness: the equal pipeline of scikit-learn, made an ONNX file by skl2onnx, says what our file says."""

import numpy as np
import pytest

skl2onnx = pytest.importorskip("skl2onnx")
pd = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, RobustScaler, StandardScaler  # noqa: E402

import fastbp as fb  # noqa: E402
from exchange_helpers import frame_inputs, matrix_input, onnxruntime, run_both, write  # noqa: E402

TOLERANCE = 1e-5  # of the largest output
OPSET = 17


def their_outputs(pipeline, kinds, inputs, options=None):
    """All outputs of the file that skl2onnx makes of a pipeline."""
    file = skl2onnx.convert_sklearn(pipeline, initial_types=kinds, target_opset=OPSET, options=options)
    session = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def with_weights_of(mlp, model, X):
    """The model, its preparation learned from X, with the estimator's weights."""
    model.build(X)
    model.set_weights([array for pair in zip(mlp.coefs_, mlp.intercepts_, strict=True) for array in pair])
    return model


def assert_near(found, expected):
    assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.filterwarnings("ignore:.*iterations:UserWarning")  # it has not converged
@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        ([fb.Impute("mean"), fb.Standardize()], [SimpleImputer(strategy="mean"), StandardScaler()]),
        ([fb.Impute("median"), fb.RobustScale(clip=None)], [SimpleImputer(strategy="median"), RobustScaler()]),
    ],
    ids=["mean", "median"],
)
def test_numbers_with_gaps(own, theirs, tmp_path):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(401, 5)) * [1, 10, 0.1, 3, 1] + [0, 5, 1, -2, 0]).astype(np.float32)
    y = X[:, 0] + np.sin(X[:, 3])
    X[rng.random(X.shape) < 0.1] = np.nan
    pipeline = make_pipeline(
        *theirs, MLPRegressor(hidden_layer_sizes=(9, 6), activation="tanh", max_iter=20, random_state=0)
    ).fit(X, y)
    layers = [fb.Dense(9, "tanh"), fb.Dense(6, "tanh"), fb.Dense(1)]
    model = with_weights_of(pipeline[-1], fb.Model(layers, prepare=own), X)
    (expected,) = their_outputs(pipeline, [("X", FloatTensorType([None, 5]))], {"X": X})  # Imputer has no float64
    file = write(model, tmp_path / "m.onnx")
    for outputs in run_both(file, matrix_input(file, X)):
        assert_near(outputs["predictions"], expected)


@pytest.mark.filterwarnings("ignore:.*iterations:UserWarning")
def test_text_unknown_in_training(tmp_path):
    """Numbers and text of a frame, classes as text; some texts were never seen."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=300),
            "kind": rng.choice(["bat", "ball", "net"], 300),
            "town": rng.choice(["x", "ü"], 300),
        }
    )
    y = np.where(frame["kind"] == "bat", "yes", np.where(frame["size"] > 0, "no", "perhaps"))
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["size"]), ("t", OneHotEncoder(handle_unknown="ignore"), ["kind", "town"])]
    )
    pipeline = make_pipeline(columns, MLPClassifier((8,), max_iter=20, random_state=0)).fit(frame, y)
    model = fb.Model(
        [fb.Dense(8, "relu"), fb.Dense(3, "softmax")],
        prepare=fb.Columns(fb.Standardize(), fb.OneHot()),
        dtype="float64",
    )
    with_weights_of(pipeline[-1], model, frame)
    model.classes = pipeline.classes_.tolist()
    frame.loc[:9, "kind"] = "unheard of"
    kinds = [(name, (DoubleTensorType if name == "size" else StringTensorType)([None, 1])) for name in frame]
    file = write(model, tmp_path / "m.onnx")
    inputs = frame_inputs(file, frame)
    labels, probabilities = their_outputs(pipeline, kinds, inputs, {"zipmap": False})
    for outputs in run_both(file, inputs):
        assert_near(outputs["probabilities"], probabilities)
        assert np.asarray(outputs["label"]).tolist() == labels.tolist()
