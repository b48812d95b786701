"""Which columns of a table a model learns from, and how each is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_pandas
from fastbp.commands.identifiers import (
    EMPTY,
    Reason,
    are_whole,
    counts_rows,
    differs,
    names_codes,
    reason_against,
)
from fastbp.commands.plain_columns import as_text_column
from fastbp.data.columns import TypedColumn, read_column
from fastbp.data.writings import Writing, are_ambiguous_dates, find_writing, numbers_written, several_ways
from fastbp.data.written_moments import MomentWriting
from fastbp.support.checks import counted
from fastbp.support.suggestions import closest, listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MOST_LEVELS", "Choice", "Roles", "as_written", "choose_columns", "find_column", "text_of"]

MOST_LEVELS = 200  # different texts of a column that are told apart
_FEWEST_ROWS = 20  # in fewer, numbers that all differ mean little
_MANY_CODES = 20  # different codes, which are rather numbers than categories where nobody says it
_MOST_LISTED = 5  # names in a sentence


class Choice(NamedTuple):
    """What the user says about columns: names, each of which may be several with commas between them.

    ``weight`` is the one column that says how much each row counts.
    """

    drop: Sequence[str] = ()
    keep: Sequence[str] = ()
    ids: Sequence[str] = ()
    categorical: Sequence[str] = ()
    numeric: Sequence[str] = ()
    weight: str | None = None


class Roles(NamedTuple):
    """What becomes of the columns of a table.

    Attributes
    ----------
    X : DataFrame
        The columns to learn from: numbers, truths, moments, and text for categories.
    ids : list of str
        Columns that name the rows.
    notes : list of str
        Sentences about what was left out, and about what a column was read as.
    writings : dict of str to Writing
        How columns that are numbers or moments here are written in the file.
    """

    X: pd.DataFrame
    ids: list[str]
    notes: list[str]
    writings: dict[str, Writing]


def choose_columns(frame: pd.DataFrame, y: NDArray[Any] | None, is_class: bool, choice: Choice) -> Roles:
    """Return the columns to learn from.

    Parameters
    ----------
    frame : DataFrame
        The table without its target.
    y : ndarray of shape (n_rows,), or None
        The target: numbers, or the numbers of classes; None where it is not known.
    is_class : bool
        Which of these.
    choice : Choice

    Raises
    ------
    CommandError
        If a name of the choice is not a column, or stands in two places that contradict each other.
    """
    drop, keep, ids, categorical, numeric = _names_in(choice, frame)
    columns: dict[str, pd.Series] = {}
    writings: dict[str, Writing] = {}
    left_out: dict[Reason, list[str]] = {}
    remarks: list[str] = []
    for name in frame.columns:
        if name in drop or name in ids:
            continue
        column = _as_asked(frame[name], name in categorical, name in numeric)
        text = text_of(column)
        writing = None if text is None or name in categorical else find_writing(text)
        if name not in keep | categorical | numeric:
            reason = reason_against(column, text is not None and writing is None, y, is_class)
            if reason is not None:
                left_out.setdefault(reason, []).append(name)
                ids.update({name: None} if reason.names_rows else {})
                continue
        if writing is not None:
            writings[name] = writing
            column = as_written(column, writing)
        columns[name] = column
        if name not in categorical | numeric:
            remarks += _remarks(column, text, writing, name)
    if not columns:  # a doubtful column is better than none
        for reason in [reason for reason in left_out if reason.is_doubtful]:
            for name in left_out.pop(reason):
                columns[name] = frame[name]
                ids.pop(name)
                remarks.append(f"Column {name!r} {reason.of_one.rstrip(',')}; it is kept, as no other is left.")
    notes = [_left_out(reason, names) for reason, names in left_out.items()]
    X = require_pandas().DataFrame(columns, index=frame.index)
    return Roles(X, list(ids), notes + remarks, writings)


def _names_in(choice: Choice, frame: pd.DataFrame) -> list[dict[str, None]]:
    """Return the columns that each option names, in the order of ``Choice``."""
    options = ("--drop", "--keep", "--id", "--categorical", "--numeric")
    drop, keep, ids, categorical, numeric = (
        {name: None for value in names for name in _split(value, frame, option)}
        for option, names in zip(options, choice[:5], strict=True)
    )
    _refuse_contradictions({"--drop": drop, "--keep": keep, "--id": ids})
    _refuse_contradictions({"--drop": drop, "--categorical": categorical, "--numeric": numeric})
    return [drop, keep, ids, categorical, numeric]


def find_column(name: str, frame: pd.DataFrame, option: str) -> str:
    """Return the name of a column, or raise a CommandError that names those that are like it."""
    if name in frame.columns:
        return name
    meant = closest(name, frame.columns)
    if meant:
        raise CommandError(f"{option} is {name!r}, which is not a column of the table; did you mean {listed(meant)}?")
    raise CommandError(f"{option} is {name!r}; expected a column of the table: {listed(frame.columns, 20)}")


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


# -------------------------------------------------------------------------------------------- how it is read


def text_of(column: pd.Series) -> TypedColumn | None:
    """Return a column of text as what it holds; None for any other."""
    read = None if column.dtype.kind in "iufbmM" else read_column(column)
    return read if read is not None and read.is_text else None


def as_written(column: pd.Series, writing: Writing) -> pd.Series:
    """Return the numbers, or the moments, that a column of text writes."""
    pandas = require_pandas()
    text = text_of(column)
    assert text is not None
    numbers = pandas.Series(numbers_written(text, writing, ""), column.index, name=column.name)
    if isinstance(writing, MomentWriting) and writing.has_days:
        return pandas.to_datetime(numbers.mul(1e6).round(), unit="us")
    return numbers


def _as_asked(column: pd.Series, as_category: bool, as_number: bool) -> pd.Series:
    if as_category:
        return as_text_column(column)
    text = text_of(column) if as_number else None
    return column if text is None or find_writing(text) is not None else _only_numbers(column)


def _only_numbers(column: pd.Series) -> pd.Series:
    """Return the numbers of a column of text, or raise a CommandError with the first that is none."""
    numbers = require_pandas().to_numeric(column, errors="coerce")
    bad = numbers.isna() & column.notna()
    if bad.any():
        row = bad.idxmax()
        raise CommandError(
            f"--numeric has {column.name!r}, which is {column[row]!r} in row {row + 1}; expected a column of numbers"
        )
    return numbers


# ---------------------------------------------------------------------------------------------- sentences


def _left_out(reason: Reason, names: list[str]) -> str:
    shown = listed(names, _MOST_LISTED)
    if reason is EMPTY:
        return f"Column {shown} is empty and is left out." if len(names) == 1 else f"Columns {shown} are empty."
    if len(names) == 1:
        return f"Column {shown} {reason.of_one} and is left out; to keep it, pass --keep {_quoted(names[0])}."
    return f"{len(names)} columns {reason.of_several} and are left out: {shown}; to keep some, pass --keep."


def _remarks(column: pd.Series, text: TypedColumn | None, writing: Writing | None, name: str) -> list[str]:
    """Return a sentence about how a column is read, where it could be read in another way."""
    if text is None:
        return _remarks_on_numbers(column, name)
    return _remarks_on_words(text, name) if writing is None else _remarks_on_writing(writing, name)


def _remarks_on_numbers(column: pd.Series, name: str) -> list[str]:
    known = column.dropna() if column.dtype.kind in "iuf" else column[:0]
    if not len(known) or not are_whole(known):
        return []
    n_levels, where = known.nunique(), f"Column {name!r}"
    if differs(column) and len(column) >= _FEWEST_ROWS:
        if counts_rows(column):
            return [f"{where} numbers the rows and is kept as a trend; if it is none, pass --drop {_quoted(name)}."]
        return [f"{where} is different in every row; if it names the rows, pass --id {_quoted(name)}."]
    if MOST_LEVELS >= n_levels > _MANY_CODES and names_codes(name):
        codes = f"if its {n_levels} values are codes, pass --categorical {_quoted(name)}."
        return [f"{where} is read as numbers; {codes}"]
    return []


def _remarks_on_writing(writing: Writing, name: str) -> list[str]:
    gaps = f", and {' and '.join(map(repr, writing.gaps))} as missing" if writing.gaps else ""
    if isinstance(writing, MomentWriting):
        as_what = f"as {writing.what}"
    else:
        as_what = f"as the number {writing.read(writing.example):.10g}"
    return [
        f"Column {name!r} is text such as {writing.example!r}, which is read {as_what}{gaps}; if these are categories, "
        f"pass --categorical {_quoted(name)}."
    ]


def _remarks_on_words(text: TypedColumn, name: str) -> list[str]:
    where, n_levels = f"Column {name!r}", len(text.levels)
    if are_ambiguous_dates(text):
        return [
            f"{where} holds dates such as {text.levels[0]!r}, of which nobody can tell the day from the month; each is "
            "a category of its own. Write these dates as 2023-01-05 in the file."
        ]
    ways = several_ways(text)
    if ways is not None:
        return [
            f"{where} holds {counted(n_levels, 'different text')} such as {ways[0]!r} and {ways[1]!r}, each a "
            "category; if they are amounts, write them in one way in the file."
        ]
    return []


def _quoted(name: str) -> str:
    """Return a name as one word of a command line."""
    import shlex  # for messages only

    return shlex.quote(name)
