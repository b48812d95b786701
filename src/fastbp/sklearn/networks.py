"""From an estimator's parameters to a model, and from a model to coefs_ and intercepts_."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.activations import ACTIVATIONS, Activation
from fastbp.layers.base import Layer
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.models.model import Model
from fastbp.support.checks import sentence
from fastbp.support.registry import resolve

__all__ = [
    "ACTIVATION_NAMES",
    "check_fitting_layers",
    "draw_weights",
    "hidden_activations",
    "linked_arrays",
    "make_model",
    "model_of_arrays",
    "with_slopes",
]

Array = NDArray[Any]

_THEIR_NAMES = {"identity": "linear", "logistic": "sigmoid"}  # scikit-learn's for ours
ACTIVATION_NAMES = (*_THEIR_NAMES, *ACTIVATIONS)


def hidden_activations(activation: Any, n_layers: int) -> list[Activation]:
    """Return the activation of each hidden layer, from one for all or a list."""
    if not isinstance(activation, (list, tuple)):
        return [_as_activation(activation, "activation")] * n_layers
    if len(activation) != n_layers:
        raise ValueError(
            f"activation is a list of {len(activation)} and hidden_layer_sizes has {n_layers}; expected one for each "
            "hidden layer, or a single one for all."
        )
    return [_as_activation(each, f"activation[{i}]") for i, each in enumerate(activation)]


def _as_activation(value: Any, argument: str) -> Activation:
    if isinstance(value, str):
        value = _THEIR_NAMES.get(value, value)
    function: Activation = resolve(value, ACTIVATIONS, argument)
    return function


def make_model(
    units: Sequence[int], hidden: Sequence[Activation], last: str, dropout: float, dtype: np.dtype[Any]
) -> Model:
    """Return a model of zeros with these numbers of units, inputs first, and dropout after each hidden layer."""
    layers: list[Layer] = []
    for n_units, activation in zip(units[1:-1], hidden, strict=True):
        layers.append(Dense(n_units, activation, "zeros"))
        if dropout > 0:
            layers.append(Dropout(dropout))
    layers.append(Dense(units[-1], last, "zeros"))
    return Model(layers, inputs=units[0], dtype=dtype)


def draw_weights(
    units: Sequence[int], hidden: Sequence[Activation], random: np.random.RandomState
) -> tuple[list[Array], list[Array]]:
    """Return coefs and intercepts as scikit-learn draws them: uniform on Glorot and Bengio's (2010) interval.

    The same random state gives the same numbers as in scikit-learn. Each layer's interval depends on its activation;
    the output layer's on that of the layer before, as scikit-learn has one activation for all.
    """
    coefs, intercepts = [], []
    for i, (fan_in, fan_out) in enumerate(pairwise(units)):
        activation = hidden[min(i, len(hidden) - 1)].name if hidden else "linear"
        bound = np.sqrt((2.0 if activation == "sigmoid" else 6.0) / (fan_in + fan_out))
        coefs.append(random.uniform(-bound, bound, (fan_in, fan_out)))
        intercepts.append(random.uniform(-bound, bound, fan_out))
    return coefs, intercepts


def with_slopes(coefs: Sequence[Array], intercepts: Sequence[Array], model: Model) -> list[Array]:
    """Return weights as the model takes them: layer by layer, with the activations' current slopes or alphas."""
    slopes = iter(_slopes(model))
    weights = []
    for layer, W, b in zip(_dense_layers(model), coefs, intercepts, strict=True):
        weights += [W, b]
        if layer.activation.array is not None:
            weights.append(next(slopes))
    return weights


def linked_arrays(model: Model) -> tuple[list[Array], list[Array]]:
    """Return coefs and intercepts that are the model's own memory: writing to them changes its predictions."""
    arrays = iter(model.network.parameter_views())
    coefs, intercepts = [], []
    for layer in _dense_layers(model):
        coefs.append(next(arrays))
        intercepts.append(next(arrays))
        if layer.activation.array is not None:
            next(arrays)
    return coefs, intercepts


def _slopes(model: Model) -> list[Array]:
    arrays = iter(model.get_weights())
    slopes = []
    for layer in _dense_layers(model):
        next(arrays), next(arrays)
        if layer.activation.array is not None:
            slopes.append(next(arrays))
    return slopes


def _dense_layers(model: Model) -> list[Dense]:
    return [layer for layer in model.layers if isinstance(layer, Dense)]


def model_of_arrays(
    coefs: Sequence[Any], intercepts: Sequence[Any], activation: Any, last: str, dropout: float, known: Model | None
) -> Model:
    """Return the model with arrays set by a user, and with the slopes of the model before.

    Raises
    ------
    ValueError
        If they do not fit each other.
    """
    arrays = [np.asarray(W) for W in coefs]
    if len(arrays) != len(intercepts) or any(W.ndim != 2 for W in arrays) or not arrays:
        raise ValueError(
            f"coefs_ has {len(arrays)} arrays and intercepts_ has {len(intercepts)}; expected a matrix (inputs, units) "
            "and a vector (units,) for each layer."
        )
    units = [arrays[0].shape[0], *(W.shape[1] for W in arrays)]
    dtype = np.dtype(np.float32 if all(W.dtype == np.float32 for W in arrays) else np.float64)
    model = make_model(units, hidden_activations(activation, len(units) - 2), last, dropout, dtype)
    if known is not None and known.layers == model.layers:
        model.set_weights(known.get_weights())
    model.set_weights(with_slopes(arrays, [np.asarray(b) for b in intercepts], model))
    return model


def check_fitting_layers(model: Model, units: Sequence[int]) -> None:
    """Refuse to continue with a model whose sizes differ from hidden_layer_sizes."""
    known = [model.n_inputs, *(layer.units for layer in _dense_layers(model))]
    if known[1:] != list(units[1:]):
        raise ValueError(
            sentence(
                "the network",
                list(units[1:]),
                f"the {known[1:]} units of the fit before",
                "Set warm_start=False, or clone the estimator, to start again.",
            )
        )
