"""Factors by which a layer's learning rate or weight decay differs from the optimizer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastbp.layers.base import Layer, Parameter
from fastbp.layers.composition import innermost
from fastbp.optimizers.base import Optimizer
from fastbp.support.checks import check_int, check_number, sentence

__all__ = ["check_decay_biases", "check_decay_factors", "check_rate_factors"]


def check_rate_factors(factors: Any, layers: Sequence[Layer]) -> dict[int, float]:
    """Return factors above 0 by the layer's number."""
    return _check_factors(factors, "learning_rate_factors", layers, above=0)


def check_decay_factors(
    factors: Any, layers: Sequence[Layer], optimizer: Optimizer, decay_biases: bool
) -> dict[int, float]:
    """Return factors of 0 or more by the number of a layer of which something decays."""
    checked = _check_factors(factors, "weight_decay_factors", layers, at_least=0)
    if checked:
        _refuse_without_decay("weight_decay_factors", factors, optimizer)
    for i in () if decay_biases else checked:
        if not any(parameter.name == "W" for parameter in _trained(layers, i)):
            raise ValueError(
                f"weight_decay_factors has {i}, which is {layers[i]!r}, of which nothing decays; expected a "
                "layer with a W. Pass decay_biases=True to make all decay that is learned."
            )
    return checked


def check_decay_biases(decay_biases: bool, optimizer: Optimizer) -> bool:
    """Return whether biases decay; if so, there must be a weight decay."""
    if decay_biases:
        _refuse_without_decay("decay_biases", decay_biases, optimizer)
    return decay_biases


def _check_factors(factors: Any, argument: str, layers: Sequence[Layer], **bounds: float) -> dict[int, float]:
    if factors is None:
        return {}
    if not isinstance(factors, Mapping):
        raise TypeError(sentence(argument, factors, "a dictionary from a layer's number to a factor, such as {0: 0.1}"))
    checked = {}
    for key, factor in factors.items():
        remedy = "Layers count from 0, as in model.layers."
        i = check_int(key, f"a key of {argument}", minimum=0, maximum=len(layers) - 1, remedy=remedy)
        if not _trained(layers, i):
            raise ValueError(f"{argument} has {i}, which is {layers[i]!r}; expected a layer that learns. {remedy}")
        checked[i] = check_number(factor, f"{argument}[{i}]", **bounds)
    return checked


def _trained(layers: Sequence[Layer], i: int) -> list[Parameter]:
    """Return the arrays of a layer, and of those in it, that training changes by their gradient.

    Their names do not depend on how many inputs there are.
    """
    inner = innermost(layers[i : i + 1])
    return [parameter for _, layer in inner for parameter in layer.parameters(1) if parameter.trained]


def _refuse_without_decay(argument: str, value: Any, optimizer: Optimizer) -> None:
    if not optimizer.numbers().get("weight_decay", 0.0):
        raise ValueError(
            f"{argument} is {value!r} and {optimizer!r} has no weight decay; expected one that has, such as "
            "fb.AdamW(weight_decay=0.01)."
        )
