"""Accumulated effects of categories: by hand, closed forms, orders and intervals."""

import itertools

import numpy as np
import pytest

import fastbp as fb

pd = pytest.importorskip("pandas")

NAMES = ["ash", "beech", "cedar", "elm"]


def table(n=600, seed=0):
    """Trees by kind, each as often; by their heights cedar, elm, ash and beech stand in this order."""
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.arange(n) % 4)
    height = rng.normal(size=n) + np.array([2.0, 3.0, 0.0, 1.0])[kind]
    shade = np.where(rng.random(n) < np.where(kind == 0, 0.5, 0.4), "dark", "light")
    return pd.DataFrame({"kind": np.array(NAMES)[kind], "height": height, "shade": shade})


def fitted(frame, last=1, seed=0, hidden=(6,)):
    layers = [fb.Dense(n, "tanh") for n in hidden] + [fb.Dense(last)]
    model = fb.Model(layers, prepare=fb.Columns(fb.Standardize()), dtype="float64", seed=seed)
    model.build(frame)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def by_hand(model, frame, order):
    """Apley and Zhu's estimator with loops."""
    answers = {name: model.predict(frame.assign(kind=name)) for name in order}
    effects = [0.0 * answers[order[0]][0]]
    for one, other in itertools.pairwise(order):
        beside = frame["kind"].isin([one, other]).to_numpy()
        effects.append(effects[-1] + (answers[other] - answers[one])[beside].mean(axis=0))
    shares = np.array([(frame["kind"] == name).mean() for name in order])
    return np.array(effects) - shares @ np.array(effects)


@pytest.mark.parametrize("order", ["levels", "similarity", None])
@pytest.mark.parametrize("last", [1, 3])
def test_by_hand(order, last):
    frame = table()
    model = fitted(frame, last)
    found = fb.accumulated_effects(model, frame, "kind", order=order)
    expected = NAMES if order == "levels" else ["beech", "ash", "elm", "cedar"]
    assert found.grid.tolist() == expected
    means = by_hand(model, frame, expected)
    np.testing.assert_allclose(found.means, means if last > 1 else means[:, 0], atol=1e-12)


def test_the_numbering_of_levels_does_not_decide_the_order():
    frame = table()
    renamed = frame.assign(kind=frame["kind"].map({"ash": "z", "beech": "b", "cedar": "y", "elm": "a"}))
    found = fb.accumulated_effects(fitted(renamed), renamed, "kind").grid.tolist()
    assert found in (["b", "z", "a", "y"], ["y", "a", "z", "b"])


def test_an_additive_model_has_its_own_differences():
    frame = table()
    model = fitted(frame, hidden=())
    found = fb.accumulated_effects(model, frame, "kind")
    each = [model.predict(frame[:1].assign(kind=name)).item() for name in found.grid]
    np.testing.assert_allclose(np.diff(found.means), np.diff(each), atol=1e-12)
    np.testing.assert_allclose(found.low, found.high, atol=1e-12)  # every row says the same
    assert np.mean(found.means[[found.grid.tolist().index(name) for name in frame["kind"]]]) == pytest.approx(0)


def test_intervals_hold_the_spread_of_other_samples():
    model = fitted(table(), seed=2)
    found = [fb.accumulated_effects(model, table(160, seed), "kind", order="levels") for seed in range(1, 151)]
    widths = np.mean([one.high - one.means for one in found], axis=0) / 1.959963984540054
    deviations = np.std([one.means for one in found], axis=0)
    assert 0.75 < (widths / deviations).mean() < 1.15


def test_rows_without_a_known_category_take_no_part():
    frame = table()
    model = fitted(frame)
    more = pd.concat([frame, frame[:3].assign(kind=["palm", None, "palm"])], ignore_index=True)
    one, other = (fb.accumulated_effects(model, rows, "kind", order="levels") for rows in (frame, more))
    np.testing.assert_allclose(other.means, one.means, atol=1e-12)


def test_levels_that_are_not_in_x():
    frame = table()
    found = fb.accumulated_effects(fitted(frame), frame[frame["kind"] != "elm"], "kind", order="levels")
    assert found.grid.tolist() == ["ash", "beech", "cedar"]


def test_codes_and_pictures():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=60), rng.integers(0, 3, 60)])
    model = fb.Model([fb.Dense(4, "tanh"), fb.Dense(1)], inputs=fb.Tabular(1, [3]), dtype="float64", seed=0)
    found = fb.accumulated_effects(model, X, 1)
    assert sorted(found.grid.tolist()) == [0, 1, 2]
    assert "accumulated effect" in repr(found)
    pytest.importorskip("matplotlib")
    found.plot()


def test_refusals():
    frame = table()
    model = fitted(frame)
    with pytest.raises(ValueError, match="n_bins is 5 and column 'kind' holds no numbers"):
        fb.accumulated_effects(model, frame, "kind", n_bins=5)
    with pytest.raises(ValueError, match="order is 'levels' and column 'height' holds no categories"):
        fb.accumulated_effects(model, frame, "height", order="levels")
    with pytest.raises(ValueError, match="order is 'name'"):
        fb.accumulated_effects(model, frame, "kind", order="name")
    with pytest.raises(ValueError, match="has 1 of the categories that the model knows"):
        fb.accumulated_effects(model, frame[frame["kind"] == "ash"], "kind")
