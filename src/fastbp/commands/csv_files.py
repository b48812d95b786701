"""Files of text: how one is written, found out from its first rows where nobody says it, and its rows as a frame."""

from __future__ import annotations

import codecs
import collections
import csv
import io
import itertools
import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_pandas
from fastbp.data.written_numbers import GAP_WORDS
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Reading", "read_csv"]

_HEAD = 2**18  # bytes from which the way of writing is found out
_MOST_ROWS = 1000  # of these
_SEPARATORS = (",", ";", "\t", "|")
_BLANKS = r"\s+"
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", _BLANKS: "blanks"}
_FALLBACK = "cp1252"  # of files that are not UTF-8: most of them were written by old programs on Windows
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_CLEAR_GAPS = frozenset(("na", "n/a", "n.a.", "nan", "-nan", "null", "none", "nil", "<na>", "nat", "#n/a", "missing"))
_LEADING_ZERO = re.compile(r"0\d+")


class Reading(NamedTuple):
    """How a file is to be read; None is to be found out.

    Attributes
    ----------
    separator, encoding, decimal : str or None
        Of a file of text.
    header : bool or None
        Whether the first row has the names of the columns.
    sheet : str or None
        Of a workbook, its name, or its number from 1; None is the first.
    """

    separator: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    header: bool | None = None
    sheet: str | None = None


class _Way(NamedTuple):
    """How a file of text is written."""

    separator: str
    encoding: str
    decimal: str
    header: bool
    names: list[str]  # as the first row has them, or numbers from 0
    as_text: set[str]  # columns of whole numbers with leading zeros: codes


def read_csv(
    open_file: Callable[[], BinaryIO], reading: Reading, as_text: Collection[str], separator: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Return a file of text as a frame, and sentences about what was found out.

    An empty field is missing, and a word such as NA or nan only in a column of numbers.

    Parameters
    ----------
    open_file : callable
        Returns the file, opened for reading bytes.
    reading : Reading
    as_text : collection of str
        Columns that are text whatever they look like.
    separator : str or None
        What the name of the file says.

    Raises
    ------
    CommandError
        If two columns have one name.
    """
    with open_file() as file:
        head = file.read(_HEAD)
    said = reading._replace(separator=reading.separator or separator)
    guesses: list[str] = []
    way = _find_way(head, said, said.encoding or _encoding_of(head, guesses))
    try:
        frame = _read(open_file, way, as_text)
    except UnicodeDecodeError as error:
        if reading.encoding is not None or way.encoding == _FALLBACK:
            raise CommandError(f"is not written in {way.encoding}: {error}; pass its --encoding") from None
        way = _find_way(head, said, _FALLBACK)
        guesses = [_not_utf8()]
        frame = _read(open_file, way, as_text)
    guesses += _guesses(way, said, frame)
    for name in frame.columns:
        if name not in as_text and (frame[name].dtype == object or str(frame[name].dtype).startswith("str")):
            column = frame[name]
            frame[name] = with_gaps(column)
            if frame[name].dtype != column.dtype:
                guesses += _odd_gaps(column, frame[name])
    return frame, guesses


def _read(open_file: Callable[[], BinaryIO], way: _Way, as_text: Collection[str]) -> pd.DataFrame:
    pandas = require_pandas()
    text = {name: str for name in way.names if name in as_text or name in way.as_text}
    with open_file() as file:
        try:
            frame: pd.DataFrame = pandas.read_csv(
                file,
                sep=way.separator,
                encoding=way.encoding,
                decimal=way.decimal,
                header=0 if way.header else None,
                names=way.names,
                dtype=text,
                index_col=False if way.separator != _BLANKS else None,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=[""],
                **({} if way.separator == _BLANKS else {"low_memory": False}),
            )
        except pandas.errors.ParserError as error:
            line = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
            if line is None:
                raise
            raise CommandError(
                f"has {line[3]} fields in line {line[2]}; expected {line[1]}. If {_name_of(way.separator)} does not "
                "separate them, pass --sep."
            ) from None
    return frame


def with_gaps(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers or booleans, if it holds nothing else but words for a missing value."""
    pandas = require_pandas()
    filled = column.dropna()
    known = filled[~filled.astype(str).str.strip().str.lower().isin(GAP_WORDS)]
    if len(known) == 0 or len(known) == len(filled):
        return column
    if known.isin(["True", "False"]).all():
        return column.map({"True": True, "False": False})
    if known.astype(str).str.fullmatch(_LEADING_ZERO).any():
        return column
    numbers = pandas.to_numeric(known, errors="coerce")
    return column if numbers.isna().any() else numbers.reindex(column.index)


def _odd_gaps(column: pd.Series, read: pd.Series) -> list[str]:
    """Return a sentence about what was taken for a missing number, unless it says so itself, as NA and null do."""
    words = column[read.isna() & column.notna()].str.strip()
    odd = words[~words.str.lower().isin(_CLEAR_GAPS)]
    if not len(odd):
        return []
    listed = ", ".join(map(repr, sorted(odd.unique())))
    return [
        f"Column {column.name!r} holds numbers but for {counted(len(odd), 'cell')} of {listed}, taken for missing; "
        "--categorical says otherwise."
    ]


# ------------------------------------------------------------------------------------------- finding it out


def _encoding_of(head: bytes, guesses: list[str]) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        guesses.append(_not_utf8())
        return _FALLBACK
    return "utf-8"


def _not_utf8() -> str:
    return f"The file is not UTF-8 and is read as {_FALLBACK}; --encoding says otherwise."


def _find_way(head: bytes, reading: Reading, encoding: str) -> _Way:
    try:
        text = head.decode(encoding, errors="replace")
    except LookupError:
        raise CommandError(f"cannot be read: --encoding is {encoding!r}, which is not known") from None
    lines = text.splitlines(keepends=True)
    lines = [line for line in (lines if len(head) < _HEAD else lines[:-1]) if line.strip()]
    separator = reading.separator or _find_separator(lines)
    rows = _rows(lines, separator, _MOST_ROWS)
    if not rows:
        raise CommandError("cannot be read: it is empty")
    decimal = reading.decimal or ("," if separator != "," and _has_decimal_commas(rows) else ".")
    header = _has_header(rows, decimal) if reading.header is None else reading.header
    names = [cell.strip("\ufeff") for cell in rows[0]] if header else [str(j) for j in range(len(rows[0]))]
    if header and len(rows) > 1 and all(len(row) == len(names) + 1 for row in rows[1:]):
        names = ["row", *names]  # R writes the names of rows without a heading
    _refuse_repeated(names)
    names = [name or f"Unnamed: {j}" for j, name in enumerate(names)]
    body = rows[1:] if header else rows
    return _Way(separator, encoding, decimal, header, names, _codes(names, body))


def _find_separator(lines: Sequence[str]) -> str:
    """Return what splits all rows, or nearly all, into the same number of fields, the largest such number."""
    best, most = ",", (0.0, 1)
    for separator in _SEPARATORS:
        counts = collections.Counter(map(len, _rows(lines, separator, 100)))
        if not counts:
            continue
        width, n_rows = counts.most_common(1)[0]
        share = n_rows / counts.total()
        rank = (1.0 if share > 0.95 else share, width)
        if width > 1 and rank > most:
            best, most = separator, rank
    if most[1] == 1 and len({len(line.split()) for line in lines[:100]}) == 1 and len(lines[0].split()) > 1:
        return _BLANKS
    return best


def _rows(lines: Sequence[str], separator: str, most: int) -> list[list[str]]:
    if separator == _BLANKS:
        return [line.split() for line in lines[:most]]
    if len(separator) > 1:
        return [re.split(separator, line.rstrip("\r\n")) for line in lines[:most]]
    reader = csv.reader(io.StringIO("".join(lines)), delimiter=separator, skipinitialspace=True)
    try:
        return list(itertools.islice(reader, most))
    except csv.Error:  # a quote that nothing closes
        return [line.rstrip("\r\n").split(separator) for line in lines[:most]]


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    cells = [cell.strip() for row in rows for cell in row]
    commas = any(re.fullmatch(r"[-+]?\d+,\d+", cell) for cell in cells)
    return commas and not any(re.fullmatch(r"[-+]?\d+\.\d+", cell) for cell in cells)


def _has_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Return whether the first row has names: not so if it has a number above each column of numbers."""
    first, body = rows[0], rows[1:]
    above = [
        cell
        for cell, column in zip(first, itertools.zip_longest(*body, fillvalue=""), strict=False)
        if any(_is_number(each, decimal) for each in column)
        and all(_is_number(each, decimal) or each.strip().lower() in GAP_WORDS for each in column)
    ]
    if not above or not all(_is_number(cell, decimal) for cell in above):
        return True
    return len(set(above)) == len(above) > 1 and all(re.fullmatch(r"(19|20)\d\d", cell) for cell in above)  # years


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.strip().replace(decimal, "."))
    except ValueError:
        return False
    return cell.strip().lower() not in GAP_WORDS


def _codes(names: Sequence[str], body: Sequence[Sequence[str]]) -> set[str]:
    """Return the columns of whole numbers of which some begin with a zero: as numbers they would lose it."""
    found = set()
    for name, column in zip(names, itertools.zip_longest(*body, fillvalue=""), strict=False):
        cells = [cell.strip() for cell in column if cell.strip()]
        if any(map(_LEADING_ZERO.fullmatch, cells)) and all(map(str.isdigit, cells)):
            found.add(name)
    return found


def _refuse_repeated(names: Sequence[str]) -> None:
    for name, count in collections.Counter(filter(None, names)).items():
        if count > 1:
            raise CommandError(f"two columns are called {name!r}; expected names that differ")


def _guesses(way: _Way, said: Reading, frame: pd.DataFrame) -> list[str]:
    """Return sentences about what was found out that could be wrong."""
    guesses = []
    if said.separator is None and frame.shape[1] == 1:
        guesses.append("The file is read as one column; if something separates several, pass --sep.")
    elif said.separator is None and way.separator != ",":
        guesses.append(f"Fields are separated by {_name_of(way.separator)}; --sep says otherwise.")
    if said.decimal is None and way.decimal != ".":
        guesses.append("Numbers are read with a decimal comma; --decimal . says otherwise.")
    if said.header is None and not way.header:
        last = way.names[-1]
        guesses.append(f"The first row is read as data, and columns are called 0 to {last}; --header says otherwise.")
    codes = [name for name in frame.columns if name in way.as_text]
    if codes:
        listed = ", ".join(map(repr, codes))
        guesses.append(
            f"{counted(len(codes), 'column')} of numbers with leading zeros {'is' if len(codes) == 1 else 'are'} read "
            f"as text: {listed}; --numeric says otherwise."
        )
    return guesses


def _name_of(separator: str) -> str:
    return _NAMES.get(separator, repr(separator))
