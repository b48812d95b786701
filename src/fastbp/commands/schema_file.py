"""``fastbp schema``: writes the names and kinds of a table's columns to a file; a person fills in what is public."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from fastbp.commands.csv_files import way_of
from fastbp.commands.errors import CommandError
from fastbp.commands.files import PIPE, TableFile, find_file
from fastbp.commands.outputs import check_outputs, default_model_file, say, writing
from fastbp.commands.roles import text_of
from fastbp.commands.tables import read_table
from fastbp.commands.written_tables import Reading
from fastbp.privacy.schema import ColumnSchema, Schema
from fastbp.support.replacement import replace_file

__all__ = ["load_schema", "run"]

_ENDING = ".schema.toml"


def run(data: Path, out: Path | None, reading: Reading | None) -> None:
    """Write the schema of a table, to be filled in: no value of the table is in it.

    Raises
    ------
    CommandError
        If the table cannot be read, or the file exists, or cannot be written.
    """
    destination = out or Path(default_model_file(data).name.removesuffix(".fastbp.safetensors") + _ENDING)
    check_outputs({"--out": destination}, {"the data": data})
    if out is None and destination.exists():  # somebody may have filled it in
        raise CommandError(f"{str(destination)!r} exists; expected a new file. Pass --out to replace it")
    file = find_file(data)
    table = read_table(file, reading)
    columns = {name: ColumnSchema(_kind_of(column)) for name, column in table.frame.items()}
    columns |= {name: ColumnSchema("ignore") for name in table.left_out}
    schema = Schema(columns, _way(file, reading))
    source = file.name if data == PIPE else data.name
    with writing(destination):
        replace_file(destination, lambda opened: opened.write(schema.text(source).encode()))
    say(f"saved {destination}: fill in the ranges and categories from what is public, then")
    files = shlex.quote(str(data)), shlex.quote(str(destination))
    say(f"fastbp train {files[0]} --target COLUMN --epsilon 3 --delta 1e-5 --schema {files[1]}")


def load_schema(path: Path, target: str) -> Schema:
    """Return a schema that was filled in.

    Raises
    ------
    CommandError
        If it cannot be read, or does not say what is needed for a target.
    """
    try:
        schema = Schema.load(path)
    except OSError as error:
        raise CommandError(f"--schema is {str(path)!r}, which cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # which names the file
        raise CommandError(f"--schema {error}") from None
    try:
        schema.require(target)
    except ValueError as error:
        raise CommandError(f"--schema is {str(path)!r}: {error}") from None
    return schema


def _kind_of(column: Any) -> Any:
    """Return the kind of a column: moments are left out, as no schema describes them."""
    if column.dtype.kind in "mM":
        return "ignore"
    return "number" if column.dtype.kind in "iuf" and text_of(column) is None else "category"


def _way(file: TableFile, reading: Reading | None) -> dict[str, Any]:
    """Return how a file of text is written, so that private training need not find it out."""
    said = reading or Reading()
    known = said._asdict()
    if file.format in ("csv", "tsv"):
        way = way_of(file.open, said, "\t" if file.format == "tsv" else None)
        known = {"separator": way.separator, "decimal": way.decimal, "encoding": way.encoding, "header": way.header}
    return {name: value for name, value in known.items() if value is not None}
