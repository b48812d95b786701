"""Importance, dependence, accumulated effects and interactions of columns: closed forms, and scikit-learn."""

import itertools

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) * [1.0, 2.0, 0.5]


def linear(weights, bias=0.0):
    model = fb.Model([fb.Dense(1)], inputs=len(weights), dtype="float64")
    model.set_weights([np.reshape(weights, (-1, 1)), [bias]])
    return model


def curved(last=1, activation="linear", n_inputs=3):
    model = fb.Model([fb.Dense(6, "tanh"), fb.Dense(last, activation)], inputs=n_inputs, dtype="float64", seed=3)
    rng = np.random.default_rng(0)  # its own, so that the weights do not depend on the tests that ran before
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def product():
    """x1 x2 where both are 1 or -1, and x3 beside it: |x1 + x2| - 1 + x3."""
    model = fb.Model([fb.Dense(4, "relu"), fb.Dense(1)], inputs=3, dtype="float64")
    W = [[1, -1, 0, 0], [1, -1, 0, 0], [0, 0, 1, -1]]
    model.set_weights([W, [0, 0, 0, 0], [[1], [1], [1], [-1]], [-1]])
    return model


DESIGN = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], float)


class AsEstimator:
    """A model as scikit-learn's functions take one."""

    def __init__(self, model):
        self.model = model
        self.fitted_ = True
        self._estimator_type = "regressor"

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.model.predict(X)[:, 0]

    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator, RegressorMixin

        return type("Both", (RegressorMixin, BaseEstimator), {})().__sklearn_tags__()


# --------------------------------------------------------------------------------------------------- importance


def test_importance_of_a_linear_model():
    """Where the targets are the predictions, shuffling costs (w (x' - x))², whose mean is 2 w² var(x)."""
    w = np.array([3.0, -1.0, 0.0])
    model = linear(w)
    found = fb.permutation_importance(model, X, model.predict(X), n_repeats=300)
    assert found.names == ("0", "1", "2")
    np.testing.assert_allclose(found.values, 2 * w**2 * X.var(axis=0), rtol=0.02)
    assert found.values[2] == found.low[2] == found.high[2] == 0


def test_importance_beside_scikit_learn():
    inspection = pytest.importorskip("sklearn.inspection")
    model = curved()
    y = model.predict(X)[:, 0] + RNG.normal(size=80)
    theirs = inspection.permutation_importance(
        AsEstimator(model), X, y, scoring="neg_mean_squared_error", n_repeats=200, random_state=0
    )
    ours = fb.permutation_importance(model, X, y, n_repeats=200)
    errors = np.sqrt(2 / 200) * theirs.importances_std[list(ours.columns)]
    assert (np.abs(ours.values - theirs.importances_mean[list(ours.columns)]) < 4 * errors).all()


def test_intervals_hold_what_other_rows_give():
    w = np.array([1.0, 0.5, 0.0])
    model, rng, inside = linear(w), np.random.default_rng(1), []
    for seed in range(150):
        rows = rng.normal(size=(60, 3))
        found = fb.permutation_importance(model, rows, rows @ w + rng.normal(size=60), columns=[0], seed=seed)
        inside.append(found.low[0] <= 2 <= found.high[0])
    assert 0.9 < np.mean(inside) < 0.995


def test_importance_of_classes():
    model = curved(3, "softmax")
    model.classes = ["a", "b", "c"]
    labels = model.predict_classes(X)
    found = fb.permutation_importance(model, X, labels, columns=["2", 0], n_repeats=1, seed=4)
    assert sorted(found.columns) == [0, 2]
    order = np.random.default_rng(4).permutation(80)
    for column, value in zip(found.columns, found.values, strict=True):
        changed = X.copy()
        changed[:, column] = X[order, column]
        grown = model.loss_and_gradients(changed, labels, "cross_entropy")[0]
        assert value == pytest.approx(grown - model.loss_and_gradients(X, labels, "cross_entropy")[0], rel=1e-12)


# --------------------------------------------------------------------------------------------------- dependence


def test_partial_dependence_by_hand():
    model = curved()
    found = fb.partial_dependence(model, X, 1, grid=[-1.0, 0.5])
    for i, value in enumerate([-1.0, 0.5]):
        changed = X.copy()
        changed[:, 1] = value
        answers = model.predict(changed)[:, 0]
        np.testing.assert_allclose(found.of_rows[:, i], answers, atol=1e-14)
        assert found.means[i] == pytest.approx(answers.mean(), abs=1e-14)
        assert found.high[i] - found.means[i] == pytest.approx(1.96 * answers.std(ddof=1) / np.sqrt(80), rel=1e-4)


def test_partial_dependence_beside_scikit_learn():
    inspection = pytest.importorskip("sklearn.inspection")
    model = curved()
    theirs = inspection.partial_dependence(AsEstimator(model), X, [0], method="brute", kind="both", grid_resolution=7)
    ours = fb.partial_dependence(model, X, 0, grid=theirs["grid_values"][0])
    np.testing.assert_allclose(ours.means, theirs["average"][0], atol=1e-13)
    np.testing.assert_allclose(ours.of_rows, theirs["individual"][0], atol=1e-13)


def test_all_outputs_and_one():
    model = curved(3, "softmax")
    whole = fb.partial_dependence(model, X, 0, grid=5)
    assert whole.means.shape == (5, 3)
    assert whole.of_rows.shape == (80, 5, 3)
    np.testing.assert_allclose(whole.means.sum(axis=1), 1)
    one = fb.partial_dependence(model, X, 0, target=2, grid=5)
    np.testing.assert_allclose(one.means, whole.means[:, 2], atol=1e-15)
    assert "3 outputs" in repr(whole)
    assert "partial dependence of 2 on 0" in repr(one)


def test_categories_and_gaps():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"colour": ["red", "blue", "red", "green"] * 5, "size": [1.0, np.nan, 2.0, 4.0] * 5})
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns(fb.Impute("median", indicator=True)), dtype="float64")
    model.build(frame)
    model.set_weights([[[1.0], [10.0], [5.0], [6.0], [7.0]], [0.0]])  # size, its gap, blue, green, red
    found = fb.partial_dependence(model, frame, "colour")
    assert found.grid.tolist() == ["blue", "green", "red"]
    of_size = (1 + 2 + 4 + 2 + 10) / 4
    np.testing.assert_allclose(found.means, of_size + np.array([5, 6, 7]))
    only = fb.partial_dependence(model, frame, "colour", grid=["red"])
    np.testing.assert_allclose(only.means, [of_size + 7])
    numbers = fb.partial_dependence(model, frame, "size")
    assert numbers.grid.tolist() == [1, 2, 4]
    np.testing.assert_allclose(numbers.means, np.array([1, 2, 4]) + 6.25)
    with pytest.raises(ValueError, match="grid has 'mauve', which is no category of column 'colour'"):
        fb.partial_dependence(model, frame, "colour", grid=["mauve"])


# ------------------------------------------------------------------------------------------- accumulated effects


def test_accumulated_effects_of_a_linear_model_are_its_slope():
    found = fb.accumulated_effects(linear([3.0, -1.0, 0.5], 7.0), X, 1)
    np.testing.assert_allclose(np.diff(found.means) / np.diff(found.grid), -1, rtol=1e-12)
    np.testing.assert_allclose(found.low, found.high, atol=1e-12)  # every row says the same


def test_accumulated_effects_by_hand():
    """Apley and Zhu's estimator, bin by bin."""
    model = curved()
    found = fb.accumulated_effects(model, X, 0, n_bins=6)
    edges = np.quantile(X[:, 0], np.linspace(0, 1, 7))
    np.testing.assert_allclose(found.grid, edges)
    effects = [0.0]
    for low, high in itertools.pairwise(edges):
        rows = X[((X[:, 0] > low) | (low == edges[0])) & (X[:, 0] <= high)]
        ends = [np.column_stack([np.full(len(rows), edge), rows[:, 1:]]) for edge in (low, high)]
        effects.append(effects[-1] + (model.predict(ends[1]) - model.predict(ends[0])).mean())
    np.testing.assert_allclose(found.means, effects - np.interp(X[:, 0], edges, effects).mean(), atol=1e-13)


def test_accumulated_effects_where_columns_go_together():
    """x1 x2 with x1 = x2: the partial dependence is flat, and an accumulated effect is half of the square."""
    model = fb.Model([fb.Dense(40, "tanh"), fb.Dense(1)], inputs=2, seed=0)
    rng = np.random.default_rng(0)
    wide = rng.uniform(-1, 1, (4000, 2))
    fb.Trainer(model, "mse", optimizer=fb.Adam(1e-2), seed=0).fit(wide, wide.prod(axis=1), epochs=60, progress=False)
    line = np.repeat(rng.uniform(-1, 1, (1000, 1)), 2, axis=1)
    found = fb.accumulated_effects(model, line, 0)
    expected = found.grid**2 / 2
    np.testing.assert_allclose(found.means, expected - (line[:, 0] ** 2 / 2).mean(), atol=0.05)
    assert np.abs(fb.partial_dependence(model, line, 0).means).max() < 0.1


def test_accumulated_effects_hold_their_intervals():
    model, rng, found = curved(), np.random.default_rng(5), []
    column = np.resize([-1, -0.5, 0, 0.5, 1], 120)  # the intervals take the bins and their rows as they are
    for _ in range(60):
        rows = np.column_stack([column, rng.uniform(-1, 1, (120, 2))])
        found.append(fb.accumulated_effects(model, rows, 0))
    width = np.mean([one.high - one.means for one in found], axis=0) / 1.96
    deviation = np.std([one.means for one in found], axis=0)
    assert 0.8 < (width / deviation).mean() < 1.3


# --------------------------------------------------------------------------------------------------- interactions


def test_interactions_in_closed_form():
    found = fb.interaction_strength(product(), DESIGN)
    assert found.names[0] == "0 x 1"
    np.testing.assert_allclose(found.values, [1, 0, 0], atol=1e-14)
    assert found.columns[0] == (0, 1)


def test_an_additive_model_has_none():
    found = fb.interaction_strength(linear([3.0, -1.0, 0.0]), X)
    np.testing.assert_allclose(found.values, 0, atol=1e-14)
    np.testing.assert_allclose(found.high, 0, atol=1e-14)


def test_interactions_by_hand():
    model = curved()
    rows = X[:9]

    def dependence(columns):
        means = []
        for row in rows:
            changed = rows.copy()
            changed[:, columns] = row[columns]
            means.append(model.predict(changed).mean())
        return np.array(means) - np.mean(means)

    found = fb.interaction_strength(model, rows, columns=[0, 2])
    both = dependence([0, 2])
    beyond = both - dependence([0]) - dependence([2])
    assert found.values[0] == pytest.approx((beyond**2).sum() / (both**2).sum(), rel=1e-12)
    assert found.low[0] <= found.values[0] <= found.high[0]
    assert (fb.interaction_strength(model, X, n_rows=9, seed=1).values >= 0).all()


# ------------------------------------------------------------------------------------- ensembles, results, refusals


def test_ensembles_by_their_mean():
    models = [curved(), curved()]
    found = fb.partial_dependence(fb.Ensemble(models), X, 0, grid=4)
    each = np.mean([fb.partial_dependence(model, X, 0, grid=4).means for model in models], axis=0)
    np.testing.assert_allclose(found.means, each, atol=1e-14)


def test_results_as_tables_and_pictures():
    pytest.importorskip("pandas")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    model = curved()
    ranking = fb.permutation_importance(model, X, model.predict(X))
    assert list(ranking.to_frame().columns) == ["value", "low", "high"]
    assert "growth of the loss" in repr(ranking)
    assert "<table" in ranking._repr_html_()
    assert ranking.plot(most=2).get_xlabel() == ranking.what
    effect = fb.partial_dependence(model, X, 0)
    assert (effect.to_frame()["mean"] == effect.means).all()
    assert "<table" in effect._repr_html_()
    assert effect.plot().get_xlabel() == "0"
    several = fb.partial_dependence(curved(2), X, 0)
    assert list(several.to_frame().columns) == [0, 1]
    assert several.plot().get_legend() is not None
    assert "<table" in several._repr_html_()
    with pytest.raises(ValueError, match="rows is True; expected a partial dependence of one output"):
        several.plot(rows=True)
    pyplot.close("all")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: fb.partial_dependence(m, X, "x"), ValueError, "column is 'x'; expected the name or the number"),
        (lambda m: fb.partial_dependence(m, X, 3), ValueError, "column is 3; expected an integer 0 to 2"),
        (lambda m: fb.partial_dependence(m, X, 0, grid=1), ValueError, "grid is 1; expected an integer of 2 or more"),
        (lambda m: fb.partial_dependence(m, X, 0, grid=[]), ValueError, "grid is empty"),
        (lambda m: fb.partial_dependence(m, X, 0, grid=["a"]), TypeError, "grid is 'a'; expected numbers"),
        (
            lambda m: fb.partial_dependence(m, X, 0, grid=[np.nan]),
            ValueError,
            "grid has a value that the model cannot take",
        ),
        (lambda m: fb.partial_dependence(m, X, 0, output="loss"), ValueError, "output is 'loss'; expected"),
        (lambda m: fb.accumulated_effects(m, X[:1], 0), ValueError, "alone; expected two or more"),
        (lambda m: fb.accumulated_effects(m, X, 0, n_bins=0), ValueError, "n_bins is 0"),
        (lambda m: fb.interaction_strength(m, X[:1]), ValueError, "X has 1 row"),
        (lambda m: fb.interaction_strength(m, X, columns=[1]), ValueError, "columns has 1 column; expected two"),
        (lambda m: fb.interaction_strength(m, X, columns=[1, 1]), ValueError, "expected one column or more, each once"),
        (lambda m: fb.interaction_strength(curved(2), X), ValueError, "target is None and the model has 2 outputs"),
        (lambda m: fb.permutation_importance(m, X, [1.0]), ValueError, "X has 80 rows and y has 1"),
        (lambda m: fb.permutation_importance(m, X, X[:, 0], n_repeats=0), ValueError, "n_repeats is 0"),
        (lambda m: fb.permutation_importance(m, X, X[:, 0], columns="01"), TypeError, "columns is '01'"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(curved())
