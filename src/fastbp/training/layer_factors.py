"""Factors of a layer's learning rate or weight decay relative to the optimizer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastbp.layers.base import Layer, Parameter
from fastbp.layers.composition import innermost
from fastbp.optimizers.base import Optimizer
from fastbp.support.checks import check_int, check_number, sentence

__all__ = ["check_decay_biases", "check_decay_factors", "check_rate_factors"]


def check_rate_factors(factors: Any, layers: Sequence[Layer]) -> dict[int, float]:
    """Return factors above 0 by layer index, counted from 0."""
    return _check_factors(factors, "learning_rate_factors", layers, above=0)


def check_decay_factors(
    factors: Any, layers: Sequence[Layer], optimizer: Optimizer, decay_biases: bool
) -> dict[int, float]:
    """Return factors of 0 or more by the index, counted from 0, of layers to which weight decay applies."""
    checked = _check_factors(factors, "weight_decay_factors", layers, at_least=0)
    if checked:
        _refuse_without_decay("weight_decay_factors", factors, optimizer)
    for i in () if decay_biases else checked:
        if not any(parameter.name == "W" for parameter in _trained(layers, i)):
            raise ValueError(
                f"weight_decay_factors has {i}, which is {layers[i]!r}, without weight decay; expected a layer "
                "with a W. Pass decay_biases=True to apply weight decay to all trained parameters."
            )
    return checked


def check_decay_biases(decay_biases: bool, optimizer: Optimizer) -> bool:
    """Return whether biases decay; then the optimizer must have a weight decay."""
    if decay_biases:
        _refuse_without_decay("decay_biases", decay_biases, optimizer)
    return decay_biases


def _check_factors(factors: Any, argument: str, layers: Sequence[Layer], **bounds: float) -> dict[int, float]:
    if factors is None:
        return {}
    if not isinstance(factors, Mapping):
        raise TypeError(sentence(argument, factors, "a dictionary from layer index to factor, such as {0: 0.1}"))
    checked = {}
    for key, factor in factors.items():
        remedy = "Layers are counted from 0, as in model.layers."
        i = check_int(key, f"a key of {argument}", minimum=0, maximum=len(layers) - 1, remedy=remedy)
        if not _trained(layers, i):
            raise ValueError(f"{argument} has {i}, which is {layers[i]!r}; expected a trainable layer. {remedy}")
        checked[i] = check_number(factor, f"{argument}[{i}]", **bounds)
    return checked


def _trained(layers: Sequence[Layer], i: int) -> list[Parameter]:
    """Return the trained arrays of a layer and of its inner layers.

    Their names do not depend on the number of inputs.
    """
    inner = innermost(layers[i : i + 1])
    return [parameter for _, layer in inner for parameter in layer.parameters(1) if parameter.trained]


def _refuse_without_decay(argument: str, value: Any, optimizer: Optimizer) -> None:
    if not optimizer.numbers().get("weight_decay", 0.0):
        raise ValueError(
            f"{argument} is {value!r} and {optimizer!r} has no weight decay; expected an optimizer with weight "
            "decay, such as fb.AdamW(weight_decay=0.01)."
        )
