"""How a preparation learns: which columns hold numbers and which hold categories, and what each kind needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.columns import TypedColumn
from fastbp.data.labels import label_of
from fastbp.data.writings import Writing, are_ambiguous_dates, find_writing, numbers_written
from fastbp.data.written_moments import MomentWriting
from fastbp.data.written_numbers import NumberWriting
from fastbp.preparation.column_statistics import ColumnStatistics, Feature
from fastbp.preparation.columns import Chain, Columns, Prepare
from fastbp.preparation.learned import TEXT_REMEDY, Learned, assemble, codes_of, numbers_of, text_codes_of
from fastbp.preparation.tables import Name, TypedColumns
from fastbp.support.user_warnings import warn_user

__all__ = ["learn", "learn_without_data"]

Array = NDArray[Any]

_LARGEST_APART = 2**53  # up to here float64 holds every integer


def learn(prepare: Prepare, table: TypedColumns, rows: NDArray[np.int64] | None) -> tuple[Learned, Array]:
    """Return what a preparation learns from these rows of a table, None: from all; and the table as an array.

    The array has all rows: it is what ``Learned.read`` returns for the table. Each column is converted once.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to be learned from it.
    """
    named = _named_categories(prepare, table)
    remedy = TEXT_REMEDY if isinstance(prepare, tuple) else ". Name it in categories too, or leave it out."
    texts: dict[int, list[str]] = {}
    writings: dict[int, Writing] = {}
    categorical: list[int] = []
    columns: list[Array] = []
    for j in range(table.n_columns):
        of_categories = table.is_category(j)
        column = table.column(j, labels=of_categories and (named is None or j in named))
        writing = None if of_categories or named is not None else _writing_of(table, j, column, rows)
        if column.were_moments:
            writings[j] = MomentWriting("", "")
        elif writing is not None:
            writings[j] = writing
            column = TypedColumn("numbers", numbers_written(column, writing, table.place(j)), [])
        is_categorical = column.is_text or of_categories if named is None else j in named
        if is_categorical:
            categorical.append(j)
        if is_categorical and (column.is_text or column.is_empty):  # without any value, later ones may be of any kind
            texts[j] = _categories_of(table, j, column, rows)
            columns.append(text_codes_of(column, codes_of(texts[j]), table.place(j)))
        else:
            columns.append(numbers_of(column, table.place(j), remedy))
            if is_categorical:
                _refuse_merged(columns[-1], table.place(j))
    array = assemble(columns, table.argument) if table.array is None else table.array
    features: list[Feature] = []
    for chain, places in _chains(prepare, categorical, table.n_columns):
        statistics = ColumnStatistics(places, array, rows, {j: len(found) for j, found in texts.items()}, table.place)
        features += _learn_chain(chain, statistics)
    commonest = {j: value for j in categorical if (value := _commonest(array[:, j], rows, j in texts)) is not None}
    return Learned(table.n_columns, table.names, texts, features, writings, commonest), array


def _commonest(column: Array, rows: NDArray[np.int64] | None, is_text: bool) -> float | None:
    """Return the commonest category of a column, as a number; of equally common ones the first; None without any."""
    values = column if rows is None else column[rows]
    if values.dtype.kind == "f":
        values = values[~np.isnan(values)]
    if is_text:
        values = values[values >= 0]
        return float(np.bincount(values.astype(np.int64)).argmax()) if len(values) else None
    known, counts = np.unique(values, return_counts=True)
    return float(known[counts.argmax()]) if len(known) else None


def _writing_of(table: TypedColumns, j: int, column: TypedColumn, rows: NDArray[np.int64] | None) -> Writing | None:
    """Return how a column of text writes numbers or moments; None where it holds words."""
    if not column.is_text:
        return None
    writing = find_writing(column, rows)
    if isinstance(writing, NumberWriting) and writing.gaps:
        words = ", ".join(map(repr, writing.gaps))
        warn_user(
            f"{table.place(j)} is text, and nearly all of it numbers such as {writing.example!r}; the others, {words}, "
            "are taken for missing numbers. To keep it as it is, name it in the categories of fb.Columns.",
        )
    elif writing is None and are_ambiguous_dates(column, rows):
        warn_user(
            f"{table.place(j)} holds dates of which nobody can tell the day from the month, such as "
            f"{column.levels[0]!r}; each is a category. Write them as 2023-01-05, or convert the column to moments.",
        )
    return writing


def _refuse_merged(column: Array, place: str) -> None:
    """Refuse integers as categories that float64, in which features are made, cannot tell apart."""
    if column.dtype.kind not in "iuf" or column.dtype.itemsize < 8:
        return
    with np.errstate(invalid="ignore"):
        large = ((column > _LARGEST_APART) | (column < -_LARGEST_APART)) & np.isfinite(column)
    if large.any():
        row = int(large.argmax())
        raise ValueError(
            f"row {row}, {place} is {column[row].item()!r}; expected categories up to 2**53, as larger integers merge "
            "in float64. Make the column text: .astype(str)."
        )


def learn_without_data(chain: Chain, n_columns: int) -> Learned:
    """Return what a chain makes of n columns, if it needs no data for that."""
    return Learned(n_columns, None, {}, _learn_chain(chain, ColumnStatistics(range(n_columns), None, None, {}, str)))


def _learn_chain(chain: Chain, statistics: ColumnStatistics) -> list[Feature]:
    for preparation in chain if statistics.columns else ():
        preparation.learn(statistics)
    return statistics.features()


def _chains(prepare: Prepare, categorical: Sequence[int], n_columns: int) -> list[tuple[Chain, Sequence[int]]]:
    """Return each chain of preparations with its columns."""
    if not isinstance(prepare, Columns):
        return [(prepare, range(n_columns))]
    of_categories = set(categorical)
    numeric = [j for j in range(n_columns) if j not in of_categories]
    return [(prepare.numeric, numeric), (prepare.categorical, categorical)]


def _named_categories(prepare: Prepare, table: TypedColumns) -> set[int] | None:
    """Return the columns of categories where they do not depend on the data; None where they do."""
    if isinstance(prepare, tuple):
        return set(range(table.n_columns) if prepare[0].categorical else ())
    if isinstance(prepare.categories, str):
        return None
    return {_find(name, table) for name in prepare.categories}


def _find(name: Name, table: TypedColumns) -> int:
    if table.names is not None and name in table.names:
        return table.names.index(name)
    if isinstance(name, int) and name < table.n_columns and not (table.names and isinstance(table.names[0], int)):
        return name
    from fastbp.support.suggestions import did_you_mean  # imported for error messages only

    meant = did_you_mean(name, table.names or ())
    raise ValueError(
        f"categories has {name!r}, which is not a column of {table.argument}; expected names of its columns, or "
        f"places from 0 to {table.n_columns - 1}.{' ' + meant if meant else ''}"
    )


def _categories_of(table: TypedColumns, j: int, column: TypedColumn, rows: NDArray[np.int64] | None) -> list[str]:
    """Return the categories of a column of text: those of its own dtype, else those that occur, sorted."""
    own = table.categories(j)
    if own is not None:
        return list(map(label_of, own))
    return column.levels_among(rows) if column.is_text else []
