"""Factors by which a layer's learning rate or weight decay differs from the optimizer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastbp.checks import check_int, check_number, sentence
from fastbp.layers import Dense, Layer
from fastbp.optimizers import Optimizer

__all__ = ["check_decay_biases", "check_decay_factors", "check_rate_factors"]


def check_rate_factors(factors: Any, layers: Sequence[Layer]) -> dict[int, float]:
    """Return factors above 0 by the layer's number."""
    return _check_factors(factors, "learning_rate_factors", layers, above=0)


def check_decay_factors(factors: Any, layers: Sequence[Layer], optimizer: Optimizer) -> dict[int, float]:
    """Return factors of 0 or more by the layer's number; there must be a weight decay."""
    checked = _check_factors(factors, "weight_decay_factors", layers, at_least=0)
    if checked:
        _refuse_without_decay("weight_decay_factors", factors, optimizer)
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
        if not isinstance(layers[i], Dense):
            raise ValueError(f"{argument} has {i}, which is {layers[i]!r}; expected a layer with weights. {remedy}")
        checked[i] = check_number(factor, f"{argument}[{i}]", **bounds)
    return checked


def _refuse_without_decay(argument: str, value: Any, optimizer: Optimizer) -> None:
    if not optimizer.numbers().get("weight_decay", 0.0):
        raise ValueError(
            f"{argument} is {value!r} and {optimizer!r} has no weight decay; expected one that has, such as "
            "fb.AdamW(weight_decay=0.01)."
        )
