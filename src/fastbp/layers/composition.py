"""Layers made of layers, and the list of all kinds that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.activation_layer import Activation
from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import Dropout
from fastbp.layers.normalisation import BatchNorm, LayerNorm
from fastbp.support.checks import sentence

__all__ = ["LAYERS", "Residual", "check_layers", "innermost", "layer_from_config"]


@dataclass(frozen=True, init=False, repr=False)
class Residual(Layer):
    """A = X + what the layers in it make of X (He, Zhang, Ren and Sun, 2016): they learn what to add to their input.

    An activation of the sum is a layer behind it: Residual([...]), Activation("relu").

    Parameters
    ----------
    layers : sequence of layers
        Any, other Residual layers too. The last one gives as many numbers as the first one takes.

    Raises
    ------
    TypeError, ValueError
        If it is not a list of layers, or, as soon as a model is made of it, does not give as many numbers as it takes.
    """

    layers: tuple[Layer, ...]
    name = "residual"

    def __init__(self, layers: Sequence[Layer]) -> None:
        object.__setattr__(self, "layers", check_layers(layers))

    @property
    def batch_sizes(self) -> tuple[int, float]:
        """What all the layers in it can be trained with."""
        sizes = [layer.batch_sizes for layer in self.layers]
        return max(least for least, _ in sizes), min(most for _, most in sizes)

    def _widths(self, n_inputs: int) -> list[int]:
        """Return how many numbers each of the layers takes, and the last one gives."""
        widths = [n_inputs]
        for layer in self.layers:
            widths.append(layer.n_outputs(widths[-1]))
        return widths

    def n_outputs(self, n_inputs: int) -> int:
        """Return how many numbers come out, which must be as many as go in."""
        if self._widths(n_inputs)[-1] != n_inputs:
            raise ValueError(
                f"{self!r} takes {n_inputs} numbers and its layers make {self._widths(n_inputs)[-1]} of them; expected "
                f"as many, to be added. End it with an fb.Dense({n_inputs})."
            )
        return n_inputs

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return those of the layers in it."""
        return [
            parameter._replace(name=f"{i}.{parameter.name}")
            for i, (layer, width) in enumerate(zip(self.layers, self._widths(n_inputs), strict=False))
            for parameter in layer.parameters(width)
        ]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return what the layers in it begin with."""
        pairs = zip(self.layers, self._widths(n_inputs), strict=False)
        return [array for layer, width in pairs for array in layer.draw(width, generators)]

    def flops(self, n_inputs: int) -> int:
        """Return those of the layers in it, and of the sum."""
        pairs = zip(self.layers, self._widths(n_inputs), strict=False)
        return n_inputs + sum(layer.flops(width) for layer, width in pairs)

    def stages(self) -> list[Stage]:
        """Return the stages of the layers in it between a fork and an add."""
        return [{"kind": "fork"}, *(stage for layer in self.layers for stage in layer.stages()), {"kind": "add"}]

    def __repr__(self) -> str:
        return f"Residual([{', '.join(map(repr, self.layers))}])"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name, "layers": [layer.to_config() for layer in self.layers]}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Residual:
        """Return the layer that ``to_config`` wrote down."""
        return cls([layer_from_config(layer) for layer in config["layers"]])


def layer_from_config(config: Mapping[str, Any]) -> Layer:
    """Return the layer that its ``to_config`` wrote down."""
    return LAYERS[config["type"]].from_config(config)


def innermost(layers: Sequence[Layer], outer: str = "") -> Iterator[tuple[str, Layer]]:
    """Give the layers that have none in them, those in others too, and where each is: "layers[1].layers[0]"."""
    for i, layer in enumerate(layers):
        where = f"{outer}layers[{i}]"
        yield from innermost(layer.layers, f"{where}.") if layer.layers else ((where, layer),)


def check_layers(layers: Any) -> tuple[Layer, ...]:
    """Return a list of layers that can follow one another as a tuple."""
    example = "[fb.Dense(64, 'relu'), fb.Dense(10, 'softmax')]"
    if isinstance(layers, Layer):
        raise TypeError(f"layers is {layers!r}; expected a list. Put it in brackets: [{layers!r}].")
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        raise TypeError(sentence("layers", layers, f"a list such as {example}"))
    if not layers:
        raise ValueError(f"layers is empty; expected one layer or more, such as {example}.")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            remedy = f"Give fb.Dense({layer}, 'relu')." if isinstance(layer, int) else ""
            kinds = ", ".join(f"fb.{cls.__name__}" for cls in LAYERS.values())
            raise TypeError(sentence(f"layers[{i}]", layer, f"a layer, one of {kinds}", remedy))
        if isinstance(layer, Dropout) and i > 0 and isinstance(layers[i - 1], Dropout):
            raise ValueError(f"layers[{i}] is {layer!r} and follows {layers[i - 1]!r}; expected one of the two.")
    return tuple(layers)


LAYERS: dict[str, type[Layer]] = {cls.name: cls for cls in (Dense, Activation, LayerNorm, BatchNorm, Residual, Dropout)}
