"""Files and the standard input, opened for reading, and the format of each: by its name, else by its first bytes."""

from __future__ import annotations

import bz2
import functools
import gzip
import importlib
import io
import lzma
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from fastbp.commands.errors import CommandError

__all__ = ["COMPRESSED", "PIPE", "SUFFIXES", "Format", "TableFile", "READABLE", "find_file"]

PIPE = Path("-")  # the standard input or output
READABLE = (
    "CSV (.csv, .tsv, .txt, also compressed: .csv.gz), Parquet, Feather, Excel (.xlsx), JSON lines (.jsonl), NPY or NPZ"
)

Format = Literal["csv", "tsv", "parquet", "feather", "excel", "jsonl", "json", "npy", "npz"]

_OF_SUFFIX: dict[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".dat": "csv",
    ".data": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".npy": "npy",
    ".npz": "npz",
}
_OF_FIRST_BYTES: dict[bytes, Format] = {
    b"PAR1": "parquet",
    b"ARROW1": "feather",
    b"\x93NUMPY": "npy",
    b"{": "jsonl",
    b"[": "json",
}
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")
SUFFIXES = frozenset((*_OF_SUFFIX, *COMPRESSED))


class TableFile:
    """A file that can be opened several times.

    Attributes
    ----------
    name : str
        What messages call it.
    format : Format
    open : callable
        Returns it, opened for reading bytes, decompressed.
    """

    def __init__(self, name: str, format: Format, open_file: Callable[[], BinaryIO]) -> None:
        self.name, self.format, self.open = name, format, open_file


def find_file(path: Path) -> TableFile:
    """Return a file, or for "-" the standard input, which is read now.

    Raises
    ------
    CommandError
        If it does not exist, or its format is not one of those that can be read.
    """
    if path == PIPE:
        contents = sys.stdin.buffer.read() if sys.stdin is not None else b""
        suffix = ".gz" if contents.startswith(b"\x1f\x8b") else ""
        open_file = functools.partial(_decompressed, contents, suffix)
        return TableFile("the standard input", _format_of(open_file, "the standard input") or "csv", open_file)
    if not path.exists():
        raise CommandError(f"{str(path)!r} does not exist; expected a file: {READABLE}")
    if path.is_dir():
        raise CommandError(f"{str(path)!r} is a directory; expected a file: {READABLE}")
    if not path.is_file():  # a pipe: it can be read only once
        open_file = functools.partial(_decompressed, path.read_bytes(), "")
        return TableFile(path.name, _format_of(open_file, path.name) or "csv", open_file)
    open_file = functools.partial(_decompressed, path, path.suffix.lower())
    found = next((_OF_SUFFIX[suffix] for suffix in _suffixes(path) if suffix in _OF_SUFFIX), None)
    if found is None and not path.suffix:
        found = _format_of(open_file, str(path))
    if found is None:
        raise CommandError(f"{str(path)!r} has an unsupported extension; expected {READABLE}")
    return TableFile(str(path), found, open_file)


def _suffixes(path: Path) -> list[str]:
    """Return the last extension, or that before one that says how the file is compressed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2:-1] if suffixes[-1:] and suffixes[-1] in COMPRESSED else suffixes[-1:]


def _format_of(open_file: Callable[[], BinaryIO], name: str) -> Format | None:
    """Return the format that the first bytes tell; None if they are text of some kind."""
    with open_file() as file:
        head = file.read(512)
        if head.startswith(b"PK"):
            file.seek(0)
            try:
                names = zipfile.ZipFile(file).namelist()
            except zipfile.BadZipFile:
                raise CommandError(
                    f"{name!r} begins like a workbook or an NPZ file, and is damaged; expected a whole one"
                ) from None
            return "excel" if any(name.startswith("xl/") for name in names) else "npz"
    return next((found for start, found in _OF_FIRST_BYTES.items() if head.lstrip().startswith(start)), None)


def _decompressed(source: bytes | Path, suffix: str) -> BinaryIO:
    """Return bytes, or a file, opened for reading what is in it."""
    raw: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    if suffix in _DECOMPRESS:
        return cast(BinaryIO, _DECOMPRESS[suffix](raw))
    return cast(BinaryIO, raw if isinstance(source, bytes) else source.open("rb"))


def _unzipped(raw: Any) -> BinaryIO:
    with zipfile.ZipFile(raw) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        if len(names) != 1:
            raise CommandError(f"holds {len(names)} files; expected one")
        return io.BytesIO(archive.read(names[0]))


def _unzstd(raw: Any) -> BinaryIO:
    arrow = importlib.import_module("pyarrow")
    with arrow.CompressedInputStream(str(raw) if isinstance(raw, Path) else raw, "zstd") as stream:
        return io.BytesIO(stream.read())


_DECOMPRESS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _unzstd,
    ".zip": _unzipped,
}
