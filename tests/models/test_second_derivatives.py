"""Hessians and Laplacians by the inputs: against differences of first derivatives in float64, PyTorch, closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from fastbp.engine.team import work_limits
from fastbp.layers.activations import ACTIVATIONS
from layer_helpers import torch_of
from layer_models import MODELS, make_model

# The kinks of these are left out, and no step of a difference crosses one.
PIECEWISE = {"linear", "relu", "leaky_relu", "hard_sigmoid", "prelu"}


def some(model, n, seed=0):
    """X, V and U."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, width)) for width in (model.n_inputs, model.n_outputs, model.n_inputs))


def hessian_by_differences(model, X, U, V, output="prediction", h=1e-5):
    up, down = (model.vjp(X + step * U, V, output=output)[1] for step in (h, -h))
    return (up - down) / (2 * h)


def laplacian_by_products(model, X, columns, **options):
    result = np.zeros((len(X), model.n_outputs))
    for k in range(model.n_outputs):
        V = np.tile(np.eye(model.n_outputs)[k], (len(X), 1))
        for j in columns:
            U = np.tile(np.eye(X.shape[1])[j], (len(X), 1))
            result[:, k] += model.hvp(X, U, V, **options)[:, j]
    return result


@pytest.mark.parametrize("output", ["prediction", "logit"])
@pytest.mark.parametrize("name", MODELS)
def test_all_layers(name, output):
    model, _ = make_model(name)
    X, V, U = some(model, 37)
    product = model.hvp(X, U, V, output=output)
    np.testing.assert_allclose(product, hessian_by_differences(model, X, U, V, output), rtol=1e-6, atol=1e-6)
    other = next(some(model, 37, seed=9))
    swapped = model.hvp(X, other, V, output=output)
    np.testing.assert_allclose((other * product).sum(axis=1), (U * swapped).sum(axis=1), atol=1e-11)
    for columns in (range(model.n_inputs), [3, 0]):
        ours = model.laplacian(X, None if len(columns) > 2 else columns, output=output)
        np.testing.assert_allclose(ours, laplacian_by_products(model, X, columns, output=output), atol=1e-11)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation(name):
    model = fb.Model([fb.Dense(7, name), fb.Dense(5), fb.Activation(name)], inputs=4, dtype="float64", seed=1)
    X, V, U = some(model, 50)
    product = model.hvp(X, U, V)
    np.testing.assert_allclose(product, hessian_by_differences(model, X, U, V), atol=1e-6)
    np.testing.assert_allclose(model.laplacian(X), laplacian_by_products(model, X, range(4)), atol=1e-12)
    assert product.any() == (name not in PIECEWISE)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"softmax", "prelu", "parametric"}))
def test_curvatures_far_from_0_are_finite_and_right(name):
    """At numbers where an exponential overflows, and at the kinks."""
    model = fb.Model([fb.Dense(1, name)], inputs=1, dtype="float32")
    model.set_weights([[[1.0]], [0.0]])
    X = np.array([[-1e30], [-200], [-20], [-3], [0], [3], [20], [80]], np.float32)
    ours = model.laplacian(X)
    assert np.isfinite(ours).all()
    twin = fb.Model([fb.Dense(1, name)], inputs=1, dtype="float64")
    twin.set_weights([[[1.0]], [0.0]])
    np.testing.assert_allclose(ours, twin.laplacian(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["layer norm behind all kinds", "batch norms behind all kinds", "residuals in residuals", "softmax last"]
)
def test_pytorchs_hessian(name):
    torch = pytest.importorskip("torch")
    model, _ = make_model(name)
    module = torch_of(torch, model)[0].eval()
    X, V, U = some(model, 3)
    ours = model.hvp(X, U, V)
    for i in range(3):
        weights = torch.tensor(V[i])
        H = torch.autograd.functional.hessian(
            lambda x, weights=weights: module(x[None])[0] @ weights, torch.tensor(X[i])
        )
        np.testing.assert_allclose(ours[i], H.numpy() @ U[i], atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_float32_is_as_close_as_its_rounding(name):
    model, _ = make_model(name)
    single, _ = make_model(name, "float32")
    X, V, U = (array.astype(np.float32) for array in some(model, 19))
    for ours, right in [(single.hvp(X, U, V), model.hvp(X, U, V)), (single.laplacian(X), model.laplacian(X))]:
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, right, atol=1e-3 * max(1, np.abs(right).max()))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(ACTIVATIONS)), min_size=1, max_size=3),
    st.integers(1, 20),
    st.integers(1, 40),
    st.integers(0, 99),
)
def test_a_hessian_is_symmetric(activations, width, n, seed):
    layers = [fb.Dense(width, activation) for activation in activations]
    model = fb.Model([*layers, fb.LayerNorm(0.1), fb.Dense(2)], inputs=6, dtype="float64", seed=seed)
    X, V, U = some(model, n, seed)
    other = next(some(model, n, seed + 1))
    one, two = model.hvp(X, U, V), model.hvp(X, other, V)
    scale = 1 + np.abs(one).sum(axis=1) + np.abs(two).sum(axis=1)
    np.testing.assert_allclose((other * one).sum(axis=1) / scale, (U * two).sum(axis=1) / scale, atol=1e-9)


def test_a_harmonic_function_has_no_laplacian():
    """exp(a) sin(b) is one, and so are sums of tanh(w x) none: sum of w^2 tanh''."""
    model = fb.Model([fb.Dense(3, "tanh"), fb.Dense(1)], inputs=2, dtype="float64", seed=2)
    X = next(some(model, 8))
    W, b, U, _ = model.get_weights()
    t = np.tanh(X @ W + b)
    np.testing.assert_allclose(model.laplacian(X), (-2 * t * (1 - t**2) * (W**2).sum(axis=0)) @ U, atol=1e-13)
    np.testing.assert_allclose(model.laplacian(X, columns=[1]), (-2 * t * (1 - t**2) * W[1] ** 2) @ U, atol=1e-13)


@pytest.mark.parametrize(
    "prepare",
    [
        [fb.Impute("mean", indicator=True), fb.RobustScale()],
        [fb.Scale(0.5, offset=1.0), fb.RobustScale(clip=2.0), fb.Impute("mean"), fb.Standardize()],
    ],
    ids=str,
)
def test_through_a_preparation(prepare):
    rng = np.random.default_rng(3)
    X = rng.normal([0, 5, -3, 10], [1, 2, 0.5, 3], size=(60, 4))
    X[::7, 1] = np.nan
    y = rng.normal(size=(60, 2)) * [1, 50]
    model = fb.Model(
        [fb.Dense(9, "tanh"), fb.Dense(2)], prepare=prepare, prepare_targets=fb.Standardize(), dtype="float64"
    )
    model.build(X, y)
    U, V = rng.normal(size=X.shape), rng.normal(size=y.shape)
    right = hessian_by_differences(model, X, U, V, h=1e-4)
    np.testing.assert_allclose(model.hvp(X, U, V), right, rtol=1e-4, atol=1e-5)
    for columns in (range(4), [1, 3]):
        ours = model.laplacian(X, list(columns))
        np.testing.assert_allclose(ours, laplacian_by_products(model, X, columns), rtol=1e-9, atol=1e-11)


def test_columns_by_their_names():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(9, 3)), columns=["a", "b", "c"])
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], prepare=fb.Standardize(), dtype="float64")
    model.build(X)
    np.testing.assert_array_equal(model.laplacian(X, ["c", "a"]), model.laplacian(X, [2, 0]))
    with pytest.raises((TypeError, ValueError), match=r"columns\[0\] is 'd'"):
        model.laplacian(X, ["d"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_on_any_number_of_threads(dtype):
    before = work_limits(call_thread=1.0)
    try:
        model, _ = make_model("residuals in residuals", dtype)
        X, V, U = some(model, 700)
        for n_threads in (2, 4):
            np.testing.assert_array_equal(model.hvp(X, U, V, n_threads=1), model.hvp(X, U, V, n_threads=n_threads))
            np.testing.assert_array_equal(model.laplacian(X, n_threads=1), model.laplacian(X, n_threads=n_threads))
        np.testing.assert_array_equal(model.hvp(X, U, V)[300:305], model.hvp(X[300:305], U[300:305], V[300:305]))
    finally:
        work_limits(**before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: m.hvp(np.ones((2, 3)), np.ones((2, 2)), np.ones((2, 2))),
            r"U has shape \(2, 2\); expected \(2, 3\)",
        ),
        (
            lambda m: m.hvp(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3))),
            r"V has shape \(2, 3\); expected \(2, 2\)",
        ),
        (lambda m: m.hvp([[1, 1, 1]], [[1, np.nan, 1]], [[1, 1]]), "row 0, column 1 of U"),
        (lambda m: m.hvp([[1, 1, 1]], [[1, 1, 1]], [[1, np.inf]]), "row 0, column 1 of V"),
        (lambda m: m.hvp([[1, np.inf, 1]], [[1, 1, 1]], [[1, 1]]), "row 0, column 1 of X"),
        (lambda m: m.laplacian([[1, np.nan, 1]]), "row 0, column 1 of X"),
        (lambda m: m.laplacian([[1, 1, 1]], [3]), r"columns\[0\] is 3"),
        (lambda m: m.laplacian([[1, 1, 1]], [1, 1]), "each column once"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(fb.Model([fb.Dense(2)], inputs=3))


def test_no_rows_and_no_columns():
    model = fb.Model([fb.Dense(2, "tanh")], inputs=3)
    assert model.hvp(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 2))).shape == (0, 3)
    assert model.laplacian(np.empty((0, 3))).shape == (0, 2)
    assert not model.laplacian(np.ones((2, 3)), []).any()
    with pytest.raises(TypeError, match="columns is 'a'"):
        model.laplacian(np.ones((2, 3)), "a")
