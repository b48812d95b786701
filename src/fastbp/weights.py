"""The parameters of a model as a list: [W0, b0, W1, b1, ...], W of shape (inputs, units), b of shape (units,)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.checks import describe
from fastbp.data import as_array, refuse_first
from fastbp.layers import Dense, Layer

__all__ = ["check_weights", "weight_names", "weight_shapes"]

Array = NDArray[Any]


def weight_names(layers: Sequence[Layer]) -> list[str]:
    """Return what each array of the list is; people count layers from 1."""
    return [f"{array} of layer {i + 1}" for i, layer in enumerate(layers) if isinstance(layer, Dense) for array in "Wb"]


def weight_shapes(layers: Sequence[Layer], n_inputs: int) -> list[tuple[int, ...]]:
    """Return the shapes of all arrays of the list."""
    sizes = itertools.pairwise([n_inputs, *(layer.units for layer in layers if isinstance(layer, Dense))])
    return [shape for inputs, units in sizes for shape in ((inputs, units), (units,))]


def check_weights(weights: Any, layers: Sequence[Layer], n_inputs: int, dtype: np.dtype[Any]) -> list[Array]:
    """Return the arrays of a list of parameters of these layers in this dtype.

    Raises
    ------
    TypeError, ValueError
        If there are more or fewer, or one has another shape or a number that is not finite in this dtype.
    """
    shapes = weight_shapes(layers, n_inputs)
    if not isinstance(weights, Sequence) or len(weights) != len(shapes):
        was = f"a list of {len(weights)}" if isinstance(weights, Sequence) else describe(weights)
        raise ValueError(f"weights is {was}; expected a list of {len(shapes)} arrays: W and b of every dense layer.")
    places = [f"weights[{i}], {name}," for i, name in enumerate(weight_names(layers))]
    return [_check_weight(*each, dtype, i) for i, each in enumerate(zip(weights, places, shapes, strict=True))]


def _check_weight(weight: ArrayLike, place: str, shape: tuple[int, ...], dtype: np.dtype[Any], i: int) -> Array:
    argument = f"weights[{i}]"
    array = as_array(weight, argument)
    if array.shape != shape:
        remedy = " Transpose it." if array.shape == shape[::-1] else ""
        raise ValueError(f"{place} has shape {array.shape}; expected {shape}.{remedy}")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    finite = np.isfinite(converted)
    if not finite.all():
        refuse_first(~finite, array, argument, f"a number that is finite in {dtype}")
    return converted
