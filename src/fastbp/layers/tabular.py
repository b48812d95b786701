"""Tabular data: numbers beside categories, and what stands for a category in a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.initializers import Normal
from fastbp.support.checks import check_int, sentence

__all__ = ["INPUTS", "Inputs", "Tabular", "check_inputs", "inputs_from_config", "n_columns", "n_features"]

_LARGEST_CARDINALITY = 2**24  # float32 holds all integers up to this one
_LARGEST_AUTOMATIC = 600
_FIRST_ROWS = Normal(0.0, 0.01)


@dataclass(frozen=True, init=False, repr=False)
class Tabular:
    """Columns of numbers, and behind them columns of codes, for each of which a row of a table is learned.

    In place of ``inputs`` of ``fb.Model``. X has ``numeric`` columns of numbers, then one of integers 0 .. cardinality
    - 1 for each category. The first layer is fed with A = [numbers, E0[code 0], E1[code 1], ...], E being the tables
    (entity embeddings: Guo and Berkhahn, 2016). A table has cardinality + 1 rows. The last one is for all that is no
    code: below 0, ``cardinality`` or above, not whole, NaN or infinite, as read in the model's dtype.

    A step changes only the rows that a sample of it has, with every optimizer: all other rows keep their bits, as do
    momentum, Adam's moments and whatever else the optimizer remembers for them; so they do not decay. A sample with a
    weight of 0 has its rows like any other. With Adam that is PyTorch's SparseAdam, but for epsilon, which is where it
    is for all other weights, behind the correction: both correct by the number of all steps, not of those that had the
    row. The tables decay as the W of dense layers do. Factors by layer are for layers, and leave the tables alone.

    Parameters
    ----------
    numeric : int
        How many columns of numbers there are, 0 or more.
    categories : sequence of int
        The cardinality of each category: how many codes it has, up to 2**24.
    dims : "auto" or sequence of int, default "auto"
        How many features stand for each category: the columns of its table. "auto" is min(600, round(1.6 *
        cardinality**0.56)), fast.ai's rule.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Notes
    -----
    ``get_weights`` has the tables first, E0, E1 and so on, each of shape (cardinality + 1, dim). Their first rows are
    drawn from a normal distribution of mean 0 and deviation 0.01, but the last ones are 0, which stays so without
    samples for it. ``fb.EMA`` takes in whole tables: each step that it looks at costs a pass over them, and so does
    the search for numbers that are not finite at the end of each epoch.

    Examples
    --------
    >>> import fastbp as fb
    >>> inputs = fb.Tabular(numeric=2, categories=[7, 3], dims=[4, 2])  # two numbers, a day of the week, one of three
    >>> model = fb.Model([fb.Dense(8, "relu"), fb.Dense(1)], inputs=inputs)
    >>> model.predict([[0.5, -1.2, 6, 0], [0.1, 0.7, 2, -1]]).shape  # -1: not known
    (2, 1)
    >>> model.get_weights()[0].shape
    (8, 4)
    """

    numeric: int
    categories: tuple[int, ...]
    dims: tuple[int, ...]
    name: ClassVar[str] = "tabular"

    def __init__(self, numeric: int, categories: Sequence[int], dims: str | Sequence[int] = "auto") -> None:
        object.__setattr__(self, "numeric", check_int(numeric, "numeric", minimum=0))
        cardinalities = _check_list(categories, "categories", "cardinalities such as [7, 12]", _LARGEST_CARDINALITY)
        object.__setattr__(self, "categories", cardinalities)
        if isinstance(dims, str):
            if dims != "auto":
                raise ValueError(sentence("dims", dims, '"auto" or a list of integers'))
            dims = [_automatic(cardinality) for cardinality in self.categories]
        object.__setattr__(self, "dims", _check_list(dims, "dims", 'integers, or "auto"'))
        if len(self.dims) != len(self.categories):
            raise ValueError(
                f"dims has {len(self.dims)} entries and categories {len(self.categories)}; expected as many. Give "
                'dims="auto" to have them chosen.'
            )

    @property
    def n_columns(self) -> int:
        """The columns of X."""
        return self.numeric + len(self.categories)

    @property
    def n_features(self) -> int:
        """How many numbers the first layer is fed with."""
        return self.numeric + sum(self.dims)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shape of each table."""
        return [(cardinality + 1, dim) for cardinality, dim in zip(self.categories, self.dims, strict=True)]

    def draw(self, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return what the tables begin with; each takes a generator of its own."""
        tables = [_FIRST_ROWS.draw(next(generators), *shape) for shape in self.shapes]
        for table in tables:
            table[-1] = 0
        return tables

    def stage(self) -> dict[str, Any]:
        """Return the tables as the engine runs them, in front of all layers."""
        return {"kind": self.name, "numeric": self.numeric, "tables": self.shapes, "units": self.n_features}

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "type": self.name,
            "numeric": self.numeric,
            "categories": list(self.categories),
            "dims": list(self.dims),
        }

    def __repr__(self) -> str:
        return f"Tabular(numeric={self.numeric}, categories={list(self.categories)}, dims={list(self.dims)})"


Inputs = int | Tabular  # of a model: so many numbers, or what Tabular says

INPUTS: dict[str, type[Tabular]] = {Tabular.name: Tabular}


def check_inputs(inputs: Any) -> Inputs:
    """Return what a model is given."""
    remedy = "Or give an fb.Tabular, for numbers beside codes of categories."
    return inputs if isinstance(inputs, Tabular) else check_int(inputs, "inputs", remedy=remedy)


def inputs_from_config(config: Any) -> Inputs:
    """Return what was written down: an int, or what ``to_config`` returned."""
    if not isinstance(config, Mapping):
        return check_inputs(config)
    return INPUTS[config["type"]](config["numeric"], config["categories"], config["dims"])


def n_columns(inputs: Inputs) -> int:
    """Return the columns of X."""
    return inputs.n_columns if isinstance(inputs, Tabular) else inputs


def n_features(inputs: Inputs) -> int:
    """Return how many numbers the first layer is fed with."""
    return inputs.n_features if isinstance(inputs, Tabular) else inputs


def _automatic(cardinality: int) -> int:
    return min(_LARGEST_AUTOMATIC, round(1.6 * math.pow(cardinality, 0.56)))


def _check_list(values: Any, argument: str, of_what: str, maximum: int = 2**31 - 1) -> tuple[int, ...]:
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    if not listed and not (isinstance(values, np.ndarray) and values.ndim == 1):
        raise TypeError(sentence(argument, values, f"a list of {of_what}"))
    if not len(values):
        raise ValueError(
            f"{argument} is empty; expected a list of {of_what}. Without categories, inputs of a model is an integer."
        )
    return tuple(check_int(value, f"{argument}[{i}]", maximum=maximum) for i, value in enumerate(values))
