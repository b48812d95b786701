"""The networks of a table: their layers, and how fast each part of them learns."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from fastbp.layers.base import Layer
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.numeric_embeddings import Periodic
from fastbp.layers.scaling import Scaling
from fastbp.layers.tabular import Tabular, n_features
from fastbp.models.architecture import outputs_of
from fastbp.models.model import Model
from fastbp.schedules import FlatCosine
from fastbp.tabular.encoding import TableEncoding
from fastbp.tabular.recipe import Member
from fastbp.tabular.targets import Targets

__all__ = ["factors_of", "make_model"]

_TABLE_WIDTH = 8  # numbers for each level of a category with many, or value of a column
_VALUE_DEVIATION = 0.1  # with which the tables of values begin
_WIDTH_AT_RATE = 256  # inputs at which the first dense layer has the others' learning rate


def make_model(member: Member, encoding: TableEncoding, targets: Targets, n_steps: int, seed: int) -> Model:
    """Return a member's network, untrained.

    The tables of categories begin with a deviation of 1. Those of numbers' values begin small: most of what there is to
    know of a number is in its other inputs, and a value of few rows should say little.
    """
    sizes = encoding.table_sizes
    inputs = Tabular(encoding.n_numeric, sizes, [_TABLE_WIDTH] * len(sizes)) if sizes else None
    layers = _layers_before(member, encoding)
    for _ in range(member.depth):
        layers.append(Dense(member.width, "mish"))
        if member.dropout:
            layers.append(Dropout(FlatCosine(member.dropout, over=n_steps)))
    layers.append(Dense(targets.n_outputs, targets.activation))
    model = Model(layers, inputs=inputs or encoding.n_numeric, seed=seed)
    if sizes:
        weights = model.get_weights()
        deviations = [1.0] * len(encoding.cardinalities) + [_VALUE_DEVIATION] * len(encoding.coded_numbers)
        generators = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(len(sizes)))
        for table, deviation, generator in zip(weights, deviations, generators, strict=False):
            table[:-1] = generator.normal(scale=deviation, size=table[:-1].shape)
        model.set_weights(weights)
    return model


def _layers_before(member: Member, encoding: TableEncoding) -> list[Any]:
    """Return what there is before the first dense layer: waves of the numbers that vary, and factors of all inputs."""
    layers: list[Layer] = []
    if member.waves:
        columns = [place for place, number in zip(encoding.places, encoding.numbers, strict=True) if number.factor]
        layers += [Periodic(columns=columns)] if columns else []
    return [*layers, Scaling()] if member.scaling else layers


def factors_of(member: Member, model: Model) -> tuple[dict[int, float], dict[int, float]]:
    """Return the factors of the learning rate and of the weight decay, by layer.

    The first dense layer learns the slower the more inputs it has, and decays as the others: by rate times decay. Waves
    do not decay.
    """
    rates: dict[int, float] = {}
    decays: dict[int, float] = {}
    before = list(itertools.takewhile(lambda layer: not isinstance(layer, Dense), model.layers))
    for i, layer in enumerate(before):
        if isinstance(layer, Periodic):
            rates[i], decays[i] = member.waves, 0.0
        else:
            rates[i] = member.scaling
    n_inputs = outputs_of(before, n_features(model.architecture.feeding))
    factor = (_WIDTH_AT_RATE / max(n_inputs, 1)) ** 0.5 if member.depth else 1.0
    rates[len(before)], decays[len(before)] = factor, 1 / factor
    return rates, decays
