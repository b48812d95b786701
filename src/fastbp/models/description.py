"""A model as plain data, for files, pickles and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.classes import check_classes
from fastbp.layers.composition import layer_from_config
from fastbp.layers.tabular import Tabular, inputs_from_config, n_features
from fastbp.models.architecture import Architecture, check_dtype, check_stack, outputs_of
from fastbp.models.feed import Feed
from fastbp.preparation.model_preparation import ModelPreparation
from fastbp.schedules import FunctionSchedule
from fastbp.support.checks import check_seed

__all__ = ["as_stored", "describe", "named_weights", "parse_config"]

Array = NDArray[Any]


def describe(architecture: Architecture, feed: Feed, seed: int, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model without its weights as plain data."""
    inputs = feed.inputs
    config: dict[str, Any] = {
        "inputs": inputs.to_config() if isinstance(inputs, Tabular) else inputs,
        "dtype": architecture.dtype.name,
        "seed": seed,
        "layers": [layer.to_config() for layer in architecture.layers],
    }
    if metadata:
        config["metadata"] = metadata
    if feed.names is not None:
        config["names"] = list(feed.names)
    if feed.classes is not None:
        config["classes"] = feed.classes.to_config()
    if feed.target_names is not None:
        config["target_names"] = list(feed.target_names)
    return config if feed.preparation is None else config | {"preparing": feed.preparation.to_config()}


def parse_config(config: Mapping[str, Any]) -> tuple[Architecture, Feed, int]:
    """Return architecture, feed and seed from the result of ``describe``, each checked."""
    layers = [layer_from_config(layer) for layer in config["layers"]]
    inputs = None if config["inputs"] is None else inputs_from_config(config["inputs"])
    preparation = None if config.get("preparing") is None else ModelPreparation.from_config(config["preparing"])
    if preparation is not None and preparation.inputs is not None:
        if inputs != preparation.inputs.n_columns:
            raise ValueError(f"inputs is {inputs!r}, and the preparation has {preparation.inputs.n_columns} columns.")
        preparation.check_outputs(outputs_of(layers, len(preparation.inputs.features)))
    dtype, seed = check_dtype(config["dtype"]), check_seed(config["seed"])
    architecture = Architecture(check_stack(layers), dtype, inputs if isinstance(inputs, Tabular) else None)
    feed = Feed(inputs, preparation, dtype, _names(config, "names"), target_names=_names(config, "target_names"))
    if config.get("classes") is not None:
        n_outputs = architecture.known_outputs if feed.fed is None else outputs_of(layers, n_features(feed.fed))
        feed = feed.labelled(check_classes(config["classes"], n_outputs), feed.target_names)
    return architecture, feed, seed


def _names(config: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """Return names of columns, where a description has some."""
    names = config.get(key)
    if names is not None and not all(isinstance(name, str) for name in names):
        raise ValueError(f"{key} is {names!r}; expected strings.")
    return None if names is None else tuple(names)


def as_stored(config: Mapping[str, Any], arrays: Sequence[Array]) -> list[Array]:
    """Return the arrays of a model's file, each checked to have the model's dtype: other bytes are other numbers.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the description has no dtype, or an array another one.
    """
    dtype = check_dtype(config["dtype"])
    for array in arrays:
        if array.dtype != dtype:
            raise ValueError(f"the model is of {dtype}, and an array of its weights of {array.dtype}")
    return list(arrays)


def named_weights(architecture: Architecture, weights: Sequence[Array]) -> list[tuple[str, Array]]:
    """Return the arrays of a model with their names in a file.

    Raises
    ------
    ValueError
        If a file cannot hold the model.
    """
    for where, layer, _ in architecture.dropouts:
        if isinstance(layer.rate, FunctionSchedule):
            raise ValueError(
                f"{where} is {layer!r}, and a file cannot hold a function; expected a rate or another schedule, "
                "such as fb.PolynomialDecay. pickle can save it, if the function is defined in a module."
            )
    kinds = architecture.arrays
    for kind, weight in zip(kinds, weights, strict=True):
        if not np.isfinite(weight).all():
            raise ValueError(
                f"{kind.name} has numbers that are not finite; expected finite weights. "
                "Train the model again from the start, with a smaller learning rate."
            )
    return [(kind.key, weight) for kind, weight in zip(kinds, weights, strict=True)]
