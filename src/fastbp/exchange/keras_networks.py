"""Keras's layers as layers, from their descriptions: of a live model, or of a .keras file, which needs no Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.foreign import NEUTRAL, Collector, Network
from fastbp.layers import activations as ours
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.support.checks import sentence, shown

__all__ = ["KERAS_NAMES", "Arrays", "network_of"]

Array = NDArray[Any]
Config = Mapping[str, Any]
Arrays = Callable[[tuple[int, ...]], list[Array]]  # those of a layer, by its place: that in its model, and so on

# Keras's names of our activations without parameters.
KERAS_NAMES: dict[str, type[ours.Activation]] = {
    "linear": ours.Linear,
    "relu": ours.ReLU,
    "tanh": ours.Tanh,
    "sigmoid": ours.Sigmoid,
    "softmax": ours.Softmax,
    "gelu": ours.GELU,
    "silu": ours.SiLU,
    "selu": ours.SELU,
    "softplus": ours.Softplus,
    "exponential": ours.Exp,
    "softsign": ours.Softsign,
    "mish": ours.Mish,
    "hard_sigmoid": ours.HardSigmoid,
    "hard_silu": ours.HardSwish,
}
_OF_NAME: dict[str, Callable[[], ours.Activation]] = {
    **KERAS_NAMES,
    "swish": ours.SiLU,
    "hard_swish": ours.HardSwish,
    "elu": ours.ELU,
    "leaky_relu": lambda: ours.LeakyReLU(0.2),  # the function's own slope
}
_PENALTIES = {"L1": ("l1",), "L2": ("l2",), "L1L2": ("l1", "l2")}


def network_of(described: Config, arrays: Arrays) -> Network:
    """Return the layers of a Sequential or of a functional model that is a chain.

    Parameters
    ----------
    described : mapping
        "class_name" and "config".
    arrays : callable
        Returns the arrays of a layer, by its place.

    Raises
    ------
    TypeError
        If a layer has no counterpart.
    ValueError
        If the layers are no chain, or options of a layer have no counterpart.
    """
    collector = Collector()
    _collect(described, arrays, (), "net", collector)
    return collector.network("net")


def _collect(described: Config, arrays: Arrays, place: tuple[int, ...], name: str, to: Collector) -> None:
    """Add a layer, or those of a model inside a model."""
    kind, config = described["class_name"], described["config"]
    if kind in ("Sequential", "Functional"):
        if kind == "Functional":
            _check_chain(config, name)
        for i, inner in enumerate(config["layers"]):
            _collect(inner, arrays, (*place, i), f"{name}.layers[{i}]", to)
    elif kind in _COLLECT:
        _check_policy(config, name)
        _COLLECT[kind](config, arrays(place), name, to)
    elif kind not in ("InputLayer", "Flatten"):
        known = ", ".join(("Sequential", "Functional", "Flatten", *_COLLECT))
        raise TypeError(f"{name} is {kind}; expected one of {known}, which fastbp has a layer for.")


def _check_chain(config: Config, name: str) -> None:
    """Refuse a functional model in which a layer has anything but the layer before as its input."""
    before = None
    for layer in config["layers"]:
        sources: list[Any] = [] if before is None else [before]
        if len(layer["inbound_nodes"]) != len(sources) or _sources(layer["inbound_nodes"]) != sources:
            raise ValueError(
                f"{name} has the layer {layer['name']!r}, whose input is not that of a chain; expected layers one "
                "after the other. Write branches with fb.Residual, and set the weights."
            )
        before = layer["name"]


def _sources(node: Any) -> list[Any]:
    """Return the names of the layers whose outputs occur in a description."""
    if isinstance(node, Mapping):
        if "keras_history" in node:
            return [node["keras_history"][0]]
        return [name for each in node.values() for name in _sources(each)]
    return [name for each in node for name in _sources(each)] if isinstance(node, (list, tuple)) else []


def _check_policy(config: Config, name: str) -> None:
    policy = config.get("dtype")
    kind = policy["config"]["name"] if isinstance(policy, Mapping) else policy
    if kind not in ("float32", "float64", None):
        raise ValueError(f"{name} computes in {kind}; expected float32 or float64, in which fastbp computes.")


def _check(config: Config, name: str, **expected: Any) -> None:
    """Refuse options that have no counterpart."""
    for key, values in expected.items():
        allowed = values if isinstance(values, tuple) else (values,)
        value = config.get(key, allowed[0])
        if not any(value == each for each in allowed):
            listed = " or ".join(map(shown, allowed))
            raise ValueError(f"{key} of {name} is {shown(value)}; expected {listed}, as fastbp has no other.")


def _activation(value: Any, name: str) -> ours.Activation:
    if not isinstance(value, str) or value not in _OF_NAME:
        raise ValueError(sentence(f"activation of {name}", value, f"one of {', '.join(map(repr, _OF_NAME))}"))
    return _OF_NAME[value]()


def _dense(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    _check(config, name, bias_regularizer=None, activity_regularizer=None, bias_constraint=None)
    _check(config, name, quantization_config=None, lora_rank=None)
    options = _penalties(config.get("kernel_regularizer"), name) | _constraint(config.get("kernel_constraint"), name)
    b = arrays[1] if config.get("use_bias", True) else None
    to.dense(arrays[0], b, trainable=bool(config.get("trainable", True)), **options)
    to.activation(_activation(config.get("activation", "linear"), name))


def _penalties(regularizer: Any, name: str) -> dict[str, float]:
    if regularizer is None:
        return {}
    if not isinstance(regularizer, Mapping) or regularizer["class_name"] not in _PENALTIES:
        raise ValueError(sentence(f"kernel_regularizer of {name}", regularizer, "L1, L2 or L1L2"))
    return {key: float(regularizer["config"][key]) for key in _PENALTIES[regularizer["class_name"]]}


def _constraint(constraint: Any, name: str) -> dict[str, float]:
    if constraint is None:
        return {}
    if not isinstance(constraint, Mapping) or constraint["class_name"] != "MaxNorm":
        raise ValueError(sentence(f"kernel_constraint of {name}", constraint, "MaxNorm"))
    _check(constraint["config"], f"kernel_constraint of {name}", axis=0)
    return {"max_norm": float(constraint["config"]["max_value"])}


def _activation_layer(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    to.activation(_activation(config["activation"], name))


def _relu(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    _check(config, name, max_value=None, threshold=0)
    slope = float(config.get("negative_slope") or 0)
    to.activation(ours.LeakyReLU(slope) if slope else ours.ReLU())


def _leaky_relu(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    to.activation(ours.LeakyReLU(float(config["negative_slope"])))


def _prelu(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    _check(config, name, alpha_regularizer=None, alpha_constraint=None, shared_axes=None)
    to.activation(ours.PReLU(), arrays[0])


def _elu(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    to.activation(ours.ELU(float(config["alpha"])))


def _softmax(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    _check(config, name, axis=(-1, 1))
    to.activation(ours.Softmax())


def _dropout(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    _check(config, name, noise_shape=None)
    to.layer(Dropout(float(config["rate"])))


def _layer_norm(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    _check(config, name, axis=(-1, [-1], 1, [1]), rms_scaling=False)
    _check(config, name, **dict.fromkeys(_NORM_OPTIONS))
    to.layer(LayerNorm(float(config["epsilon"])), _gain_and_shift(config, arrays, to.width))


def _batch_norm(config: Config, arrays: Sequence[Array], name: str, to: Collector) -> None:
    _check(config, name, axis=(-1, [-1], 1, [1]), renorm=False)
    _check(config, name, **dict.fromkeys(_NORM_OPTIONS))
    momentum = round(1 - float(config["momentum"]), 12)  # theirs counts the other way
    to.layer(BatchNorm(momentum, float(config["epsilon"])), _gain_and_shift(config, arrays, to.width))


_NORM_OPTIONS = ("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint")


def _gain_and_shift(config: Config, arrays: Sequence[Array], n: int | None) -> list[Array]:
    """Return gain and shift, n ones and zeros where they are left out, and what follows them."""
    left = list(arrays)
    n = len(left[0]) if left else n
    gain = left.pop(0) if config.get("scale", True) else np.ones(n or 0, NEUTRAL)
    shift = left.pop(0) if config.get("center", True) else np.zeros(n or 0, NEUTRAL)
    return [gain, shift, *left]


_COLLECT: dict[str, Callable[[Config, Sequence[Array], str, Collector], None]] = {
    "Dense": _dense,
    "Activation": _activation_layer,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "ELU": _elu,
    "Softmax": _softmax,
    "Dropout": _dropout,
    "LayerNormalization": _layer_norm,
    "BatchNormalization": _batch_norm,
}
