"""How much of a prediction is the linear models', and the forms in which numbers are learned."""

import numpy as np
import pytest

from fastbp.tabular.blending import Said
from fastbp.tabular.recipe import pull, share_exponent
from fastbp.tabular.targets import NumberTargets, candidate_forms, targets_from_config


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
    assert blend.shares == {"nets": 1}
    assert blend.errors["blend"] == blend.errors["nets"] < 0.05 * blend.errors["linear"]
    assert said_of(y, far, near, targets).blend("rmse").shares == {"linear": 1}
    np.testing.assert_allclose(blend.residuals, np.sort(np.abs(y - targets.decode(near)), axis=0))


def test_the_best_share_of_the_better_linear_models_is_taken():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(400, 1))
    targets = NumberTargets.of(y)
    nets, linear, straight = (targets.encode(y + rng.normal(0, s, y.shape)) for s in (0.9, 1.1, 1.0))
    said = said_of(y, nets, linear, targets)
    said.add("straight", np.arange(len(y)), straight)
    blend = said.blend("rmse")
    shares = np.array([0, 0.25, 0.5, 0.75, 1])
    own, others = targets.decode(nets), targets.decode(straight)
    errors = [np.mean((y - s * others - (1 - s) * own) ** 2) / y.var() for s in shares]
    best = shares[np.argmin(errors)]
    assert 0 < best < 1
    assert blend.shares == {"nets": 1 - best, "straight": best}
    assert blend.errors["blend"] == pytest.approx(min(errors))
    assert blend.errors["linear"] == pytest.approx(errors[-1])


def test_linear_models_without_networks_are_the_whole():
    """As `fastbp train` fits them, to say what a network gains; there is no mean of networks then."""
    y = np.random.default_rng(0).normal(size=(50, 1))
    targets = NumberTargets.of(y)
    said = Said(targets, y)
    said.add("linear", np.arange(50), targets.encode(y))
    assert said.blend("rmse", n_networks=0).shares == {"linear": 1}


def test_a_mean_of_networks_needs_less_of_linear_models_than_one():
    """Where linear models are half of the best mixture beside one of four networks, they are a quarter beside four."""
    rng = np.random.default_rng(2)
    y = rng.normal(size=(4000, 1))
    targets = NumberTargets.of(y)
    nets, linear = (targets.encode(y + rng.normal(0, 1, y.shape)) for _ in range(2))
    alone = said_of(y, nets, linear, targets).blend("rmse")
    assert alone.shares == {"nets": 0.5, "linear": 0.5}
    many = said_of(y, nets, linear, targets).blend("rmse", n_networks=4)
    assert many.shares == {"nets": 0.75, "linear": 0.25}
    mixed = targets.decode(nets) * 0.75 + targets.decode(linear) * 0.25
    np.testing.assert_allclose(many.residuals, np.sort(np.abs(y - mixed), axis=0))


def test_linear_models_alone_need_no_networks():
    y = np.arange(8.0)[:, np.newaxis]
    said = Said(NumberTargets.of(y), y)
    said.add("linear", np.arange(8), NumberTargets.of(y).encode(y))
    assert said.blend("rmse", n_networks=0).shares == {"linear": 1}


def test_the_exponent_of_shares():
    assert share_exponent(5000, 1, 4) == 2
    assert share_exponent(5000, 4, 4) == share_exponent(5000, 1, 1) == 1
    assert share_exponent(0, 1, 4) == 1 < share_exponent(1000, 1, 4) < 2
    assert 1 < share_exponent(5000, 4, 32) < share_exponent(5000, 1, 4) < share_exponent(5000, 1, 8)


def test_rows_count_by_their_weights():
    """Networks are right in the rows that count, the linear model in the others."""
    y = np.linspace(0, 1, 200)[:, np.newaxis]
    counts = np.arange(200) % 2 == 0
    targets = NumberTargets.of(y)
    nets, linear = (targets.encode(np.where(right[:, np.newaxis], y, y + 0.04)) for right in (counts, ~counts))
    for weights, kind in ((np.where(counts, 9.0, 1), "nets"), (np.where(counts, 1.0, 9), "linear")):
        said = Said(targets, y, weights)
        said.add("nets", np.arange(200), nets)
        said.add("linear", np.arange(200), linear)
        blend = said.blend("rmse")
        assert blend.shares == {kind: 1}
        assert blend.errors["blend"] == pytest.approx(0.04**2 / y.var() / 10, rel=1e-4)


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


def test_few_rows_pull_the_share_to_linear_models():
    """Half of the networks' share where there are hardly any rows; none with 400, or if networks are clearly better."""
    assert pull(0, 0.0, 1.0) == 0.5
    assert pull(200, 0.0, 1.0) == pull(200, -3.0, 1.0) == 0.25
    assert pull(0, 5.0, 1.0) == 0.25
    assert pull(400, 0.0, 1.0) == pull(4000, 0.0, 1.0) == pull(0, 10.0, 1.0) == pull(0, 1.0, 0.0) == 0
    assert pull(0, 0.0, 0.0) == 0.5


def test_networks_that_are_hardly_better_share_with_linear_models():
    rng = np.random.default_rng(4)
    y = rng.normal(size=(80, 1))
    targets = NumberTargets.of(y)
    noise = rng.normal(0, 0.5, y.shape)
    nets, linear = targets.encode(y + noise), targets.encode(y + 1.02 * noise)
    shares = said_of(y, nets, linear, targets).blend("rmse").shares
    worse, better = (np.square(y - targets.decode(outputs))[:, 0] for outputs in (linear, nets))
    gains = worse - better
    clarity = gains.mean() / (gains.std() / np.sqrt(80)) / 10
    assert shares["linear"] == pytest.approx(0.5 * (1 - 80 / 400) * (1 - clarity), rel=1e-3)
    assert 0 < shares["linear"] < 0.4
