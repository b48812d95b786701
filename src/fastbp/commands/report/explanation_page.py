"""The page of ``fastbp explain``: for each row a picture and sentences; for many rows a picture of all."""

from __future__ import annotations

import functools
import html
from pathlib import Path
from typing import TYPE_CHECKING

from fastbp.commands.explained_rows import ExplainedRow, Findings
from fastbp.commands.report import markup
from fastbp.commands.report.pictures import draw
from fastbp.commands.report.style import STYLE
from fastbp.commands.words import figure, percent, plain, shortened
from fastbp.support.replacement import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    import fastbp as fb

__all__ = ["write_explanation"]

_MANY = 8  # rows, from which on they are drawn together too
_MOST_BARS = 12
_WIDTH = 6.4  # inches


def write_explanation(path: Path, found: Findings, model_name: str, source: str) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    found : Findings
    model_name, source : str
        The names of the model's file and of the table's.
    """
    title = html.escape(f"Why {plain(found.target)}")
    sections = [_how_to_read(found)]
    if len(found.rows) >= _MANY:
        sections.append(markup.section("All of these rows", _swarm(found)))
    sections += [_row(found, i, row) for i, row in enumerate(found.rows)]
    said = html.escape(f"{model_name}, rows of {plain(source)}")
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>{STYLE}</style></head><body><main>
<h1>{title}</h1>
<p class="quiet">{said}</p>
{"".join(sections)}</main></body></html>
"""
    replace_file(path, lambda file: file.write(page.encode(errors="replace")))


def _how_to_read(found: Findings) -> str:
    what = "probability" if found.rows[0].answer is not None else "prediction"
    sentences = [
        f"Each bar is a column's share of the difference between the row's {what} and the {found.mean_of}: its Shapley "
        "value. Together they are the whole difference.",
        "The line on a bar is two standard errors, for another choice of these rows.",
        "The shares say what the model does, and not what would happen if a column were changed in the world. Columns "
        "that tell the same share what they explain.",
    ]
    return markup.section("How to read this", markup.items(sentences))


def _row(found: Findings, i: int, row: ExplainedRow) -> str:
    explanation = found.explanation[i]
    if row.answer is None:
        title, answer = f"Row {row.number}: {figure(row.output)}", figure(row.output)
    else:
        answer = percent(row.output)
        title = f"Row {row.number}: {shortened(row.answer, 40)}, {answer}"
    base = 0.0 if explanation.base_values is None else float(explanation.base_values[0])
    shown = figure(base) if row.answer is None else percent(base)
    said = f"From the {found.mean_of}, {shown}, to {answer}. Rows are counted from 1, after the header."
    parts = [markup.paragraph(said, quiet=True), _bars(explanation, title)]
    if row.other is not None:
        parts.append(markup.paragraph(found.what_changes(row)))
    return markup.section(title, *parts)


def _bars(explanation: fb.Explanation, title: str) -> str:
    n_bars = min(_MOST_BARS, len(explanation.columns))
    names = [*explanation.columns, *(str(value) for value in explanation.data[0])]
    size = (_WIDTH, 1.0 + 0.3 * n_bars)
    return draw(functools.partial(_paint, explanation, "bars"), size, f"{title}, shares of the columns", names)


def _swarm(found: Findings) -> str:
    explanation = found.explanation
    n_bars = min(_MOST_BARS, len(explanation.columns))
    size = (_WIDTH, 1.2 + 0.34 * n_bars)
    paint = functools.partial(_paint, explanation, "beeswarm")
    return draw(paint, size, "shares of the columns in all rows", explanation.columns)


def _paint(explanation: fb.Explanation, kind: str, figure_: Figure) -> None:
    ax = explanation.plot(kind, most=_MOST_BARS, ax=figure_.subplots())
    ax.set_title("")
