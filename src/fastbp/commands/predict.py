"""``fastbp predict``: applies a model of ``fastbp train`` to another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from fastbp.commands.cells import refuse_infinite
from fastbp.commands.extras import require_pandas
from fastbp.commands.files import PIPE
from fastbp.commands.intervals import half_width
from fastbp.commands.learned_columns import as_learned, text_columns
from fastbp.commands.model_files import load_model
from fastbp.commands.outputs import check_outputs, say
from fastbp.commands.roles import find_column
from fastbp.commands.tables import Table, read_table, write_table, writer_of
from fastbp.commands.written_tables import Reading
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Wanted", "run"]


class Wanted(NamedTuple):
    """What is to be written besides the predictions.

    Attributes
    ----------
    carry : sequence of str
        Columns of the table, each of which may be several with commas between them.
    interval : float or None
        The share of rows that is to lie within the interval around each number.
    """

    carry: Sequence[str] = ()
    interval: float | None = None


def run(
    model_file: Path,
    data: Path,
    out: Path,
    *,
    wanted: Wanted | None = None,
    reading: Reading | None = None,
    n_threads: int | None = None,
    precision: str | None = None,
) -> None:
    """Predict each row of a file, columns matched by name, and write the predictions to another.

    Raises
    ------
    CommandError
        If a file cannot be used, or the table lacks a column.
    """
    wanted = wanted or Wanted()
    check_outputs({"--out": None if out == PIPE else out}, {"the data": data, "the model": model_file})
    writer_of(out)
    model = load_model(model_file)
    metadata = model.metadata
    width = None if wanted.interval is None else half_width(metadata.get("half_widths", {}), wanted.interval)
    table = read_table(data, reading, text_columns(model.learned), fewest_rows=0)
    carried = _carried(table, [*metadata.get("ids", ()), *wanted.carry], wanted.carry)
    columns = as_learned(model.learned, table)
    refuse_infinite(columns, table.name)
    outputs = model.predict(columns, n_threads, precision)
    write_table(carried.assign(**_predictions(outputs, metadata, width, carried)), out)
    if out != PIPE:
        say(f"saved {counted(len(outputs), 'prediction')} of {metadata['target']!r} to {out}")


def _carried(table: Table, names: Sequence[str], asked: Sequence[str]) -> pd.DataFrame:
    """Return the columns that are written beside the predictions: those that name rows, where the table has them."""
    found: dict[str, None] = {}
    for name in names:
        if name in asked and name not in table.frame.columns:
            found.update({find_column(part.strip(), table.frame, "--carry"): None for part in name.split(",")})
        elif name in table.frame.columns:
            found[name] = None
    return table.frame[list(found)]


def _predictions(
    outputs: NDArray[Any], metadata: Mapping[str, Any], width: float | None, carried: pd.DataFrame
) -> dict[str, Any]:
    """Return the columns of the predictions under names without blanks.

    Of classes also the probability of each; of numbers also the interval, where it is wanted.
    """
    target, classes = _without_blanks(metadata["target"]), metadata["classes"]
    name = f"predicted_{target}" if metadata["target"] in carried.columns else target
    if metadata["task"] == "regression":
        columns = {name: outputs[:, 0]}
        if width is not None:
            columns |= {f"{name}_low": outputs[:, 0] - width, f"{name}_high": outputs[:, 0] + width}
        return columns
    labels = require_pandas().Series(classes).to_numpy()
    chosen = labels[outputs.argmax(axis=1)] if len(outputs) else labels[:0]
    probabilities = {f"probability_{_without_blanks(str(label))}": outputs[:, i] for i, label in enumerate(classes)}
    return {name: chosen, **probabilities}


def _without_blanks(name: str) -> str:
    return "_".join(name.split())
