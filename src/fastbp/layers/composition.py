"""Layers made of layers, and the registry of all layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.activation_layer import Activation
from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.layers.numeric_embeddings import Periodic, PiecewiseLinear
from fastbp.layers.scaling import Scaling
from fastbp.support.checks import check_list, sentence

__all__ = ["LAYERS", "Residual", "arrays_of", "check_layers", "innermost", "layer_from_config"]


_DEEPEST = 100  # more would run into Python's own limit, which depends on who calls


@dataclass(frozen=True, init=False, repr=False)
class Residual(Layer):
    """A = X + layers(X): the layers learn what to add to their input (He, Zhang, Ren and Sun, 2016).

    To apply an activation to the sum, add it as the next layer: Residual([...]), Activation("relu").

    Parameters
    ----------
    layers : sequence of layers
        Layers of any kind, other Residual layers too. The last one has as many outputs as the first has inputs.

    Raises
    ------
    TypeError, ValueError
        If it is not a list of layers; when a model is made of it, if its outputs are not as many as its inputs.

    Examples
    --------
    >>> import fastbp as fb
    >>> block = fb.Residual([fb.Dense(8, "relu"), fb.Dense(4, initializer="zeros")])
    >>> model = fb.Model([block], inputs=4)
    >>> model.predict([[1, 2, 3, 4]]).tolist()  # what is added begins at 0
    [[1.0, 2.0, 3.0, 4.0]]
    """

    layers: tuple[Layer, ...]
    name = "residual"
    _depth = 1  # Residual layers one in another, this one included

    def __init__(self, layers: Sequence[Layer]) -> None:
        object.__setattr__(self, "layers", check_layers(layers))
        for i, layer in enumerate(self.layers):
            if layer.closing:
                raise ValueError(f"layers[{i}] is {layer!r}; expected a layer that need not be a model's last one.")
        object.__setattr__(self, "_depth", 1 + max(_depth_of(layer) for layer in self.layers))
        if self._depth > _DEEPEST:
            raise ValueError(f"layers has {self._depth} Residual layers one in another; expected {_DEEPEST} at most.")

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """The batch sizes that all inner layers allow."""
        sizes = [layer.batch_sizes for layer in self.layers]
        return max(least for least, _ in sizes), min(most for _, most in sizes)

    def _widths(self, n_inputs: int) -> list[int]:
        """Return the number of inputs of each layer, and of outputs of the last."""
        widths = [n_inputs]
        for layer in self.layers:
            widths.append(layer.n_outputs(widths[-1]))
        return widths

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of outputs, which must equal the number of inputs."""
        if self._widths(n_inputs)[-1] != n_inputs:
            raise ValueError(
                f"{self!r} has {n_inputs} inputs and its layers have {self._widths(n_inputs)[-1]} outputs; expected "
                f"as many outputs as inputs, to be added. End it with an fb.Dense({n_inputs})."
            )
        return n_inputs

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the arrays of the inner layers."""
        return [
            parameter._replace(name=f"{i}.{parameter.name}")
            for i, (layer, width) in enumerate(zip(self.layers, self._widths(n_inputs), strict=False))
            for parameter in layer.parameters(width)
        ]

    def arrays(self) -> list[Parameter]:
        """Return the arrays of the inner layers for any number of inputs; the shapes are those for one."""
        return [array for i, inner in enumerate(self.layers) for array in arrays_of(inner, f"{i}.")]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return the initial arrays of the inner layers."""
        pairs = zip(self.layers, self._widths(n_inputs), strict=False)
        return [array for layer, width in pairs for array in layer.draw(width, generators)]

    def flops(self, n_inputs: int) -> int:
        """Return the FLOPs of the inner layers and of the sum."""
        pairs = zip(self.layers, self._widths(n_inputs), strict=False)
        return n_inputs + sum(layer.flops(width) for layer, width in pairs)

    def stages(self) -> list[Stage]:
        """Return the stages of the inner layers, between a fork and an add."""
        return [{"kind": "fork"}, *(stage for layer in self.layers for stage in layer.stages()), {"kind": "add"}]

    def __repr__(self) -> str:
        return f"Residual([{', '.join(map(repr, self.layers))}])"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "layers": [layer.to_config() for layer in self.layers]}

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        return cls([layer_from_config(layer, depth=1) for layer in config["layers"]])


def _depth_of(layer: Layer) -> int:
    return layer._depth if isinstance(layer, Residual) else 0


def layer_from_config(config: Mapping[str, Any], depth: int = 0) -> Layer:
    """Return the layer, of any class, described by ``to_config``; ``depth`` is the number of layers around it."""
    if not isinstance(config, Mapping):
        raise TypeError(sentence("a layer's description", config, "a dictionary"))
    kind = config.get("type")
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ValueError(sentence("type", kind, "one of " + ", ".join(map(repr, LAYERS))))
    if kind == Residual.name:
        if depth > _DEEPEST:
            raise ValueError(f"there are more than {_DEEPEST} Residual layers one in another.")
        return Residual([layer_from_config(layer, depth + 1) for layer in config["layers"]])
    return LAYERS[kind].from_config(config)


def innermost(layers: Sequence[Layer], outer: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield the layers that contain no others, at any depth, each with its place: "layers[1].layers[0]"."""
    for i, layer in enumerate(layers):
        where = f"{outer}layers[{i}]"
        yield from innermost(layer.layers, f"{where}.") if layer.layers else ((where, layer),)


def arrays_of(layer: Layer, outer: str = "") -> list[Parameter]:
    """Return the arrays of a layer, and of those inside it, for any number of inputs: the shapes are those for one."""
    return [array._replace(name=outer + array.name) for array in layer.arrays()]


def check_layers(layers: Any) -> tuple[Layer, ...]:
    """Return a checked list of layers as a tuple."""
    example = "[fb.Dense(64, 'relu'), fb.Dense(10, 'softmax')]"
    if isinstance(layers, Layer):
        raise TypeError(f"layers is {layers!r}; expected a list. Put it in brackets: [{layers!r}].")
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise TypeError(sentence("layers", layers, f"a list such as {example}"))
    layers = check_list(layers, "layers", f"a list such as {example}")
    if not layers:
        raise ValueError(f"layers is empty; expected one layer or more, such as {example}.")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            remedy = f"Give fb.Dense({layer}, 'relu')." if isinstance(layer, int) else ""
            kinds = ", ".join(f"fb.{cls.__name__}" for cls in LAYERS.values())
            raise TypeError(sentence(f"layers[{i}]", layer, f"a layer, one of {kinds}", remedy))
        if isinstance(layer, Dropout) and i > 0 and isinstance(layers[i - 1], Dropout):
            raise ValueError(f"layers[{i}] is {layer!r} and follows {layers[i - 1]!r}; expected one of the two.")
        if layer.closing and i < len(layers) - 1:
            raise ValueError(f"layers[{i}] is {layer!r} and not the last layer; expected it there. Put it last.")
    return tuple(layers)


LAYERS: dict[str, type[Layer]] = {
    cls.name: cls
    for cls in (Dense, Activation, LayerNorm, BatchNorm, Scaling, Periodic, PiecewiseLinear, Residual, Dropout)
}
