"""The rows of a table for private training: each is read by itself, by what a schema says, and no message tells of one.

What becomes of a row depends on no other row: how the file is written, and what its columns hold, is not found out from
it. A row that cannot be read, or has no target, is not there; a cell that cannot be read is missing.
"""

from __future__ import annotations

import csv
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.errors import CommandError, MissingPackageError
from fastbp.commands.extras import require_pandas
from fastbp.commands.files import TableFile, find_file
from fastbp.commands.plain_columns import as_text_column
from fastbp.commands.tables import read_table
from fastbp.commands.written_tables import BLANKS, Reading
from fastbp.privacy.schema import ColumnSchema, Schema, is_separator
from fastbp.support.suggestions import listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableRows", "read_rows"]


class TableRows(NamedTuple):
    """Rows as the schema reads them.

    Attributes
    ----------
    X : DataFrame
        The columns that are learned from: numbers within their range, NaN where they are missing; known categories as
        text, else None.
    y : ndarray of shape (n_rows,)
        Class numbers in the order of the schema's categories, or numbers.
    """

    X: pd.DataFrame
    y: NDArray[Any]


def read_rows(path: Path, schema: Schema, target: str, reading: Reading | None) -> TableRows:
    """Return the rows of a file that have a target.

    Parameters
    ----------
    path : Path
    schema : Schema
    target : str
    reading : Reading or None
        What is said about the file; it goes before what the schema says.

    Raises
    ------
    CommandError
        If the file does not exist, has another format or lacks a column of the schema; no row and no value is told.
    """
    pandas = require_pandas()
    said = _said(schema, reading)
    used = [name for name, each in schema.columns.items() if each.kind != "ignore"]
    file = find_file(path)
    texts = _texts_of_csv(file, said, used) if file.format in ("csv", "tsv") else _texts_of(file, said, used)
    decimal = said.decimal or "."
    columns = {name: _read(pandas, texts[name], schema.columns[name], decimal) for name in used}
    y = columns.pop(target)
    if schema.columns[target].kind == "category":
        numbers = {str(level): number for number, level in enumerate(schema.columns[target].values)}
        y = y.map(numbers).astype(float)
    known = y.notna().to_numpy()
    is_class = schema.columns[target].kind == "category"
    X = pandas.DataFrame(columns)[known].reset_index(drop=True)
    return TableRows(X, y[known].to_numpy(np.int64 if is_class else np.float64))


def _said(schema: Schema, reading: Reading | None) -> Reading:
    """Return how the file is written, by the command line, else by the schema."""
    reading = reading or Reading()
    return Reading(*(schema.reading.get(name) if value is None else value for name, value in reading._asdict().items()))


def _read(pandas: Any, texts: Any, column: ColumnSchema, decimal: str) -> Any:
    """Return a column of text as numbers within their range, or as known categories."""
    texts = pandas.Series(texts, dtype=object).str.strip()
    if column.kind == "category":
        levels = set(map(str, column.values))
        return texts.where(texts.isin(levels), None)
    if decimal == ",":
        texts = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    numbers = pandas.Series([_number(text) for text in texts], dtype=np.float64)
    return numbers.clip(column.values[0], column.values[-1])


def _number(text: Any) -> float:
    """Return the number in a cell, NaN where there is none: cell by cell, as pandas' own conversion mixes them."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


# ------------------------------------------------------------------------------------------------ files of text


def _texts_of_csv(file: TableFile, said: Reading, used: Sequence[str]) -> dict[str, list[str | None]]:
    """Return the columns of a file of text, line by line: a quotation mark that nothing closes ends with its line."""
    separator = said.separator or ("\t" if file.format == "tsv" else ",")
    if not is_separator(separator):
        raise CommandError(f"--sep is {separator!r}; expected one character, such as , ; | or tab")
    encoding = said.encoding or "utf-8"
    try:
        codec = "utf-8-sig" if encoding == "utf-8" else encoding
        with file.open() as contents, io.TextIOWrapper(contents, codec, errors="replace") as lines:
            rows = _split_lines(lines, separator)
            first = next(rows, None)
            if first is None:
                raise CommandError(f"{file.name!r} is empty; expected a table")
            names = _names(first) if said.header is not False else [str(j) for j in range(len(first))]
            _require(used, names, file.name)
            whole = [] if said.header is not False else [first]
            whole += [row for row in rows if len(row) == len(names)]
    except LookupError:
        raise CommandError(f"--encoding is {encoding!r}, which is not known") from None
    except UnicodeError:  # no mark at the beginning: of a row nothing is told, as what cannot be read is replaced
        raise CommandError(f"--encoding is {encoding!r}, in which the file is not written") from None
    except ImportError as error:
        raise CommandError(f"{file.name!r} needs a package that is not installed: {error}") from None
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
    ):  # damaged, or truncated where it was compressed
        raise _unreadable(file) from None
    places = {name: names.index(name) for name in used}
    return {name: [row[j] or None for row in whole] for name, j in places.items()}


def _split_lines(lines: io.TextIOWrapper, separator: str) -> Iterator[list[str]]:
    for line in lines:
        text = line.rstrip("\r\n")
        if separator == BLANKS:
            fields = text.split()
        else:
            try:
                fields = next(csv.reader([text], delimiter=separator, skipinitialspace=True), [])
            except csv.Error:
                continue
        if fields:
            yield fields


def _names(heading: Sequence[str]) -> list[str]:
    return [name.strip() or f"Unnamed: {j}" for j, name in enumerate(heading)]


def _require(used: Sequence[str], names: Sequence[str], source: str) -> None:
    missing = [name for name in used if name not in names]
    if missing:
        raise CommandError(
            f"{source!r} has no column {listed(missing)}, which the schema has; expected the columns' names in its "
            "first line. Correct the schema, or say how the file is written: --sep, --encoding, --header"
        )


# ----------------------------------------------------------------------------------------------- other formats


def _texts_of(file: TableFile, said: Reading, used: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a file whose format says what they hold, as text."""
    table = None
    try:
        table = read_table(file, said, used)
    except MissingPackageError:
        raise
    except CommandError:  # the message may tell of a row; what is raised below has it not attached
        pass
    if table is None:
        raise _unreadable(file)
    _require(used, list(table.frame.columns), file.name)
    return {name: as_text_column(table.frame[name]) for name in used}


def _unreadable(file: TableFile) -> CommandError:
    return CommandError(
        f"{file.name!r} cannot be read; why is not told, as it may tell of a row. `fastbp inspect` tells it where "
        "nobody else reads"
    )
