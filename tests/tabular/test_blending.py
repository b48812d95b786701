"""How much of a small table's prediction is the linear models', and the forms in which numbers are learned."""

import numpy as np
import pytest

from fastbp.tabular.blending import Said, choose_share
from fastbp.tabular.targets import ClassTargets, NumberTargets, candidate_forms, targets_from_config


def said_of(y, nets, linear, targets):
    said = Said(targets, y)
    rows = np.arange(len(y))
    for kind, outputs in (("nets", nets), ("linear", linear)):
        said.add(kind, rows, outputs)
    return said


def test_networks_that_are_clearly_better_predict_alone():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(400, 1))
    targets = NumberTargets.of(y)
    near, far = (targets.encode(y + rng.normal(0, s, y.shape)) for s in (0.1, 1.0))
    blend = said_of(y, near, far, targets).blend("rmse")
    assert blend.share == 0
    assert blend.errors["blend"] == blend.errors["nets"] < 0.05 * blend.errors["linear"]
    assert said_of(y, far, near, targets).blend("rmse").share == 1
    np.testing.assert_allclose(blend.residuals, np.sort(np.abs(y - targets.decode(near)), axis=0))


def test_what_is_as_good_but_for_chance_is_linear():
    """The linear model may be worse by less than one standard error of the difference, row by row."""
    chance = np.random.default_rng(1).normal(size=300)
    chance = (chance - chance.mean()) / chance.std()
    for standard_errors, share in ((0.9, 1), (1.1, 0)):
        worse = 0.01 * (chance + standard_errors / 300**0.5)
        assert choose_share([1 + part * worse for part in (0, 0.25, 0.5, 0.75, 1)], 0.0) == share


def test_of_many_rows_the_best_share_is_taken():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(400, 1))
    targets = NumberTargets.of(y)
    good = targets.encode(y + rng.normal(0, 1, y.shape))
    worse = targets.encode(targets.decode(good) + rng.normal(0, 0.02, y.shape))  # by chance alone
    said = said_of(y, good, worse, targets)
    shares = np.array([0, 0.25, 0.5, 0.75, 1])
    said_worse, said_good = targets.decode(worse), targets.decode(good)
    errors = [np.mean((y - s * said_worse - (1 - s) * said_good) ** 2) for s in shares]
    best = shares[np.argmin(errors)]
    assert said.blend("rmse", few=False).share == best
    assert best < said.blend("rmse", few=True).share == 1


def test_classes_that_few_rows_can_tell_are_left_to_the_linear_model():
    """Both are right in all of 60 rows: that networks are surer of it may cost more in the next row."""
    y = np.arange(60) % 2
    sure = np.where(y[:, np.newaxis] == [0, 1], 0.999, 0.001)
    less = np.where(y[:, np.newaxis] == [0, 1], 0.97, 0.03)
    assert said_of(y, sure, less, ClassTargets(2)).blend("log_loss").share == 1


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_logarithms_have_the_mean_of_the_targets(metric):
    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(0, 1, (2000, 1)))
    targets = NumberTargets.of(y, "log")
    said = Said(targets, y)
    said.add("nets", np.arange(2000), np.zeros((2000, 1), np.float32))  # the mean logarithm
    blend = said.blend(metric)
    predicted = blend.targets.decode(np.zeros((1, 1), np.float32))[0, 0]
    assert predicted == pytest.approx(y.mean() if metric == "rmse" else np.exp(np.log(y).mean()), rel=1e-6)
    again = targets_from_config(blend.targets.to_config())
    assert again.decode(np.zeros((1, 1), np.float32))[0, 0] == predicted


@pytest.mark.parametrize("loss", ["mse", "mae", "log", "poisson"])
def test_what_is_encoded_is_decoded(loss):
    y = np.array([[1.0], [2], [8], [30]])
    targets = NumberTargets.of(y, loss)
    encoded = targets.encode(y)
    np.testing.assert_allclose(targets.decode(encoded), y, rtol=1e-5)
    assert (encoded > 0).all() or targets.activation == "linear"


def test_which_forms_are_tried():
    rng = np.random.default_rng(0)
    assert candidate_forms(rng.normal(size=(500, 1))) == ["plain"]
    assert candidate_forms(rng.uniform(1, 2, size=(500, 1))) == ["plain"]
    assert candidate_forms(np.exp(rng.normal(size=(500, 1)))) == ["plain", "log"]
    assert candidate_forms(rng.poisson(0.7, size=(500, 1)).astype(float)) == ["plain", "poisson"]
    assert candidate_forms(np.full((5, 1), 3.0)) == ["plain"]
