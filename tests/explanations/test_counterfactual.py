"""Counterfactuals: the least change of a linear model, ranges, categories, and what is not to be changed."""

import numpy as np
import pytest

import fastbp as fb

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(400, 3)) * [1.0, 5.0, 2.0]


def linear(weights, bias=0.0, last="linear"):
    model = fb.Model([fb.Dense(1, last)], inputs=len(weights), dtype="float64")
    model.set_weights([np.reshape(weights, (-1, 1)), [bias]])
    return model


def spreads(data=DATA):
    return 1.4826 * np.median(np.abs(data - np.median(data, axis=0)), axis=0)


def test_the_least_change_of_a_linear_model():
    """It is in the column with the largest weight times spread: 0.5 * 5 of 1, 2.5 and 0.2."""
    w, x = np.array([1.0, 0.5, 0.1]), np.array([[-1.0, -1.0, -1.0]])
    found = fb.counterfactual(linear(w), x, (0.0, None), DATA)
    assert found.reached.all()
    short = -float((x @ w)[0])
    np.testing.assert_allclose(found.changed - x, [[0, short / 0.5, 0]], atol=1e-7)
    assert found.distances[0] == pytest.approx(short / 0.5 / spreads()[1], rel=1e-6)
    assert list(found.changes(0)) == ["1"]


def test_where_one_column_does_not_reach():
    """The best column goes to the end of its range, and the next best one makes up for the rest."""
    w, x = np.array([1.0, 0.5, 0.1]), np.array([[0.0, 0.0, 0.0]])
    goal = DATA[:, 1].max() * 0.5 + 1.0
    found = fb.counterfactual(linear(w), x, (goal, None), DATA)
    np.testing.assert_allclose(found.changed, [[1.0, DATA[:, 1].max(), 0.0]], atol=1e-6)
    assert linear(w).predict(found.changed)[0, 0] >= goal


def test_both_ends_of_a_range():
    w, x = np.array([1.0, 0.0, 0.0]), np.array([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    found = fb.counterfactual(linear(w), x, (0.25, 0.5), DATA)
    np.testing.assert_allclose(found.changed[:, 0], [0.5, 0.25, 0.3], atol=1e-7)
    assert found.distances[2] == 0
    assert "already as asked for" in repr(found)
    below = fb.counterfactual(linear(w), x[:1], (None, -0.5), DATA)
    assert below.changed[0, 0] == pytest.approx(-0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
def test_the_answer_is_the_one_that_was_asked_for(last, dtype):
    n_outputs = 3 if last == "softmax" else 1
    model = fb.Model([fb.Dense(8, "tanh"), fb.Dense(n_outputs, last)], inputs=3, dtype=dtype, seed=1)
    model.set_weights([2 * RNG.normal(size=weight.shape) for weight in model.get_weights()])
    model.classes = ["a", "b", "c"][: max(n_outputs, 2)]
    for label in model.classes:
        found = fb.counterfactual(model, DATA[:10], label, DATA)
        assert found.reached.any()
        assert (model.predict_classes(found.changed[found.reached]) == label).all()
        assert (found.changed >= DATA.min(axis=0) - 1e-6).all()
        assert (found.changed <= DATA.max(axis=0) + 1e-6).all()
        was = model.predict_classes(DATA[:10]) == label
        assert (found.distances[was] == 0).all()
        # No smaller change of the same columns, along any single one of them, has the answer too.
        for i in np.flatnonzero(found.reached & ~was):
            for j in np.flatnonzero(found.changed[i] != found.data[i]):
                closer = found.changed[i].copy()
                closer[j] += 0.01 * (found.data[i, j] - closer[j])
                assert model.predict_classes(closer[np.newaxis])[0] != label


def test_only_some_columns():
    w, x = np.array([1.0, 0.5, 0.1]), np.array([[-1.0, -1.0, -1.0]])
    found = fb.counterfactual(linear(w, last="sigmoid"), x, 1, DATA, columns=[0, "2"])
    assert list(found.changes(0)) == ["0"]
    none = fb.counterfactual(linear(w), x, (1000.0, None), DATA)
    assert not none.reached.any()
    assert np.isinf(none.distances).all()
    assert (none.changed == x).all()
    assert "none found" in repr(none)


def test_categories_gaps_and_whole_numbers():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "colour": ["red", "blue", "green", "red"] * 10,
            "gap": [1.0, np.nan, 2.0, 3.0] * 10,
            "rooms": [1, 2, 3, 5] * 10,
        }
    )
    model = fb.Model([fb.Dense(1)], prepare=fb.Columns(fb.Impute("median")), dtype="float64")
    model.build(frame)
    model.set_weights([[[0.0], [1.0], [0.0], [0.0], [10.0]], [0.0]])  # gap, rooms, blue, green, red
    rows = frame[1:3]
    found = fb.counterfactual(model, rows, (10.0, None), frame)
    assert found.changes(0) == {"colour": ("blue", "red")}
    np.testing.assert_array_equal(found.distances, [1, 1])
    rooms = fb.counterfactual(model, rows, (2.5, 3.5), frame)
    assert rooms.changes(0) == {"rooms": (2, 3)}
    assert list(rooms.to_frame().columns) == ["row", "column", "before", "after"]
    assert "<table" in rooms._repr_html_()
    assert "rooms: 2 -> 3" in repr(rooms)


def test_estimators_of_numbers():
    pytest.importorskip("sklearn")
    from fastbp.sklearn import MLPRegressor

    with pytest.warns(Warning, match="Maximum iterations"):
        model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0).fit(DATA, DATA[:, 0])
    middle = float(np.median(model.predict(DATA)))
    found = fb.counterfactual(model, DATA[:5], (middle, None), DATA)
    assert (model.predict(found.changed[found.reached]) >= middle).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": 1}, TypeError, "target is 1; expected a range"),
        ({"target": (2.0, 1.0)}, ValueError, "the lower one first"),
        ({"target": (None, None)}, ValueError, "One end at least"),
        ({"target": ("a", 1)}, TypeError, r"target\[0\] is 'a'"),
        ({"output": 1}, ValueError, "output is 1; expected an integer 0 to 0"),
        ({"most_changes": 0}, ValueError, "most_changes is 0"),
        ({"data": DATA[:, :2]}, ValueError, "data has 2 columns"),
        ({"columns": ["9"]}, ValueError, r"columns\[0\] is '9'"),
    ],
)
def test_refusals(arguments, error, message):
    with pytest.raises(error, match=message):
        fb.counterfactual(linear([1.0, 0.5, 0.1]), DATA[:1], **{"target": (0.0, None), "data": DATA, **arguments})


def test_refusals_of_classes():
    model = linear([1.0, 0.5, 0.1], last="sigmoid")
    with pytest.raises(ValueError, match="target is 2; expected an integer 0 to 1"):
        fb.counterfactual(model, DATA[:1], 2, DATA)
    with pytest.raises(ValueError, match="output is 1; expected none for a model of classes"):
        fb.counterfactual(model, DATA[:1], 1, DATA, output=1)
    model.classes = ["no", "yes"]
    with pytest.raises(ValueError, match="target is 'maybe'; expected one of"):
        fb.counterfactual(model, DATA[:1], "maybe", DATA)
