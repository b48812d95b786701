"""The arrays of a model as a list: embedding tables, then layer by layer; of dense layers W (inputs, units), then b."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, refuse_first
from fastbp.layers.base import Layer
from fastbp.layers.tabular import Inputs, Tabular, n_features
from fastbp.support.checks import check_list, describe

__all__ = ["Weight", "check_weights", "weights_of"]

Array = NDArray[Any]


class Weight(NamedTuple):
    """One array of the list.

    Attributes
    ----------
    name : str
        Name in messages, where layers are counted from 0: "W of layer 2"; for its second inner layer "W of layer 2.1";
        "table E0".
    key : str
        Name in a file, where the layers that have arrays are numbered from 0: "layers.1.W"; "inputs.E0".
    shape : tuple of int
    layer : int
        Index of the layer in the model, from 0; -1 for tables.
    trained : bool
        Whether training changes it by its gradient.
    at_least : float
        Smallest value that an element may have.
    """

    name: str
    key: str
    shape: tuple[int, ...]
    layer: int
    trained: bool
    at_least: float


def weights_of(layers: Sequence[Layer], inputs: Inputs) -> list[Weight]:
    """Return the list for a model of these layers."""
    shapes = inputs.shapes if isinstance(inputs, Tabular) else []
    weights = [Weight(f"table E{i}", f"inputs.E{i}", shape, -1, True, -math.inf) for i, shape in enumerate(shapes)]
    n_inputs = n_features(inputs)
    n_before = 0
    for i, layer in enumerate(layers):
        parameters = layer.parameters(n_inputs)
        for name, shape, trained, at_least in parameters:
            *inner, array = name.split(".")
            number = ".".join([str(i), *inner])
            key = f"layers.{n_before}.{name}"
            weights.append(Weight(f"{array} of layer {number}", key, shape, i, trained, at_least))
        n_before += bool(parameters)
        n_inputs = layer.n_outputs(n_inputs)
    return weights


def check_weights(
    weights: Any, expected: Sequence[Weight], dtype: np.dtype[Any], argument: str = "weights"
) -> list[Array]:
    """Return a list of parameters, or of their gradients, as arrays of this dtype, checked; not always copies.

    Raises
    ------
    TypeError, ValueError
        If their number or a shape is wrong, or an element is not finite in this dtype.
    """
    given = check_list(weights, argument, "a list of arrays") if isinstance(weights, Sequence) else None
    if given is None or len(given) != len(expected):
        was = describe(weights) if given is None else f"a list of {len(given)}"
        names = ", ".join(each.name for each in expected)
        raise ValueError(f"{argument} is {was}; expected a list of {len(expected)} arrays: {names}.")
    return [
        _check_weight(array, each, dtype, f"{argument}[{i}]", argument == "weights")
        for i, (array, each) in enumerate(zip(given, expected, strict=True))
    ]


def _check_weight(weight: ArrayLike, expected: Weight, dtype: np.dtype[Any], argument: str, is_bounded: bool) -> Array:
    array = as_array(weight, argument)
    if array.shape != expected.shape:
        remedy = " Transpose it." if array.shape == expected.shape[::-1] else ""
        raise ValueError(f"{argument}, {expected.name}, has shape {array.shape}; expected {expected.shape}.{remedy}")
    converted = array
    if array.dtype != dtype:
        with np.errstate(over="ignore", under="ignore"):
            converted = array.astype(dtype)
    finite = np.isfinite(converted)
    if not finite.all():
        refuse_first(~finite, array, argument, f"a number that is finite in {dtype}")
    if is_bounded and expected.at_least > -math.inf and (low := converted < expected.at_least).any():
        refuse_first(low, array, f"{argument}, {expected.name},", f"numbers of {expected.at_least:g} or more")
    return converted
