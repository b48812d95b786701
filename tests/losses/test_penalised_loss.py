"""A factor and a penalty that samples share: value and gradient by hand, steps of any size, files."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.losses.penalised import PenalisedLoss

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 3))


def make_model(dtype="float64"):
    return fb.Model([fb.Dense(6, "tanh"), fb.Dropout(0.0), fb.Dense(3)], inputs=4, dtype=dtype, seed=1)


def squares(model):
    return sum(float((W**2).sum()) for W in model.get_weights()[::2])


@pytest.mark.parametrize("weights", [None, RNG.uniform(0, 3, 50)])
def test_value_and_gradient_by_hand(weights):
    model = make_model()
    plain, plain_gradients = model.loss_and_gradients(X, Y, "mse", sample_weight=weights)
    value, gradients = model.loss_and_gradients(X, Y, PenalisedLoss("mse", 1.5, 4.0), sample_weight=weights)
    total = 50 if weights is None else weights.sum()
    assert value == pytest.approx(1.5 * plain + 2 * squares(model) / total, rel=1e-12)
    for i, (mine, theirs) in enumerate(zip(gradients, plain_gradients, strict=True)):
        penalty = 4.0 * model.get_weights()[i] / total if i % 2 == 0 else 0.0
        np.testing.assert_allclose(mine, 1.5 * theirs + penalty, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("weights", [None, RNG.uniform(0, 3, 50)])
def test_every_step_pays_by_the_weight_of_its_samples(weights, accumulate):
    """An epoch of batches of 20, 20 and 10 is the same steps made by hand, and its loss the mean of theirs."""
    loss = PenalisedLoss("mse", 0.5, 3.0)
    model, twin = make_model(), make_model()
    optimizer = fb.SGD(0.1, momentum=0.9)
    trainer = fb.Trainer(model, loss, optimizer, batch_size=20, shuffle=False, accumulate=accumulate)
    by_hand = fb.Trainer(twin, loss, optimizer)
    history = trainer.fit(X, Y, sample_weight=weights)
    total, n_step = 0.0, 20 * accumulate
    for start in range(0, 50, n_step):
        rows = slice(start, min(start + n_step, 50))
        weight = None if weights is None else weights[rows]
        total += by_hand.step(X[rows], Y[rows], weight) * (len(X[rows]) if weight is None else weight.sum())
    assert history["loss"][0] == pytest.approx(total / (50 if weights is None else weights.sum()), rel=1e-12)
    for mine, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-13)


def test_it_adds_to_the_penalties_of_layers():
    model = fb.Model([fb.Dense(6, "tanh", l1=0.1, l2=0.2), fb.Dense(3, trainable=False)], inputs=4, dtype="float64")
    with_layers, gradients = model.loss_and_gradients(X, Y, "mse")
    value, more = model.loss_and_gradients(X, Y, PenalisedLoss("mse", penalty=2.0))
    W = model.get_weights()[0]
    assert value == pytest.approx(with_layers + (W**2).sum() / 50)  # what is frozen has none
    np.testing.assert_allclose(more[0], gradients[0] + 2.0 * W / 50, atol=1e-14)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_any_number_of_threads_gives_the_same_bits(n_threads):
    def train(n_threads):
        model = fb.Model([fb.Dense(256, "relu"), fb.Dense(3)], inputs=4, seed=0)
        trainer = fb.Trainer(model, PenalisedLoss("mse", 0.5, 1.0), batch_size=25, n_threads=n_threads)
        return trainer.fit(X, Y, epochs=3)["loss"], model.get_weights()

    losses, weights = train(n_threads)
    expected_losses, expected = train(1)
    assert losses == expected_losses
    for mine, theirs in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_an_evaluation_has_no_penalty():
    trainer = fb.Trainer(make_model(), PenalisedLoss("mse", 0.5, 3.0))
    plain = fb.Trainer(make_model(), "mse").evaluate(X, Y)
    figures = trainer.evaluate(X, Y)
    assert figures["loss"] == pytest.approx(plain["loss"] / 2, rel=1e-12)
    assert figures["r2"] == pytest.approx(plain["r2"], rel=1e-12)


def test_a_trainer_goes_on_from_a_file(tmp_path):
    trainer = fb.Trainer(make_model("float32"), PenalisedLoss(fb.Huber(0.5), 2.0, 3.0), fb.Adam(epsilon_hat=True))
    trainer.fit(X, Y, epochs=2)
    trainer.save(tmp_path / "trainer.safetensors")
    twin = fb.Trainer.load(tmp_path / "trainer.safetensors")
    assert twin.loss == trainer.loss and twin.optimizer == trainer.optimizer
    assert twin.fit(X, Y, epochs=2)["loss"] == trainer.fit(X, Y, epochs=2)["loss"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("huge",), "loss is 'huge'; expected one of"),
        (("mse", 0.0), "factor is 0.0; expected a finite number above 0"),
        (("mse", 1.0, -1.0), "penalty is -1.0; expected a finite number of 0 or more"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PenalisedLoss(*arguments)


def test_lbfgs_asks_so_often_at_most():
    pytest.importorskip("scipy")
    for calls in (1, 5, 20):
        model = fb.Model([fb.Dense(6, "tanh"), fb.Dense(3)], inputs=4, dtype="float64")
        trainer = fb.Trainer(model, "mse", fb.LBFGS(max_calls=calls), batch_size=None)
        assert trainer.fit(X, Y, epochs=100).n_epochs <= calls
    with pytest.raises(ValueError, match="max_calls is 0; expected an integer of 1 or more"):
        fb.LBFGS(max_calls=0)
