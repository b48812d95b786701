"""Keras's models: live ones, their files, and models as new ones."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.blueprint import Blueprint
from fastbp.exchange.extras import require
from fastbp.exchange.foreign import Network, check_plain, converted
from fastbp.exchange.keras_networks import KERAS_NAMES, network_of
from fastbp.layers import activations as ours
from fastbp.layers.activation_layer import Activation
from fastbp.layers.base import Layer
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.schedules import Schedule
from fastbp.support.checks import check_path, sentence
from fastbp.support.registry import DESCRIPTION_ERRORS

__all__ = ["keras_of", "network_of_file", "network_of_live"]

Array = NDArray[Any]

_THEIRS = {cls: name for name, cls in KERAS_NAMES.items()}
_LARGEST_CONFIG = 2**24  # bytes


def network_of_live(net: Any) -> Network:
    """Return the layers of a model that Keras holds.

    Raises
    ------
    TypeError, ValueError
        If it is no model, or a part of it has no counterpart.
    """
    if type(net).__name__ not in ("Sequential", "Functional") or not hasattr(net, "get_config"):
        raise TypeError(sentence("net", net, "a keras.Sequential or functional model, or the name of a .keras file"))
    if not net.built:
        raise ValueError("net is not built, so that it has no weights; expected a built model. Call net.build first.")

    def arrays(place: tuple[int, ...]) -> list[Array]:
        layer = net
        for i in place:
            described = layer.get_config()["layers"][i]["config"]["name"]
            layer = next(each for each in layer.layers if each.name == described)
        return [np.array(each) for each in layer.get_weights()]

    return network_of({"class_name": type(net).__name__, "config": net.get_config()}, arrays)


def network_of_file(path: str | os.PathLike[str]) -> Network:
    """Return the layers of a .keras file, read without Keras.

    Raises
    ------
    ImportError
        If h5py is not installed.
    OSError
        If it cannot be read.
    TypeError, ValueError
        If it is no such file, or a part of the model has no counterpart.
    """
    h5py, name = require("h5py", "from_keras of a file", "h5py"), check_path(path, "net")
    try:
        with open(name, "rb") as opened, zipfile.ZipFile(opened) as file:
            if file.getinfo("config.json").file_size > _LARGEST_CONFIG:
                raise ValueError("its config.json is too large")
            described = json.loads(file.read("config.json"))
            weights = file.read("model.weights.h5")
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"net is {str(name)!r}; expected a file that Keras 3 saved: {error}.") from None
    try:
        with h5py.File(io.BytesIO(weights)) as stored:
            return network_of(described, _arrays_of(described, stored))
    except (*DESCRIPTION_ERRORS, OSError) as error:
        if type(error) in (TypeError, ValueError) and str(error).endswith("."):
            raise  # a sentence of ours
        raise ValueError(f"net is {str(name)!r}; expected a file that Keras 3 saved: {error!r}.") from None


def _arrays_of(described: Mapping[str, Any], stored: Any) -> Callable[[tuple[int, ...]], list[Array]]:
    """Return the function from a layer's place to its arrays: groups are named by the layers' classes, and counted."""

    def arrays(place: tuple[int, ...]) -> list[Array]:
        config, group = described["config"], stored
        for i in place:
            layers = config["layers"]
            counts: Counter[str] = Counter(_group_name(each["class_name"]) for each in layers[:i])
            name = _group_name(layers[i]["class_name"])
            group = group["layers"][name if not counts[name] else f"{name}_{counts[name]}"]
            config = layers[i]["config"]
        variables = group["vars"]
        return [np.array(variables[str(k)]) for k in range(len(variables))]

    return arrays


def _group_name(class_name: str) -> str:
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", class_name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()


# ------------------------------------------------------------------------------------------------------------- out


def keras_of(model: Blueprint) -> Any:
    """Return a model as a keras.Sequential.

    Raises
    ------
    ImportError
        If Keras is not installed.
    ValueError
        If a part of it has no counterpart.
    """
    require("keras", "to_keras", "keras")
    import keras

    check_plain(model, "to_keras", "Keras's layers take and give numbers")
    pairs = converted(model, _LAYERS, "to_keras")
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(
        model.dtype.name
    )  # a model casts its inputs to that dtype, and takes no other word for it
    try:
        net = keras.Sequential([keras.Input((model.n_columns,))])
        for name, options, arrays in pairs:
            layer = getattr(keras.layers, name)(**options)
            net.add(layer)
            if arrays:
                layer.set_weights(arrays)
    finally:
        keras.config.set_dtype_policy(former)
    return net


_Made = Iterator[tuple[str, dict[str, Any], list[Array]]]  # a class of Keras, its options, its arrays


def _dense(layer: Dense, arrays: list[Array], n_inputs: int) -> _Made:
    options: dict[str, Any] = {"units": layer.units, "use_bias": layer.use_bias, "trainable": layer.trainable}
    if layer.l1 or layer.l2:
        options["kernel_regularizer"] = {"class_name": "L1L2", "config": {"l1": layer.l1, "l2": layer.l2}}
    if layer.max_norm is not None:
        options["kernel_constraint"] = {"class_name": "MaxNorm", "config": {"max_value": layer.max_norm, "axis": 0}}
    n_own = 1 + layer.use_bias
    name = _THEIRS.get(type(layer.activation))
    if name is None:
        yield "Dense", options, arrays[:n_own]
        yield from _activation(layer.activation, arrays[n_own:])
    else:
        yield "Dense", options | {"activation": name}, arrays


def _activation_layer(layer: Activation, arrays: list[Array], n_inputs: int) -> _Made:
    return _activation(layer.activation, arrays)


def _activation(function: ours.Activation, arrays: list[Array]) -> _Made:
    if isinstance(function, ours.PReLU):
        yield "PReLU", {}, arrays
    elif isinstance(function, ours.LeakyReLU):
        yield "LeakyReLU", {"negative_slope": function.slope}, []
    elif isinstance(function, ours.ELU):
        yield "ELU", {"alpha": function.alpha}, []
    elif type(function) in _THEIRS:
        yield "Activation", {"activation": _THEIRS[type(function)]}, []
    else:
        raise ValueError(f"the model has the activation {function.name!r}; expected one that Keras has by name.")


def _layer_norm(layer: LayerNorm, arrays: list[Array], n_inputs: int) -> _Made:
    yield "LayerNormalization", {"epsilon": layer.epsilon}, arrays


def _batch_norm(layer: BatchNorm, arrays: list[Array], n_inputs: int) -> _Made:
    yield "BatchNormalization", {"momentum": 1 - layer.momentum, "epsilon": layer.epsilon}, arrays


def _dropout(layer: Dropout, arrays: list[Array], n_inputs: int) -> _Made:
    if isinstance(layer.rate, Schedule):
        raise ValueError(
            sentence("a layer", layer, "a rate that is a number for to_keras", "Set one: fb.Dropout(0.1).")
        )
    yield "Dropout", {"rate": layer.rate}, []


_LAYERS: dict[type[Layer], Callable[..., _Made]] = {
    Dense: _dense,
    Activation: _activation_layer,
    LayerNorm: _layer_norm,
    BatchNorm: _batch_norm,
    Dropout: _dropout,
}
