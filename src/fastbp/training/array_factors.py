"""Factors of the optimizer's numbers, of layers and of single arrays: learning rate, weight decay, epsilon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Parameter
from fastbp.models.architecture import Architecture
from fastbp.optimizers.base import Optimizer
from fastbp.support.checks import check_int, check_number, counted, sentence

__all__ = [
    "FACTOR_OPTIONS",
    "Factors",
    "FactorsLike",
    "INPUTS",
    "check_decay_biases",
    "check_decay_factors",
    "check_epsilon_factors",
    "check_rate_factors",
    "factors_by_stage",
]

FactorsLike: TypeAlias = Mapping[Any, Any]  # as a user writes them
Factors: TypeAlias = dict[int | str, float | dict[str, float]]  # by layer, or INPUTS; a number is for all its arrays

INPUTS = "inputs"  # the key of the embedding tables
FACTOR_OPTIONS = ("learning_rate_factors", "weight_decay_factors", "epsilon_factors")
_REMEDY = "Layers are counted from 0, as in model.layers."


class SettingsOfTrainer(Protocol):
    """The arguments of a trainer that are factors."""

    @property
    def learning_rate_factors(self) -> Factors: ...
    @property
    def weight_decay_factors(self) -> Factors: ...
    @property
    def epsilon_factors(self) -> Factors: ...
    @property
    def decay_biases(self) -> bool: ...


# ---------------------------------------------------------------------------------------------------------- checks


def check_rate_factors(factors: Any, architecture: Architecture) -> Factors:
    """Return factors above 0 of what is trained."""
    return _check_factors(factors, "learning_rate_factors", architecture, _above_0)


def check_decay_factors(factors: Any, architecture: Architecture, optimizer: Optimizer, decay_biases: bool) -> Factors:
    """Return factors of 0 or more; where a layer as a whole is named, weight decay applies to one of its arrays."""
    name = "weight_decay_factors"
    checked = _check_factors(factors, name, architecture, _at_least_0)
    if checked:
        _refuse_without(name, factors, optimizer, "weight_decay", "weight decay", "fb.AdamW(weight_decay=0.01)")
    for key, factor in checked.items():
        i = _index(key)
        decays = decay_biases or any(_decays(i, array.name) for array in _trained(architecture, i))
        if not decays and not isinstance(factor, dict):
            raise ValueError(
                f"{name} has {key}, which is {architecture.layers[i]!r}, without weight decay; expected a layer with a "
                "W. Name its arrays, or pass decay_biases=True to apply weight decay to all trained parameters."
            )
    return checked


def check_epsilon_factors(factors: Any, architecture: Architecture, optimizer: Optimizer) -> Factors:
    """Return factors above 0 for an optimizer that has an epsilon."""
    checked = _check_factors(factors, "epsilon_factors", architecture, _above_0)
    if checked:
        _refuse_without("epsilon_factors", factors, optimizer, "epsilon", "epsilon", "fb.Adam()")
    return checked


def check_decay_biases(decay_biases: bool, optimizer: Optimizer) -> bool:
    """Return whether biases decay; then the optimizer must have a weight decay."""
    if decay_biases:
        example = "fb.AdamW(weight_decay=0.01)"
        _refuse_without("decay_biases", decay_biases, optimizer, "weight_decay", "weight decay", example)
    return decay_biases


def _check_factors(
    factors: Any, argument: str, architecture: Architecture, check: Callable[[Any, str], float]
) -> Factors:
    if factors is None:
        return {}
    if not isinstance(factors, Mapping):
        raise TypeError(sentence(argument, factors, "a dictionary from layer index to factor, such as {0: 0.1}"))
    checked: Factors = {}
    for given, factor in factors.items():
        key = _check_key(given, argument, architecture)
        of = f"{argument}[{key!r}]"
        if isinstance(factor, Mapping):
            names = [array.name for array in _trained(architecture, _index(key))]
            checked[key] = {
                _check_name(name, of, names): check(value, f"{of}[{name!r}]") for name, value in factor.items()
            }
        else:
            checked[key] = check(factor, of)
    return checked


def _check_key(key: Any, argument: str, architecture: Architecture) -> int | str:
    """Return the index of a layer with something that is trained, or INPUTS for tables."""
    if isinstance(key, str) and key == INPUTS:
        if architecture.tables is None:
            raise ValueError(f"{argument} has {INPUTS!r}; expected layers alone, as the model has no embedding tables.")
        return INPUTS
    most = len(architecture.layers) - 1
    i = check_int(key, f"a key of {argument}", minimum=0, maximum=most, remedy=_REMEDY)
    if not _trained(architecture, i):
        layer = architecture.layers[i]
        raise ValueError(f"{argument} has {i}, which is {layer!r}; expected a trainable layer. {_REMEDY}")
    return i


def _check_name(name: Any, of: str, names: list[str]) -> str:
    if name not in names:
        known = ", ".join(map(repr, names))
        raise ValueError(sentence(f"a key of {of}", name, f"one of its {counted(len(names), 'array')}: {known}"))
    return str(name)


def _above_0(value: Any, of: str) -> float:
    return check_number(value, of, above=0)


def _at_least_0(value: Any, of: str) -> float:
    return check_number(value, of, at_least=0)


def _index(key: int | str) -> int:
    return -1 if isinstance(key, str) else key


def _trained(architecture: Architecture, i: int) -> list[Parameter]:
    """Return the trained arrays of a layer, or of the inputs with -1."""
    return [array for array in architecture.arrays_of(i) if array.trained]


def _decays(i: int, name: str) -> bool:
    """Whether weight decay applies to an array that nobody names: to tables, and to the W of dense layers."""
    return i < 0 or name.rpartition(".")[2] == "W"


def _refuse_without(argument: str, value: Any, optimizer: Optimizer, number: str, what: str, example: str) -> None:
    if not optimizer.numbers().get(number, 0.0):
        raise ValueError(
            f"{argument} is {value!r} and {optimizer!r} has no {what}; expected an optimizer with {what}, such as "
            f"{example}."
        )


# ------------------------------------------------------------------------------------------------------ for the engine


def factors_by_stage(architecture: Architecture, settings: SettingsOfTrainer) -> dict[int, NDArray[np.float64]]:
    """Return, for each stage of what is named, the three factors of each of its arrays: (n_arrays, 3)."""
    options = (settings.learning_rate_factors, settings.weight_decay_factors, settings.epsilon_factors)
    named = {_index(key) for factors in options for key in factors}
    return {
        number: np.array([_factors_of(i, array.name, options, settings.decay_biases) for i, array in arrays])
        for number, arrays in enumerate(architecture.arrays_by_stage() if named else [])
        if arrays and arrays[0][0] in named
    }


def _factors_of(i: int, name: str, options: tuple[Factors, Factors, Factors], decay_biases: bool) -> list[float]:
    key = INPUTS if i < 0 else i
    rate, decay, epsilon = (factors.get(key, 1.0) for factors in options)
    if isinstance(decay, dict):
        usual = 1.0 if decay_biases or _decays(i, name) else 0.0
        decay = decay.get(name, usual)
    elif not (decay_biases or _decays(i, name)):
        decay = 0.0
    return [each.get(name, 1.0) if isinstance(each, dict) else each for each in (rate, decay, epsilon)]
