"""How a preparation learns: which columns hold numbers, which categories, and each kind's way through its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.preparation.column_statistics import ColumnStatistics, Feature
from fastbp.preparation.columns import Chain, Columns, Prepare
from fastbp.preparation.learned import Learned, assemble, codes_of
from fastbp.preparation.tables import Name, TypedColumns, is_text, read_table

__all__ = ["learn", "learn_blindly"]


def learn(prepare: Prepare, values: ArrayLike, rows: NDArray[np.int64] | None, argument: str) -> Learned:
    """Return what a preparation learns from these rows of an array-like; None: from all.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to be learned from it.
    """
    table = read_table(values, argument)
    categorical = _categorical(prepare, table)
    texts = {j: _texts(table, j, rows) for j in categorical if is_text(table.column(j))}
    array = assemble(table, range(table.n_columns), {j: codes_of(found) for j, found in texts.items()})
    if isinstance(prepare, Columns):
        numeric = [j for j in range(table.n_columns) if j not in categorical]
        ways: list[tuple[Chain, Sequence[int]]] = [(prepare.numeric, numeric), (prepare.categorical, categorical)]
    else:
        ways = [(prepare, range(table.n_columns))]
    n_texts = {j: len(found) for j, found in texts.items()}
    features: list[Feature] = []
    for chain, columns in ways:
        draft = ColumnStatistics(columns, array, rows, n_texts, table.place)
        features += _draw_up(chain, draft)
    if not features:
        raise ValueError(f"nothing comes out of the preparation of {argument}; expected one feature at least.")
    return Learned(table.n_columns, table.names, texts, features)


def learn_blindly(chain: Chain, n_columns: int) -> Learned:
    """Return what a chain that must see no data makes of so many columns."""
    return Learned(n_columns, None, {}, _draw_up(chain, ColumnStatistics(range(n_columns), None, None, {}, str)))


def _draw_up(chain: Chain, draft: ColumnStatistics) -> list[Feature]:
    for preparation in chain if draft.columns else ():
        preparation.learn(draft)
    return draft.features()


def _categorical(prepare: Prepare, table: TypedColumns) -> list[int]:
    """Return the columns of categories."""
    if isinstance(prepare, tuple):
        return list(range(table.n_columns)) if prepare[0].categorical else []
    if isinstance(prepare.categories, str):
        return [j for j in range(table.n_columns) if table.is_category(j) or is_text(table.column(j))]
    return sorted(_find(name, table) for name in prepare.categories)


def _find(name: Name, table: TypedColumns) -> int:
    if table.names is not None and name in table.names:
        return table.names.index(name)
    if isinstance(name, int) and name < table.n_columns and not (table.names and isinstance(table.names[0], int)):
        return name
    raise ValueError(
        f"categories has {name!r}, and {table.argument} no such column; expected names of its columns, or places from "
        f"0 to {table.n_columns - 1}."
    )


def _texts(table: TypedColumns, j: int, rows: NDArray[np.int64] | None) -> list[str]:
    """Return the categories of a column of text."""
    own = table.categories(j)
    if own is not None:
        return [str(text) for text in own]
    column = table.column(j)
    return sorted(map(str, set((column if rows is None else column[rows]).tolist()) - {None}))
