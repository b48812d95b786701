"""The parameters of a model as a list: [W0, b0, W1, b1, ...], W of shape (inputs, units), b of shape (units,)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.checks import describe
from fastbp.data import as_array, refuse_first
from fastbp.layers import Dense

__all__ = ["check_weights", "name_weight", "weight_shapes"]

Array = NDArray[Any]


def name_weight(i: int) -> str:
    """Return what the i-th array of the list is; people count layers from 1."""
    return f"{'Wb'[i % 2]} of layer {i // 2 + 1}"


def weight_shapes(layers: Sequence[Dense], n_inputs: int) -> list[tuple[int, ...]]:
    """Return the shapes of all arrays of the list."""
    sizes = itertools.pairwise([n_inputs, *(layer.units for layer in layers)])
    return [shape for inputs, units in sizes for shape in ((inputs, units), (units,))]


def check_weights(weights: Any, shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> list[Array]:
    """Return the arrays of a list of parameters in this dtype.

    Raises
    ------
    TypeError, ValueError
        If there are not as many as shapes, or one has another shape or a number that is not finite in this dtype.
    """
    if not isinstance(weights, Sequence) or len(weights) != len(shapes):
        was = f"a list of {len(weights)}" if isinstance(weights, Sequence) else describe(weights)
        raise ValueError(f"weights is {was}; expected a list of {len(shapes)} arrays: W and b of every layer.")
    return [_check_weight(weight, i, shapes[i], dtype) for i, weight in enumerate(weights)]


def _check_weight(weight: ArrayLike, i: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    argument = f"weights[{i}]"
    array = as_array(weight, argument)
    if array.shape != shape:
        remedy = " Transpose it." if array.shape == shape[::-1] else ""
        raise ValueError(f"{argument}, {name_weight(i)}, has shape {array.shape}; expected {shape}.{remedy}")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    finite = np.isfinite(converted)
    if not finite.all():
        refuse_first(~finite, array, argument, f"a number that is finite in {dtype}")
    return converted
