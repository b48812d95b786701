"""A model of members is explained by its predictions, which is all that some methods need; others refuse it by name."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.explanations.methods import METHODS

X = np.random.default_rng(5).normal(size=(40, 3))
BEHIND = X[20:30]
CLASSES = {"softmax": (3, np.arange(40) % 3), "sigmoid": (1, np.arange(40) % 2), "linear": (1, X[:, 0])}


def of_members(activation, dtype="float64", prepare=None):
    layers = [fb.Dense(6, "tanh"), fb.Dense(CLASSES[activation][0], activation)]
    model = fb.Model([fb.BatchEnsemble(4, layers)], inputs=3, dtype=dtype, prepare=prepare, seed=2)
    if prepare is not None:
        fb.Trainer(model, loss="mse").fit(X, X[:, 0], epochs=1, progress=False)
    return model


def logits(model, rows):
    probabilities = model.predict(rows)
    if probabilities.shape[1] == 1:
        return np.log(probabilities / (1 - probabilities))
    return np.log(probabilities)


def losses(outputs, y, activation):
    if activation == "softmax":
        return -np.log(outputs[np.arange(len(y)), y])
    if activation == "sigmoid":
        return -np.log(np.where(y == 1, outputs[:, 0], 1 - outputs[:, 0]))
    return np.square(outputs[:, 0] - y)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_logits_are_those_of_the_mean_probabilities(activation):
    model = of_members(activation)
    found = fb.explain(model, X[:4], background=BEHIND, target=0)
    last = 0 if activation == "softmax" else slice(None)
    told = logits(model, X[:4])[:, last].ravel()
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), told, rtol=1e-10)
    assert found.output == "logit"


@pytest.mark.parametrize("columns", ["original", "prepared"])
def test_shapley_values_add_up_to_the_prediction(columns):
    model = of_members("linear", prepare=fb.Standardize())
    found = fb.explain(model, X[:4], background=BEHIND, columns=columns)
    np.testing.assert_allclose(found.base_values + found.values.sum(axis=1), model.predict(X[:4])[:, 0], rtol=1e-10)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_the_prepared_columns_have_logits_too(activation):
    model = of_members(activation)
    original, prepared = (
        fb.explain(model, X[:4], background=BEHIND, target=0, columns=columns) for columns in ("original", "prepared")
    )
    np.testing.assert_allclose(prepared.values, original.values, rtol=1e-10)


@pytest.mark.parametrize("activation", list(CLASSES))
def test_what_needs_predictions_only_takes_a_model_of_members(activation):
    model, y = of_members(activation), CLASSES[activation][1]
    importance = fb.permutation_importance(model, X, y)
    assert np.isfinite([importance.values, importance.low, importance.high]).all()
    of_losses = fb.explain(model, X, background=BEHIND, output="loss", y=y)
    total = of_losses.base_values + of_losses.values.sum(axis=1)
    np.testing.assert_allclose(total, losses(model.predict(X), y, activation), rtol=1e-10)
    for output in ("logit", "prediction"):
        assert np.isfinite(fb.partial_dependence(model, X, 0, target=0, output=output).means).all()
        assert np.isfinite(fb.accumulated_effects(model, X, 0, target=0, output=output).means).all()
        assert np.isfinite(fb.interaction_strength(model, X, target=0, output=output).values).all()
    found = fb.faithfulness(fb.explain(model, X[:5], background=BEHIND, target=0), model)
    assert found.deletion_gain > 0 and found.random_weights is not None
    least = float(model.predict(X).max()) - 0.1
    change = fb.counterfactual(model, X[:5], (least, None) if activation == "linear" else 1, X)
    predicted = model.predict(change.changed[change.reached])
    as_asked = {
        "softmax": predicted.argmax(axis=1) == 1,
        "sigmoid": predicted[:, 0] > 0.5,
        "linear": predicted[:, 0] >= least,
    }
    assert change.reached.any() and as_asked[activation].all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_certain_members_are_finite(dtype):
    for activation in ("softmax", "sigmoid"):
        model = of_members(activation, dtype)
        model.set_weights([weights * 200 for weights in model.get_weights()])
        found = fb.explain(model, X[:4], background=BEHIND, target=0)
        assert np.isfinite(found.values).all()


@pytest.mark.parametrize("method", [method for method in METHODS if method != "shapley"])
@pytest.mark.parametrize("activation", list(CLASSES))
def test_methods_that_look_into_the_network_name_the_one_that_does_not(method, activation):
    behind = {} if method in ("saliency", "input_x_gradient", "smoothgrad", "lrp") else {"baseline": X[0]}
    expected = r"last layer is BatchEnsemble\(4, .*look into the network\. Pass method=\"shapley\""
    for output in ("logit", "prediction"):
        with pytest.raises(ValueError, match=expected):
            fb.explain(of_members(activation), X[:2], method, output=output, target=0, **behind)
