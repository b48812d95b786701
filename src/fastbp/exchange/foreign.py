"""Networks of other libraries, on their way in and out: layers, and their arrays in the order of ``get_weights``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.exchange.blueprint import Blueprint
from fastbp.layers.activation_layer import Activation as ActivationLayer
from fastbp.layers.activations import Activation, Linear
from fastbp.layers.base import Layer
from fastbp.layers.composition import Residual
from fastbp.layers.dense import Dense

__all__ = ["NEUTRAL", "Collector", "Network", "check_plain", "common_dtype", "converted"]

Array = NDArray[Any]

NEUTRAL = np.dtype(np.float16)  # of ones and zeros for what another library leaves out; they get the others' dtype


_LINEAR = Linear()


class Network(NamedTuple):
    """What a model is made of: its layers, number of inputs, dtype, and arrays."""

    layers: list[Layer]
    inputs: int
    dtype: np.dtype[Any]
    weights: list[Array]
    classes: list[Any] | None = None


class Collector:
    """Takes layers one by one; an activation directly after a dense layer becomes part of it."""

    def __init__(self) -> None:
        self._entries: list[Layer | dict[str, Any]] = []  # a dictionary is the arguments of a Dense
        self.weights: list[Array] = []
        self.inputs: int | None = None

    @property
    def width(self) -> int | None:
        """The number of outputs so far; None if no layer tells it."""
        if self.inputs is None:
            return None
        return functools.reduce(lambda width, layer: layer.n_outputs(width), self.layers(), self.inputs)

    def dense(self, W: Array, b: Array | None, **options: Any) -> None:
        """Add a dense layer, W of shape (inputs, units)."""
        self._entries.append({"units": W.shape[1], "use_bias": b is not None, **options})
        self._take([W] if b is None else [W, b], W.shape[0])

    def activation(self, function: Activation, slopes: Array | None = None) -> None:
        """Add an activation; the slopes are those of a prelu."""
        if isinstance(function, Linear):
            return
        last = self._entries[-1] if self._entries else None
        if isinstance(last, dict) and isinstance(last.get("activation", _LINEAR), Linear):
            last["activation"] = function
        else:
            self._entries.append(ActivationLayer(function))
        if slopes is not None:
            self._take([slopes], len(slopes))

    def layer(self, layer: Layer, arrays: Sequence[Array] = (), n_inputs: int | None = None) -> None:
        """Add any other layer, with its arrays; unless ``n_inputs`` says it, they have the length of the inputs."""
        self._entries.append(layer)
        self._take(arrays, len(arrays[0]) if arrays and n_inputs is None else n_inputs)

    def residual(self, inner: Collector) -> None:
        """Add the sum of its input and of what layers make of it."""
        self._entries.append(Residual(inner.layers()))
        self._take(inner.weights, inner.inputs)

    def _take(self, arrays: Sequence[Array], n_inputs: int | None) -> None:
        self.weights += arrays
        self.inputs = n_inputs if self.inputs is None else self.inputs

    def layers(self) -> list[Layer]:
        """Return the layers."""
        return [Dense(**each) if isinstance(each, dict) else each for each in self._entries]

    def network(self, of_what: str) -> Network:
        """Return the network; ``of_what`` is the argument in messages."""
        if self.inputs is None:
            raise ValueError(f"{of_what} has no layer with weights; expected one at least, to know its inputs.")
        dtype = common_dtype([each for each in self.weights if each.dtype != NEUTRAL], of_what)
        return Network(self.layers(), self.inputs, dtype, [np.asarray(each, dtype) for each in self.weights])


def common_dtype(arrays: Sequence[Array], of_what: str) -> np.dtype[Any]:
    """Return the dtype of all arrays, float32 or float64."""
    found = {array.dtype.name for array in arrays}
    if found not in ({"float32"}, {"float64"}):
        raise ValueError(
            f"{of_what} has weights of {', '.join(sorted(found))}; expected float32 or float64 for all. Convert it."
        )
    return arrays[0].dtype


def check_plain(model: Blueprint, method: str, takes: str) -> None:
    """Refuse a model that is more than layers: those of other libraries take numbers and give numbers."""
    parts = {
        "a preparation of X": model.learned is not None,
        "a preparation of the targets": model.targets is not None,
        "embedding tables of fb.Tabular": bool(model.stages) and model.stages[0].kind == "tabular",
    }
    for what, there in parts.items():
        if there:
            raise ValueError(
                f"the model has {what}; expected layers alone for {method}, as {takes}. to_onnx writes all of it."
            )


def converted(model: Blueprint, converters: Mapping[type[Layer], Callable[..., Any]], method: str) -> list[Any]:
    """Return what a converter makes of each layer: converters[type](layer, arrays, n_inputs), a list.

    Raises
    ------
    ValueError
        If a layer has no converter.
    """
    arrays = iter([array for stage in model.stages for array in stage.arrays])
    return list(_converted(model.layers, model.n_columns, arrays, converters, method))


def _converted(
    layers: Sequence[Layer],
    n_inputs: int,
    arrays: Iterator[Array],
    converters: Mapping[type[Layer], Callable[..., Any]],
    method: str,
) -> Iterator[Any]:
    for i, layer in enumerate(layers):
        if type(layer) not in converters:
            raise ValueError(f"layers[{i}] is {layer!r}; expected layers that {method} has a counterpart for.")
        if isinstance(layer, Residual):
            own: Any = list(_converted(layer.layers, n_inputs, arrays, converters, method))
        else:
            own = [next(arrays) for _ in layer.parameters(n_inputs)]
        yield from converters[type(layer)](layer, own, n_inputs)
        n_inputs = layer.n_outputs(n_inputs)
