"""``fastbp explain``: says of rows of a table why a model of ``fastbp train`` predicts what it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import fastbp as fb
from fastbp.commands.cells import refuse_infinite
from fastbp.commands.errors import CommandError
from fastbp.commands.explained_rows import ExplainedRow, Findings
from fastbp.commands.extras import require_matplotlib
from fastbp.commands.learned_columns import as_learned, text_columns
from fastbp.commands.model_files import SavedModel, load_model
from fastbp.commands.outputs import check_outputs, say, writing
from fastbp.commands.report.explanation_page import write_explanation
from fastbp.commands.tables import read_table
from fastbp.commands.words import figure, percent, shortened
from fastbp.commands.written_tables import Reading
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run"]

_USUAL_ROWS = 5  # that are explained where none are named
_MOST_ROWS = 50
_BACKGROUND_ROWS = 100
_FEWEST_BEHIND = 2
_MOST_SAID = 6  # columns of each row, on the terminal


def run(
    model_file: Path,
    data: Path,
    *,
    rows: Sequence[int] | None = None,
    background: Path | None = None,
    report: Path | None = None,
    reading: Reading | None = None,
    n_threads: int | None = None,
) -> None:
    """Explain rows of a file, print what was found, and write a page about it, if asked for.

    Parameters
    ----------
    model_file, data : Path
    rows : sequence of int or None
        Their numbers, counted from 1; None is the first five.
    background : Path or None
        A table whose rows the explained ones are compared with; None is the data itself.
    report : Path or None
        The page.
    reading : Reading or None
        What is known about both tables.
    n_threads : int or None

    Raises
    ------
    CommandError
        If a file cannot be used, or there is no such row.
    """
    inputs = {"the data": data, "the model": model_file}
    check_outputs({"--report": report}, inputs if background is None else inputs | {"--background": background})
    if report is not None:
        require_matplotlib("the report", "cli")
    model = load_model(model_file)
    columns = _columns(model, data, reading)
    numbers = _checked_rows(rows, len(columns), data.name)
    behind = _sample(columns if background is None else _columns(model, background, reading), background or data)
    found = _explain(model, columns, numbers, behind, n_threads)
    for row in found.rows:
        _say_row(found, row)
    if report is not None:
        with writing(report):
            write_explanation(report, found, model_file.name, data.name)
        say(f"saved {report}")


def _columns(model: SavedModel, path: Path, reading: Reading | None) -> pd.DataFrame:
    """Return the columns of a table that the model takes."""
    table = read_table(path, reading, text_columns(model.learned))
    columns = as_learned(model.learned, table)
    refuse_infinite(columns, table.name)
    return columns


def _checked_rows(rows: Sequence[int] | None, n_rows: int, name: str) -> list[int]:
    """Return the places of rows, from 0."""
    wanted = list(dict.fromkeys(range(1, min(n_rows, _USUAL_ROWS) + 1) if rows is None else rows))
    for number in wanted:
        if number > n_rows:
            raise CommandError(f"--rows has {number}, and {name!r} has {counted(n_rows, 'row')}, counted from 1")
    if len(wanted) > _MOST_ROWS:
        raise CommandError(f"--rows has {len(wanted)} rows; expected {_MOST_ROWS} at most")
    return [number - 1 for number in wanted]


def _sample(columns: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return a hundred rows to compare with, the same each time."""
    if len(columns) < _FEWEST_BEHIND:
        raise CommandError(
            f"{path.name!r} has 1 row, which cannot be compared with others; expected --background FILE, such as the "
            "table that the model was trained on"
        )
    if len(columns) <= _BACKGROUND_ROWS:
        return columns
    return columns.iloc[np.sort(np.random.default_rng(0).permutation(len(columns))[:_BACKGROUND_ROWS])]


def _explain(
    model: SavedModel, columns: pd.DataFrame, numbers: Sequence[int], behind: pd.DataFrame, n_threads: int | None
) -> Findings:
    """Return what is found about rows."""
    metadata = model.metadata
    is_class = metadata["task"] == "class"
    chosen = columns.iloc[list(numbers)]
    subject = model.explained(n_threads)
    explanation = fb.explain(
        subject,
        chosen,
        target="predicted" if is_class else None,
        output="prediction",
        background=behind,
        n_threads=n_threads,
    )
    outputs = model.predict(chosen, n_threads, None)
    rows = []
    for i, number in enumerate(numbers):
        if is_class:
            order = np.argsort(-outputs[i], kind="stable")
            answer, other = (metadata["classes"][place] for place in order[:2])
            change = fb.counterfactual(subject, chosen.iloc[[i]], other, columns, n_threads=n_threads)
            changes = change.changes(0) if change.reached[0] else None
            rows.append(ExplainedRow(number + 1, answer, float(outputs[i, order[0]]), other, changes))
        else:
            rows.append(ExplainedRow(number + 1, None, float(outputs[i, 0]), None, None))
    return Findings(metadata["target"], explanation, rows, len(behind))


def _say_row(found: Findings, row: ExplainedRow) -> None:
    """Print what was found about a row."""
    explanation = found.explanation[found.rows.index(row)]
    show = figure if row.answer is None else percent
    base = float(explanation.base_values[0]) if explanation.base_values is not None else float("nan")
    what = found.target if row.answer is None else f"{found.target} = {row.answer}"
    say(f"row {row.number}: {shortened(what, 60)}, {show(row.output)}; {found.mean_of} {show(base)}")
    for j in explanation.order[:_MOST_SAID]:
        sign = "+" if explanation.values[0, j] >= 0 else "-"
        error = "" if explanation.standard_errors is None else f" ± {figure(explanation.standard_errors[0, j])}"
        value = found.shown(explanation.data[0, j])
        size = figure(abs(float(explanation.values[0, j])))
        say(f"  {sign}{size}{error}  {shortened(explanation.columns[j], 40)} = {value}")
    if len(explanation.columns) > _MOST_SAID:
        say(f"  and {counted(len(explanation.columns) - _MOST_SAID, 'other column')}")
    if row.other is not None:
        say(f"  {found.what_changes(row)}")
