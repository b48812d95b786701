"""What is said of one row or two: what they tell, and no interval where they tell none."""

import warnings

import numpy as np
import pytest

import fastbp as fb

X = np.random.default_rng(8).normal(size=(40, 3))
Y = X[:, 0] - X[:, 1] * X[:, 2]
WITHOUT = "without intervals, which need more rows"


def network():
    return fb.Model([fb.Dense(5, "tanh"), fb.Dense(1)], inputs=3, dtype="float64", seed=2)


@pytest.fixture(autouse=True)
def _silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_one_row_cannot_be_shuffled():
    with pytest.raises(ValueError, match=r"X has 1 row; expected two or more, among which values are shuffled"):
        fb.permutation_importance(network(), X[:1], Y[:1])


def test_two_rows_tell_no_interval_of_an_importance():
    found = fb.permutation_importance(network(), X[:2], Y[:2], n_repeats=9)
    assert np.isfinite(found.values).all() and np.isnan([found.low, found.high]).all()
    found = fb.permutation_importance(network(), X[:3], Y[:3], n_repeats=9)
    assert (found.low < found.high).all()


def test_two_rows_tell_no_interval_of_an_interaction():
    for found in (fb.interaction_strength(network(), X[:2]), fb.interaction_strength(network(), X, n_rows=2)):
        assert np.isfinite(found.values).all() and np.isnan([found.low, found.high]).all()
    found = fb.interaction_strength(network(), X[:3])
    assert (found.low < found.high).all()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: fb.permutation_importance(network(), X[:2], Y[:2]),
        lambda: fb.interaction_strength(network(), X[:2]),
        lambda: fb.partial_dependence(network(), X[:1], 0, grid=[0.0, 1.0]),
    ],
)
def test_what_has_no_interval_says_so_and_is_drawn(ask):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = ask()
    assert repr(found).splitlines()[0].endswith(WITHOUT) and "nan" not in repr(found)
    assert WITHOUT in found._repr_html_() and "with intervals of 95" not in found._repr_html_()
    try:
        found.plot().figure.canvas.draw()
    finally:
        pyplot.close("all")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: fb.permutation_importance(network(), X, Y),
        lambda: fb.interaction_strength(network(), X),
        lambda: fb.partial_dependence(network(), X, 0),
        lambda: fb.accumulated_effects(network(), X, 0),
    ],
)
def test_enough_rows_have_intervals(ask):
    assert WITHOUT not in repr(ask()) and WITHOUT not in ask()._repr_html_()


def test_a_bin_with_one_row_is_as_uncertain_as_the_others():
    """The changes in a bin of one row deviate from their mean as those in bins of several do."""
    rows = X[:12]  # their values are the edges: two rows in the lowest bin, and one in each of the others
    found = fb.accumulated_effects(network(), rows, 0)
    edges, low = np.sort(rows[:, 0]), np.argsort(rows[:, 0])[:2]
    ends = []
    for edge in edges[:2]:
        moved = rows[low].copy()
        moved[:, 0] = edge
        ends.append(network().predict(moved)[:, 0])
    variance = (ends[1] - ends[0]).var(ddof=1)
    counts = np.array([2.0] + [1.0] * 10)
    added = np.tri(12, 11, -1)
    mapped = added - added.mean(axis=0)  # each row lies at an edge
    errors = np.sqrt(np.square(mapped) @ (variance / counts))
    np.testing.assert_allclose(found.high - found.means, 1.959963984540054 * errors, rtol=1e-9)


def test_faithfulness_of_one_row_is_told_without_nan():
    found = fb.faithfulness(fb.explain(network(), X[:1], background=X[5:6]), network())
    assert "nan" not in repr(found)
