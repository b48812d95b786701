"""Layers of every kind with all that a trainer can do."""

import pickle

import numpy as np
import pytest

import fastbp as fb
from engine_helpers import assert_same_bits
from layer_models import (
    DTYPES,
    MODELS,
    batch_norms,
    data_for,
    factors_of,
    make_model,
    max_norms,
    some_weights,
    square,
    weights_of_model,
)

# ---- With what a trainer can do ----


@pytest.mark.parametrize("name", [name for name, (layers, _) in MODELS.items() if not batch_norms(layers)])
@pytest.mark.parametrize("arguments", [{}, {"clip_array_norm": 0.1}, {"averaging": fb.EMA(0.9)}], ids=str)
def test_several_batches_a_step_are_one_larger_batch(name, arguments):
    found = []
    for batch_size, accumulate in ((10, 3), (30, 1)):
        model, loss = make_model(name)
        X, y = data_for(model, loss, 130, "float64")
        trainer = fb.Trainer(model, loss, fb.Adam(0.01), batch_size, accumulate=accumulate, metrics=[], **arguments)
        losses = trainer.fit(X, y, epochs=2, sample_weight=some_weights(130))["loss"]
        averages = trainer.averaged_model().get_weights() if arguments.get("averaging") else []
        found.append([*losses, *model.get_weights(), *averages])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", [name for name, (_, loss) in MODELS.items() if loss == "mse"])
def test_a_loss_in_python_trains_as_the_loss_that_it_is(limits, name):
    limits(epoch_thread=1.0, call_thread=1.0, paced=0.0)
    found = []
    for loss, n_threads in (("mse", 1), (square, 1), (square, 3)):
        model, _ = make_model(name)
        X, y = data_for(model, "mse", 130, "float64")
        weights = some_weights(130)
        trainer = fb.Trainer(model, loss, fb.SGD(0.1), 40, accumulate=2, metrics=[], n_threads=n_threads)
        losses = trainer.fit(X, y, epochs=2, sample_weight=weights)["loss"]
        found.append([*losses, *model.get_weights(), trainer.evaluate(X, y, weights)["loss"]])
    for a, b in zip(*found[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
    assert_same_bits([*map(np.asarray, found[1])], [*map(np.asarray, found[2])])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_all_of_it_together_on_any_team_and_in_copies(limits, name, dtype):
    """Weights, several batches a step, clipping, factors, decay of all and an average: the same bits, pickled too."""

    def train(n_threads, copied=False, **changed):
        limits(epoch_thread=1.0, call_thread=1.0, paced=0.0, **changed)
        model, loss = make_model(name, dtype)
        X, y = data_for(model, loss, 210, dtype)
        rates, decays = factors_of(model)
        trainer = fb.Trainer(
            model,
            loss,
            fb.AdamW(0.01, weight_decay=0.1),
            batch_size=35,
            n_threads=n_threads,
            accumulate=2,
            clip_array_norm=0.1,
            averaging=fb.EMA(0.9),
            learning_rate_factors=rates,
            weight_decay_factors=decays,
            decay_biases=True,
        )
        for _ in range(2):
            losses = trainer.fit(X, y, sample_weight=some_weights(210))["loss"]
            trainer = pickle.loads(pickle.dumps(trainer)) if copied else trainer
        return [*trainer.model.get_weights(), *trainer.averaged_model().get_weights(), np.array(losses)]

    alone = train(1)
    assert_same_bits(train(3), alone)
    assert_same_bits(train(2, copied=True, long_step=0.0, apart=0.0, piece=0.0), alone)


@pytest.mark.parametrize("name", MODELS)
def test_an_average_of_all_that_is_learnt_and_the_latest_of_the_rest(name):
    """Of a frozen layer, and of the running statistics, the averaged model has what the model has."""
    for averaging in (fb.EMA(0.8), fb.SWA()):
        model, loss = make_model(name)
        X, y = data_for(model, loss, 60, "float64")
        trainer = fb.Trainer(model, loss, fb.SGD(0.1), batch_size=None, averaging=averaging)
        wanted = [np.zeros(kind.shape) for kind in weights_of_model(model)]
        for epoch in range(4):
            trainer.fit(X, y)
            share = 1 if epoch == 0 else 0.2 if averaging.name == "ema" else 1 / (epoch + 1)
            wanted = [a + share * (w - a) for a, w in zip(wanted, model.get_weights(), strict=True)]
        averaged = trainer.averaged_model()
        arrays = zip(averaged.get_weights(), model.get_weights(), wanted, strict=True)
        for kind, (array, latest, mean) in zip(weights_of_model(model), arrays, strict=True):
            np.testing.assert_allclose(array, mean if kind.trained else latest, rtol=1e-13, atol=1e-14)
        assert trainer.evaluate(X, y, averaged=True) == fb.Trainer(averaged, loss).evaluate(X, y)


@pytest.mark.parametrize("name", [name for name, (layers, _) in MODELS.items() if not max_norms(layers)])
@pytest.mark.parametrize("decay_biases", [False, True])
def test_factors_are_for_all_that_a_layer_learns(name, decay_biases):
    """Of a layer in a residual those of the residual; only W decays unless decay_biases says that all does."""
    model, loss = make_model(name)
    X, y = data_for(model, loss, 60, "float64")
    kinds, before = weights_of_model(model), model.get_weights()
    rates, decays = factors_of(model)
    if not decay_biases:
        decays = {i: decays[i] for i in {kind.layer for kind in kinds if kind.trained and kind.key.endswith("W")}}
    _, gradients = model.loss_and_gradients(X, y, loss, training=True)
    options = {"learning_rate_factors": rates, "weight_decay_factors": decays, "decay_biases": decay_biases}
    fb.Trainer(model, loss, fb.SGD(0.1, weight_decay=0.2), **options).step(X, y)
    for kind, array, former, gradient in zip(kinds, model.get_weights(), before, gradients, strict=True):
        if kind.trained:
            decay = 0.2 * decays.get(kind.layer, 1.0) if decay_biases or kind.key.endswith("W") else 0.0
            change = 0.1 * rates[kind.layer] * (gradient + decay * former)
            np.testing.assert_allclose(array, former - change, rtol=0, atol=1e-13)


def test_factors_of_layers_that_have_nothing_for_them_are_refused():
    layers = [fb.Dense(4), fb.LayerNorm(), fb.Activation("relu"), fb.Dense(4, trainable=False), fb.Dense(1)]
    model = fb.Model(layers, inputs=2)
    for options, what in (
        ({"learning_rate_factors": {2: 2}}, r"has 2, which is Activation\('relu'\); expected a trainable layer"),
        ({"learning_rate_factors": {3: 2}}, r"has 3, which is Dense\(.*; expected a trainable layer"),
        ({"weight_decay_factors": {1: 2}}, r"has 1, which is LayerNorm\(.*, without weight decay; expected a layer"),
    ):
        with pytest.raises(ValueError, match=what):
            fb.Trainer(model, "mse", fb.AdamW(), **options)
    fb.Trainer(model, "mse", fb.AdamW(), weight_decay_factors={1: 2}, decay_biases=True).step([[1, 2]], [1])


def test_the_summary_has_a_line_for_every_layer_and_says_what_training_keeps(capsys):
    layers = [fb.Dense(4, use_bias=False), fb.Residual([fb.BatchNorm(), fb.Dense(4, "relu")]), fb.Dense(2, "prelu")]
    fb.Model(layers, inputs=3).summary()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:6]] == [
        ["0", "Dense", "3", "4", "linear", "12", "0.0", "24"],
        ["1", "Residual", "4", "4", "-", "36", "0.1", "36"],
        ["1.0", "BatchNorm", "4", "4", "-", "16", "0.1", "0"],
        ["1.1", "Dense", "4", "4", "relu", "20", "0.1", "32"],
        ["2", "Dense", "4", "2", "prelu", "12", "0.0", "16"],
    ]
    assert lines[0].split()[-5:] == ["parameters", "kB", "FLOPs", "a", "sample"]
    assert lines[6:] == [
        "60 parameters in float32, 0.00024 MB",
        "training keeps about 0.3 kB for each sample of a batch",
        "76 FLOPs to predict a sample, 204 to train on it",
    ]
