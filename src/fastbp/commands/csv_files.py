"""Files of text, read as frames, with sentences about what was found out."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_pandas
from fastbp.commands.written_tables import (
    BLANKS,
    FALLBACK,
    HEAD_BYTES,
    Reading,
    Way,
    encoding_of,
    find_way,
    name_of,
)
from fastbp.data.written_numbers import GAP_WORDS
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_csv", "way_of", "with_gaps"]

_NOTHING = "\x00"  # the name of what stands behind the last separator
_CHUNK = 2**24  # bytes that are searched at a time
_CLEAR_GAPS = frozenset(("na", "n/a", "n.a.", "nan", "-nan", "null", "none", "nil", "<na>", "nat", "#n/a", "missing"))
_LEADING_ZERO = re.compile(r"[-+]?0\d+")
_OTHER_WIDTH = re.compile("Length of header or names|Number of passed names")  # of the first row below the names
_GROUPED = re.compile(r"\s*[-+]?(?:\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d+)?\s*")  # in a file with decimal commas

OpenFile = Callable[[], BinaryIO]


def read_csv(
    open_file: OpenFile, reading: Reading, as_text: Collection[str], separator: str | None
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
        If two columns have one name, or rows do not fit the heading.
    """
    said = reading._replace(separator=reading.separator or separator)
    head, way = _head_and_way(open_file, said)
    try:
        frame = _read(open_file, way, as_text)
    except UnicodeDecodeError as error:
        if reading.encoding is not None or way.encoding == FALLBACK:
            raise CommandError(f"is not written in {way.encoding}: {error}; pass its --encoding") from None
        way = find_way(head, said, FALLBACK)
        frame = _read(open_file, way, as_text)
    notes = _guesses(way, said)
    columns, zeros = {name: frame[name] for name in frame.columns}, _leading_zeros(open_file, way, frame)
    columns |= zeros
    columns = _without_repeated_heading(columns, way, notes)
    for name in columns.keys() - zeros.keys() - set(as_text):
        columns[name] = _as_numbers(columns[name], way.decimal, notes)
    if zeros:
        listed = ", ".join(map(repr, zeros))
        one = len(zeros) == 1
        notes.append(
            f"{counted(len(zeros), 'column')} of numbers with leading zeros {'is' if one else 'are'} read as text: "
            f"{listed}; if {'it holds' if one else 'they hold'} amounts, pass --numeric."
        )
    return require_pandas().DataFrame(columns), notes


def way_of(open_file: OpenFile, reading: Reading, separator: str | None) -> Way:
    """Return how a file of text is written, found out from its beginning; arguments as for ``read_csv``."""
    return _head_and_way(open_file, reading._replace(separator=reading.separator or separator))[1]


def _head_and_way(open_file: OpenFile, said: Reading) -> tuple[bytes, Way]:
    with open_file() as file:
        head = file.read(HEAD_BYTES)
    return head, find_way(head, said, said.encoding or encoding_of(head))


def _read(open_file: OpenFile, way: Way, as_text: Collection[str], only: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the rows as pandas reads them, of all columns or of some."""
    pandas = require_pandas()
    text = {name: str for name in way.names if name in as_text}
    names = [*way.names, _NOTHING] if way.trailing else way.names
    separator, options = _separated(way.separator)
    with open_file() as file, warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            frame: pd.DataFrame = pandas.read_csv(
                file,
                sep=separator,
                encoding=way.encoding,
                decimal=way.decimal,
                skiprows=way.n_titles,
                header=0 if way.header else None,
                names=names,
                usecols=only,
                dtype=text,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=[""],
                **options,
            )
        except UnicodeError:  # of another encoding
            raise
        except (ValueError, pandas.errors.ParserWarning) as error:
            raise CommandError(_unreadable(str(error), way)) from None
    if way.trailing and only is None:
        rest = frame.pop(_NOTHING)
        if rest.notna().any():
            raise CommandError(f"has a field without a name in row {rest.first_valid_index() + 1}; expected none")
    return frame


def _separated(separator: str) -> tuple[str, dict[str, Any]]:
    """Return what pandas calls a separator, and what else it has to be told to read with it."""
    if separator == BLANKS:
        return separator, {}
    if len(separator) > 1:  # which pandas takes for a pattern
        return re.escape(separator), {"engine": "python", "index_col": False}
    return separator, {"low_memory": False, "index_col": False}


def _unreadable(error: str, way: Way) -> str:
    """Return what is wrong with rows, in words for whoever wrote the file."""
    separates = f"If {name_of(way.separator)} does not separate them, pass --sep"
    if _OTHER_WIDTH.search(error) is not None:
        return f"has {len(way.names)} names in its first row and another number of fields in the row below. {separates}"
    line = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", error)
    if line is not None:
        return f"has {line[3]} fields in line {line[2]}; expected {line[1]}. {separates}"
    quote = re.search(r"EOF inside string starting at row (\d+)", error)
    if quote is not None:
        line_number = int(quote[1]) + way.n_titles + 1
        return f'has a quotation mark (") in line {line_number} that nothing closes'
    return f"cannot be read: {error}"


# ------------------------------------------------------------------------------------ columns as they were meant


def _leading_zeros(open_file: OpenFile, way: Way, frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Return, as text, the columns of whole numbers of which some begin with a zero: codes, which would lose it."""
    whole = [name for name in frame.columns if frame[name].dtype.kind in "iu"]
    if not whole or not _has_leading_zeros(open_file, way):
        return {}
    texts = _read(open_file, way, whole, whole)
    return {name: texts[name] for name in whole if texts[name].str.fullmatch(_LEADING_ZERO).fillna(False).any()}


def _has_leading_zeros(open_file: OpenFile, way: Way) -> bool:
    """Return whether some field of the file may begin with a zero and another digit."""
    before = b"\\s" if way.separator == BLANKS else re.escape(way.separator.encode())
    pattern = re.compile(rb'(?:^|[\s"+-]|' + before + rb")0\d")
    if way.encoding.startswith("utf-16"):
        return True
    tail = b"\n"
    with open_file() as file:
        while chunk := file.read(_CHUNK):
            if pattern.search(tail + chunk):
                return True
            tail = chunk[-4:]
    return False


def _without_repeated_heading(columns: dict[str, Any], way: Way, notes: list[str]) -> dict[str, Any]:
    """Return columns without the rows that repeat the heading, as files do that were joined."""
    if not way.header or not all(_is_text(column) for column in columns.values()):
        return columns
    repeated: Any = True
    for name, column in columns.items():
        repeated = repeated & (column.str.lstrip("\ufeff") == name).fillna(False).astype(bool)
    if not repeated.any():
        return columns
    n = int(repeated.sum())
    notes.append(
        "A row below repeats the heading: left out." if n == 1 else f"{n:,} rows below repeat the heading: left out."
    )
    pandas = require_pandas()
    kept = {}
    for name, column in columns.items():
        rest = column[~repeated].reset_index(drop=True)
        numbers = pandas.to_numeric(rest, errors="coerce")
        kept[name] = rest if (numbers.isna() & rest.notna()).any() else numbers
    return kept


def _is_text(column: pd.Series) -> bool:
    return column.dtype == object or str(column.dtype).startswith("str")


def _as_numbers(column: pd.Series, decimal: str, notes: list[str]) -> pd.Series:
    """Return a column of text as the numbers that it holds besides words for gaps, if it holds nothing else."""
    if not _is_text(column):
        return column
    if decimal == "," and column.dropna().str.fullmatch(_GROUPED).all() and column.notna().any():
        return column.str.replace(".", "").str.replace(",", ".").astype(float)
    read = with_gaps(column)
    if read.dtype != column.dtype:
        notes += _odd_gaps(column, read)
    return read


def with_gaps(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers or booleans, if it holds nothing else but words for a missing value."""
    pandas = require_pandas()
    filled = column.dropna()
    words = filled.astype(str).str.strip().str.lower()
    known = filled[~words.isin(GAP_WORDS)]
    if len(known) == 0 or len(known) == len(filled):
        return column
    if set(known) == {"True", "False"}:
        clear = words[words.isin(GAP_WORDS)].isin(_CLEAR_GAPS).all()
        return column.map({"True": True, "False": False}) if clear else column
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
        f"Column {column.name!r} holds numbers, and {listed} in {counted(len(odd), 'row')}, which is read as missing; "
        "if it is a category, pass --categorical."
    ]


def _guesses(way: Way, said: Reading) -> list[str]:
    """Return sentences about what was found out that could be wrong."""
    guesses = []
    if said.encoding is None and way.encoding == FALLBACK:
        guesses.append(f"The file is not UTF-8 and is read as {FALLBACK}; if it is not that, pass --encoding.")
    if way.n_titles:
        are = "is" if way.n_titles == 1 else "are"
        guesses.append(f"{counted(way.n_titles, 'line')} above the heading {are} skipped.")
    if said.separator is None and len(way.names) == 1:
        guesses.append("The file is read as one column; if something separates several, pass --sep.")
    elif said.separator is None and way.separator != ",":
        guesses.append(f"Fields are separated by {name_of(way.separator)}; if not, pass --sep.")
    if said.decimal is None and way.decimal != ".":
        guesses.append("Numbers have a decimal comma; if not, pass --decimal .")
    if said.header is None and not way.header:
        last = way.names[-1]
        guesses.append(f"The first row is read as data, and columns are 0 to {last}; if it has names, pass --header.")
    if way.named_rows:
        guesses.append("The first column has no heading: it is read as the names of the rows, called 'row'.")
    return guesses
