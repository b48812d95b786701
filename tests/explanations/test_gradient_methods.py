"""Explanations by gradients and by passing back: closed forms, completeness over every activation, Captum and shap."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.explanations.explain import METHODS
from fastbp.layers.activations import ACTIVATIONS

RNG = np.random.default_rng(0)
ADDING_UP = ("integrated_gradients", "deeplift", "shapley")


def model_of(layers, weights=None, inputs=3, seed=0):
    model = fb.Model(layers, inputs=inputs, dtype="float64", seed=seed)
    if weights is None:
        rng = np.random.default_rng(seed)
        weights = [rng.normal(size=weight.shape) for weight in model.get_weights()]
        weights = [np.abs(w) + 0.5 if np.all(v == 1) else w for w, v in zip(weights, model.get_weights(), strict=True)]
    model.set_weights(weights)
    return model


def deep(activation="tanh", n_outputs=1, last="linear", inputs=4, seed=0):
    layers = [fb.Dense(6, activation), fb.Dense(5, activation), fb.Dense(n_outputs, last)]
    return model_of(layers, inputs=inputs, seed=seed)


def hinge():
    """1 - relu(1 - x)."""
    return model_of([fb.Dense(1, "relu"), fb.Dense(1)], [[[-1]], [1], [[-1]], [1]], inputs=1)


def ramps():
    """x1 + relu(x2 - x1), where x1 is relu(x1) - relu(-x1)."""
    weights = [[[1, -1, -1], [0, 0, 1]], [0, 0, 0], [[1], [-1], [1]], [0]]
    return model_of([fb.Dense(3, "relu"), fb.Dense(1)], weights, inputs=2)


def without_bias(activation="relu"):
    layers = [fb.Dense(8, activation, use_bias=False), fb.Dense(6, activation, use_bias=False)]
    return model_of([*layers, fb.Dense(1, use_bias=False)], inputs=4)


X = RNG.normal(size=(6, 4))
B = RNG.normal(size=(5, 4))


# ---------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("method", [*ADDING_UP, "deepshap", "expected_gradients"])
def test_linear(method):
    model = model_of([fb.Dense(2)], inputs=4)
    W = model.get_weights()[0]
    found = fb.explain(model, X, method, baseline=B[0])
    np.testing.assert_allclose(found.values, (X - B[0])[:, :, np.newaxis] * W, atol=1e-13)
    assert np.abs(found.completeness_error).max() < 1e-13


def test_linear_relevance_and_slopes():
    model = model_of([fb.Dense(1, use_bias=False)], inputs=4)
    w = model.get_weights()[0][:, 0]
    np.testing.assert_allclose(fb.explain(model, X, "lrp", epsilon=0).values, X * w, atol=1e-14)
    np.testing.assert_allclose(fb.explain(model, X, "input_x_gradient").values, X * w, atol=1e-14)
    np.testing.assert_allclose(fb.explain(model, X, "saliency").values, np.tile(w, (6, 1)), atol=1e-14)
    np.testing.assert_allclose(fb.explain(model, X, "smoothgrad").values, np.tile(w, (6, 1)), atol=1e-13)


@pytest.mark.parametrize(
    ("method", "expected"), [("saliency", 0), ("integrated_gradients", 1), ("deeplift", 1), ("shapley", 1)]
)
def test_a_saturated_hinge(method, expected):
    count_from = {} if method == "saliency" else {"baseline": 0}
    tolerance = {"n_steps": 1000} if method == "integrated_gradients" else {}
    found = fb.explain(hinge(), [[2.0]], method, **count_from, **tolerance)
    np.testing.assert_allclose(found.values, [[expected]], atol=1e-3 if tolerance else 1e-15)


@pytest.mark.parametrize(
    ("method", "expected"), [("integrated_gradients", [0, 3]), ("deeplift", [0, 3]), ("shapley", [0.5, 2.5])]
)
def test_ramps(method, expected):
    np.testing.assert_allclose(fb.explain(ramps(), [[1.0, 3.0]], method, baseline=0).values, [expected], atol=1e-12)


def test_product_by_integrated_gradients():
    """exp(a + b) is a product; along the diagonal its integral is split in proportion to a and b."""
    model = model_of([fb.Dense(1, "exp")], [[[1.0], [1.0]], [0.0]], inputs=2)
    found = fb.explain(model, [[0.5, 2.0]], "integrated_gradients", baseline=0, n_steps=40)
    np.testing.assert_allclose(found.values[0], (np.exp(2.5) - 1) * np.array([0.5, 2.0]) / 2.5, rtol=1e-13)


def test_relu_network_is_its_gradient_and_its_biases():
    """f(x) = grad f . x + the sum over layers of b . df/db."""
    model = deep("relu")
    for row in X:
        _, gradients = model.loss_and_gradients(row[np.newaxis], [[0.0]], "mse")
        answer = model.predict(row[np.newaxis])[0, 0]
        of_biases = sum((b * g).sum() for b, g in zip(model.get_weights()[1::2], gradients[1::2], strict=True))
        shares = fb.explain(model, row[np.newaxis], "input_x_gradient").values.sum()
        assert shares + of_biases / (2 * answer) == pytest.approx(answer, rel=1e-12)


@pytest.mark.parametrize("activation", ["relu", fb.LeakyReLU(0.1)])
def test_relevance_without_bias_is_input_x_gradient(activation):
    model = without_bias(activation)
    if activation == "relu":
        found = fb.explain(model, X, "lrp", epsilon=0)
        np.testing.assert_allclose(found.values, fb.explain(model, X, "input_x_gradient").values, rtol=1e-10)
        assert np.abs(found.completeness_error).max() < 1e-12


# ------------------------------------------------------------------------------------------- shares that add up


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "softmax"])
def test_deeplift_adds_up_for_every_activation(activation):
    model = deep(activation, 3, inputs=4)
    found = fb.explain(model, X, "deeplift", baseline=B[0])
    size = np.abs(model.predict(X)).max() + 1
    assert np.abs(found.completeness_error).max() < 1e-11 * size
    np.testing.assert_allclose(found.base_values, np.tile(model.predict(B[:1]), (6, 1)), rtol=1e-12)
    same = fb.explain(model, B[:1], "deeplift", baseline=B[0])  # every difference is 0: the slopes are taken
    assert not same.values.any()


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "softmax"])
def test_integrated_gradients_add_up_for_every_activation(activation):
    model = deep(activation, 2, inputs=4)
    found = fb.explain(model, X, "integrated_gradients", baseline=B[0], tolerance=1e-4)
    explained = np.abs(model.predict(X) - model.predict(B[:1])).max(axis=1, keepdims=True)
    has_kinks = activation in ("relu", "leaky_relu", "prelu", "selu", "hard_sigmoid", "hard_swish")
    assert (np.abs(found.completeness_error) <= (5e-3 if has_kinks else 1.01e-4) * explained + 1e-12).all()


def layered(kind):
    inner = {"batch_norm": [fb.Dense(4), fb.BatchNorm(), fb.Activation("tanh")], "first": [fb.BatchNorm()]}
    inner["residual"] = [fb.Residual([fb.Dense(5, "relu"), fb.Dropout(0.2), fb.Dense(4, "tanh")])]
    inner["scaling"] = [fb.Scaling(), fb.Dense(4, fb.Parametric("silu", 0.6)), fb.Scaling()]
    inner["after"] = [fb.Dense(4, "gelu"), fb.BatchNorm()]
    inner["nested"] = [fb.Residual([fb.Residual([fb.Dense(4, "silu")]), fb.Activation("prelu")])]
    return model_of([*inner[kind], fb.Dense(6, "elu"), fb.Dropout(0.5), fb.Dense(2, "softmax")], inputs=4)


@pytest.mark.parametrize("kind", ["batch_norm", "first", "after", "residual", "nested", "scaling"])
@pytest.mark.parametrize("method", ["deeplift", "integrated_gradients"])
def test_other_layers(kind, method):
    model = layered(kind)
    found = fb.explain(model, X, method, baseline=B[0])
    assert np.abs(found.completeness_error).max() < (1e-11 if method == "deeplift" else 0.02)
    logits = found.base_values + found.values.sum(axis=1) - found.completeness_error
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, model.predict(X), atol=1e-12)


@pytest.mark.parametrize("method", ["deeplift", "integrated_gradients"])
def test_several_baselines_are_the_mean(method):
    model = deep(n_outputs=2)
    several = "deepshap" if method == "deeplift" else method
    found = fb.explain(model, X, several, background=B)
    each = np.stack([fb.explain(model, X, method, baseline=b).values for b in B])
    np.testing.assert_allclose(found.values, each.mean(axis=0), atol=1e-13)
    np.testing.assert_allclose(found.standard_errors, each.std(axis=0, ddof=1) / np.sqrt(5), atol=1e-12)


def test_expected_gradients_approach_integrated_gradients():
    model = deep(n_outputs=2)
    exact = fb.explain(model, X, "integrated_gradients", background=B, n_steps=100)
    found = fb.explain(model, X, "expected_gradients", background=B, n_samples=4000)
    assert (np.abs(found.values - exact.values) < 4 * found.standard_errors + 1e-9).all()
    np.testing.assert_allclose(found.base_values, exact.base_values, rtol=1e-12)


# ------------------------------------------------------------------------------------------------ targets, outputs


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "deepshap", "lrp", "smoothgrad"])
def test_targets(method):
    model = deep(n_outputs=3, last="softmax")
    model.classes = ["a", "b", "c"]
    more = {"background": B} if method in ("integrated_gradients", "deepshap") else {}
    more |= {"n_steps": 20} if method == "integrated_gradients" else {}
    whole = fb.explain(model, X, method, **more)
    assert whole.values.shape == (6, 4, 3)
    np.testing.assert_allclose(fb.explain(model, X, method, "b", **more).values, whole.values[:, :, 1], atol=1e-13)
    predicted = fb.explain(model, X, method, "predicted", **more)
    numbers = model.predict(X).argmax(axis=1)
    np.testing.assert_allclose(predicted.values, whole.values[np.arange(6), :, numbers], atol=1e-13)


@pytest.mark.parametrize(("last", "n_outputs", "y"), [("softmax", 3, [0, 1, 2, 0, 1, 2]), ("sigmoid", 1, [0, 1] * 3)])
def test_the_loss(last, n_outputs, y):
    model = deep(n_outputs=n_outputs, last=last)
    loss = "cross_entropy" if last == "softmax" else "binary_cross_entropy"
    found = fb.explain(model, X, "saliency", output="loss", y=y)
    np.testing.assert_allclose(found.values, model.input_gradients(X, y, loss), atol=1e-13)
    shares = fb.explain(model, X, "integrated_gradients", output="loss", y=y, baseline=B[0])
    own = [model.loss_and_gradients(X[i : i + 1], y[i : i + 1], loss)[0] for i in range(6)]
    np.testing.assert_allclose(shares.base_values + shares.values.sum(axis=1) - shares.completeness_error, own)


def test_predictions():
    model = deep(n_outputs=3, last="softmax")
    found = fb.explain(model, X, "integrated_gradients", output="prediction", baseline=B[0], tolerance=1e-6)
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), model.predict(X), atol=1e-6)
    np.testing.assert_allclose(
        fb.explain(model, X, "saliency", output="prediction").values.swapaxes(1, 2), model.jacobian(X), atol=1e-14
    )
    single = deep(n_outputs=1, last="sigmoid")
    lifted = fb.explain(single, X, "deeplift", output="prediction", baseline=B[0])
    assert np.abs(lifted.completeness_error).max() < 1e-13


# -------------------------------------------------------------------------------------------- the user's columns


def prepared(frame):
    numeric = [fb.Impute("median", indicator=True), fb.RobustScale()]
    layers = [fb.Dense(6, "tanh"), fb.Dense(1)]
    model = fb.Model(layers, prepare=fb.Columns(numeric), prepare_targets=fb.Standardize(), dtype="float64")
    model.build(frame, np.arange(len(frame)) * 3.0)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def mixed():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(2)
    gap = np.where(rng.random(40) < 0.3, np.nan, rng.normal(size=40))
    return pd.DataFrame({"colour": rng.choice(["red", "green"], 40), "size": rng.normal(size=40), "gap": gap})


@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift", "input_x_gradient", "lrp"])
def test_shares_of_members_add_up(method):
    frame = mixed()
    model = prepared(frame)
    count_from = {"baseline": frame[:1]} if method in ADDING_UP else {}
    found = fb.explain(model, frame[:9], method, **count_from)
    parts = fb.explain(model, frame[:9], method, **count_from, columns="prepared")
    assert parts.columns == ("size", "gap", "gap missing", "colour=green", "colour=red")
    assert found.columns == ("colour", "size", "gap")
    expected = np.stack([parts.values[:, 3:].sum(1), parts.values[:, 0], parts.values[:, 1:3].sum(1)], axis=1)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    np.testing.assert_allclose(parts.data, model.feed.features(frame[:9]))
    if count_from:
        answers = found.base_values + found.values.sum(axis=1) - found.completeness_error
        np.testing.assert_allclose(answers, model.predict(frame[:9])[:, 0], rtol=1e-12)


def test_slopes_by_the_users_columns():
    frame = mixed()[["size", "gap"]]
    model = prepared(frame)
    found = fb.explain(model, frame[:9], "saliency")
    np.testing.assert_allclose(found.values, model.jacobian(frame[:9])[:, 0], atol=1e-13)
    smooth = fb.explain(model, frame[:9], "smoothgrad", noise=1e-9)
    np.testing.assert_allclose(smooth.values, found.values, atol=1e-6)
    with pytest.raises(ValueError, match=r"holds categories, .*columns='prepared'"):
        fb.explain(prepared(mixed()), mixed()[:2], "saliency")
    assert fb.explain(prepared(mixed()), mixed()[:2], "saliency", columns="prepared").values.shape == (2, 5)


def test_tables_of_codes():
    inputs = fb.Tabular(1, [3, 2], dims=[2, 3])
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], inputs=inputs, dtype="float64")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    rows, behind = [[0.3, 2, 7], [0.1, 1, 0]], [[0.1, 0, 1]]
    found = fb.explain(model, rows, "deeplift", background=behind)
    assert found.values.shape == (2, 3)
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), model.predict(rows)[:, 0], atol=1e-13)
    parts = fb.explain(model, rows, "saliency", columns="prepared")
    assert parts.columns == ("0", "1[0]", "1[1]", "2[0]", "2[1]", "2[2]")
    np.testing.assert_allclose(parts.values, model.jacobian(rows, space="prepared")[:, 0], atol=1e-14)
    with pytest.raises(ValueError, match="holds categories, by which nothing can be differentiated"):
        fb.explain(model, rows, "saliency")


def test_estimators_and_ensembles():
    pytest.importorskip("sklearn")
    from fastbp.sklearn import MLPClassifier

    labels = ["a", "b", "c", "a", "b", "c"]
    with pytest.warns(Warning, match="Maximum iterations"):
        network = MLPClassifier((5,), max_iter=2, random_state=0, missing="impute").fit(X, labels)
    gappy = X.copy()
    gappy[0, 1] = np.nan
    found = fb.explain(network, gappy, "deepshap", background=B)
    assert np.abs(found.completeness_error).max() < 1e-12
    assert fb.explain(network, gappy, "saliency").values[0, 1].tolist() == [0, 0, 0]
    models = [deep(seed=seed) for seed in range(3)]
    several = fb.explain(fb.Ensemble(models), X, "integrated_gradients", baseline=0, n_steps=30)
    each = np.stack([fb.explain(model, X, "integrated_gradients", baseline=0, n_steps=30).values for model in models])
    np.testing.assert_allclose(several.values, each.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(several.spread, each.std(axis=0), atol=1e-14)


# ------------------------------------------------------------------------------------------------------ relevance


def by_contributions(model, x, rule, epsilon=0.0, gamma=0.25, alpha=2.0):
    """Relevance propagation as the textbook writes it, contribution by contribution, for dense layers and relu."""
    weights = model.get_weights()
    values = [x]
    for W, b in zip(weights[::2], weights[1::2], strict=True):
        values.append(np.maximum(values[-1] @ W + b, 0))
    values[-1] = values[-2] @ weights[-2] + weights[-1]
    R = values[-1].copy()
    for layer in range(len(weights) // 2 - 1, -1, -1):
        W, b, a = weights[2 * layer], weights[2 * layer + 1], values[layer]
        inside = np.zeros(len(a))
        for k in range(W.shape[1]):
            c, whole = a * W[:, k], [*(a * W[:, k]), b[k]]
            up = sum(part for part in whole if part > 0)
            down = sum(part for part in whole if part < 0)
            plus, minus = np.maximum(c, 0), np.minimum(c, 0)
            if rule == "epsilon":
                share = c / (up + down + epsilon * np.sign(up + down))
            elif rule == "gamma":
                whole = up + down + gamma * up
                share = (c + gamma * plus) / (whole + epsilon * np.sign(whole))
            elif rule == "z+":
                share = plus / up if up else 0 * c
            else:
                share = (alpha * plus / up if up else 0 * c) + ((1 - alpha) * minus / down if down else 0 * c)
            inside += share * R[k]
        R = inside
    return R


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ("epsilon", {"epsilon": 0.3}),
        ("gamma", {"gamma": 0.5}),
        ("z+", {}),
        ("alpha-beta", {"alpha": 2.0}),
        ("alpha-beta", {"alpha": 1.0}),
    ],
)
def test_rules_of_relevance(rule, settings):
    model = deep("relu")
    found = fb.explain(model, X, "lrp", rule=rule, **settings)
    for x, values in zip(X, found.values, strict=True):
        plain = {"epsilon": 1e-6 if rule in ("epsilon", "gamma") else 0.0} | settings
        np.testing.assert_allclose(values, by_contributions(model, x, rule, **plain), rtol=1e-9, atol=1e-12)


def test_relevance_folds_batch_normalisation():
    model = model_of([fb.Dense(5), fb.BatchNorm(), fb.Activation("relu"), fb.Dense(1)], inputs=4)
    W, b, gain, shift, mean, variance, *others = model.get_weights()
    factor = gain / np.sqrt(variance + 1e-5)
    folded = model_of([fb.Dense(5, "relu"), fb.Dense(1)], [W * factor, (b - mean) * factor + shift, *others], inputs=4)
    for rule in ("epsilon", "gamma", "z+", "alpha-beta"):
        np.testing.assert_allclose(
            fb.explain(model, X, "lrp", rule=rule).values, fb.explain(folded, X, "lrp", rule=rule).values, rtol=1e-9
        )


def test_relevance_of_a_residual_layer_is_kept():
    layers = [fb.Residual([fb.Dense(4, "relu", use_bias=False)]), fb.Dense(1, use_bias=False)]
    found = fb.explain(model_of(layers, inputs=4), X, "lrp", epsilon=0)
    assert np.abs(found.completeness_error).max() < 1e-11


# ---------------------------------------------------------------------------------------------------------- peers


def torch_of(torch, model):
    parts = []
    weights = iter(model.get_weights())
    for layer in model.layers:
        W, b = next(weights), next(weights)
        linear = torch.nn.Linear(*W.shape)
        linear.weight.data, linear.bias.data = torch.tensor(W.T.copy()), torch.tensor(b)
        parts.append(linear)
        name = layer.activation.name
        if name != "linear":
            parts.append({"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[name]())
    return torch.nn.Sequential(*parts)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Input Tensor", "ignore:Setting forward")
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_captum(torch, activation):
    attr = pytest.importorskip("captum.attr")
    model = deep(activation, 3)
    net, rows = torch_of(torch, model), torch.tensor(X)
    behind = torch.tensor(np.tile(B[0], (6, 1)))
    theirs = attr.IntegratedGradients(net).attribute(rows, behind, target=1, n_steps=64, method="gausslegendre")
    ours = fb.explain(model, X, "integrated_gradients", 1, baseline=B[0], n_steps=64)
    np.testing.assert_allclose(ours.values, theirs.detach().numpy(), atol=1e-12)
    theirs = attr.DeepLift(net).attribute(rows, behind, target=1).detach().numpy()
    np.testing.assert_allclose(fb.explain(model, X, "deeplift", 1, baseline=B[0]).values, theirs, atol=1e-6)
    theirs = attr.Saliency(net).attribute(rows, target=1, abs=False).detach().numpy()
    np.testing.assert_allclose(fb.explain(model, X, "saliency", 1).values, theirs, atol=1e-13)
    theirs = attr.InputXGradient(net).attribute(rows, target=1).detach().numpy()
    np.testing.assert_allclose(fb.explain(model, X, "input_x_gradient", 1).values, theirs, atol=1e-13)
    if activation == "relu":
        theirs = attr.LRP(net).attribute(rows, target=1).detach().numpy()  # its rule is epsilon with 1e-9
        np.testing.assert_allclose(fb.explain(model, X, "lrp", 1, epsilon=1e-9).values, theirs, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array_wrap__")
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_shap(torch, activation):
    shap = pytest.importorskip("shap")
    model = deep(activation, 3)
    theirs = shap.DeepExplainer(torch_of(torch, model), torch.tensor(B)).shap_values(torch.tensor(X))
    np.testing.assert_allclose(fb.explain(model, X, "deepshap", background=B).values, theirs, atol=1e-6)


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"method": "saliency", "baseline": 0},
            "method is 'saliency', which counts from nothing",
        ),
        ({"method": "lrp", "background": B}, "background is given and method is 'lrp'"),
        ({"method": "deeplift", "background": B}, "expected one baseline.*method='deepshap'"),
        ({"method": "shapley", "background": B, "n_steps": 5}, "n_steps is given and method is 'shapley'; expected it"),
        ({"method": "lrp", "gamma": 0.1}, "gamma is given and rule is 'epsilon'; expected it with rule='gamma'"),
        ({"method": "lrp", "rule": "zplus"}, "rule is 'zplus'; expected"),
        ({"method": "lrp", "rule": "alpha-beta", "alpha": 0.5}, "alpha is 0.5; expected"),
        ({"method": "smoothgrad", "noise": 0}, "noise is 0; expected"),
        ({"method": "integrated_gradients", "baseline": 0, "n_steps": 0}, "n_steps is 0; expected"),
        ({"method": "integrated_gradients", "baseline": 0, "n_steps": 5, "tolerance": 1.0}, "expected one of them"),
        ({"method": "lrp", "output": "loss", "y": [0.0] * 6}, "output is 'loss'; expected 'logit' or 'prediction'"),
        ({"method": "expected_gradients", "background": B, "n_samples": 1}, "n_samples is 1; expected"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        fb.explain(deep(), X, **arguments)


@pytest.mark.parametrize("method", ["deeplift", "deepshap", "lrp"])
def test_what_cannot_be_passed_through(method):
    normed = model_of([fb.Dense(5), fb.LayerNorm(), fb.Activation("relu"), fb.Dense(1)], inputs=4)
    count_from = {} if method == "lrp" else {"baseline": 0}
    with pytest.raises(ValueError, match=r"LayerNorm\(epsilon=1e-05\); expected layers .* Use 'integrated_gradients'"):
        fb.explain(normed, X, method, **count_from)
    with pytest.raises(ValueError, match=r"a softmax is to be explained.*expected output='logit'"):
        fb.explain(deep(n_outputs=3, last="softmax"), X, method, output="prediction", **count_from)
    found = fb.explain(normed, X, "integrated_gradients", baseline=0)
    assert np.abs(found.completeness_error).max() < 1e-2


# ---------------------------------------------------------------------------------------------- what is not finite


def overflowing(*layers):
    """A network whose first product is infinite in float32 for numbers that predict takes."""
    model = fb.Model([*layers, fb.Dense(2)], inputs=3, dtype="float32")
    model.set_weights([np.full(w.shape, 1e10 if w.ndim == 2 else 0) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("layers", [(), (fb.Dense(4),), (fb.Dense(4, "relu"),)], ids=["one", "linear", "relu"])
@pytest.mark.parametrize("method", METHODS)
def test_what_overflows_on_the_way_gets_a_sentence(method, layers):
    large, small = np.full((2, 3), 1e33, np.float32), np.ones((2, 3), np.float32)
    counts = method not in ("saliency", "input_x_gradient", "smoothgrad", "lrp")
    cases = [(large, {"baseline": 0.0} if counts else {})]
    cases += [(small, {"background": large[:1] if method == "deeplift" else large})] if counts else []
    cases += [(X, options | {"output": "loss", "y": np.zeros((2, 2))}) for X, options in cases]
    for X, options in cases:
        loss = "output" in options
        if (loss and method in ("deeplift", "deepshap", "lrp")) or (not loss and method in SLOPES_ALONE):
            continue
        with pytest.raises(FloatingPointError, match="are not finite at a row of X, at one of the baseline"):
            fb.explain(overflowing(*layers), X, method, **options)


SLOPES_ALONE = ("saliency", "input_x_gradient", "smoothgrad")  # of outputs; they can be finite where those are not


def test_a_gradient_that_overflows_gets_a_sentence():
    model = fb.Model([fb.Dense(4), fb.Dense(4), fb.Dense(1)], inputs=3, dtype="float32")
    model.set_weights([np.full(w.shape, 1e30 if w.ndim == 2 else 0) for w in model.get_weights()])
    with pytest.raises(FloatingPointError, match="are not finite"):
        fb.explain(model, np.zeros((1, 3)), "integrated_gradients", baseline=1e-20)
