"""Columns that no model learns from: those that name or count the rows, and those that are the same in every row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EMPTY", "Reason", "are_whole", "counts_rows", "differs", "names_codes", "reason_against"]

_FEWEST_ROWS = 20  # in fewer, numbers that all differ mean little
_LONGEST_NAME = 40  # letters of the name of a row; more are a text
_MOST_GAPS = 0.05  # of an identifier
_DENSE = 2  # numbers that count rows leave out at most every second one
_RELATED = 4.0  # standard errors of a correlation that is no accident
_FEWEST_SWITCHES = 3  # from class to class, a class: fewer, and the rows are sorted by it
_IDENTIFIERS = frozenset(("id", "ids", "uuid", "guid", "identifier", "rowid", "rownum", "rownames", "rowname"))
_PERHAPS = frozenset(("index", "idx", "serial"))  # a word for a quantity, too
_NAMES_OF_ROWS = frozenset(("row", "nr", "no", "number", "key", "#", "unnamed"))  # as the whole name
_TIMES = frozenset(
    ("t", "time", "date", "day", "week", "month", "year", "hour", "minute", "second", "step", "age", "period")
)
_CODES = frozenset(("id", "code", "codes", "zip", "zipcode", "postcode", "type", "class", "category", "group"))
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|#")


class Reason(NamedTuple):
    """Why columns are left out, in the words for one column and for several.

    Attributes
    ----------
    of_one, of_several : str
    names_rows : bool
        Whether such a column is written beside predictions.
    is_doubtful : bool
        Whether it could be of use all the same.
    """

    of_one: str
    of_several: str
    names_rows: bool = False
    is_doubtful: bool = False


EMPTY = Reason("is empty", "are empty")
_CONSTANT = Reason("is the same in every row", "are the same in every row")
_IDENTIFIER = Reason(
    "is an identifier by its name, different in every row,",
    "are identifiers by their names, different in every row,",
    names_rows=True,
)
_UNRELATED = Reason(
    "numbers the rows in an order that shows no relation to the target",
    "number the rows in an order that shows no relation to the target",
    names_rows=True,
    is_doubtful=True,
)
_SORTED = Reason(
    "counts the rows of a file that is sorted by the target",
    "count the rows of a file that is sorted by the target",
    names_rows=True,
    is_doubtful=True,
)
_NAMES = Reason("is text, different in every row,", "are text, different in every row,", names_rows=True)
_TEXTS = Reason("is text, different in nearly every row,", "are text, different in nearly every row,")


def reason_against(column: pd.Series, is_text: bool, y: NDArray[Any] | None, is_class: bool) -> Reason | None:
    """Return why a column is left out; None if it is not.

    Parameters
    ----------
    column : Series
    is_text : bool
        Whether it holds words, and not numbers or moments that are written as text.
    y : ndarray of shape (n_rows,), or None
        The target, numbers or the numbers of classes; None where it is not known.
    is_class : bool
        Which of these.
    """
    n_levels = column.nunique()
    if n_levels == 0:
        return EMPTY
    if n_levels == 1 and not column.isna().any():
        return _CONSTANT
    if column.dtype.kind in "iuf":
        return _reason_against_numbers(column, y, is_class)
    if not is_text:
        return None
    if differs(column) and column.dropna().astype(str).str.len().max() <= _LONGEST_NAME:
        return _NAMES if n_levels > 2 else None
    return _TEXTS if n_levels > max(len(column) // 2, 2) else None


def _reason_against_numbers(column: pd.Series, y: NDArray[Any] | None, is_class: bool) -> Reason | None:
    words = _words_of(str(column.name))
    if not differs(column) or len(column) < _FEWEST_ROWS or not are_whole(column.dropna()):
        return None
    if words & _IDENTIFIERS or not str(column.name).strip() or (words & _NAMES_OF_ROWS and len(words) == 1):
        return _IDENTIFIER
    if not counts_rows(column):
        return None
    there = column.notna().to_numpy()
    x = column[there].to_numpy(np.float64)
    if y is None:
        return _IDENTIFIER if words & _PERHAPS else None
    if is_class and not words & _TIMES and _is_sorted(x, y[there]):
        return _SORTED
    if _related(x, y[there], is_class):
        return None
    return _IDENTIFIER if words & _PERHAPS else _UNRELATED


def differs(column: pd.Series) -> bool:
    """Return whether all values differ, but for a few that are missing."""
    n_present = int(column.notna().sum())
    return bool(column.nunique() == n_present >= (1 - _MOST_GAPS) * len(column))


def are_whole(column: pd.Series) -> bool:
    """Return whether a column of numbers, none of which is missing, holds whole ones alone."""
    return column.dtype.kind in "iu" or bool((column % 1 == 0).all())


def counts_rows(column: pd.Series) -> bool:
    """Return whether whole numbers that differ leave out few between the smallest and the largest."""
    return bool(float(column.max()) - float(column.min()) < _DENSE * len(column))


def names_codes(name: str) -> bool:
    """Return whether a name is that of a code: code, zip_code, StoreType, region_id."""
    return bool(_words_of(name) & _CODES)


def _words_of(name: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(name)}


def _is_sorted(x: NDArray[np.float64], y: NDArray[Any]) -> bool:
    """Return whether the classes stand together when rows are in the order of x, and x is that of the file."""
    if not bool((np.diff(x) > 0).all()):
        return False
    return int(np.count_nonzero(np.diff(y))) < _FEWEST_SWITCHES * len(np.unique(y))


def _related(x: NDArray[np.float64], y: NDArray[Any], is_class: bool) -> bool:
    """Return whether neighbours in the order of x have like targets: a trend, a season, a jump, of any shape.

    That is the correlation of each target with the next one, against what it is in a random order.
    """
    in_order = y[np.argsort(x, kind="stable")]
    targets = [in_order == label for label in np.unique(y)] if is_class else [_ranks(in_order)]
    return any(_serial_correlation(target) > _RELATED / np.sqrt(len(y)) for target in targets)


def _serial_correlation(values: NDArray[Any]) -> float:
    centred = values - values.mean()
    square = float(np.square(centred).sum())
    return float((centred[1:] * centred[:-1]).sum()) / square if square else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.intp]:
    return np.unique(values, return_inverse=True)[1]
