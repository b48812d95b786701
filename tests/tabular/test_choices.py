"""What is chosen for a table by its rows, and rows that are too many, or too few, to choose by."""

import numpy as np
import pytest

from fastbp.tabular.blending import Said
from fastbp.tabular.encoding import learn_encoding
from fastbp.tabular.importances import sample_held_out
from fastbp.tabular.learning import choose_metric
from fastbp.tabular.targets import NumberTargets


@pytest.mark.parametrize(
    ("counts", "metric"),
    [
        ((90, 10), "accuracy"),
        ((91, 9), "roc_auc"),
        ((9, 91), "roc_auc"),
        ((90, 5, 5), "accuracy"),
    ],
)
def test_a_rare_class_of_two_is_told_by_ranks(counts, metric):
    assert choose_metric(np.repeat(np.arange(len(counts)), counts), len(counts))[0] == metric


def test_numbers_are_told_by_their_squares():
    assert choose_metric(np.zeros(10), 0)[0] == "rmse"


@pytest.mark.parametrize("n_rows", [2000, 2001, 9000])
def test_importances_are_of_2000_rows_at_most_of_all_folds_alike(n_rows):
    rows = np.random.default_rng(0).permutation(n_rows)
    splits = [(None, part) for part in np.array_split(rows, 3)]
    table = np.arange(n_rows)[:, np.newaxis].astype(float)
    held_out = sample_held_out(table, np.arange(n_rows), splits, 0)
    taken = held_out.table[:, 0].astype(int)
    assert len(taken) == min(n_rows, 2000) == len(set(taken))
    np.testing.assert_array_equal(held_out.y, taken)
    for fold, (_, part) in enumerate(splits):
        assert set(taken[held_out.folds == fold]) <= set(part)
    assert np.bincount(held_out.folds).min() > 0.8 * len(taken) / 3
    np.testing.assert_array_equal(sample_held_out(table, np.arange(n_rows), splits, 0).y, taken)


def test_quantiles_of_many_rows_are_those_of_some_of_them():
    column = np.random.default_rng(0).permutation(250_001) / 250_000.0
    number = learn_encoding(column[:, np.newaxis], 1, [], 4).numbers[0]
    assert number.centre == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(number.edges, np.linspace(0, 1, len(number.edges)), atol=0.01)


def test_a_row_that_only_one_kind_of_model_has_answered_tells_nothing_of_both():
    """Ctrl-C may come before the linear models have predicted any row of the networks': these decide alone."""
    y = np.arange(8.0).reshape(-1, 1)
    targets = NumberTargets.of(y)
    said = Said(targets, y)
    said.add("nets", np.arange(4), targets.encode(y[:4] + 1))
    said.add("linear", np.arange(4, 8), targets.encode(y[4:]))
    blend = said.blend("rmse")
    assert blend.share == 0 and set(blend.errors) == {"nets", "blend"}
    np.testing.assert_allclose(blend.residuals, np.ones((4, 1)), rtol=1e-6)
