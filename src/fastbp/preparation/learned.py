"""What was learnt from the training data: which columns become which features, and the same way for other samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import READABLE, as_array, as_matrix
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.features import Features
from fastbp.preparation.column_statistics import Feature
from fastbp.preparation.tables import Name, Table, encode, is_text, name_of, read_table
from fastbp.support.checks import check_int, check_number, sentence

if TYPE_CHECKING:
    from fastbp.engine.features import Step

__all__ = ["Learnt", "assemble", "codes_of"]

Array = NDArray[Any]

_NUMBERS_OF_STEP = {"fill": 1, "affine": 3, "clip": 1, "missing": 0, "equals": 1}  # "code" has as many as it likes


class Learnt:
    """What becomes of the columns of an array or of a data frame.

    Parameters
    ----------
    n_columns : int
    names : tuple of str or int, or None
        Of the columns, where they were learnt from a data frame.
    texts : dict of int to tuple of str
        The categories of each column of text, in the order of their codes.
    features : list of (column, steps)
        What the first layer is fed with; a column of text is its codes there.
    """

    def __init__(
        self,
        n_columns: int,
        names: tuple[Name, ...] | None,
        texts: Mapping[int, Sequence[str]],
        features: Sequence[Feature],
    ) -> None:
        self.n_columns, self.names = n_columns, names
        self.texts = {j: tuple(categories) for j, categories in texts.items()}
        self.features = tuple(features)
        self.native = Features(list(self.features))
        self._codes = {j: codes_of(categories) for j, categories in self.texts.items()}

    def read(self, values: ArrayLike, argument: str) -> Array:
        """Return samples as an array that the engine reads, (n_samples, n_columns): text as codes.

        Raises
        ------
        TypeError, ValueError
            If they have other columns than those that were learnt from.
        """
        if type(values) is np.ndarray and values.dtype in READABLE and not self.texts:  # quickly: a loop calls predict
            return np.asarray(as_matrix(values, self.n_columns, argument))
        table = read_table(values, argument)
        places = self._places(table)
        if places is None:
            if table.n_columns != self.n_columns:
                raise ValueError(
                    f"{argument} has {table.n_columns} columns; expected {self.n_columns}, as many as the preparation "
                    "was learnt from. A row is a sample, a column an input."
                )
            places = range(self.n_columns)
        return assemble(table, places, self._codes)

    def _places(self, table: Table) -> Sequence[int] | None:
        """Return where the columns are in a table that names its own; None where nothing is to be said of names."""
        if self.names is None or table.names is None:
            return None
        found = {name: i for i, name in enumerate(table.names)}
        missing = [name for name in self.names if name not in found]
        if missing:
            listed = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
            raise ValueError(
                f"{table.argument} has no column {listed}; expected all {self.n_columns} that the preparation was "
                "learnt from. Their order is free, and others are left out."
            )
        return [found[name] for name in self.names]

    def apply(self, array: Array, dtype: np.dtype[Any]) -> Array:
        """Return the features of what ``read`` returned."""
        return self.native.apply(ArrayReader(array), np.empty((len(array), len(self.features)), dtype))

    def refuse(self, array: Array, row: int, dtype: np.dtype[Any], argument: str) -> NoReturn:
        """Raise the ValueError that names the number in this row which no finite feature comes from."""
        features = self.apply(array[row : row + 1], dtype)[0]
        bad = np.flatnonzero(~np.isfinite(features))
        if len(bad) == 0:  # the array was changed by someone else meanwhile
            raise ValueError(f"{argument} held NaN or infinity while it was read; expected finite numbers.") from None
        column = self.features[bad[0]][0]
        value = array[row, column].item()
        place = f"row {row}, {name_of(column, self.names, argument)}"
        remedy = "Leave out that row or fill the gap first."
        if math.isfinite(value):
            remedy = f"Prepared, it is infinite in {dtype}, the model's dtype: scale it down."
        elif math.isnan(value):
            remedy += " A model with fb.Impute() among its preparations fills it."
        raise ValueError(sentence(place, value, "a finite number", remedy)) from None

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "n_columns": self.n_columns,
            "names": None if self.names is None else list(self.names),
            "texts": [[j, list(categories)] for j, categories in self.texts.items()],
            "features": [[column, [list(step) for step in steps]] for column, steps in self.features],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Learnt:
        """Return what ``to_config`` wrote down, each part checked: the engine trusts it."""
        n_columns = check_int(config["n_columns"], "n_columns")
        names = config["names"]
        if names is not None and (len(set(names)) != n_columns or not all(isinstance(n, (str, int)) for n in names)):
            raise ValueError(sentence("names", names, f"{n_columns} names"))
        texts = {
            check_int(j, "a column", minimum=0, maximum=n_columns - 1): [str(text) for text in texts]
            for j, texts in config["texts"]
        }
        features = [
            (check_int(column, "a column", minimum=0, maximum=n_columns - 1), tuple(map(_check_step, steps)))
            for column, steps in config["features"]
        ]
        if not features:
            raise ValueError("features is empty; expected one at least.")
        return cls(n_columns, None if names is None else tuple(names), texts, features)


def _check_step(step: Sequence[Any]) -> Step:
    kind, *numbers = step
    if kind != "code" and len(numbers) != _NUMBERS_OF_STEP[kind]:
        raise ValueError(sentence("a step", step, f"{_NUMBERS_OF_STEP[kind]} numbers"))
    checked = [check_number(number, f"a number of {kind}") for number in numbers]
    if kind == "code" and any(a >= b for a, b in itertools.pairwise(checked)):
        raise ValueError(sentence("the values of a step", step, "rising ones"))
    return (kind, *checked)


def assemble(table: Table, places: Sequence[int], codes: Mapping[int, Mapping[str, float]]) -> Array:
    """Return columns of a table as one array that the engine reads: numbers as they are, text as codes."""
    if table.array is not None and not codes and list(places) == list(range(table.n_columns)):
        return table.array
    columns = []
    for j, place in enumerate(places):
        column = table.column(place)
        if j in codes:
            columns.append(_text_codes(column, codes[j], table.place(place)))
            continue
        if is_text(column):
            raise TypeError(
                f"{table.place(place)} holds text; expected numbers. fb.Columns prepares columns of numbers and "
                "columns of categories, each in its way."
            )
        columns.append(column)
    matrix = np.empty((table.n_rows, len(columns)), np.result_type(*(column.dtype for column in columns)))
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return as_array(matrix, table.argument)


def _text_codes(column: Array, codes: Mapping[str, float], place: str) -> NDArray[np.float32]:
    if not is_text(column) and np.isnan(column.astype(np.float64)).all():  # nobody can tell what a gap is a gap of
        return np.full(len(column), np.nan, np.float32)
    if not is_text(column):
        raise TypeError(
            f"{place} holds numbers ({column.dtype}); expected text, as the preparation was learnt from. Make it text: "
            ".astype(str)."
        )
    return encode(column, codes)


def codes_of(texts: Sequence[str]) -> dict[str, float]:
    """Return the code of each category."""
    return {text: float(i) for i, text in enumerate(texts)}
