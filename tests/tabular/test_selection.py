"""The weights of the settings of networks, which "best" selects by rows held out."""

import numpy as np
import pytest

from fastbp.ensembles.side_by_side import train_all
from fastbp.sklearn import TabularClassifier, TabularRegressor
from fastbp.tabular import fitting
from fastbp.tabular.blending import Said
from fastbp.tabular.learning import Rows, fit_rows, splits_of
from fastbp.tabular.reading import _n_codes, learn_reader
from fastbp.tabular.recipe import PRESETS
from fastbp.tabular.selection import select
from fastbp.tabular.targets import ClassTargets, NumberTargets


def squares_of(y):
    return lambda predicted: np.square(y - predicted)[:, 0]


def test_what_is_wrong_elsewhere_is_taken_beside_the_best():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(2000, 1))
    good, other = (y + rng.normal(0, 0.5, y.shape) for _ in range(2))
    bad = y + rng.normal(0, 3.0, y.shape)
    shares = select([good, bad, other], squares_of(y), np.ones(2000))
    assert sum(shares) == pytest.approx(1)
    assert shares[1] == pytest.approx(1 / 43)  # once, as all are in the beginning
    assert abs(shares[0] - shares[2]) < 0.1


def test_settings_that_say_the_same_keep_their_shares():
    y = np.zeros((10, 1))
    shares = select([y, y, y, y], squares_of(y), np.ones(10))
    assert shares[1:] == pytest.approx([1 / 44] * 3)  # the first of ties is picked; their mean is the same


def test_selection_counts_rows_by_their_weights():
    y = np.zeros((100, 1))
    first, second = (np.where(np.arange(100)[:, np.newaxis] < 50, *pair) for pair in ((0.0, 1.0), (1.0, 0.0)))
    weights = np.where(np.arange(100) < 50, 9.0, 1.0)
    shares = select([first, second], squares_of(y), weights)
    assert shares[0] == pytest.approx(0.9, abs=0.02)  # w1 (1 - s)^2 + w2 s^2 is least at s = w1 / (w1 + w2)


def said_of_settings(y, targets, predicted, missing=()):
    said = Said(targets, y)
    rows = np.arange(len(y))
    for setting, outputs in enumerate(predicted):
        kept = rows[len(missing) :] if setting in missing else rows
        said.add("nets", kept, outputs[kept], setting)
    return said


def test_the_mean_of_networks_has_the_weights_of_their_settings():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(1000, 1))
    targets = NumberTargets.of(y)
    predicted = [targets.encode(y + rng.normal(0, s, y.shape)) for s in (0.2, 0.3, 2.0)]
    blend = said_of_settings(y, targets, predicted).blend("rmse", selects_settings=True)
    assert list(blend.settings) == [0, 1, 2]
    mean = sum(share * targets.decode(predicted[i]) for i, share in blend.settings.items())
    np.testing.assert_allclose(blend.residuals, np.sort(np.abs(y - mean), axis=0))
    alike = said_of_settings(y, targets, predicted).blend("rmse")
    assert alike.settings == {}
    assert blend.errors["nets"] < 0.5 * alike.errors["nets"]


def test_settings_count_alike_where_one_has_not_answered_all_rows():
    """As after Ctrl-C, when a fold is without one of its networks."""
    y = np.random.default_rng(2).normal(size=(50, 1))
    targets = NumberTargets.of(y)
    said = said_of_settings(y, targets, [targets.encode(y), targets.encode(y + 1)], missing=(1,))
    assert said.blend("rmse", selects_settings=True).settings == {}


def test_many_rows_tell_the_weights_by_a_part_of_them():
    """Every third of 60,000: the setting that is right for these alone has nearly all of the weight."""
    y = np.random.default_rng(4).normal(size=(60_000, 1))
    targets, is_third = NumberTargets.of(y), np.arange(len(y))[:, np.newaxis] % 3 == 0
    predicted = [targets.encode(np.where(is_third == right, y, y + 1)) for right in (True, False)]
    settings = said_of_settings(y, targets, predicted).blend("rmse", selects_settings=True).settings
    assert settings[0] > 0.95


def test_the_temperature_is_that_of_the_weighted_settings():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2, size=(4000, 2))
    y = (rng.random(4000) < 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).astype(int)
    sure, chance = (np.exp(f * logits) / np.exp(f * logits).sum(1, keepdims=True) for f in (2.0, 0.0))
    said = said_of_settings(y, ClassTargets(2), [sure.astype(np.float32), chance.astype(np.float32)])
    alone = said_of_settings(y, ClassTargets(2), [sure.astype(np.float32)])
    chosen = said.blend("log_loss", selects_settings=True)
    assert alone.blend("log_loss").temperature == pytest.approx(2, abs=0.2)
    assert 1.0 <= chosen.temperature < 2
    assert chosen.settings[0] > chosen.settings[1]


@pytest.fixture(scope="module")
def best():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 3))
    y = X[:, 0] ** 2 + rng.normal(0, 0.1, size=240)
    return TabularRegressor(preset="best", n_bags=2, epochs=4, random_state=0).fit(X, y), X


def test_best_weighs_settings_and_each_network_has_its_name(best):
    model, _ = best
    table = model._table
    networks = [(member.course.name, share) for member, share in table.shares if member.kind == "nets"]
    assert len({name for name, _ in networks}) == len(networks) == 12
    assert len(model.evals_) == 12 + 4  # and two kinds of linear models
    by_setting = {round(share, 9) for _, share in networks}
    assert 1 < len(by_setting) <= 6
    assert sum(share for _, share in table.shares) == pytest.approx(1)


def test_a_file_keeps_the_weights(best, tmp_path):
    model, X = best
    model.save(tmp_path / "best.safetensors")
    again = TabularRegressor.load(tmp_path / "best.safetensors")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_refitted_networks_keep_their_weights():
    X = np.random.default_rng(0).normal(size=(120, 2))
    y = X[:, 0] > 0
    options = {"preset": "best", "n_bags": 2, "epochs": 2, "random_state": 0}
    plain, refit = (TabularClassifier(**options, refit=refit).fit(X, y)._table for refit in (False, True))
    assert [share for _, share in plain.shares] == [share for _, share in refit.shares]
    assert len({round(share, 9) for _, share in plain.shares}) > 2


def fit_with(monkeypatch, train, preset, n_samples, keeps):
    """Fit two folds of random numbers, with this in place of what trains all networks."""
    monkeypatch.setattr(fitting, "train_all", train)
    X = np.random.default_rng(0).normal(size=(n_samples, 2))
    reader, table = learn_reader(X, [])
    fit = fitting.Fit(PRESETS[preset], "rmse", 2, False, None, 1, 0, False, keeps_interrupted=keeps)
    rows = Rows(table, X[:, :1], None)
    return fit_rows(reader, rows, "mse", fit, splits_of(rows, fit, 2, 0))


def test_a_setting_with_networks_of_more_folds_than_others_counts_no_more(monkeypatch):
    """Ctrl-C came when the second fold had one of its networks, and no linear model."""

    def train_some(jobs, *arguments):
        train_all([job for job in jobs if "of fold 0" in job.name or job.name.startswith("member 8 ")], *arguments)
        raise KeyboardInterrupt

    fitted = fit_with(monkeypatch, train_some, "best", n_samples=80, keeps=True)
    of_setting = {}
    for member, share in fitted.shares:
        if member.kind == "nets":
            of_setting.setdefault(member.course.member, []).append(share)
    assert sorted(map(len, of_setting.values())) == [1] * 5 + [2]
    counts = [sum(shares) / fitted.kind_shares["nets"] * (6 + 40) for shares in of_setting.values()]
    assert counts == pytest.approx(np.rint(counts))  # whole numbers of picks, as they were selected


@pytest.mark.parametrize("keeps", [True, False])
def test_ctrl_c_before_an_epoch_is_completed_leaves_nothing_to_keep(monkeypatch, keeps):
    def interrupted(jobs, *arguments):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_with(monkeypatch, interrupted, "fast", n_samples=40, keeps=keeps)


def test_only_steps_to_a_code_make_a_category():
    assert _n_codes((("fill", 0.0), ("affine", 1.0, 2.0, 0.0))) == 0
    assert _n_codes((("code", 1.0, 3.0, 7.0),)) == 4
