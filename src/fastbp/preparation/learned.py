"""What was learned from the training data: how columns become features, also those of other samples."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import READABLE, as_array, as_matrix
from fastbp.data.blocks import BLOCK_ROWS
from fastbp.data.columns import TypedColumn
from fastbp.data.frames import check_names, columns_as_array
from fastbp.data.labels import is_label
from fastbp.data.writings import Writing, numbers_written, writing_from_config
from fastbp.data.written_moments import MomentWriting
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.features import Features
from fastbp.preparation.column_statistics import Feature
from fastbp.preparation.tables import Name, TypedColumns, name_of, read_table
from fastbp.support.checks import check_int, check_number, sentence

if TYPE_CHECKING:
    from fastbp.engine.features import Step

__all__ = ["TEXT_REMEDY", "Learned", "all_numbers", "assemble", "codes_of", "numbers_of", "text_codes_of"]

Array = NDArray[Any]

TEXT_REMEDY = ". fb.Columns prepares columns of numbers and columns of categories, each in its way."

_NUMBERS_OF_STEP = {"fill": 1, "affine": 3, "clip": 1, "missing": 0, "equals": 1}  # "code" has any number of them


class Learned:
    """How the columns of an array or of a data frame become the features that the first layer takes.

    Parameters
    ----------
    n_columns : int
    names : tuple of str or int, or None
        Of the columns, where they were learned from a data frame.
    texts : dict of int to tuple of str
        The categories of each column of text, in the order of their codes.
    features : list of (column, steps)
        The features in their order; a column of text is read as codes.
    writings : dict of int to Writing, or None
        How columns of text write numbers or moments, and which columns held moments. None: a file of version 0.1.0,
        which does not say it.
    commonest : dict of int to float, or None
        The commonest category of each column of categories, a code where the column is text. None: not known.
    """

    def __init__(
        self,
        n_columns: int,
        names: tuple[Name, ...] | None,
        texts: Mapping[int, Sequence[str]],
        features: Sequence[Feature],
        writings: Mapping[int, Writing] | None = None,
        commonest: Mapping[int, float] | None = None,
    ) -> None:
        self.n_columns, self.names = n_columns, names
        self.texts = {j: tuple(categories) for j, categories in texts.items()}
        self.features = tuple(features)
        self.writings, self.commonest = dict(writings or {}), dict(commonest or {})
        self._knows_writings = writings is not None
        self._moments = {j for j, each in self.writings.items() if isinstance(each, MomentWriting) and each.has_days}
        self._numbers_only = not self.texts and not self._moments
        self.native = Features(list(self.features))
        self._codes = {j: codes_of(categories) for j, categories in self.texts.items()}
        # Values of any kind may come in columns of which training saw some that were not text, or none.
        self._labelled = {j for j, known in self.texts.items() if not known or any(map(is_label, known))}

    def holds_moments(self, j: int) -> bool:
        """Whether column j held moments, which are seconds since 1970 to the steps."""
        return j in self._moments

    def read(self, values: ArrayLike | TypedColumns, argument: str) -> Array:
        """Return samples as an array that the engine reads, (n_samples, n_columns): text as codes.

        Parameters
        ----------
        values : array-like or TypedColumns
            The second is what ``read_table`` returned for the samples.
        argument : str
            The name of ``values`` in messages; a table has its own.

        Raises
        ------
        TypeError, ValueError
            If they have other columns than those that were learned from.
        """
        if type(values) is np.ndarray and values.dtype in READABLE and self._numbers_only:  # quickly: in a loop
            return np.asarray(as_matrix(values, self.n_columns, argument))
        table = values if isinstance(values, TypedColumns) else read_table(values, argument, may_be_empty=True)
        places = self._places(table)
        if places is None:
            if table.n_columns != self.n_columns:
                raise ValueError(
                    f"{table.argument} has {table.n_columns} columns; expected {self.n_columns}, as many as the "
                    "preparation was learned from. A row is a sample, a column an input."
                )
            places = range(self.n_columns)
        table.check_not_empty()  # after its columns: without rows they are right all the same
        if table.array is not None and self._numbers_only and list(places) == list(range(table.n_columns)):
            return table.array
        return assemble([self._read_column(table, j, place) for j, place in enumerate(places)], table.argument)

    def _read_column(self, table: TypedColumns, j: int, place: int) -> Array:
        """Return column j of those that were learned from, which is at a place in a table."""
        if j in self._codes:
            column = table.column(place, labels=j in self._labelled)
            return text_codes_of(column, self._codes[j], table.place(place))
        column, writing = table.column(place), self.writings.get(j)
        if column.is_text and writing is not None:
            return numbers_written(column, writing, table.place(place))
        if self._knows_writings and not column.is_empty:
            _refuse_others(column, j in self._moments, table.place(place))
        return numbers_of(column, table.place(place), ", as the preparation was learned from. Make its values numbers.")

    def _places(self, table: TypedColumns) -> Sequence[int] | None:
        """Return where the columns are in a table, by name; None if the table or the training data has no names."""
        if self.names is None or table.names is None:
            return None
        found = {name: i for i, name in enumerate(table.names)}
        check_names(found, self.names, table.argument, "the preparation was learned from")
        return [found[name] for name in self.names]

    def apply(self, array: Array, dtype: np.dtype[Any]) -> Array:
        """Return the features of what ``read`` returned."""
        return self.native.apply(ArrayReader(array), np.empty((len(array), len(self.features)), dtype))

    def refuse(
        self,
        array: Array,
        row: int,
        dtype: np.dtype[Any],
        argument: str,
        numbers: NDArray[np.int64] | None = None,
    ) -> NoReturn:
        """Raise the ValueError that names the first number from which no finite feature can be made, up to this row.

        ``numbers`` are those of the rows in the message; None numbers them from 0.
        """
        for start in range(0, row + 1, BLOCK_ROWS):
            bad = ~np.isfinite(self.apply(array[start : min(start + BLOCK_ROWS, row + 1)], dtype))
            if bad.any():
                break
        else:  # the array was changed by someone else meanwhile
            raise ValueError(f"{argument} held NaN or infinity while it was read; expected finite numbers.") from None
        row = start + int(bad.any(axis=1).argmax())
        column = self.features[int(bad[row - start].argmax())][0]
        value = array[row, column].item()
        place = f"row {row if numbers is None else numbers[row]}, {name_of(column, self.names, argument)}"
        remedy = "Leave out that row or fill in the value first."
        if math.isfinite(value):
            remedy = f"Its preparation makes it infinite in {dtype}, the model's dtype: scale it down."
        elif math.isnan(value):
            remedy += " A model prepared with fb.Impute() fills it in."
        raise ValueError(sentence(place, value, "a finite number", remedy)) from None

    def to_config(self) -> dict[str, Any]:
        """Return this as plain data."""
        config: dict[str, Any] = {
            "n_columns": self.n_columns,
            "names": None if self.names is None else list(self.names),
            "texts": [[j, list(categories)] for j, categories in self.texts.items()],
            "features": [[column, [list(step) for step in steps]] for column, steps in self.features],
        }
        if self._knows_writings:
            config["writings"] = [[j, writing.to_config()] for j, writing in self.writings.items()]
        if self.commonest:
            config["commonest"] = [[j, value] for j, value in self.commonest.items()]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Learned:
        """Return what ``to_config`` described; every part is checked, because the engine trusts it."""
        n_columns = check_int(config["n_columns"], "n_columns")
        names = config["names"]
        if names is not None and (
            not len(names) == len(set(names)) == n_columns or not all(isinstance(n, (str, int)) for n in names)
        ):
            raise ValueError(sentence("names", names, f"{n_columns} names"))
        texts = {
            check_int(j, "a column", minimum=0, maximum=n_columns - 1): [str(text) for text in texts]
            for j, texts in config["texts"]
        }
        writings = None
        if "writings" in config:
            writings = {
                check_int(j, "a column", minimum=0, maximum=n_columns - 1): writing_from_config(writing)
                for j, writing in config["writings"]
            }
        commonest = {
            check_int(j, "a column", minimum=0, maximum=n_columns - 1): check_number(value, "a commonest category")
            for j, value in config.get("commonest", [])
        }
        features = [
            (check_int(column, "a column", minimum=0, maximum=n_columns - 1), tuple(map(_check_step, steps)))
            for column, steps in config["features"]
        ]
        if not features:
            raise ValueError("features is empty; expected at least one.")
        return cls(n_columns, None if names is None else tuple(names), texts, features, writings, commonest)


def _refuse_others(column: TypedColumn, learned_moments: bool, place: str) -> None:
    """Refuse numbers where moments were learned from, and moments where numbers were: their units are not known."""
    if column.were_moments == learned_moments or column.is_text:
        return
    was, expected = ("moments", "numbers") if column.were_moments else ("numbers", "moments")
    raise TypeError(
        f"{place} holds {was}; expected {expected}, as the preparation was learned from. Convert the column."
    )


def _check_step(step: Sequence[Any]) -> Step:
    kind, *numbers = step
    if kind != "code" and len(numbers) != _NUMBERS_OF_STEP[kind]:
        raise ValueError(sentence("a step", step, f"{_NUMBERS_OF_STEP[kind]} numbers"))
    checked = [check_number(number, f"a number of {kind}") for number in numbers]
    if kind == "code" and any(a >= b for a, b in itertools.pairwise(checked)):
        raise ValueError(sentence("the values of a step", step, "rising ones"))
    return (kind, *checked)


def assemble(columns: Sequence[Array], argument: str) -> Array:
    """Return columns of numbers and of codes as one array that the engine reads."""
    dtype = np.result_type(*(column.dtype for column in columns))
    read = [functools.partial(_rows_of, column) for column in columns]
    return as_array(columns_as_array(read, len(columns[0]), dtype), argument)


def all_numbers(table: TypedColumns) -> Array:
    """Return a table of numbers as one array that the engine reads, and refuse text."""
    if table.array is not None:
        return table.array
    columns = [numbers_of(table.column(j), table.place(j), TEXT_REMEDY) for j in range(table.n_columns)]
    return assemble(columns, table.argument)


def _rows_of(column: Array, start: int, stop: int) -> Array:
    return column[start:stop]


def numbers_of(column: TypedColumn, place: str, remedy: str) -> Array:
    """Return a column of numbers as they are, and refuse text; a column of text without any may be of either kind.

    ``remedy`` ends the message, after "expected numbers".
    """
    if column.is_text and column.is_empty:
        return np.full(len(column.values), np.nan, np.float32)
    if column.is_text:
        raise TypeError(f"{place} holds text; expected numbers{remedy}")
    return column.values


def text_codes_of(column: TypedColumn, codes: Mapping[str, float], place: str) -> NDArray[np.float32]:
    """Return a column of text as codes, and refuse numbers."""
    if column.is_text:
        return column.encoded(codes)
    if not column.is_empty:
        raise TypeError(
            f"{place} holds numbers ({column.values.dtype}); expected text, as the preparation was learned from. Make "
            "it text: .astype(str)."
        )
    return np.full(len(column.values), np.nan, np.float32)  # a column without any value may be of either kind


def codes_of(texts: Sequence[str]) -> dict[str, float]:
    """Return the code of each category."""
    return {text: float(i) for i, text in enumerate(texts)}
