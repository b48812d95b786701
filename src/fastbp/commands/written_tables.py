"""How a table of text is written, found out from its first rows: separator, decimal mark, heading and so on."""

from __future__ import annotations

import codecs
import collections
import csv
import io
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from fastbp.commands.errors import CommandError
from fastbp.data.written_numbers import is_gap

__all__ = [
    "BLANKS",
    "FALLBACK",
    "HEAD_BYTES",
    "Reading",
    "Way",
    "count_titles",
    "encoding_of",
    "find_heading",
    "find_way",
    "name_of",
]

HEAD_BYTES = 2**18  # of a file, from which the way of writing is found out
FALLBACK = "cp1252"  # of files that are not UTF-8: most of them were written by old programs on Windows
BLANKS = r"\s+"
_NOTHING = "\x1f"  # a character that no file has: all of a line is one field
_SEPARATORS = (",", ";", "\t", "|")
_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", BLANKS: "blanks", _NOTHING: "nothing"}
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_MOST_ROWS = 1000  # that are looked at
_MOST_TITLES = 10  # lines above the heading
_NEARLY_ALL = 0.95


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


class Way(NamedTuple):
    """How a file of text is written.

    Attributes
    ----------
    separator, encoding, decimal : str
    n_titles : int
        Lines above the heading, which are skipped.
    header : bool
    names : list of str
        Of the columns, as the heading has them, else numbers from 0.
    named_rows : bool
        Whether the first column, the names of the rows, has no heading, as R writes it.
    trailing : bool
        Whether a separator ends each line, after which there is nothing.
    """

    separator: str
    encoding: str
    decimal: str
    n_titles: int
    header: bool
    names: list[str]
    named_rows: bool
    trailing: bool


def name_of(separator: str) -> str:
    """Return what a sentence calls a separator."""
    return _NAMES.get(separator, repr(separator))


def encoding_of(head: bytes) -> str:
    """Return the encoding that the first bytes of a file tell; FALLBACK if they are not UTF-8."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        return FALLBACK
    return "utf-8"


def find_way(head: bytes, reading: Reading, encoding: str) -> Way:
    """Return how a file is written, from its first bytes and from what is said about it.

    Raises
    ------
    CommandError
        If it is empty, or if its heading does not fit the rows below.
    """
    try:
        text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    except LookupError:
        raise CommandError(f"cannot be read: --encoding is {encoding!r}, which is not known") from None
    if "\x00" in text:
        raise CommandError("cannot be read: it holds zero bytes. If it is UTF-16, pass --encoding utf-16")
    all_lines = text.splitlines(keepends=True)
    lines = [line for line in (all_lines if len(head) < HEAD_BYTES else all_lines[:-1]) if line.strip()]
    said = re.fullmatch(r"sep=(.)\s*", lines[0]) if lines else None  # as some versions of Excel write it
    separator = reading.separator or (said[1] if said else _find_separator(lines))
    rows = _rows(lines, separator, _MOST_ROWS)
    if not rows:
        raise CommandError("cannot be read: it is empty")
    n_titles = 1 if said else count_titles(rows)
    rows = rows[n_titles:]
    decimal = reading.decimal or ("," if separator != "," and _has_decimal_commas(rows) else ".")
    header = find_heading(rows, decimal) if reading.header is None else reading.header
    names, named_rows, trailing = _names(rows, header, separator)
    n_lines = all_lines.index(lines[n_titles]) if n_titles else 0
    return Way(separator, encoding, decimal, n_lines, header, names, named_rows, trailing)


def _find_separator(lines: Sequence[str]) -> str:
    """Return what splits nearly all rows into the same number of fields: with the fewest titles, the largest number."""
    best, most = _NOTHING, (0.5, -_MOST_TITLES, 1)
    for separator in _SEPARATORS:
        rows = _rows(lines, separator, 100)
        n_titles = count_titles(rows)
        widths = collections.Counter(map(len, rows[n_titles:]))
        if not widths:
            continue
        width, n_rows = widths.most_common(1)[0]
        if width == 1 or not 0 <= width - len(rows[n_titles]) <= (width > 2):
            continue
        share = n_rows / widths.total()
        most, best = max((most, best), ((1.0 if share >= _NEARLY_ALL else share, -n_titles, width), separator))
    if best == _NOTHING and len({len(line.split()) for line in lines[:100]}) == 1 and len(lines[0].split()) > 1:
        return BLANKS
    return best


def count_titles(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows stand above the heading: the first rows with one filled cell, where most have several."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    if len(rows) < 3 or sorted(filled)[len(rows) // 2] < 2:
        return 0
    n_titles = next((i for i, n in enumerate(filled) if n > 1), 0)
    return n_titles if n_titles <= _MOST_TITLES and find_heading(rows[n_titles:], ".") else 0


def _rows(lines: Sequence[str], separator: str, most: int) -> list[list[str]]:
    if separator == BLANKS:
        return [line.split() for line in lines[:most]]
    if len(separator) > 1:
        return [[cell.strip() for cell in line.rstrip("\r\n").split(separator)] for line in lines[:most]]
    reader = csv.reader(io.StringIO("".join(lines)), delimiter=separator, skipinitialspace=True)
    try:
        return list(itertools.islice(reader, most))
    except csv.Error:  # a quote that nothing closes
        return [line.rstrip("\r\n").split(separator) for line in lines[:most]]


def _has_decimal_commas(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether numbers have a decimal comma: some do, and no point can be anything but one of thousands."""
    cells = [cell.strip() for row in rows for cell in row]
    commas = any(re.fullmatch(r"[-+]?\d+(\.\d{3})*,\d+", cell) for cell in cells)
    points = (cell for cell in cells if re.fullmatch(r"[-+]?\d*\.\d+", cell))
    return commas and all(re.fullmatch(r"[-+]?[1-9]\d{0,2}(\.\d{3})+", cell) for cell in points)


def find_heading(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Return whether the first row has names: not so if it has numbers above the columns of numbers."""
    first, body = rows[0], rows[1:]
    above = [
        cell.strip()
        for cell, column in zip(first, itertools.zip_longest(*body, fillvalue=""), strict=False)
        if any(_is_number(each, decimal) for each in column)
        and all(_is_number(each, decimal) or is_gap(each) for each in column)
    ]
    above = [cell for cell in above if not is_gap(cell)]
    if any(_is_number(cell, decimal) and not cell.isdigit() for cell in above):  # nobody calls a column 2.092
        return False
    if not above or not all(cell.isdigit() for cell in above):
        return True
    return len(set(above)) == len(above) > 1 and all(re.fullmatch(r"(19|20)\d\d", cell) for cell in above)  # years


def _is_number(cell: str, decimal: str) -> bool:
    try:
        float(cell.strip().replace(decimal, "."))
    except ValueError:
        return False
    return not is_gap(cell)


def _names(rows: Sequence[Sequence[str]], header: bool, separator: str) -> tuple[list[str], bool, bool]:
    """Return the names of the columns, and two members of ``Way``: named_rows and trailing."""
    names, body = (list(rows[0]), rows[1:]) if header else ([str(j) for j in range(max(map(len, rows)))], rows)
    width = collections.Counter(map(len, body)).most_common(1)[0][0] if body else len(names)
    named_rows, trailing = False, width > 1 and _all_end_empty(body, width)
    if trailing and width == len(names) and (not names[-1].strip() or not header):
        names.pop()
    elif width <= len(names):
        trailing = False  # a column with a name, and without a value
    if width > len(names) + trailing:
        if width > len(names) + 1 or not _are_row_names([row[0] for row in body]):
            raise CommandError(
                f"has {len(names)} names in its first row and {width} fields in the rows below. If "
                f"{name_of(separator)} does not separate them, pass --sep"
            )
        names, named_rows = ["row", *names], True
    for name, count in collections.Counter(filter(None, names)).items():
        if count > 1:
            raise CommandError(f"has two columns that are called {name!r}; expected names that differ")
    return [name or f"Unnamed: {j}" for j, name in enumerate(names)], named_rows, trailing


def _all_end_empty(rows: Sequence[Sequence[str]], width: int) -> bool:
    return bool(rows) and not any(row[width - 1].strip() for row in rows if len(row) == width)


def _are_row_names(cells: Sequence[str]) -> bool:
    """Return whether cells are names of rows, as R writes them: 1, 2, 3 and so on, or text that differs."""
    if cells == [str(i + 1) for i in range(len(cells))]:
        return True
    return len(set(cells)) == len(cells) and not any(_is_number(cell, ".") for cell in cells)
