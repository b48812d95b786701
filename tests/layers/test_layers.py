"""Layers: their arguments, their shorthands, and their plain-data form."""

import json

import pytest

import fastbp as fb
from fastbp.layers.activations import ACTIVATIONS


def test_defaults():
    layer = fb.Dense(7)
    assert (layer.units, layer.activation, layer.initializer) == (7, fb.Linear(), fb.Glorot())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_auto_initializer_follows_the_activation(name):
    level_on_both_sides = {"tanh", "sigmoid", "softmax", "softsign", "hard_sigmoid"}
    expected = (
        fb.Glorot() if name in {"linear", "exp", *level_on_both_sides} else fb.LeCun() if name == "selu" else fb.He()
    )
    assert fb.Dense(2, name).initializer == expected


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (fb.Dense(8), "Dense(8, 'linear')"),
        (fb.Dense(8, "relu"), "Dense(8, 'relu')"),
        (fb.Dense(8, fb.LeakyReLU(0.2)), "Dense(8, LeakyReLU(slope=0.2))"),
        (fb.Dense(8, "tanh", "he"), "Dense(8, 'tanh', initializer='he')"),
        (fb.Dense(8, "relu", fb.He("uniform")), "Dense(8, 'relu', initializer=He(distribution='uniform'))"),
        (fb.Dense(8, use_bias=False, trainable=False), "Dense(8, 'linear', use_bias=False, trainable=False)"),
        (fb.Dense(8, "prelu", l1=0.5, max_norm=2), "Dense(8, 'prelu', l1=0.5, max_norm=2.0)"),
        (fb.Activation(fb.PReLU(0.5)), "Activation(PReLU(slope=0.5))"),
        (fb.LayerNorm(), "LayerNorm(epsilon=1e-05)"),
        (fb.Periodic(), "Periodic()"),
        (fb.PiecewiseLinear([[0, 1.5], [2, 3, 4]], 3), "PiecewiseLinear([[0.0, 1.5], [2.0, 3.0, 4.0]], units=3)"),
        (fb.Periodic(2, 8, 0.5, range(3)), "Periodic(units=2, frequencies=8, sigma=0.5, columns=[0, 1, 2])"),
        (fb.Residual([fb.Dropout(0.5), fb.Dense(2)]), "Residual([Dropout(0.5), Dense(2, 'linear')])"),
    ],
)
def test_repr_is_how_to_write_it(layer, text):
    assert repr(layer) == text
    assert eval(text, vars(fb).copy()) == layer


@pytest.mark.parametrize(
    "layer",
    [
        fb.Dense(8, fb.LeakyReLU(0.2), fb.Uniform(-1, 1)),
        fb.Dense(8, "prelu", use_bias=False, trainable=False, l1=0.1, l2=0.2, max_norm=3),
        fb.Activation(fb.ELU(0.5)),
        fb.LayerNorm(0.1),
        fb.BatchNorm(0.2, 0.3),
        fb.Dropout(0.4),
        fb.Periodic(),
        fb.PiecewiseLinear([[0, 1.5], [2, 3, 4]], 3, [7, 1]),
        fb.PiecewiseLinear([[0.1, 0.2]]),
        fb.Periodic(2, 8, 0.5, [4, 1]),
        fb.Residual([fb.Residual([fb.BatchNorm(0.5)]), fb.Dense(2, l2=0.5)]),
    ],
)
def test_plain_data_and_back(layer):
    assert type(layer).from_config(json.loads(json.dumps(layer.to_config()))) == layer


def test_a_plain_dense_layer_is_described_as_before_it_had_options():
    assert fb.Dense(8).to_config().keys() == {"type", "units", "activation", "initializer"}


def test_cannot_be_changed():
    with pytest.raises(AttributeError):
        fb.Dense(3).units = 4
