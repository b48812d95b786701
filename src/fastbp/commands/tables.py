"""Tables of all formats, read by pandas and NumPy as data frames for the library, and written."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from fastbp.commands.console import give_up_output
from fastbp.commands.csv_files import read_csv
from fastbp.commands.errors import CommandError, MissingPackageError
from fastbp.commands.extras import require_pandas
from fastbp.commands.files import COMPRESSED, PIPE, TableFile, find_file
from fastbp.commands.json_files import read_json
from fastbp.commands.plain_columns import as_text_column, plain_column
from fastbp.commands.written_tables import Reading, count_titles, find_heading
from fastbp.support.checks import counted
from fastbp.support.replacement import replace_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "read_table", "write_table", "writer_of"]


Writer: TypeAlias = "Callable[[pd.DataFrame, IO[Any], Path], None]"


class Table(NamedTuple):
    """A file that was read.

    Attributes
    ----------
    name : str
        What messages call the file.
    frame : DataFrame
        Its names are text; each column holds numbers, booleans, moments, categories or text. Its index counts the rows.
    notes : list of str
        Sentences about what was found out about the file, and about columns that hold none of these.
    left_out : list of str
        These columns.
    """

    name: str
    frame: pd.DataFrame
    notes: list[str]
    left_out: list[str]


def read_table(
    source: Path | TableFile, reading: Reading | None = None, as_text: Collection[str] = (), fewest_rows: int = 1
) -> Table:
    """Return a file as a table.

    An NPY file holds a matrix, whose columns are called "0", "1" and so on; an NPZ file matrices and vectors, whose
    columns are called "X.0", or "y" for a vector, after their arrays' names.

    Parameters
    ----------
    source : Path or TableFile
        "-" is the standard input; a file that ``find_file`` has found is not looked for again.
    reading : Reading, optional
        What is known about the file.
    as_text : collection of str
        Columns that are text whatever they look like: "012" stays what it is, and the number 12 becomes "12".
    fewest_rows : int
        That it must have.

    Raises
    ------
    CommandError
        If the file does not exist, has another format or is damaged.
    """
    require_pandas()
    file = source if isinstance(source, TableFile) else find_file(source)
    notes: list[str] = []
    try:
        frame = _read(file, reading or Reading(), as_text, notes)
    except CommandError as error:
        raise CommandError(f"{file.name!r} {error}") from None
    except ImportError as error:
        raise MissingPackageError(f"{file.name!r} needs a package that is not installed: {error}") from None
    except Exception as error:  # whatever a reader raises on a damaged file
        raise CommandError(f"{file.name!r} cannot be read: {type(error).__name__}: {error}") from None
    if frame.shape[0] < fewest_rows or frame.shape[1] == 0:
        raise CommandError(
            f"{file.name!r} has {counted(frame.shape[0], 'row')} and {counted(frame.shape[1], 'column')}; "
            "expected one or more of both"
        )
    return _tidy(file.name, frame, as_text, notes)


def _read(file: TableFile, reading: Reading, as_text: Collection[str], notes: list[str]) -> pd.DataFrame:
    pandas = require_pandas()
    if file.format in ("csv", "tsv"):
        frame, guesses = read_csv(file.open, reading, as_text, "\t" if file.format == "tsv" else None)
        notes += guesses
        return frame
    with file.open() as opened:
        return _READERS[file.format](pandas, opened, reading, as_text, notes)


def _read_excel(pandas: Any, opened: Any, reading: Reading, as_text: Collection[str], notes: list[str]) -> Any:
    with pandas.ExcelFile(opened) as book:
        sheet = reading.sheet or book.sheet_names[0]
        if sheet not in book.sheet_names and sheet.isdigit() and 0 < int(sheet) <= len(book.sheet_names):
            sheet = book.sheet_names[int(sheet) - 1]
        if sheet not in book.sheet_names:
            known = ", ".join(map(repr, book.sheet_names))
            raise CommandError(f"has no sheet {sheet!r}; expected one of {known}")
        if reading.sheet is None and len(book.sheet_names) > 1:
            notes.append(f"The sheet {sheet!r} of {len(book.sheet_names)} is read; for another, pass --sheet.")
        top = pandas.read_excel(book, sheet, header=None, dtype=str, nrows=100, keep_default_na=False, na_values=[""])
        rows = [["" if cell != cell else str(cell) for cell in row] for row in top.to_numpy().tolist()]
        n_titles = count_titles(rows)
        if n_titles:
            notes.append(f"{counted(n_titles, 'row')} above the heading {'is' if n_titles == 1 else 'are'} skipped.")
        header = find_heading(rows[n_titles:], ".") if reading.header is None and rows else reading.header is not False
        if not header and reading.header is None:
            notes.append(
                "The first row is read as data, and columns are numbered from 0; if it has names, pass --header."
            )
        text = dict.fromkeys(as_text, str)
        options: dict[str, Any] = {"skiprows": n_titles, "header": 0 if header else None, "dtype": text}
        return pandas.read_excel(book, sheet, keep_default_na=False, na_values=[""], **options)


def _read_json(pandas: Any, opened: Any, reading: Reading, as_text: Collection[str], notes: list[str]) -> Any:
    return read_json(pandas, opened.read(), in_lines=False)


def _read_jsonl(pandas: Any, opened: Any, reading: Reading, as_text: Collection[str], notes: list[str]) -> Any:
    return read_json(pandas, opened.read(), in_lines=True)


def _read_parquet(pandas: Any, opened: Any, reading: Reading, as_text: Collection[str], notes: list[str]) -> Any:
    try:
        return _with_index(pandas.read_parquet(opened))
    except ImportError:
        raise
    except Exception:
        opened.seek(0)
        _refuse_repeated(opened)
        raise


def _refuse_repeated(opened: Any) -> None:
    """Refuse a Parquet file with two columns of one name, of which pyarrow says more than it has to."""
    names = importlib.import_module("pyarrow.parquet").read_schema(opened).names  # which has just read the file
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise CommandError(f"has two columns that are called {twice[0]!r}; expected names that differ")


def _with_index(frame: Any) -> Any:
    """Return a frame whose named index is columns too."""
    return frame.reset_index() if any(name is not None for name in frame.index.names) else frame


def _read_feather(pandas: Any, opened: Any, reading: Reading, as_text: Collection[str], notes: list[str]) -> Any:
    return pandas.read_feather(opened)


def _read_npy(pandas: Any, opened: Any, reading: Reading, as_text: Collection[str], notes: list[str]) -> Any:
    return pandas.DataFrame(_columns_of("", np.load(opened, allow_pickle=False)))


def _read_npz(pandas: Any, opened: Any, reading: Reading, as_text: Collection[str], notes: list[str]) -> Any:
    with np.load(opened, allow_pickle=False) as arrays:
        columns = [each for name in arrays for each in _columns_of(name, arrays[name]).items()]
    frame = pandas.DataFrame(dict(enumerate(column for _, column in columns)))
    frame.columns = [name for name, _ in columns]  # of which two may be alike: a.0, and the first column of a
    return frame


_READERS: dict[str, Callable[..., Any]] = {
    "excel": _read_excel,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "feather": _read_feather,
    "npy": _read_npy,
    "npz": _read_npz,
}


def _columns_of(name: str, array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the columns of an array: a vector is one, with the array's name; a matrix has numbered ones."""
    if array.dtype.names:
        return {f"{name}.{field}" if name else field: array[field] for field in array.dtype.names}
    if array.ndim == 1:
        return {name or "0": array}
    if array.ndim == 2:
        return {f"{name}.{j}" if name else str(j): array[:, j] for j in range(array.shape[1])}
    raise CommandError(f"has an array {name!r} of {array.ndim} dimensions; expected 1 or 2: a row is a sample")


def _tidy(name: str, frame: pd.DataFrame, as_text: Collection[str], notes: list[str]) -> Table:
    """Return the frame with text for names, and with columns that the library takes."""
    columns: dict[str, Any] = {}
    left_out: list[str] = []
    for j, own_name in enumerate(frame.columns):
        column, key = frame.iloc[:, j].reset_index(drop=True), str(own_name)
        if key in columns or key in left_out:
            raise CommandError(f"{name!r} has two columns that are called {key!r}; expected names that differ")
        plain, why_not = plain_column(column)
        if plain is None:
            left_out.append(key)
            notes.append(f"Column {key!r} holds {why_not} and is left out.")
        else:
            columns[key] = as_text_column(plain) if key in as_text else plain
    if not columns:
        raise CommandError(f"{name!r} has no column of numbers, moments or text; expected one")
    return Table(name, require_pandas().DataFrame(columns), notes, left_out)


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a data frame in the format of the file's extension; to the standard output as CSV.

    Raises
    ------
    CommandError
        If the extension is not supported, or the file cannot be written.
    """
    write = writer_of(path)
    try:
        if path == PIPE:
            write(frame, sys.stdout, path)
            sys.stdout.flush()
        else:
            contents = io.BytesIO()  # writers of archives go on complaining where a disk becomes full
            write(frame, contents, path)
            replace_file(path, lambda file: file.write(contents.getbuffer()))
    except ImportError as error:
        raise CommandError(f"{str(path)!r} needs a package that is not installed: {error}") from None
    except OSError as error:
        if path == PIPE:
            give_up_output()
            if isinstance(error, BrokenPipeError):  # whoever read the output has had enough
                return
        what = "the output" if path == PIPE else repr(str(path))
        raise CommandError(f"{what} cannot be written: {error.strerror or error}") from None


def writer_of(path: Path) -> Writer:
    """Return the function that writes a table to an open file in the format of its extension.

    Raises
    ------
    CommandError
        If the extension is not supported.
    """
    if path == PIPE:
        return _write_csv
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in COMPRESSED else "".join(suffixes[-1:])
    if suffix not in _WRITERS or (suffix not in (".csv", ".tsv") and suffix != suffixes[-1]):
        known = ", ".join(_WRITERS)
        raise CommandError(f"--out is {str(path)!r}; expected a name that ends with one of {known}, or - for a pipe")
    return _WRITERS[suffix]


def _write_csv(frame: pd.DataFrame, file: IO[Any], path: Path, separator: str = ",") -> None:
    method = _COMPRESSIONS.get(path.suffix.lower())
    compression = {"method": method, "archive_name": path.stem} if method == "zip" else method
    mode = "w" if path == PIPE else "wb"
    frame.to_csv(file, index=False, sep=separator, mode=mode, compression=compression)


def _write_tsv(frame: pd.DataFrame, file: IO[Any], path: Path) -> None:
    _write_csv(frame, file, path, "\t")


def _write_parquet(frame: pd.DataFrame, file: IO[Any], path: Path) -> None:
    frame.to_parquet(file, index=False)


def _write_feather(frame: pd.DataFrame, file: IO[Any], path: Path) -> None:
    frame.to_feather(file)


def _write_excel(frame: pd.DataFrame, file: IO[Any], path: Path) -> None:
    frame.to_excel(file, index=False)


def _write_jsonl(frame: pd.DataFrame, file: IO[Any], path: Path) -> None:
    frame.to_json(file, orient="records", lines=True)


def _write_npy(frame: pd.DataFrame, file: IO[Any], path: Path) -> None:
    if all(dtype.kind in "biuf" for dtype in frame.dtypes):
        np.save(file, frame.iloc[:, 0].to_numpy() if frame.shape[1] == 1 else frame.to_numpy(), allow_pickle=False)
        return
    columns = {name: frame[name].to_numpy() for name in frame.columns}
    columns = {name: each.astype(str) if each.dtype.kind == "O" else each for name, each in columns.items()}
    records = np.empty(len(frame), [(name, each.dtype) for name, each in columns.items()])
    for name, each in columns.items():
        records[name] = each
    np.save(file, records, allow_pickle=False)


_COMPRESSIONS = dict(zip(COMPRESSED, ("gzip", "bz2", "xz", "zstd", "zip"), strict=True))
_WRITERS: dict[str, Writer] = {
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    ".parquet": _write_parquet,
    ".feather": _write_feather,
    ".xlsx": _write_excel,
    ".jsonl": _write_jsonl,
    ".npy": _write_npy,
}
