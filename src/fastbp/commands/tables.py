"""Files of tables: CSV, Parquet, NPY and NPZ, read and written by pandas and NumPy, as data frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbp.commands.errors import CommandError
from fastbp.data.columns import read_column, seconds_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table", "require_pandas", "write_table"]

# What pandas takes for a missing value. In a column of text each may be a value: a name, the code of Namibia.
_WORDS_FOR_MISSING = frozenset(
    ("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL")
    + ("NaN", "None", "n/a", "nan", "null")
)
_READABLE = "CSV (.csv, .tsv, also compressed: .csv.gz), Parquet (.parquet), NPY or NPZ"


def require_pandas() -> Any:
    """Return the module, or raise a CommandError if it is not installed."""
    try:
        import pandas
    except ImportError:
        raise CommandError('tables are read by pandas, which is not installed: pip install "fastbp[cli]"') from None
    return pandas


def read_table(path: Path) -> pd.DataFrame:
    """Return a file as a data frame whose names are text; each column holds numbers, booleans or text.

    An NPY file holds a matrix, whose columns are called "0", "1" and so on; an NPZ file matrices and vectors, whose
    columns are called "X.0", or "y" for a vector, after their arrays' names.

    Raises
    ------
    CommandError
        If the file does not exist or has another format.
    """
    pandas = require_pandas()
    if not path.exists():
        raise CommandError(f"{str(path)!r} does not exist; expected a file: {_READABLE}")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        if ".csv" in suffixes or ".tsv" in suffixes:
            frame = _read_csv(path, "\t" if ".tsv" in suffixes else ",")
        elif suffixes[-1:] == [".parquet"]:
            frame = pandas.read_parquet(path)
        elif suffixes[-1:] == [".npy"]:
            frame = pandas.DataFrame(_columns_of("", np.load(path, allow_pickle=False)))
        elif suffixes[-1:] == [".npz"]:
            with np.load(path, allow_pickle=False) as arrays:
                frame = pandas.DataFrame({k: v for name in arrays for k, v in _columns_of(name, arrays[name]).items()})
        else:
            raise CommandError(f"{str(path)!r} has an unsupported extension; expected {_READABLE}")
    except CommandError:
        raise
    except ImportError as error:
        raise CommandError(f"{str(path)!r} needs a package that is not installed: {error}") from None
    except Exception as error:  # whatever a reader raises on a damaged file
        raise CommandError(f"{str(path)!r} cannot be read: {type(error).__name__}: {error}") from None
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        raise CommandError(f"{str(path)!r} has {frame.shape[0]} rows and {frame.shape[1]} columns; expected some")
    return _tidy(frame)


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    """Return a file of text: an empty field is missing, and a word such as NA or nan only in a column of numbers."""
    pandas = require_pandas()
    names = pandas.read_csv(path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False)
    _refuse_repeated(names.iloc[0].tolist())
    frame = pandas.read_csv(path, sep=separator, low_memory=False, keep_default_na=False, na_values=[""])
    for name in frame.columns:
        if frame[name].dtype == object or str(frame[name].dtype).startswith("str"):
            frame[name] = _with_gaps(frame[name])
    return frame


def _with_gaps(column: pd.Series) -> pd.Series:
    """Return a column of text as numbers or booleans, if it holds nothing else but words for a missing value."""
    pandas = require_pandas()
    filled = column.dropna()
    known = filled[~filled.isin(_WORDS_FOR_MISSING)]
    if len(known) == 0 or len(known) == len(filled):
        return column
    if known.isin(["True", "False"]).all():
        return column.map({"True": True, "False": False})
    numbers = pandas.to_numeric(known, errors="coerce")
    return column if numbers.isna().any() else numbers.reindex(column.index)


def _refuse_repeated(names: list[str]) -> None:
    for i, name in enumerate(names):
        if name and name in names[:i]:
            raise CommandError(f"two columns are called {name!r}; expected names that differ")


def _columns_of(name: str, array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the columns of an array: a vector is one, with the array's name; a matrix has numbered ones."""
    if array.ndim == 1:
        return {name or "0": array}
    if array.ndim == 2:
        return {f"{name}.{j}" if name else str(j): array[:, j] for j in range(array.shape[1])}
    raise CommandError(f"the array {name!r} has {array.ndim} dimensions; expected 1 or 2: a row is a sample")


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text for names, times and durations in seconds, and no column of several types."""
    columns = {str(name): _tidy_column(frame.iloc[:, j]) for j, name in enumerate(frame.columns)}
    if len(columns) < frame.shape[1]:
        names = [str(name) for name in frame.columns]
        _refuse_repeated(names)
    return require_pandas().DataFrame(columns)


def _tidy_column(column: pd.Series) -> pd.Series:
    if column.dtype.kind in "mM":
        return require_pandas().Series(seconds_of(read_column(column).values), column.index)
    if column.dtype == object and column.map(type, na_action="ignore").nunique() > 1:
        return column.map(str, na_action="ignore")
    return column


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a data frame in the format of the file's extension.

    Raises
    ------
    CommandError
        If the extension is not supported, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".tsv"):
            frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
        elif suffix == ".parquet":
            frame.to_parquet(path, index=False)
        elif suffix == ".npy":
            np.save(path, frame.iloc[:, 0].to_numpy() if frame.shape[1] == 1 else frame.to_numpy())
        else:
            raise CommandError(f"--out is {str(path)!r}; expected a name that ends with .csv, .tsv, .parquet or .npy")
    except ImportError as error:
        raise CommandError(f"{str(path)!r} needs a package that is not installed: {error}") from None
    except OSError as error:
        raise CommandError(f"{str(path)!r} cannot be written: {error}") from None
