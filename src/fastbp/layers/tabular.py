"""Tabular data: numeric columns and categories, and their embedding tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.initializers import Normal
from fastbp.support.checks import check_int, check_list, sentence

__all__ = ["INPUTS", "Inputs", "Tabular", "check_inputs", "inputs_from_config", "n_columns", "n_features"]

_LARGEST_CARDINALITY = 2**24  # float32 holds all integers up to this one
_LARGEST_AUTOMATIC = 600
_FIRST_ROWS = Normal(0.0, 0.01)


@dataclass(frozen=True, init=False, repr=False)
class Tabular:
    """Numeric columns followed by columns of category codes; a row of a table is trained for each code (embeddings).

    Pass it as ``inputs`` of ``fb.Model``. X has ``numeric`` numeric columns, then for each category a column of
    integers 0 .. cardinality - 1. The input of the first layer is A = [numbers, E0[code 0], E1[code 1], ...], where E0,
    E1 are the tables (entity embeddings: Guo and Berkhahn, 2016). A table has cardinality + 1 rows. The last row is for
    invalid codes: below 0, ``cardinality`` or above, not whole, NaN or infinite, as read in the model's dtype.

    With every optimizer, a step changes only the rows that its samples use: all other rows, and their optimizer state
    (momentum, Adam's moments), keep their bits and do not decay. A sample with a sample weight of 0 uses its rows like
    any other. Adam does the same as PyTorch's SparseAdam, except that epsilon is added after the bias correction, as
    for all other weights; both correct by the number of all steps, not of the steps that used the row. Weight decay
    applies to the tables as to the W of dense layers. ``learning_rate_factors`` and the other factors of ``fb.Trainer``
    name them "inputs".

    Parameters
    ----------
    numeric : int
        Number of numeric columns, 0 or more.
    categories : sequence of int
        Number of codes of each category, up to 2**24.
    dims : "auto" or sequence of int, default "auto"
        Number of columns of each table: the features that represent a category. "auto" is min(600, round(1.6 *
        cardinality**0.56)), fast.ai's rule.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Notes
    -----
    ``get_weights`` returns the tables first, E0, E1 and so on, each of shape (cardinality + 1, dim). The last row of
    each is initially 0, and stays 0 until a sample uses it; the others are drawn from a normal distribution of mean 0
    and standard deviation 0.01. ``fb.EMA`` averages whole tables: each step that it averages costs a pass over them,
    and so does the check for NaN and infinity at the end of each epoch.

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

    def __init__(self, numeric: int, categories: Sequence[int], dims: Literal["auto"] | Sequence[int] = "auto") -> None:
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
                f"dims has {len(self.dims)} entries and categories {len(self.categories)}; expected as many. Pass "
                'dims="auto" to have them chosen.'
            )

    @property
    def n_columns(self) -> int:
        """The number of columns of X."""
        return self.numeric + len(self.categories)

    @property
    def n_features(self) -> int:
        """The number of inputs of the first layer."""
        return self.numeric + sum(self.dims)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shape of each table."""
        return [(cardinality + 1, dim) for cardinality, dim in zip(self.categories, self.dims, strict=True)]

    def draw(self, generators: Iterator[np.random.Generator]) -> list[NDArray[np.float64]]:
        """Return the initial tables; each takes the next generator."""
        tables = [_FIRST_ROWS.draw(next(generators), *shape) for shape in self.shapes]
        for table in tables:
            table[-1] = 0
        return tables

    def stage(self) -> dict[str, Any]:
        """Return the engine's stage for the tables, which comes before all layers."""
        return {"kind": self.name, "numeric": self.numeric, "tables": self.shapes, "units": self.n_features}

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        return {
            "type": self.name,
            "numeric": self.numeric,
            "categories": list(self.categories),
            "dims": list(self.dims),
        }

    def __repr__(self) -> str:
        return f"Tabular(numeric={self.numeric}, categories={list(self.categories)}, dims={list(self.dims)})"


Inputs = int | Tabular  # of a model: a number of columns, or a Tabular

INPUTS: dict[str, type[Tabular]] = {Tabular.name: Tabular}


def check_inputs(inputs: Any) -> Inputs:
    """Return the checked inputs of a model."""
    remedy = "For numeric columns and category codes pass an fb.Tabular."
    return inputs if isinstance(inputs, Tabular) else check_int(inputs, "inputs", remedy=remedy)


def inputs_from_config(config: Any) -> Inputs:
    """Return inputs from plain data: an int, or the result of ``to_config``."""
    if not isinstance(config, Mapping):
        return check_inputs(config)
    return INPUTS[config["type"]](config["numeric"], config["categories"], config["dims"])


def n_columns(inputs: Inputs) -> int:
    """Return the number of columns of X."""
    return inputs.n_columns if isinstance(inputs, Tabular) else inputs


def n_features(inputs: Inputs) -> int:
    """Return the number of inputs of the first layer."""
    return inputs.n_features if isinstance(inputs, Tabular) else inputs


def _automatic(cardinality: int) -> int:
    return min(_LARGEST_AUTOMATIC, round(1.6 * math.pow(cardinality, 0.56)))


def _check_list(values: Any, argument: str, of_what: str, maximum: int = 2**31 - 1) -> tuple[int, ...]:
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    if not listed and not (isinstance(values, np.ndarray) and values.ndim == 1):
        raise TypeError(sentence(argument, values, f"a list of {of_what}"))
    values = check_list(values, argument, f"a list of {of_what}")
    if not values:
        raise ValueError(
            f"{argument} is empty; expected a list of {of_what}. Without categories, give fb.Model a number of inputs."
        )
    return tuple(check_int(value, f"{argument}[{i}]", maximum=maximum) for i, value in enumerate(values))
