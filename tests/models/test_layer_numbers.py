"""Layers are counted from 0, as in model.layers, wherever one is named."""

import re

import numpy as np
import pytest

import fastbp as fb

KINDS = ["Dense", "Dropout", "Residual", "Dense"]


@pytest.fixture
def model():
    layers = [fb.Dense(4, "tanh"), fb.Dropout(0.5), fb.Residual([fb.LayerNorm(), fb.Dense(4)]), fb.Dense(3, "softmax")]
    return fb.Model(layers, inputs=2, dtype="float64")


@pytest.fixture
def data():
    return np.random.default_rng(0).normal(size=(6, 2)), [0, 1, 2, 0, 1, 2]


def places_of(text):
    """The numbers of the layers that a text names, and the layers inside them: "b of layer 2.1" gives (2, 1)."""
    return {tuple(map(int, number.split("."))) for number in re.findall(r"layer (\d+(?:\.\d+)*)", text)}


def test_the_summary(model, capsys):
    model.summary()
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[1:7]]
    assert [kind for number, kind in rows if "." not in number] == KINDS
    for number, kind in rows:
        outer, *inner = map(int, number.split("."))
        layer = model.layers[outer].layers[inner[0]] if inner else model.layers[outer]
        assert type(layer).__name__ == kind


def test_the_statistics_leave_dropouts_out_and_keep_the_numbers_of_the_others(model, data):
    statistics = model.inspect(data[0])
    assert [layer.index for layer in statistics.layers] == [0, 2, 3]
    for line, layer in zip(str(statistics).splitlines()[1:], statistics.layers, strict=True):
        assert int(line.split()[0]) == layer.index
        assert layer.layer == repr(model.layers[layer.index])


def test_the_gradient_check(model, data):
    names = fb.check_gradients(model, *data, "cross_entropy")
    assert places_of(" ".join(names)) == {(0,), (2, 0), (2, 1), (3,)}


def test_messages(model):
    weights = model.get_weights()
    weights[-1] = weights[-1][:2]
    with pytest.raises(ValueError, match="b of layer 3, has shape"):
        model.set_weights(weights)
    network = fb.Model([fb.Dense(2), fb.Dense(2, "exp"), fb.Dense(1)], inputs=1)
    network.set_weights([[[900, 0]], [0, 0], [[1, 0], [0, 1]], [0, 0], [[1], [1]], [0]])
    with pytest.raises(FloatingPointError, match=r"outputs of layer 1 \(counted from 0\), Dense\(2, 'exp'\)"):
        fb.Trainer(network, "mse").fit([[1.0]], [1.0])


def test_factors(model):
    with pytest.raises(ValueError, match=r"learning_rate_factors has 1, which is Dropout"):
        fb.Trainer(model, "cross_entropy", learning_rate_factors={1: 0.5})
