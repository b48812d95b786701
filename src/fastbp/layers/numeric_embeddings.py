"""Embeddings of numbers: several trained features of each single input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.support.checks import check_int, check_list, check_number

__all__ = ["Periodic"]


@dataclass(frozen=True, init=False, repr=False)
class Periodic(Layer):
    """A = [E, X]: of each input x, E has V cos(2 pi w x + b) + c, with trained w, b, V and c; X follows as it is.

    A periodic embedding of numbers with a bias, a linear layer and the number itself (PBLD of RealMLP: Holzmueller,
    Grinsztajn and Steinwart, 2024; periodic features: Gorishniy, Rubachev and Babenko, 2022). A network that is smooth
    in E need not be smooth in x. It goes first, behind inputs that are scaled to about -3 .. 3. RealMLP trains its
    arrays at a tenth of the learning rate: ``learning_rate_factors={0: 0.1}`` of ``fb.Trainer``.

    Parameters
    ----------
    units : int, default 3
        Features of each input.
    frequencies : int, default 16
        Waves of each input, of which its features are weighted sums.
    sigma : float, default 0.1
        The deviation of the initial frequencies w; the larger, the finer the first features. The initial b is uniform
        between -pi and pi, V and c between -1 / sqrt(frequencies) and its opposite.
    columns : sequence of int or None, default None
        The inputs that have features: None, all of them. The numbers of an ``fb.Tabular`` are its first inputs.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above; when a model is made of it, if there is no such input.

    Notes
    -----
    Its arrays are "frequency" and "phase" of shape (embedded inputs, frequencies), "W" of shape (embedded inputs,
    frequencies, units) and "b" of shape (embedded inputs, units). W decays like the W of dense layers. Phases count in
    turns, so that the cosines are right for inputs of any size. Its products are float32 in mixed precision too.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Periodic(columns=[0, 1]), fb.Dense(1)], inputs=5)
    >>> [array.shape for array in model.get_weights()]  # two columns times three features, and five inputs
    [(2, 16), (2, 16), (2, 16, 3), (2, 3), (11, 1), (1,)]
    """

    units: int
    frequencies: int
    sigma: float
    columns: tuple[int, ...] | None
    name = "periodic"

    def __init__(
        self,
        units: int = 3,
        frequencies: int = 16,
        sigma: float = 0.1,
        columns: Sequence[int] | None = None,
    ) -> None:
        object.__setattr__(self, "units", check_int(units, "units"))
        object.__setattr__(self, "frequencies", check_int(frequencies, "frequencies"))
        object.__setattr__(self, "sigma", check_number(sigma, "sigma", at_least=0))
        object.__setattr__(self, "columns", _checked_columns(columns))

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of outputs: the features, and the inputs."""
        _check_there(self, self.columns, n_inputs)
        return n_inputs + self._n_embedded(n_inputs) * self.units

    def _n_embedded(self, n_inputs: int) -> int:
        return n_inputs if self.columns is None else len(self.columns)

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return frequencies, phases, W and b."""
        n = self._n_embedded(n_inputs)
        return [
            Parameter("frequency", (n, self.frequencies)),
            Parameter("phase", (n, self.frequencies)),
            Parameter("W", (n, self.frequencies, self.units)),
            Parameter("b", (n, self.units)),
        ]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return the initial arrays, in their order, from one generator."""
        generator = next(generators)
        frequency, phase, W, b = (parameter.shape for parameter in self.parameters(n_inputs))
        bound = 1 / math.sqrt(self.frequencies)
        return [
            generator.normal(0.0, self.sigma, frequency),
            generator.uniform(-math.pi, math.pi, phase),
            generator.uniform(-bound, bound, W),
            generator.uniform(-bound, bound, b),
        ]

    def flops(self, n_inputs: int) -> int:
        """Return the FLOPs of the phases and of the products, without the cosines."""
        return 2 * self._n_embedded(n_inputs) * self.frequencies * (1 + self.units)

    def stages(self) -> list[Stage]:
        """Return the waves and their sums."""
        return [
            {"kind": "basis", "waves": True, "columns": self.columns, "size": self.frequencies},
            {"kind": "grouped", "columns": self.columns, "inputs": self.frequencies, "size": self.units},
        ]

    def __repr__(self) -> str:
        options = {"units": 3, "frequencies": 16, "sigma": 0.1, "columns": None}
        values = {name: getattr(self, name) for name in options}
        values["columns"] = None if self.columns is None else list(self.columns)
        changed = [f"{name}={value!r}" for name, value in values.items() if value != options[name]]
        return f"Periodic({', '.join(changed)})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        columns = None if self.columns is None else list(self.columns)
        return {
            "type": self.name,
            "units": self.units,
            "frequencies": self.frequencies,
            "sigma": self.sigma,
            "columns": columns,
        }

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        options = dict(config)
        del options["type"]
        return cls(**options)


def _checked_columns(columns: Any) -> tuple[int, ...] | None:
    if columns is None:
        return None
    expected = "None for all inputs, or their numbers, such as [0, 1]"
    chosen = tuple(check_int(column, "columns", minimum=0) for column in check_list(columns, "columns", expected))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"columns is {list(chosen)}; expected {expected}, at least one and none twice.")
    return chosen


def _check_there(layer: Layer, columns: tuple[int, ...] | None, n_inputs: int) -> None:
    if columns is not None and max(columns) >= n_inputs:
        raise ValueError(
            f"{layer!r} has the column {max(columns)} and there are {n_inputs} inputs; expected columns below "
            f"{n_inputs}."
        )
