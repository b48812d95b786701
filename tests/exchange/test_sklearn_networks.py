"""From scikit-learn and back: the same weights to the bit, predictions beside its own."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor

import fastbp as fb

X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])


def fitted(estimator, y, dtype=np.float64):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return estimator.fit(X.astype(dtype), y)


def assert_same_weights(mlp, model):
    arrays = [array for pair in zip(mlp.coefs_, mlp.intercepts_, strict=True) for array in pair]
    for array, own in zip(model.get_weights(), arrays, strict=True):
        assert array.dtype == own.dtype
        assert np.ascontiguousarray(own).tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("y", [Y, NAMES[Y], Y > 0, NAMES[(Y > 0).astype(int)], np.eye(3, dtype=int)[Y]], ids=str)
def test_classifiers(y, activation, dtype):
    mlp = fitted(MLPClassifier((5, 4), activation, max_iter=3, random_state=0), y, dtype)
    rows = X.astype(dtype)
    model = fb.Model.from_sklearn(mlp)
    assert_same_weights(mlp, model)
    expected = mlp.predict_proba(rows)
    outputs = model.predict(rows)
    assert outputs.dtype == dtype
    np.testing.assert_allclose(outputs, expected[:, 1:] if outputs.shape[1] == 1 else expected, atol=1e-6)
    back = model.to_sklearn()
    assert isinstance(back, MLPClassifier)
    assert_same_weights(back, model)
    np.testing.assert_array_equal(back.predict_proba(rows), expected)
    assert (back.predict(rows) == mlp.predict(rows)).all()
    if y.ndim == 1:
        assert model.predict_classes(rows).tolist() == mlp.predict(rows).tolist()


@pytest.mark.parametrize("y", [X[:, 0], X[:, :2]], ids=["one", "two"])
def test_regressors(y):
    mlp = fitted(MLPRegressor(hidden_layer_sizes=(7,), max_iter=5, random_state=0), y)
    model = fb.Model.from_sklearn(mlp)
    np.testing.assert_allclose(model.predict(X).reshape(y.shape), mlp.predict(X), rtol=1e-12)
    back = model.to_sklearn()
    assert isinstance(back, MLPRegressor)
    np.testing.assert_array_equal(back.predict(X), mlp.predict(X))


def test_a_regressor_of_counts():
    """Its last activation is exp, where scikit-learn has that loss."""
    try:
        mlp = fitted(MLPRegressor(loss="poisson", hidden_layer_sizes=(7,), max_iter=5, random_state=0), Y)
    except TypeError:
        pytest.skip("this scikit-learn has no Poisson loss")
    model = fb.Model.from_sklearn(mlp)
    np.testing.assert_allclose(model.predict(X)[:, 0], mlp.predict(X), rtol=1e-12)
    np.testing.assert_array_equal(model.to_sklearn().predict(X), mlp.predict(X))


def test_a_trained_model_goes_on_in_scikit_learn():
    model = fb.Model([fb.Dense(16, "relu"), fb.Dropout(0.1), fb.Dense(3, "softmax")], inputs=4)
    fb.Trainer(model, "cross_entropy").fit(X, NAMES[Y], epochs=20)
    mlp = model.to_sklearn()
    assert (mlp.predict(X) == model.predict_classes(X)).all()
    before = mlp.score(X, NAMES[Y])
    mlp.partial_fit(X, NAMES[Y])
    assert mlp.score(X, NAMES[Y]) > before - 0.1
    assert mlp.loss_curve_[0] < 1


def test_names_of_columns_go_along():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = fb.Model([fb.Dense(1)])
    fb.Trainer(model, "mse").fit(frame, X[:, 0], epochs=1)
    assert model.to_sklearn().feature_names_in_.tolist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([fb.Dense(3, "relu"), fb.Dense(3, "tanh"), fb.Dense(1)], r"hidden layers have the activations relu, tanh"),
        ([fb.Dense(3, "gelu"), fb.Dense(1)], r"layers\[0\] is Dense\(3, 'gelu'\); expected an fb.Dense with a bias"),
        ([fb.Dense(3, use_bias=False), fb.Dense(1)], r"layers\[0\] is .*use_bias=False"),
        ([fb.LayerNorm(), fb.Dense(1)], r"layers\[0\] is LayerNorm"),
        (
            [fb.Dense(3, "relu"), fb.Dense(2, "softmax")],
            r"ends with Dense\(2, 'softmax'\); expected 'softmax' for three",
        ),
        ([fb.Dense(3, "relu"), fb.Dense(2, "relu")], r"ends with Dense\(2, 'relu'\)"),
    ],
)
def test_what_an_mlp_lacks_is_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        fb.Model(layers, inputs=4).to_sklearn()


def test_what_is_refused():
    with pytest.raises(TypeError, match=r"mlp is Ridge\(\); expected scikit-learn's MLPClassifier or MLPRegressor"):
        fb.Model.from_sklearn(Ridge())
    with pytest.raises(NotFittedError, match=r"expected a fitted estimator"):
        fb.Model.from_sklearn(MLPClassifier())
    model = fb.Model([fb.Dense(3, "softmax")], inputs=4)
    model.classes = ["b", "a", "c"]
    with pytest.raises(ValueError, match=r"the model's classes are \['b', 'a', 'c'\]; expected them in sorted order"):
        model.to_sklearn()
    with pytest.raises(ValueError, match=r"the model has a preparation of X"):
        fb.Model([fb.Dense(2)], prepare=fb.Scale(0.5), inputs=3).to_sklearn()
