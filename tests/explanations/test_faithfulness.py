"""Faithfulness: what a right explanation gets, and a wrong one."""

from dataclasses import replace

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X, B = RNG.normal(size=(30, 6)), RNG.normal(size=(4, 6))


def network(seed=0, last="linear", n_outputs=1):
    model = fb.Model([fb.Dense(9, "tanh"), fb.Dense(n_outputs, last)], inputs=6, dtype="float64", seed=seed)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def linear():
    model = fb.Model([fb.Dense(1)], inputs=6, dtype="float64")
    model.set_weights([[[3.0], [-2.0], [1.0], [0.5], [0.0], [4.0]], [0.5]])
    return model


def test_deletion_by_hand():
    model = linear()
    explanation = fb.explain(model, X, "deeplift", baseline=B[0])
    found = fb.faithfulness(explanation, model)
    shares = -np.sort(-explanation.values, axis=1)  # of a linear model each deletion takes its share
    expected = model.predict(X).mean() - np.concatenate([[0], np.cumsum(shares.mean(axis=0))])
    np.testing.assert_allclose(found.deletion, expected, atol=1e-12)
    assert found.deletion[-1] == pytest.approx(model.predict(B[:1])[0, 0])
    assert found.deletion_at_random[[0, -1]] == pytest.approx(found.deletion[[0, -1]])
    assert found.deletion_gain == pytest.approx((found.deletion_at_random - found.deletion).mean())
    assert found.completeness_error < 1e-12
    assert "deletion gain" in repr(found)


def test_a_wrong_explanation_is_told_from_a_right_one():
    model = network()
    right = fb.explain(model, X, background=B)
    wrong = replace(right, values=-right.values)
    found = [fb.faithfulness(each, model) for each in (right, wrong)]
    assert found[0].deletion_gain > 0 > found[1].deletion_gain


def test_sensitivity_of_a_linear_model():
    """The gradient of a linear model does not change at all, and its shares as the rows do."""
    assert fb.faithfulness(fb.explain(linear(), X, "saliency"), linear()).sensitivity < 1e-12
    small = fb.faithfulness(fb.explain(linear(), X, "deeplift", baseline=0), linear(), radius=1e-4).sensitivity
    large = fb.faithfulness(fb.explain(linear(), X, "deeplift", baseline=0), linear(), radius=1e-2).sensitivity
    assert large == pytest.approx(100 * small, rel=1e-6)


def test_random_weights():
    """Input x gradient of one layer of equal weights shows the data; a gradient does not."""
    equal = fb.Model([fb.Dense(1, initializer="uniform")], inputs=6, dtype="float64")
    equal.set_weights([np.ones((6, 1)), [0.0]])
    scaled = X * [1, 10, 100, 1000, 1e4, 1e5]
    assert fb.faithfulness(fb.explain(equal, scaled, "input_x_gradient"), equal).random_weights > 0.8
    found = [
        fb.faithfulness(fb.explain(network(s), X, "saliency"), network(s), seed=s).random_weights for s in range(9)
    ]
    assert abs(np.mean(found)) < 0.35


def test_rows_targets_and_outputs():
    model = network(last="softmax", n_outputs=3)
    whole = fb.explain(model, X, background=B)
    with pytest.raises(ValueError, match="several outputs are explained; expected one"):
        fb.faithfulness(whole, model)
    one = fb.faithfulness(whole.of_output(1)[3:9], model)
    same = fb.faithfulness(fb.explain(model, X[3:9], background=B, target=1), model)
    np.testing.assert_allclose(one.deletion, same.deletion, atol=1e-13)
    predicted = fb.explain(model, X, background=B, target="predicted")[X[:, 0] > 0]
    assert fb.faithfulness(predicted, model).completeness_error < 1e-12
    losses = fb.explain(model, X, background=B, output="loss", y=[0, 1, 2] * 10)[2:5]
    assert fb.faithfulness(losses, model).completeness_error < 1e-12


def test_ensembles_and_estimators():
    models = fb.Ensemble([network(0), network(1)])
    found = fb.faithfulness(fb.explain(models, X, "deepshap", background=B), models)
    assert found.completeness_error < 1e-12
    assert found.random_weights is not None
    pytest.importorskip("sklearn")
    from fastbp.sklearn import MLPRegressor

    with pytest.warns(Warning, match="Maximum iterations"):
        model = MLPRegressor(hidden_layer_sizes=(5,), max_iter=2, random_state=0).fit(X, X[:, 0])
    found = fb.faithfulness(fb.explain(model, X, background=B), model)
    assert abs(found.random_weights) < 1
    assert found.deletion_gain > 0


def test_refusals():
    model = network()
    found = fb.explain(model, X, background=B)
    with pytest.raises(TypeError, match=r"explanation is .*; expected what fb\.explain returns"):
        fb.faithfulness(found.values, model)
    with pytest.raises(ValueError, match="columns='prepared'"):
        fb.faithfulness(fb.explain(model, X, background=B, columns="prepared"), model)
    with pytest.raises(ValueError, match="model has 2 columns, the explanation 6"):
        fb.faithfulness(found, fb.Model([fb.Dense(1)], inputs=2))
    with pytest.raises(ValueError, match="radius is 0; expected"):
        fb.faithfulness(found, model, radius=0)
