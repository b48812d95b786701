"""Which columns of a table a model learns from, and which are left out: identifiers, constants, what was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.errors import CommandError
from fastbp.commands.plain_columns import as_text_column
from fastbp.data.columns import TypedColumn, read_column
from fastbp.data.writings import are_ambiguous_dates, find_writing, numbers_written
from fastbp.data.written_moments import MomentWriting
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_LEVELS", "Choice", "Roles", "choose_columns", "find_column", "written_numbers"]

MOST_LEVELS = 200  # different texts of a column that are told apart
_FEWEST_ROWS = 20  # in fewer, numbers that all differ mean little
_LONGEST_NAME = 40  # letters of the name of a row; more are a text
_MOST_LISTED = 5  # names in a sentence
_DENSE = 2  # numbers that count rows leave out at most every second one
_TREND = 0.3  # a rank correlation with the target from which a column that counts is of use
_IDENTIFIERS = frozenset(
    ("id", "ids", "uuid", "guid", "identifier", "index", "idx", "rowid", "rownum", "rownames", "rowname", "serial")
)
_NAMES_OF_ROWS = frozenset(("row", "nr", "no", "number", "key", "#", "unnamed"))  # as the whole name
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|#")


class Choice(NamedTuple):
    """What the user says about columns: names, each of which may be several with commas between them."""

    drop: Sequence[str] = ()
    keep: Sequence[str] = ()
    ids: Sequence[str] = ()
    categorical: Sequence[str] = ()
    numeric: Sequence[str] = ()


class Roles(NamedTuple):
    """What becomes of the columns of a table.

    Attributes
    ----------
    X : DataFrame
        The columns to learn from, as they will be read.
    ids : list of str
        Columns that name the rows.
    notes : list of str
        Sentences about what was left out, and about what a column was read as.
    """

    X: pd.DataFrame
    ids: list[str]
    notes: list[str]


def choose_columns(frame: pd.DataFrame, y: NDArray[Any], is_class: bool, choice: Choice) -> Roles:
    """Return the columns to learn from.

    Parameters
    ----------
    frame : DataFrame
        The table without its target.
    y : ndarray of shape (n_rows,)
        The target: numbers, or the numbers of classes.
    is_class : bool
        Which of these.
    choice : Choice

    Raises
    ------
    CommandError
        If a name of the choice is not a column, or stands in two places that contradict each other.
    """
    drop, keep, ids, categorical, numeric = (
        {name: None for value in names for name in _split(value, frame, option)}
        for option, names in zip(("--drop", "--keep", "--id", "--categorical", "--numeric"), choice, strict=True)
    )
    _refuse_contradictions({"--drop": drop, "--keep": keep, "--id": ids})
    _refuse_contradictions({"--drop": drop, "--categorical": categorical, "--numeric": numeric})
    columns: dict[str, Any] = {}
    left_out: dict[_Reason, list[str]] = {}
    remarks: list[str] = []
    for name in frame.columns:
        if name in drop or name in ids:
            continue
        column = _as_asked(frame[name], name in categorical, name in numeric)
        text = _text_of(column)
        writing = None if text is None else find_writing(text)
        if name not in keep | categorical | numeric:
            reason = _reason_against(column, writing, y, is_class)
            if reason is not None:
                left_out.setdefault(reason, []).append(name)
                ids.update({name: None} if reason.names_rows else {})
                continue
        columns[name] = column
        remarks += _remarks_on_numbers(column, name) if text is None else _remarks_on_text(text, writing, name)
    notes = [_left_out(reason, names) for reason, names in left_out.items()]
    return Roles(frame[[]].assign(**columns), list(ids), notes + remarks)


def find_column(name: str, frame: pd.DataFrame, option: str) -> str:
    """Return the name of a column, or raise a CommandError that names those that are like it."""
    if name in frame.columns:
        return name
    import difflib  # for messages only

    plain = {known.strip().casefold(): known for known in frame.columns}
    close = [plain[each] for each in difflib.get_close_matches(name.strip().casefold(), plain, n=3)]
    if close:
        meant = " or ".join(map(repr, close))
        raise CommandError(f"{option} is {name!r}, which is not a column of the table; did you mean {meant}?")
    known = ", ".join(map(repr, frame.columns[:20])) + (", ..." if frame.shape[1] > 20 else "")
    raise CommandError(f"{option} is {name!r}; expected a column of the table: {known}")


def _split(value: str, frame: pd.DataFrame, option: str) -> list[str]:
    if value in frame.columns:
        return [value]
    return [find_column(name.strip(), frame, option) for name in value.split(",") if name.strip()]


def _refuse_contradictions(options: dict[str, dict[str, None]]) -> None:
    known: dict[str, str] = {}
    for option, names in options.items():
        for name in names:
            other = known.setdefault(name, option)
            if other != option:
                raise CommandError(f"column {name!r} is in {other} and in {option}; expected it in one of them")


def _as_asked(column: pd.Series, as_category: bool, as_number: bool) -> pd.Series:
    if as_category:
        return as_text_column(column)
    if as_number and column.dtype.kind not in "iufbmM":
        return written_numbers(column, "--numeric")
    return column


def written_numbers(column: pd.Series, why: str) -> pd.Series:
    """Return a column of text as the numbers that it writes, or raise a CommandError with the first that is none."""
    import pandas

    read = read_column(column.astype(object))
    writing = find_writing(read) if read.is_text else None
    if writing is not None:
        return pandas.Series(numbers_written(read, writing, ""), column.index, name=column.name)
    numbers = pandas.to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        row = bad.idxmax()
        raise CommandError(f"row {row + 1}: {column.name!r} is {column[row]!r}; expected numbers alone, for {why}")
    return numbers


# ------------------------------------------------------------------------------------------------ left out


class _Reason(NamedTuple):
    """Why columns are left out, in the words for one column and for several."""

    of_one: str
    of_several: str
    names_rows: bool = False


_EMPTY = _Reason("is empty", "are empty")
_CONSTANT = _Reason("is the same in every row", "are the same in every row")
_IDENTIFIER = _Reason(
    "is an identifier by its name, different in every row,",
    "are identifiers by their names, different in every row,",
    names_rows=True,
)
_NUMBERING = _Reason(
    "numbers the rows, in an order that has nothing to do with the target,",
    "number the rows, in an order that has nothing to do with the target,",
    names_rows=True,
)
_NAMES = _Reason("is text, different in every row,", "are text, different in every row,", names_rows=True)
_TEXTS = _Reason("is text, different in nearly every row,", "are text, different in nearly every row,")


def _left_out(reason: _Reason, names: list[str]) -> str:
    listed = ", ".join(map(repr, names[:_MOST_LISTED])) + (", ..." if len(names) > _MOST_LISTED else "")
    if reason is _EMPTY:
        return f"Column {listed} is empty and is left out." if len(names) == 1 else f"Columns {listed} are empty."
    if len(names) == 1:
        return f"Column {listed} {reason.of_one} and is left out; --keep {_quoted(names[0])} keeps it."
    return f"{len(names)} columns {reason.of_several} and are left out: {listed}; --keep keeps any of them."


def _text_of(column: pd.Series) -> TypedColumn | None:
    """Return a column of text as what it holds; None for any other."""
    read = None if column.dtype.kind in "iufbmM" else read_column(column)
    return read if read is not None and read.is_text else None


def _reason_against(column: pd.Series, writing: Any, y: NDArray[Any], is_class: bool) -> _Reason | None:
    """Return why a column is left out; None if it is not."""
    n_levels = column.nunique()
    if n_levels == 0:
        return _EMPTY
    if n_levels == 1 and not column.isna().any():
        return _CONSTANT
    if column.dtype.kind in "iuf":
        return _reason_against_numbers(column, n_levels, y, is_class)
    if column.dtype.kind in "bmM" or writing is not None:
        return None
    if n_levels == len(column) and column.astype(str).str.len().max() <= _LONGEST_NAME:
        return _NAMES if n_levels > 2 else None
    return _TEXTS if n_levels > max(len(column) // 2, 2) else None


def _reason_against_numbers(column: pd.Series, n_levels: int, y: NDArray[Any], is_class: bool) -> _Reason | None:
    if n_levels < len(column) or len(column) < _FEWEST_ROWS or not _are_whole(column):
        return None
    if names_rows(str(column.name)):
        return _IDENTIFIER
    if not _is_dense(column) or _follows(column.to_numpy(np.float64), y, is_class):
        return None
    return _NUMBERING


def names_rows(name: str) -> bool:
    """Return whether a name is that of an identifier: id, customer_id, PassengerId, Unnamed: 0."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(_IDENTIFIERS & set(words)) or (len(words) == 1 and words[0] in _NAMES_OF_ROWS) or not name.strip()


def _are_whole(column: pd.Series) -> bool:
    return column.dtype.kind in "iu" or bool((column % 1 == 0).all())


def _is_dense(column: pd.Series) -> bool:
    return bool(float(column.max()) - float(column.min()) < _DENSE * len(column))


def _follows(x: NDArray[np.float64], y: NDArray[Any], is_class: bool) -> bool:
    """Return whether a column that numbers the rows is related to the target by more than the order of the file.

    Rows sorted by their class would make any count of them a perfect column, and a useless one.
    """
    if is_class and bool((np.diff(x) > 0).all()):
        return False
    targets = (y == label for label in np.unique(y)) if is_class else iter([_ranks(y)])
    ranks = _ranks(x)
    return any(abs(np.corrcoef(ranks, target)[0, 1]) >= _TREND for target in targets)


def _ranks(values: NDArray[Any]) -> NDArray[np.intp]:
    return np.unique(values, return_inverse=True)[1]


# ------------------------------------------------------------------------------------------------- remarks


def _remarks_on_numbers(column: pd.Series, name: str) -> list[str]:
    """Return sentences about a column of whole numbers that could be something else."""
    if column.dtype.kind not in "iu" and not (column.dtype.kind == "f" and _are_whole(column.dropna())):
        return []
    n_levels = column.nunique()
    if n_levels == len(column) and _is_dense(column) and len(column) >= _FEWEST_ROWS:
        return [f"Column {name!r} numbers the rows and follows the target: it is kept; --drop {_quoted(name)} if not."]
    if MOST_LEVELS >= n_levels > 20 and names_codes(name):
        return [
            f"Column {name!r} is read as numbers; if its {n_levels} values are codes: --categorical {_quoted(name)}."
        ]
    return []


def names_codes(name: str) -> bool:
    """Return whether a name is that of a code: code, zip_code, StoreType, region_id."""
    words = {word.lower() for word in _WORDS.findall(name)}
    return bool(words & {"id", "code", "codes", "zip", "zipcode", "postcode", "type", "class", "category", "group"})


def _remarks_on_text(text: TypedColumn, writing: Any, name: str) -> list[str]:
    """Return a sentence about how a column of text is read, where that is not as it stands."""
    where = f"Column {name!r}"
    if writing is not None:
        gaps = [] if isinstance(writing, MomentWriting) else [repr(word) for word in writing.gaps]
        but = f", {' and '.join(gaps)} as missing" if gaps else ""
        return [
            f"{where} is text such as {writing.example!r} and is read as {writing.what}{but}; --categorical "
            f"{_quoted(name)} says otherwise."
        ]
    if are_ambiguous_dates(text):
        return [
            f"{where} holds dates such as {text.levels[0]!r}, of which nobody can tell the day from the month; each is "
            "a category of its own. Write them as 2023-01-05."
        ]
    n_levels = len(text.levels)
    if n_levels > MOST_LEVELS:
        return [
            f"{where} is text of {counted(n_levels, 'level')}: the {MOST_LEVELS} most common are told apart, all "
            "others are one."
        ]
    return []


def _quoted(name: str) -> str:
    """Return a name as one word of a command line."""
    import shlex  # for messages only

    return shlex.quote(name)
