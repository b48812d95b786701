"""Dense: its arguments, its shorthands, and its plain-data form."""

import json

import pytest

import fastbp as fb
from fastbp.activations import ACTIVATIONS


def test_defaults():
    layer = fb.Dense(7)
    assert (layer.units, layer.activation, layer.initializer) == (7, fb.Linear(), fb.Glorot())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_auto_initializer_follows_the_activation(name):
    level_on_both_sides = {"tanh", "sigmoid", "softmax", "softsign", "hard_sigmoid"}
    expected = fb.Glorot() if name in {"linear", *level_on_both_sides} else fb.LeCun() if name == "selu" else fb.He()
    assert fb.Dense(2, name).initializer == expected


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (fb.Dense(8), "Dense(8, 'linear')"),
        (fb.Dense(8, "relu"), "Dense(8, 'relu')"),
        (fb.Dense(8, fb.LeakyReLU(0.2)), "Dense(8, LeakyReLU(slope=0.2))"),
        (fb.Dense(8, "tanh", "he"), "Dense(8, 'tanh', initializer='he')"),
        (fb.Dense(8, "relu", fb.He("uniform")), "Dense(8, 'relu', initializer=He(distribution='uniform'))"),
    ],
)
def test_repr_is_how_to_write_it(layer, text):
    assert repr(layer) == text
    assert eval(text, vars(fb).copy()) == layer


def test_plain_data_and_back():
    layer = fb.Dense(8, fb.LeakyReLU(0.2), fb.Uniform(-1, 1))
    assert fb.Dense.from_config(json.loads(json.dumps(layer.to_config()))) == layer


def test_cannot_be_changed():
    with pytest.raises(AttributeError):
        fb.Dense(3).units = 4
