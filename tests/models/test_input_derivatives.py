"""Derivatives by the inputs: against finite differences in float64, PyTorch, and each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from engine_helpers import make_data
from fastbp.layers.activations import ACTIVATIONS
from layer_helpers import torch_of
from layer_models import MODELS, N_INPUTS, make_model, square

OUTPUTS = ["prediction", "logit"]


def what_is_differentiated(model, output):
    if output == "prediction":
        return model.predict
    return lambda X: model.activations(X, layer=-1, output="logit")


def along(function, X, U, h=1e-6):
    """The central difference along a direction."""
    return (function(X + h * U) - function(X - h * U)) / (2 * h)


def some(model, n, seed=0):
    """X, V and U."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, width)) for width in (model.n_inputs, model.n_outputs, model.n_inputs))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", MODELS)
def test_all_agree_with_finite_differences(name, output):
    model, _ = make_model(name)
    X, V, U = some(model, 37)
    function = what_is_differentiated(model, output)
    Y, gradient = model.vjp(X, V, output=output)
    outputs, tangent = model.jvp(X, U, output=output)
    jacobian = model.jacobian(X, output=output)
    np.testing.assert_allclose(Y, function(X), atol=1e-12)
    np.testing.assert_array_equal(Y, outputs)
    np.testing.assert_allclose(tangent, along(function, X, U), atol=1e-7)
    np.testing.assert_allclose((V * tangent).sum(axis=1), (gradient * U).sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(np.einsum("nkd,nd->nk", jacobian, U), tangent, atol=1e-12)
    np.testing.assert_allclose(np.einsum("nkd,nk->nd", jacobian, V), gradient, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_float32_is_as_close_as_its_rounding(name):
    model, _ = make_model(name)
    single, _ = make_model(name, "float32")
    X, V, U = (array.astype(np.float32) for array in some(model, 19))
    for ours, right in [
        (single.vjp(X, V), model.vjp(X, V)),
        (single.jvp(X, U), model.jvp(X, U)),
        ([single.jacobian(X)], [model.jacobian(X)]),
    ]:
        for a, b in zip(ours, right, strict=True):
            assert a.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=2e-4 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("name", MODELS)
def test_the_jacobian_is_pytorchs(name):
    torch = pytest.importorskip("torch")
    model, _ = make_model(name)
    module = torch_of(torch, model)[0].eval()
    X = next(some(model, 5))
    theirs = torch.stack(
        [torch.autograd.functional.jacobian(lambda x: module(x[None])[0], row) for row in torch.tensor(X)]
    )
    np.testing.assert_allclose(model.jacobian(X), theirs.numpy(), atol=1e-10)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - {"prelu", "parametric"}))
def test_every_activation(name):
    model = fb.Model([fb.Dense(7, name), fb.Dense(5), fb.Activation(name)], inputs=4, dtype="float64", seed=1)
    X, V, U = some(model, 50)
    np.testing.assert_allclose(model.jvp(X, U)[1], along(model.predict, X, U), atol=1e-7)
    gradient, tangent = model.vjp(X, V)[1], model.jvp(X, U)[1]
    np.testing.assert_allclose((V * tangent).sum(axis=1), (gradient * U).sum(axis=1), atol=1e-12)


@st.composite
def models(draw):
    inputs = draw(st.integers(1, 20))
    layers = []
    for _ in range(draw(st.integers(0, 3))):
        width = draw(st.integers(1, 40))
        activation = draw(st.sampled_from(sorted(ACTIVATIONS)))
        layers.append(fb.Dense(width, activation))
        layers += draw(
            st.sampled_from([[], [fb.LayerNorm(0.1)], [fb.BatchNorm()], [fb.Dropout(0.5)], [fb.Activation("tanh")]])
        )
        if draw(st.booleans()):
            layers.append(fb.Residual([fb.Dense(width, "tanh")]))
    layers.append(fb.Dense(draw(st.integers(1, 12)), draw(st.sampled_from(["linear", "softmax", "sigmoid"]))))
    return fb.Model(layers, inputs=inputs, dtype="float64", seed=draw(st.integers(0, 99)))


@settings(max_examples=60, deadline=None)
@given(models(), st.integers(1, 60), st.sampled_from(OUTPUTS), st.integers(0, 99))
def test_backward_and_forward_are_adjoint(model, n, output, seed):
    X, V, U = some(model, n, seed)
    gradient = model.vjp(X, V, output=output)[1]
    tangent = model.jvp(X, U, output=output)[1]
    jacobian = model.jacobian(X, output=output)
    left, right = (V * tangent).sum(axis=1), (gradient * U).sum(axis=1)
    scale = 1 + (np.abs(V) * np.abs(np.einsum("nkd,nd->nk", np.abs(jacobian), np.abs(U)))).sum(axis=1)
    np.testing.assert_allclose(left / scale, right / scale, atol=1e-11)
    np.testing.assert_allclose(
        np.einsum("nkd,nd->nk", jacobian, U) / scale[:, None], tangent / scale[:, None], atol=1e-11
    )


def test_a_linear_network_is_the_product_of_its_weights():
    model = fb.Model([fb.Dense(6), fb.Dropout(0.5), fb.Dense(3)], inputs=5, dtype="float64")
    W, _, U, _ = model.get_weights()
    np.testing.assert_allclose(model.jacobian(np.ones((2, 5))), np.stack([(W @ U).T] * 2), atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_on_any_number_of_threads_and_for_any_rows(dtype, monkeypatch):
    from fastbp.engine.team import work_limits

    before = work_limits(call_thread=1.0)
    try:
        model, _ = make_model("residuals in residuals", dtype)
        X, V, U = some(model, 700)
        one = [*model.vjp(X, V, n_threads=1), *model.jvp(X, U, n_threads=1), model.jacobian(X, n_threads=1)]
        four = [*model.vjp(X, V, n_threads=4), *model.jvp(X, U, n_threads=4), model.jacobian(X, n_threads=4)]
        part = [*model.vjp(X[300:305], V[300:305]), *model.jvp(X[300:305], U[300:305]), model.jacobian(X[300:305])]
        for a, b, c in zip(one, four, part, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a[300:305], c)
    finally:
        work_limits(**before)


def test_sparse_rows_give_the_bits_of_dense_ones():
    sparse = pytest.importorskip("scipy.sparse")
    model, _ = make_model("residual between")
    X, V, U = some(model, 40)
    X = X * (np.random.default_rng(1).random(X.shape) < 0.3)
    for compute in (
        lambda X: model.vjp(X, V)[1],
        lambda X: model.jvp(X, U)[1],
        model.jacobian,
        model.laplacian,
        lambda X: model.hvp(X, U, V),
        lambda X: model.activations(X, 0),
    ):
        np.testing.assert_array_equal(compute(sparse.csr_matrix(X)), compute(X))


def test_they_follow_the_weights():
    model, _ = make_model("batch norm between")
    X, V, _ = some(model, 3)
    before = model.vjp(X, V)[1]
    model.set_weights([2 * array for array in model.get_weights()])
    after = model.vjp(X, V)[1]
    assert np.abs(before - after).max() > 1e-3
    np.testing.assert_allclose(after, fb.Model.from_config(model.to_config(), model.get_weights()).vjp(X, V)[1])


# ---- Losses ----

LOSSES = ["mse", "mae", "huber", "log_cosh", "cosine", fb.Quantile((0.1, 0.5, 0.9)), square]


def each_loss(model, X, y, loss):
    return np.array([model.loss_and_gradients(X[i : i + 1], y[i : i + 1], loss)[0] for i in range(len(X))])


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: getattr(loss, "__name__", str(loss)))
def test_input_gradients_of_regressions(loss):
    model = fb.Model([fb.Dense(9, "tanh"), fb.Dense(3)], inputs=5, dtype="float64")
    X, _, U = some(model, 13)
    y = np.random.default_rng(1).normal(size=(13, 1 if isinstance(loss, fb.Quantile) else 3))
    slope = (model.input_gradients(X, y, loss) * U).sum(axis=1)
    np.testing.assert_allclose(slope, along(lambda X: each_loss(model, X, y, loss), X, U), atol=1e-7)


@pytest.mark.parametrize(
    ("activation", "n_outputs", "loss"),
    [
        ("softmax", 4, "cross_entropy"),
        ("sigmoid", 1, "binary_cross_entropy"),
        ("sigmoid", 3, "focal"),
        ("exp", 2, "poisson"),
        ("softmax", 4, "mse"),
    ],
)
def test_input_gradients_behind_activations(activation, n_outputs, loss):
    model = fb.Model([fb.Dense(9, "gelu"), fb.Dense(n_outputs, activation)], inputs=5, dtype="float64")
    X, _, U = some(model, 13)
    X, y = make_data(13, 5, n_outputs, loss, "float64")
    slope = (model.input_gradients(X, y, loss) * U).sum(axis=1)
    np.testing.assert_allclose(slope, along(lambda X: each_loss(model, X, y, loss), X, U), atol=1e-7)


# ---- Preparations ----


def table(n=60):
    rng = np.random.default_rng(3)
    X = rng.normal([0, 5, -3, 100], [1, 2, 0.1, 30], size=(n, 4))
    X[::7, 1] = np.nan
    return X, rng.normal(size=(n, 2)) * [1, 50] + [0, 1000]


@pytest.mark.parametrize(
    "prepare",
    [
        [fb.Impute("median"), fb.Standardize()],
        [fb.Impute("mean", indicator=True), fb.RobustScale()],
        [fb.RobustScale(clip=1.0), fb.Impute("mean")],
        [fb.Scale(0.5, offset=1.0), fb.RobustScale(clip=2.0), fb.Impute("mean"), fb.Standardize()],
    ],
    ids=str,
)
def test_derivatives_by_the_columns_of_X(prepare):
    X, y = table()
    model = fb.Model(
        [fb.Dense(9, "tanh"), fb.Dense(2)], prepare=prepare, prepare_targets=fb.Standardize(), dtype="float64"
    )
    model.build(X, y)
    rng = np.random.default_rng(5)
    U, V = rng.normal(size=X.shape), rng.normal(size=y.shape)
    outputs, tangent = model.jvp(X, U)
    np.testing.assert_allclose(outputs, model.predict(X), rtol=1e-12)
    np.testing.assert_allclose(tangent, along(model.predict, X, U, 1e-5), rtol=1e-6, atol=1e-6)
    jacobian = model.jacobian(X)
    missing = np.isnan(X)
    assert (jacobian[:, :, 1][missing[:, 1]] == 0).all()
    np.testing.assert_allclose(np.einsum("nkd,nd->nk", jacobian, U), tangent, rtol=1e-9)
    np.testing.assert_allclose(model.vjp(X, V)[1], np.einsum("nkd,nk->nd", jacobian, V), rtol=1e-9, atol=1e-12)
    loss = np.einsum("nd,nd->n", model.input_gradients(X, y, "mse"), U)
    np.testing.assert_allclose(loss, along(lambda X: each_loss(model, X, y, "mse"), X, U), rtol=1e-4, atol=1e-7)


def test_the_prepared_space_is_what_the_first_layer_reads():
    X, y = table()
    prepare = [fb.Impute("mean", indicator=True), fb.Standardize()]
    model = fb.Model([fb.Dense(2, "tanh")], prepare=prepare, dtype="float64")
    model.build(X, y)
    plain = fb.Model([fb.Dense(2, "tanh")], inputs=5, dtype="float64")
    plain.set_weights(model.get_weights())
    features = model.feed.features(X)
    np.testing.assert_array_equal(model.jacobian(X, space="prepared"), plain.jacobian(features))
    with pytest.raises(ValueError, match=r"U has shape \(60, 4\); expected \(60, 5\).*the first layer reads"):
        model.jvp(X, X, space="prepared")


def test_columns_of_categories_are_refused_by_their_names():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0], "city": ["Rome", "Oslo", "Rome"]})
    model = fb.Model([fb.Dense(2)], prepare=fb.Columns(fb.Standardize()), dtype="float64")
    model.build(frame, [[0.0, 1.0]] * 3)
    with pytest.raises(ValueError, match=r"column 'city' of X holds categories.*space='prepared'"):
        model.jacobian(frame)
    assert model.jacobian(frame, space="prepared").shape == (3, 2, 3)
    numbers = fb.Model([fb.Dense(2)], prepare=[fb.OneHot()], dtype="float64")
    numbers.build([[1], [2]])
    with pytest.raises(ValueError, match=r"column 0 of X .* holds categories"):
        numbers.vjp([[1]], [[1.0, 1.0]])


def test_moments_are_refused():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"at": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-05-01"])})
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns(fb.Standardize()))
    model.build(frame, [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="column 'at' of X holds moments"):
        model.jacobian(frame)


def test_embedded_vectors():
    """The gradient of a row's embedded vector is what moves the loss when its table's row moves."""
    inputs = fb.Tabular(numeric=2, categories=[3], dims=[2])
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(2)], inputs=inputs, dtype="float64")
    X = np.array([[0.3, -1.0, 1], [0.7, 2.0, 0]])
    V = np.array([[1.0, -2.0], [0.5, 3.0]])
    gradient = model.vjp(X, V, space="prepared")[1]
    assert gradient.shape == (2, 4)

    def summed(step, columns=0.0):
        weights = model.get_weights()
        weights[0] = weights[0] + step
        moved = fb.Model.from_config(model.to_config(), weights)
        return (moved.predict(X + columns) * V).sum(axis=1)

    for j in range(2):
        table = np.zeros_like(model.get_weights()[0])
        table[:, j] = 1e-6
        np.testing.assert_allclose((summed(table) - summed(-table)) / 2e-6, gradient[:, 2 + j], atol=1e-8)
        column = 1e-6 * np.eye(3)[j]
        np.testing.assert_allclose((summed(0, column) - summed(0, -column)) / 2e-6, gradient[:, j], atol=1e-8)
    tangent = model.jvp(X, gradient, space="prepared")[1]
    np.testing.assert_allclose((V * tangent).sum(axis=1), (gradient**2).sum(axis=1), atol=1e-12)
    with pytest.raises(ValueError, match=r"columns of codes.*space='prepared'"):
        model.vjp(X, V)


def test_tangents_of_embedded_vectors_of_many_rows():
    """Beside many codes: V (J D) is (V J) D, of each row."""
    inputs = fb.Tabular(numeric=2, categories=[3, 4, 5, 6], dims=[1, 2, 1, 2])
    model = fb.Model([fb.Dense(5, "tanh"), fb.Dense(2)], inputs=inputs, dtype="float64", seed=3)
    rng = np.random.default_rng(4)
    X = np.hstack([rng.normal(size=(300, 2)), rng.integers(0, 3, (300, 4))])
    V, D = rng.normal(size=(300, 2)), rng.normal(size=(300, 8))
    gradient, tangent = model.vjp(X, V, space="prepared")[1], model.jvp(X, D, space="prepared")[1]
    np.testing.assert_allclose((V * tangent).sum(axis=1), (gradient * D).sum(axis=1), rtol=0, atol=1e-12)


# ---- Activations of layers ----


@pytest.mark.parametrize("name", MODELS)
def test_activations_of_every_layer(name):
    """A layer's outputs are what a model of the layers up to it predicts."""
    model, _ = make_model(name)
    X = next(some(model, 9))
    arrays = model.get_weights()
    for i in range(len(model.layers)):
        layers = list(model.layers[: i + 1])
        if not any(isinstance(layer, fb.Dense) for layer in layers):
            continue
        part = fb.Model(layers, inputs=N_INPUTS, dtype="float64")
        part.set_weights(arrays[: len(part.get_weights())])
        np.testing.assert_allclose(model.activations(X, layer=i), part.predict(X), atol=1e-12)
    np.testing.assert_array_equal(model.activations(X, -1), model.activations(X, len(model.layers) - 1))


def test_logits_are_what_the_softmax_is_of():
    model = fb.Model([fb.Dense(4, "relu"), fb.Dropout(0.2), fb.Dense(3, "softmax")], inputs=2, dtype="float64")
    X = next(some(model, 6))
    exponentials = np.exp(model.activations(X, -1, output="logit"))
    np.testing.assert_allclose(exponentials / exponentials.sum(axis=1, keepdims=True), model.predict(X))
    np.testing.assert_array_equal(model.activations(X, 0), model.activations(X, 1))


def test_a_dropout_before_all_else_passes_the_inputs_on():
    model = fb.Model([fb.Dropout(0.2), fb.Dense(3)], inputs=2, dtype="float64")
    X = next(some(model, 6))
    np.testing.assert_array_equal(model.activations(X, 0), X)


# ---- What is refused, and no rows ----


def test_no_rows_give_no_derivatives():
    model = fb.Model([fb.Dense(2)], inputs=3)
    none = np.empty((0, 3))
    outputs, gradient = model.vjp(none, np.empty((0, 2)))
    assert (outputs.shape, gradient.shape) == ((0, 2), (0, 3))
    assert model.jvp(none, none)[1].shape == (0, 2)
    assert model.jacobian(none).shape == (0, 2, 3)
    assert model.activations(none, 0).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.vjp(np.ones((2, 3)), np.ones((2, 3))), r"V has shape \(2, 3\); expected \(2, 2\)"),
        (lambda m: m.vjp(np.ones((2, 3)), np.ones((1, 2))), r"V has shape \(1, 2\); expected \(2, 2\)"),
        (lambda m: m.vjp(np.ones((2, 3)), [[1, 2], [np.nan, 0]]), r"row 1, column 0 of V"),
        (lambda m: m.vjp([[1, np.inf, 1]], [[1, 2]]), r"row 0, column 1 of X"),
        (lambda m: m.jvp(np.ones((2, 3)), np.ones(3)), r"U has shape \(3,\); expected \(2, 3\)"),
        (lambda m: m.jvp([[1, 1, 1]], [[0, np.inf, 0]]), r"row 0, column 1 of U"),
        (lambda m: m.jacobian([[1, np.nan, 1]]), r"row 0, column 1 of X"),
        (lambda m: m.jacobian(np.ones((2, 4))), r"X has 4 columns"),
        (lambda m: m.jacobian(np.ones((2, 3)), output="logits"), "output is 'logits'"),
        (lambda m: m.jacobian(np.ones((2, 3)), space="features"), "space is 'features'"),
        (lambda m: m.input_gradients([[1, 1, 1]], [[np.nan, 1]], "mse"), "y"),
        (lambda m: m.input_gradients([[1, 1, 1]], [[1, 1]], "cross_entropy"), "softmax"),
        (lambda m: m.activations(np.ones((2, 3)), 1), "layer is 1"),
        (lambda m: m.activations([[1, 1, np.nan]], 0), r"row 0, column 2 of X"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(fb.Model([fb.Dense(2)], inputs=3))


def test_a_model_that_is_not_built_has_no_derivatives():
    for model in (fb.Model([fb.Dense(2)]), fb.Model([fb.Dense(2)], inputs=3, prepare=fb.Standardize())):
        with pytest.raises(ValueError, match=r"built|learned from no data"):
            model.jacobian(np.ones((2, 3)))
        with pytest.raises(ValueError, match=r"built|learned from no data"):
            model.activations(np.ones((2, 3)), 0)


def test_outputs_that_overflow_are_named_for_a_loss_in_python():
    model = fb.Model([fb.Dense(1, "exp")], inputs=1)
    model.set_weights([[[1.0]], [0.0]])
    with pytest.raises(FloatingPointError, match="not all finite"):
        model.input_gradients([[1e5]], [[1.0]], square)
