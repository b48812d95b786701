"""PyTorch's state dicts, which hold arrays by name and no activations: for layers that the user gives."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.foreign import Network, common_dtype
from fastbp.layers.base import Layer, Parameter
from fastbp.layers.batch_ensemble import refuse_batch_ensemble
from fastbp.layers.composition import Residual, check_layers
from fastbp.support.checks import check_int, check_path, sentence
from fastbp.support.replacement import open_regular
from fastbp.support.safetensors_format import FormatError, read_tensors

__all__ = ["network_of_state"]

Array = NDArray[Any]

# PyTorch's names of our arrays, in the order of a layer's parameters.
_NAMES = {"W": "weight", "b": "bias", "slope": "weight", "gain": "weight", "shift": "bias"}
_STATISTICS = {"mean": "running_mean", "variance": "running_var"}
_COUNTER = "num_batches_tracked"


def network_of_state(state: Any, layers: Any, inputs: Any) -> Network:
    """Return these layers with the arrays of a state dict.

    Parameters
    ----------
    state : str, path-like or mapping
        A file in the safetensors format, or the state dict itself, in the order of the layers.
    layers : sequence of Layer
    inputs : int
        The number of inputs of the first layer.

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError, ValueError
        If an argument is not one of the above, or the arrays do not fit the layers.
    """
    if layers is None or inputs is None:
        raise TypeError(
            "net is a state dict, which holds no activations; expected layers and inputs with it: "
            "from_torch(net, layers=[fb.Dense(64, 'relu'), ...], inputs=16)."
        )
    checked, n_inputs = check_layers(layers), check_int(inputs, "inputs")
    groups = _groups(state) if isinstance(state, Mapping) else _in_order(_groups(_read(state)))
    left = iter(groups.items())
    weights = [_oriented(*each) for each in _matched(checked, n_inputs, left)]
    over = next(left, None)
    if over is not None:
        raise ValueError(f"net has {over[0]!r}, and layers has no layer for it; expected as many with weights.")
    return Network(list(checked), n_inputs, common_dtype(weights, "net"), weights)


def _read(path: Any) -> dict[str, Array]:
    name = check_path(path, "net")
    try:
        with open_regular(name) as file:
            return read_tensors(file, os.fstat(file.fileno()).st_size)[1]
    except FormatError as error:
        raise ValueError(f"net is {str(name)!r}; expected a file in the safetensors format: {error}.") from None


def _groups(state: Mapping[Any, Any]) -> dict[str, dict[str, Array]]:
    """Return the arrays of each module, by its name and theirs."""
    groups: dict[str, dict[str, Array]] = {}
    for name, value in state.items():
        module, _, own = str(name).rpartition(".")
        if own != _COUNTER:
            array = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
            groups.setdefault(module, {})[own] = array
    return groups


def _in_order(groups: dict[str, dict[str, Array]]) -> dict[str, dict[str, Array]]:
    """Return the modules of a file, which lie there by the alphabet, by the numbers in their names."""
    for a, b in itertools.pairwise(sorted(groups)):
        first, second = next(zip_ for zip_ in itertools.zip_longest(a.split("."), b.split(".")) if zip_[0] != zip_[1])
        stems = {re.sub(r"\d+$", "", part or "") for part in (first, second)}
        if len(stems) > 1 or not all(part and part[-1].isdigit() for part in (first, second)):
            raise ValueError(
                f"net has the modules {a!r} and {b!r}, and the file does not tell which comes first; expected names "
                "with numbers, such as 'layers.0'. Load the state dict, and pass it in the order of the layers."
            )
    return dict(sorted(groups.items(), key=lambda item: _natural(item[0])))


def _natural(name: str) -> list[tuple[str, int]]:
    return [(re.sub(r"\d+$", "", part), int(re.sub(r"^.*?(\d*)$", r"0\1", part))) for part in name.split(".")]


def _matched(
    layers: Sequence[Layer], n_inputs: int, groups: Iterator[tuple[str, dict[str, Array]]]
) -> Iterator[tuple[Array, Parameter, str]]:
    """Yield each array of the state dict, the parameter that it is for, and its name."""
    refuse_batch_ensemble(layers, "for a state dict")
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _matched(layer.layers, n_inputs, groups)
        else:
            parameters = layer.parameters(n_inputs)
            own = [each for each in parameters if each.name != "slope"]
            for of_module in (own, [each for each in parameters if each.name == "slope"]):
                yield from _of_module(layer, of_module, groups)
        n_inputs = layer.n_outputs(n_inputs)


def _of_module(
    layer: Layer, parameters: list[Parameter], groups: Iterator[tuple[str, dict[str, Array]]]
) -> Iterator[tuple[Array, Parameter, str]]:
    if not parameters:
        return
    name, arrays = next(groups, ("", None))
    if arrays is None:
        raise ValueError(f"net has no arrays for {layer!r}; expected as many modules with weights as layers.")
    names = [(_NAMES | _STATISTICS)[each.name] for each in parameters]
    if set(arrays) != set(names):
        raise ValueError(
            f"net has {sorted(arrays)} in {name!r}, and the next layer is {layer!r}; expected {sorted(names)} for it."
        )
    for own, parameter in zip(names, parameters, strict=True):
        yield arrays[own], parameter, f"{name}.{own}"


def _oriented(array: Array, parameter: Parameter, name: str) -> Array:
    """Return an array in our shape: W is transposed, one slope stands for all."""
    expected = parameter.shape
    if parameter.name == "W":
        array = array.T
    if parameter.name == "slope" and array.shape == (1,):
        array = np.repeat(array, expected[0])
    if array.shape != expected:
        own = expected[::-1]
        raise ValueError(sentence(f"{name!r} of net", array.T, f"shape {own}, as its layer has"))
    return array
