"""A layer that multiplies each of its inputs by a factor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Layer, Parameter, Stage

__all__ = ["Scaling"]


@dataclass(frozen=True)
class Scaling(Layer):
    """A = scale * X, with a trained factor for each input.

    As the first layer it learns how much each column matters, where ``learning_rate_factors`` give it a larger learning
    rate than the rest (RealMLP: Holzmueller, Grinsztajn and Steinwart, 2024). The factors start at 1; weight decay
    applies to them only with ``decay_biases=True``, or where ``weight_decay_factors`` name "scale". Directly before an
    ``fb.Dense``, with or without a dropout between them, it becomes part of that layer in ``predict`` and ``evaluate``
    and costs no time.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Scaling(), fb.Dense(1)], inputs=2, dtype="float64")
    >>> model.set_weights([[0.5, 3.0], [[1.0], [1.0]], [0.0]])
    >>> model.predict([[2.0, 1.0]]).tolist()
    [[4.0]]
    """

    name = "scaling"

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return the factors."""
        return [Parameter("scale", (n_inputs,))]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return ones."""
        return [np.ones(n_inputs)]

    def flops(self, n_inputs: int) -> int:
        """Return the FLOPs: a product for each input."""
        return n_inputs

    def stages(self) -> list[Stage]:
        """Return one stage."""
        return [{"kind": self.name}]

    def __repr__(self) -> str:
        return "Scaling()"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        return {"type": self.name}

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        return cls()
