"""Embeddings of numbers: several trained features of each single input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Layer, Parameter, Stage
from fastbp.support.checks import check_int, check_list, check_number

__all__ = ["Embedding", "Periodic", "PiecewiseLinear"]


class Embedding(Layer):
    """The base of the layers that put features of single inputs before all of their inputs."""

    columns: tuple[int, ...] | None  # the inputs that have features; None: all

    @property
    def _n_features(self) -> int:
        """The features of each of these inputs."""
        raise NotImplementedError

    def _n_embedded(self, n_inputs: int) -> int:
        return n_inputs if self.columns is None else len(self.columns)

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of outputs: the features, and the inputs."""
        if self.columns is not None and max(self.columns) >= n_inputs:
            raise ValueError(
                f"{self!r} has the column {max(self.columns)} and there are {n_inputs} inputs; expected columns below "
                f"{n_inputs}."
            )
        return n_inputs + self._n_embedded(n_inputs) * self._n_features

    def _product(self, n_inputs: int) -> Stage:
        """Return the stage that makes the features of each input from so many numbers."""
        return {"kind": "grouped", "columns": self.columns, "inputs": n_inputs, "size": self._n_features}

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        options = dict(config)
        del options["type"]
        return cls(**options)


@dataclass(frozen=True, init=False, repr=False)
class Periodic(Embedding):
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

    @property
    def _n_features(self) -> int:
        return self.units

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
            self._product(self.frequencies),
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


@dataclass(frozen=True, init=False, repr=False)
class PiecewiseLinear(Embedding):
    """A = [R, X]: of each input x, R says how much of each of its bins lies below x, from 0 to 1; X follows as it is.

    A piecewise-linear encoding of numbers (Gorishniy, Rubachev and Babenko, 2022): a linear layer behind it is a
    function of x with a kink at each edge. With ``units``, R V + c takes the place of R, with trained V and c: a few
    such functions of each input. The edges are not trained. It goes first; take quantiles for edges, as in the example.

    Parameters
    ----------
    edges : sequence of sequences of float
        For each embedded input, the edges of its bins: two rising numbers or more. Inputs may have unlike numbers of
        bins; the features of bins that an input lacks are 0.
    units : int or None, default None
        Features of each input; None: as many as the most bins, which are not trained.
    columns : sequence of int or None, default None
        The inputs that have features: None, all of them. The numbers of an ``fb.Tabular`` are its first inputs.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above; when a model is made of it, if there are not so many inputs.

    Notes
    -----
    Its arrays are "slope" and "offset" of shape (embedded inputs, most bins), which are not trained; with units "W" of
    shape (embedded inputs, most bins, units) and "b" of shape (embedded inputs, units), which begin like those of
    ``fb.Periodic``.

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> X = np.random.default_rng(0).exponential(size=(1000, 2))
    >>> edges = [np.unique(np.quantile(column, np.linspace(0, 1, 9))) for column in X.T]
    >>> model = fb.Model([fb.PiecewiseLinear(edges, units=3), fb.Dense(8, "relu"), fb.Dense(1)], inputs=2)
    >>> model.activations(X, layer=0).shape
    (1000, 8)
    """

    edges: tuple[tuple[float, ...], ...]
    units: int | None
    columns: tuple[int, ...] | None
    name = "piecewise_linear"

    def __init__(
        self,
        edges: Sequence[Sequence[float]],
        units: int | None = None,
        columns: Sequence[int] | None = None,
    ) -> None:
        object.__setattr__(self, "edges", _checked_edges(edges))
        object.__setattr__(self, "units", None if units is None else check_int(units, "units"))
        object.__setattr__(self, "columns", _checked_columns(columns))
        if self.columns is not None and len(self.columns) != len(self.edges):
            raise ValueError(
                f"edges has {len(self.edges)} entries and columns {len(self.columns)}; expected as many: the edges of "
                "each of these columns."
            )

    @property
    def n_bins(self) -> int:
        """The most bins of an input."""
        return max(map(len, self.edges)) - 1

    @property
    def _n_features(self) -> int:
        return self.n_bins if self.units is None else self.units

    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of outputs: the features, and the inputs."""
        if self.columns is None and len(self.edges) != n_inputs:
            raise ValueError(
                f"edges of a PiecewiseLinear has {len(self.edges)} entries and there are {n_inputs} inputs; expected "
                "as many, or the columns that they belong to: columns=[0, 1]."
            )
        return super().n_outputs(n_inputs)

    def parameters(self, n_inputs: int) -> list[Parameter]:
        """Return slopes and offsets of the bins, and W and b if there are units."""
        n, n_bins = len(self.edges), self.n_bins
        ramps = [Parameter("slope", (n, n_bins), False), Parameter("offset", (n, n_bins), False)]
        if self.units is None:
            return ramps
        return [*ramps, Parameter("W", (n, n_bins, self.units)), Parameter("b", (n, self.units))]

    def draw(self, n_inputs: int, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return slopes and offsets by the edges, and W and b from one generator."""
        slope, offset = np.zeros((2, len(self.edges), self.n_bins))
        for i, edges in enumerate(np.array(each) for each in self.edges):
            slope[i, : len(edges) - 1] = 1 / np.diff(edges)
            offset[i, : len(edges) - 1] = -edges[:-1] / np.diff(edges)
        if self.units is None:
            return [slope, offset]
        generator, bound = next(generators), 1 / math.sqrt(self.n_bins)
        of_product = (parameter.shape for parameter in self.parameters(n_inputs)[2:])
        return [slope, offset, *(generator.uniform(-bound, bound, shape) for shape in of_product)]

    def flops(self, n_inputs: int) -> int:
        """Return the FLOPs of the bins and of the products."""
        return 2 * len(self.edges) * self.n_bins * (1 + (self.units or 0))

    def stages(self) -> list[Stage]:
        """Return the bins, and the sums of them if there are units."""
        ramps = {"kind": "basis", "waves": False, "columns": self.columns, "size": self.n_bins, "trainable": False}
        return [ramps] if self.units is None else [ramps, self._product(self.n_bins)]

    def __repr__(self) -> str:
        text = f"PiecewiseLinear({[list(each) for each in self.edges]}"
        if self.units is not None:
            text += f", units={self.units}"
        return text + ("" if self.columns is None else f", columns={list(self.columns)}") + ")"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data."""
        columns = None if self.columns is None else list(self.columns)
        edges = [list(each) for each in self.edges]
        return {"type": self.name, "edges": edges, "units": self.units, "columns": columns}


def _checked_edges(edges: Any) -> tuple[tuple[float, ...], ...]:
    expected = "a list of two rising numbers or more for each input, such as [[0, 1, 2.5], [-1, 1]]"
    checked = []
    for i, each in enumerate(check_list(edges, "edges", expected)):
        numbers = tuple(check_number(x, f"edges[{i}]") for x in check_list(each, f"edges[{i}]", expected))
        if len(numbers) < 2 or not all(_are_edges(low, high) for low, high in itertools.pairwise(numbers)):
            raise ValueError(f"edges[{i}] is {list(numbers)}; expected {expected}.")
        checked.append(numbers)
    if not checked:
        raise ValueError(f"edges is empty; expected {expected}.")
    return tuple(checked)


def _are_edges(low: float, high: float) -> bool:
    """Whether a bin has a width, and that and the slope in it are finite."""
    return 0 < high - low < math.inf and 1 / (high - low) < math.inf


def _checked_columns(columns: Any) -> tuple[int, ...] | None:
    if columns is None:
        return None
    expected = "None for all inputs, or their numbers, such as [0, 1]"
    chosen = tuple(check_int(column, "columns", minimum=0) for column in check_list(columns, "columns", expected))
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"columns is {list(chosen)}; expected {expected}, at least one and none twice.")
    return chosen
