"""Shapley values: closed forms, all permutations by brute force, shap, and how far the errors can be trusted."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastbp as fb
from fastbp.explanations.shapley import shapley_of_row


def explained(function, row, background, n_pairs=3, seed=0):
    """The values of a function of rows, which returns a number each."""
    rng = np.random.default_rng(seed)

    def orders(n):
        return np.stack([rng.permutation(n) for _ in range(n_pairs)])

    return shapley_of_row(lambda rows: function(rows)[:, np.newaxis], np.array(row), np.array(background), orders)


def by_all_orders(function, row, background):
    """The definition: the mean over all permutations of what a column adds when it joins."""
    n = len(row)

    def worth(coalition):
        rows = np.array(background, float)
        rows[:, list(coalition)] = np.array(row)[list(coalition)]
        return function(rows).mean()

    values = np.zeros(n)
    orders = list(itertools.permutations(range(n)))
    for order in orders:
        for i, column in enumerate(order):
            values[column] += worth(order[: i + 1]) - worth(order[:i])
    return values / len(orders)


def network(n_inputs, n_outputs=1, activation="tanh", last="linear", seed=0):
    model = fb.Model([fb.Dense(7, activation), fb.Dense(n_outputs, last)], inputs=n_inputs, dtype="float64", seed=seed)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def ramps():
    """x1 + relu(x2 - x1) as a network, where x1 is relu(x1) - relu(-x1)."""
    model = fb.Model([fb.Dense(3, "relu"), fb.Dense(1)], inputs=2, dtype="float64")
    model.set_weights([[[1, -1, -1], [0, 0, 1]], [0, 0, 0], [[1], [-1], [1]], [0]])
    return model


# ------------------------------------------------------------------------------------------------- closed forms


def test_linear():
    rng = np.random.default_rng(0)
    model = fb.Model([fb.Dense(2)], inputs=20, dtype="float64", seed=1)
    W, b = model.get_weights()[0], rng.normal(size=20)
    X = rng.normal(size=(4, 20))
    found = fb.explain(model, X, baseline=b)
    np.testing.assert_allclose(found.values, (X - b)[:, :, np.newaxis] * W, atol=1e-14)
    np.testing.assert_allclose(found.base_values, np.broadcast_to(model.predict([b]), (4, 2)), atol=1e-14)
    assert np.abs(found.completeness_error).max() < 1e-14
    assert np.abs(found.standard_errors).max() < 1e-14  # every permutation says the same


def test_ramps():
    np.testing.assert_allclose(fb.explain(ramps(), [[1.0, 3.0]], baseline=0).values, [[0.5, 2.5]], atol=1e-15)


def test_product():
    found = explained(lambda rows: rows[:, 0] * rows[:, 1], [2.0, 3.0], [[0.0, 0.0]])
    np.testing.assert_allclose(found.values[:, 0], [3, 3])


def test_a_column_of_two_members_is_one_player():
    single = explained(lambda rows: rows.prod(axis=1), [1.0, 1.0, 1.0], [[0.0, 0.0, 0.0]])
    np.testing.assert_allclose(single.values[:, 0], [1 / 3, 1 / 3, 1 / 3])
    # the first column becomes u and v, the second z
    grouped = explained(lambda rows: rows[:, 0] ** 2 * rows[:, 1], [1.0, 1.0], [[0.0, 0.0]])
    np.testing.assert_allclose(grouped.values[:, 0], [1 / 2, 1 / 2])


def test_exponential():
    model = fb.Model([fb.Dense(1, "exp")], inputs=2, dtype="float64")
    model.set_weights([[[1.0], [1.0]], [0.0]])
    a, b = np.exp(0.5), np.exp(2.0)  # f is a product; from 0 each gets its own part and half of the other's
    expected = [(a - 1) * (1 + b) / 2, (b - 1) * (1 + a) / 2]
    np.testing.assert_allclose(fb.explain(model, [[0.5, 2.0]], baseline=0).values[0], expected, rtol=1e-14)


# -------------------------------------------------------------------------------------------- the definition


@pytest.mark.parametrize("n_background", [1, 4])
@pytest.mark.parametrize("n_columns", [1, 2, 5])
def test_all_orders(n_columns, n_background):
    model, rng = network(n_columns), np.random.default_rng(n_columns)
    X, background = rng.normal(size=(2, n_columns)), rng.normal(size=(n_background, n_columns))
    found = fb.explain(model, X, background=background)
    for i, row in enumerate(X):
        expected = by_all_orders(lambda rows: model.predict(rows)[:, 0], row, background)
        np.testing.assert_allclose(found.values[i], expected, atol=1e-13)
    spread = np.array([fb.explain(model, X, background=row[np.newaxis]).values for row in background])
    error = spread.std(axis=0, ddof=1) / np.sqrt(n_background) if n_background > 1 else 0
    np.testing.assert_allclose(found.standard_errors, error, atol=1e-13)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 14), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_axioms(n_columns, n_outputs, seed):
    """Efficiency; a column that the network ignores gets 0; two that it treats alike get the same."""
    rng = np.random.default_rng(seed)
    model = network(n_columns + 3, n_outputs, "relu", seed=seed % 100)
    weights = model.get_weights()
    weights[0][0] = 0
    weights[0][1] = weights[0][2]
    model.set_weights(weights)
    x, b = rng.normal(size=(1, n_columns + 3)), rng.normal(size=(1, n_columns + 3))
    x[0, 1], b[0, 1] = x[0, 2], b[0, 2]
    found = fb.explain(model, x, baseline=b, n_permutations=2)
    values = found.values.reshape(1, n_columns + 3, n_outputs)
    assert np.abs(found.completeness_error).max() < 1e-12
    assert np.abs(values[0, 0]).max() < 1e-13
    if n_columns + 3 <= 12:
        np.testing.assert_allclose(values[0, 1], values[0, 2], atol=1e-12)


def test_columns_like_the_background_are_no_players():
    """Of 30 columns 5 differ, so that the values are exact."""
    model, rng = network(30), np.random.default_rng(0)
    b = rng.normal(size=30)
    x = b.copy()
    x[[2, 3, 5, 7, 11]] += 1
    found = fb.explain(model, [x], baseline=b)

    def function(rows):
        whole = np.tile(b, (len(rows), 1))
        whole[:, [2, 3, 5, 7, 11]] = rows
        return model.predict(whole)[:, 0]

    expected = by_all_orders(function, x[[2, 3, 5, 7, 11]], [b[[2, 3, 5, 7, 11]]])
    np.testing.assert_allclose(found.values[0, [2, 3, 5, 7, 11]], expected, atol=1e-13)
    assert np.count_nonzero(found.values) == 5
    assert not found.standard_errors.any()


# ------------------------------------------------------------------------------------------------ permutations


def test_pairs_of_permutations_are_exact_for_interactions_of_two():
    rng = np.random.default_rng(0)
    Q, x = rng.normal(size=(15, 15)), rng.normal(size=15)
    found = explained(lambda rows: np.einsum("ni,ij,nj->n", rows, Q, rows), x, np.zeros((1, 15)), n_pairs=2)
    np.testing.assert_allclose(found.values[:, 0], x * ((Q + Q.T) @ x) / 2, atol=1e-13)


def test_permutations_approach_the_exact_values():
    """13 players, one of which is ignored: those of the other 12 are known exactly."""
    model = network(13)
    weights = model.get_weights()
    weights[0][12] = 0
    model.set_weights(weights)
    rng = np.random.default_rng(1)
    x, b = rng.normal(size=(1, 13)), rng.normal(size=13)
    alike = np.where(np.arange(13) == 12, x[0], b)
    exact = fb.explain(model, x, baseline=alike)
    assert not exact.standard_errors.any()
    draws = [fb.explain(model, x, baseline=b, n_permutations=10, seed=seed) for seed in range(100)]
    off = np.stack([draw.values for draw in draws])[:, 0, :12] - exact.values[0, :12]
    assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0) / 10).all()
    stated = np.sqrt(np.mean([draw.standard_errors[0, :12] ** 2 for draw in draws], axis=0))
    np.testing.assert_allclose(stated, off.std(axis=0), rtol=0.25)


def test_errors_of_permutations_and_backgrounds_together():
    """How far values vary when both are drawn anew."""
    model, rng = network(14), np.random.default_rng(2)
    x = rng.normal(size=(1, 14))
    draws = [
        fb.explain(model, x, background=rng.normal(size=(6, 14)), n_permutations=4, seed=seed) for seed in range(100)
    ]
    stated = np.sqrt(np.mean([draw.standard_errors[0] ** 2 for draw in draws], axis=0))
    ratios = stated / np.std([draw.values[0] for draw in draws], axis=0)
    assert 0.9 < ratios.mean() < 1.2


def test_rows_alone_and_among_others_and_threads():
    model, rng = network(16, 3, last="softmax"), np.random.default_rng(0)
    X, background = rng.normal(size=(5, 16)), rng.normal(size=(7, 16))
    whole = fb.explain(model, X, background=background, n_threads=1)
    alone = fb.explain(model, X[3:4], background=background, n_threads=4)
    assert (whole.values[3] == alone.values[0]).all()
    other = fb.explain(model, X, background=background, seed=1)
    assert not (whole.values == other.values).all()


# ------------------------------------------------------------------------------------------------------- peers


@pytest.mark.slow
@pytest.mark.parametrize("last", ["linear", "softmax"])
def test_shap(last):
    shap = pytest.importorskip("shap")
    model, rng = network(6, 3, last=last), np.random.default_rng(0)
    X, background = rng.normal(size=(4, 6)), rng.normal(size=(10, 6))
    theirs = shap.ExactExplainer(model.predict, shap.maskers.Independent(background, max_samples=10))(X)
    ours = fb.explain(model, X, background=background, output="prediction")
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-12)
    np.testing.assert_allclose(ours.base_values, theirs.base_values, atol=1e-12)
    again = shap.Explanation(**ours.shap_arguments())
    assert again.shape == theirs.shape
