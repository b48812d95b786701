"""A network as a chain of operations through which shares of its outputs are passed back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.overflow import finite
from fastbp.explanations.products import Product
from fastbp.layers.activation_layer import Activation
from fastbp.layers.activations import Activation as Function
from fastbp.layers.activations import Linear, Softmax
from fastbp.layers.base import Layer
from fastbp.layers.composition import Residual
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.layers.numeric_embeddings import Periodic, PiecewiseLinear
from fastbp.layers.scaling import Scaling as ScalingLayer
from fastbp.models.model import Model
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Branch", "Elementwise", "Linearly", "Operation", "Scaling", "operations_of", "run"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Linearly:
    """A @ W + b."""

    product: Product

    def forward(self, A: Array) -> Array:
        """Return the outputs."""
        return self.product.forward(A)


@dataclass(frozen=True)
class Scaling:
    """A * factor + shift, each of shape (n_units,)."""

    factor: Array
    shift: Array

    def forward(self, A: Array) -> Array:
        """Return the outputs."""
        return np.asarray(A * self.factor + self.shift)


class Elementwise:
    """An activation of each number by itself, computed by the engine.

    Parameters
    ----------
    function : Activation
    slopes : ndarray of shape (n_units,) or None
        Of a prelu; the alphas of a parametric activation.
    n_units : int
    dtype, n_threads
        As for a model.
    """

    def __init__(
        self, function: Function, slopes: Array | None, n_units: int, dtype: np.dtype[Any], n_threads: int | None
    ) -> None:
        self._n_threads = n_threads
        # The sum of the activations, whose gradient with respect to each number is the activation's slope there.
        self._model = Model(
            [Activation(function), Dense(1, "linear", "zeros", use_bias=False)], inputs=n_units, dtype=dtype
        )
        self._model.set_weights([*([] if slopes is None else [slopes]), np.ones((n_units, 1))])

    @underflows_to_zero
    def forward(self, A: Array) -> Array:
        """Return the outputs."""
        return self._model.activations(A, 0, n_threads=self._n_threads)

    @underflows_to_zero
    def slopes(self, A: Array) -> Array:
        """Return the slope at each number."""
        return self._model.vjp(A, np.ones((len(A), 1), A.dtype), n_threads=self._n_threads)[1]


@dataclass(frozen=True)
class Branch:
    """A + what operations make of A."""

    operations: tuple[Operation, ...]

    def forward(self, A: Array) -> Array:
        """Return the outputs."""
        return np.asarray(A + run(self.operations, A)[-1])


Operation = Linearly | Scaling | Elementwise | Branch


def run(operations: Sequence[Operation], A: Array) -> list[Array]:
    """Return the inputs, and the outputs of each operation.

    Raises
    ------
    DivergenceError
        If these are not finite.
    """
    found = [A]
    for operation in operations:
        found.append(finite(operation.forward(found[-1]), "a layer's outputs"))
    return found


def operations_of(model: Model, method: str, n_threads: int | None) -> tuple[Operation, ...]:
    """Return a network's operations, the conversion to the targets' units last.

    Parameters
    ----------
    model : Model
        Without a preparation of its inputs and without tables.
    method : str
        Its name in messages.
    n_threads : int or None

    Raises
    ------
    ValueError
        If a layer mixes the numbers of a sample in a way through which the method passes nothing back.
    """
    builder = _Builder(iter(model.get_weights()), model.dtype, method, n_threads)
    operations, n_units = builder.of_layers(model.layers, model.n_inputs)
    preparation = model.feed.preparation
    if preparation is not None and (units := preparation.units_of_outputs(n_units)) is not None:
        zeros = np.zeros((1, n_units))
        preparation.restore(zeros)
        operations.append(Scaling(units, zeros[0]))
    return tuple(operations)


_REFUSED: dict[type[Layer], str] = {
    LayerNorm: "divides by the spread of all of a sample's numbers",
    Periodic: "makes several numbers of each, which the method does not share out",
    PiecewiseLinear: "makes several numbers of each, which the method does not share out",
}


class _Builder:
    def __init__(self, weights: Iterator[Array], dtype: np.dtype[Any], method: str, n_threads: int | None) -> None:
        self._weights, self._dtype, self._method, self._n_threads = weights, dtype, method, n_threads

    def of_layers(self, layers: Sequence[Layer], n_units: int) -> tuple[list[Operation], int]:
        """Return the operations of layers for a number of inputs, and the number of outputs."""
        operations: list[Operation] = []
        for layer in layers:
            self._add(layer, n_units, operations)
            n_units = layer.n_outputs(n_units)
        return operations, n_units

    def _add(self, layer: Layer, n_units: int, operations: list[Operation]) -> None:
        if isinstance(layer, Dense):
            W = next(self._weights)
            b = next(self._weights) if layer.use_bias else None
            operations.append(Linearly(Product(W, b, self._n_threads)))
            self._add_activation(layer.activation, layer.units, operations)
        elif isinstance(layer, Activation):
            self._add_activation(layer.activation, n_units, operations)
        elif isinstance(layer, BatchNorm):
            self._add_scaling(layer, operations)
        elif isinstance(layer, ScalingLayer):
            operations.append(Scaling(next(self._weights), np.zeros(n_units, self._dtype)))
        elif isinstance(layer, Residual):
            operations.append(Branch(tuple(self.of_layers(layer.layers, n_units)[0])))
        elif not isinstance(layer, Dropout):
            name = type(layer).__name__
            why = _REFUSED.get(type(layer), "is unknown")
            raise ValueError(
                f"method is {self._method!r} and the model has a layer {layer!r}; expected layers that work on each "
                f"number by itself, and fb.Dense: {name} {why}. Use 'integrated_gradients'."
            )

    def _add_activation(self, function: Function, n_units: int, operations: list[Operation]) -> None:
        if isinstance(function, Softmax):
            raise ValueError(
                f"method is {self._method!r} and a softmax is to be explained, of which each output depends on all "
                "inputs; expected output='logit', and no softmax in between. Or use 'integrated_gradients'."
            )
        slopes = None if function.array is None else next(self._weights)
        if not isinstance(function, Linear):
            operations.append(Elementwise(function, slopes, n_units, self._dtype, self._n_threads))

    def _add_scaling(self, layer: BatchNorm, operations: list[Operation]) -> None:
        """Add a batch normalisation by its running averages; directly after a product it becomes part of that."""
        gain, shift, mean, variance = (next(self._weights).astype(np.float64) for _ in range(4))
        factor = gain / np.sqrt(variance + layer.epsilon)
        shift = shift - mean * factor
        last = operations[-1] if operations else None
        if isinstance(last, Linearly):
            b = np.zeros(len(factor)) if last.product.b is None else last.product.b
            W, b = (last.product.W * factor).astype(self._dtype), (b * factor + shift).astype(self._dtype)
            operations[-1] = Linearly(Product(W, b, self._n_threads))
        else:
            operations.append(Scaling(factor.astype(self._dtype), shift.astype(self._dtype)))
