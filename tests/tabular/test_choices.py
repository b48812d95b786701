"""What is chosen for a table by its rows, and rows that are too many, or too few, to choose by."""

import numpy as np
import pytest

from fastbp.sklearn import TabularRegressor
from fastbp.tabular.blending import Said
from fastbp.tabular.encoding import TableEncoding, learn_encoding
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.fitting import make_splits
from fastbp.tabular.importances import sample_held_out
from fastbp.tabular.learning import choose_metric
from fastbp.tabular.recipe import PRESETS
from fastbp.tabular.targets import ClassTargets, NumberTargets, candidate_forms


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


@pytest.mark.parametrize(("n", "n_bags", "sizes"), [(5000, None, [1000]), (4000, None, [1000] * 4), (90, 3, [30] * 3)])
def test_rows_are_trained_on_or_held_out_and_in_folds_each_is_held_out_once(n, n_bags, sizes):
    """A fifth of many rows is held out, and all of few rows, a fold at a time."""
    y = np.arange(n, dtype=float).reshape(-1, 1)
    splits = make_splits(y, NumberTargets.of(y), n_bags, PRESETS["fast"], None, 0)
    assert [len(held_out) for _, held_out in splits] == sizes
    for train, held_out in splits:
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held_out])), np.arange(n))
    assert len(set(np.concatenate([held_out for _, held_out in splits]))) == sum(sizes)


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
    assert blend.shares == {"nets": 1} and set(blend.errors) == {"nets", "blend"}
    np.testing.assert_allclose(blend.residuals, np.ones((4, 1)), rtol=1e-6)


@pytest.mark.parametrize(("preset", "n_folds", "a_fold"), [
    ("fast", 1, 1), ("fast", 4, 1), ("default", 1, 4), ("default", 2, 2), ("default", 3, 2), ("default", 4, 1),
    ("default", 8, 1), ("best", 8, 6), ("best", 1, 6), ("best", 20, 6),
])  # fmt: skip
def test_the_networks_of_a_preset_are_shared_out_to_its_folds(preset, n_folds, a_fold):
    folds = [PRESETS[preset].of_fold(fold, n_folds) for fold in range(n_folds)]
    assert {len(members) for members in folds} == {a_fold}
    assert all(len(set(members)) == a_fold for members in folds)
    if n_folds * a_fold >= 4 and preset != "fast":
        assert len({member for members in folds for member in members}) == len(PRESETS[preset].members)


def test_a_straight_line_with_far_ends_is_learned():
    """Some values are far from the others, where a bounded number would be wrong by much."""
    rng = np.random.default_rng(0)
    X = rng.standard_t(2, size=(600, 3))
    y = X @ [1.0, -2.0, 0.5] + rng.normal(size=600)
    model = TabularRegressor(random_state=0).fit(X[:400], y[:400])
    assert model._table.kind_shares.get("straight", 0) >= 0.5
    line = np.linalg.lstsq(np.c_[X[:400], np.ones(400)], y[:400], rcond=None)[0]
    least = np.mean((np.c_[X[400:], np.ones(200)] @ line - y[400:]) ** 2)
    assert np.mean((model.predict(X[400:]) - y[400:]) ** 2) < 1.2 * least


def test_a_file_that_says_the_share_of_one_kind_of_linear_models_is_read(tmp_path, monkeypatch):
    """As they were written before there were two kinds: no bound, no temperature, the bins alone as a member's name."""
    monkeypatch.setattr("fastbp.tabular.blending._best_shares", lambda *_: {"nets": 0.75, "linear": 0.25})
    X = np.random.default_rng(0).normal(size=(200, 3))
    table = TabularRegressor(epochs=2, random_state=0).fit(X, X[:, 0])._table

    def older(description):
        del description["record"]["temperature"], description["kind_shares"]
        description["linear_share"] = 0.25
        description["encodings"] = [pair for pair in description["encodings"] if pair[1].pop("bound") == 3.0]
        for *_, course in description["members"]:
            del course["member"]["bound"]
        return description

    describe = FittedTable.describe
    monkeypatch.setattr(FittedTable, "describe", lambda self: (older(describe(self)[0]), describe(self)[1]))
    table.save(tmp_path / "old.safetensors", {})
    again, _ = FittedTable.load(tmp_path / "old.safetensors")
    assert again.kind_shares == {"nets": 0.75, "linear": 0.25}
    np.testing.assert_array_equal(again.predict(X), table.predict(X))


@pytest.mark.parametrize("unit", [1e-200, 1e-160, 1e160, 1e200])
def test_targets_whose_squares_are_no_float64_are_learned_as_others(unit):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(50, 1)) + [[1.0, 3.0]]
    usual, odd = NumberTargets.of(y), NumberTargets.of(y * unit)
    np.testing.assert_allclose(odd.encode(y * unit), usual.encode(y), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(odd.decode(usual.encode(y)), y * unit, rtol=1e-5)
    np.testing.assert_allclose(odd.losses(y * unit, 0 * y), usual.losses(y, 0 * y))
    assert candidate_forms(np.exp(y) * unit)[:2] == candidate_forms(np.exp(y)) == ["plain", "log"]


def test_the_deviation_of_usual_targets_has_numpys_bits():
    y = np.random.default_rng(0).lognormal(size=(99, 3)) * [1e-9, 1.0, 1e9]
    np.testing.assert_array_equal(NumberTargets.of(y).deviation, y.std(axis=0))
    np.testing.assert_array_equal(NumberTargets.of(np.full((5, 1), 0.0)).deviation, [1.0])


def test_values_of_numbers_have_tables_where_rows_are_many():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 30, 5000), rng.normal(size=5000)]).astype(float)
    for n, sizes in ((4999, []), (5000, [30])):
        table = TabularRegressor(epochs=1, random_state=0).fit(X[:n], X[:n, 0])._table
        coded = [course.member for course in table.courses if course.member.with_values]
        assert len(coded) == (2 if n == 5000 else 0)
        assert {tuple(encoding.table_sizes) for encoding in table.encodings.values()} == {(), tuple(sizes)}


def test_a_row_of_a_common_class_tells_little():
    even, rare = np.arange(1000) % 2, (np.arange(1000) % 20 == 0).astype(int)
    targets = ClassTargets(2)
    assert targets.n_telling(even) == 1000
    assert targets.n_telling(rare) == pytest.approx(1000 * 2 * (1 - 0.95**2 - 0.05**2))
    assert ClassTargets(4).n_telling(np.arange(1000) % 4) == 1000
    assert NumberTargets.of(np.arange(9.0)[:, np.newaxis]).n_telling(np.arange(9.0)[:, np.newaxis]) == 9


def test_rows_that_no_values_recur_in_are_encoded_once(monkeypatch):
    monkeypatch.setattr("fastbp.tabular.fitting.ROWS_FOR_VALUES", 0)
    encoded = []
    encode = TableEncoding.encode
    monkeypatch.setattr(TableEncoding, "encode", lambda self, table: encoded.append(len(table)) or encode(self, table))
    X = np.random.default_rng(0).normal(size=(300, 2))
    TabularRegressor(epochs=1, random_state=0).fit(X, X[:, 0])
    assert encoded.count(300) == 5  # three by bins, numbers alone, and these with a far bound


def test_a_table_too_large_for_bins_has_no_codes_of_values(monkeypatch):
    monkeypatch.setattr("fastbp.tabular.fitting.ROWS_FOR_VALUES", 0)
    X = np.random.default_rng(0).integers(0, 20, (300, 2)).astype(float)
    for most, n_bins in ((10**6, 48), (4 * 600 * 3, 0)):
        monkeypatch.setattr("fastbp.tabular.fitting._MOST_BYTES", most)
        table = TabularRegressor(epochs=1, random_state=0).fit(X, X[:, 0])._table
        members = [course.member for course in table.courses if course.member.kind == "nets"]
        assert max(member.n_bins for member in members) == n_bins
        assert any(member.with_values for member in members) == (n_bins > 0)
