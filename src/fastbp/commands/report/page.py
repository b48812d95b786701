"""The report of ``fastbp train``: one HTML page that needs no other file, and no script."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from fastbp.commands.network import Network
from fastbp.commands.outcome import Outcome, show
from fastbp.commands.report import markup
from fastbp.commands.report.class_sections import class_sections
from fastbp.commands.report.data_sections import column_section, problem_section
from fastbp.commands.report.dependence_section import dependence_section
from fastbp.commands.report.importance_section import find_importances, importance_section
from fastbp.commands.report.model_sections import model_sections
from fastbp.commands.report.number_sections import number_sections
from fastbp.commands.report.row_section import row_section
from fastbp.commands.report.style import STYLE
from fastbp.commands.report.usage_section import usage_section
from fastbp.commands.words import plain
from fastbp.inspection.report import Finding
from fastbp.support.checks import counted
from fastbp.support.replacement import replace_file

__all__ = ["page_of", "write_report"]


def write_report(
    path: Path, source: str, outcome: Outcome, model_name: str, findings: Sequence[Finding], highlights: Sequence[str]
) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    source : str
        The name of the table's file.
    outcome : Outcome
    model_name : str
        The name of the model's file.
    findings : sequence of Finding
        About the task's data, by ``findings_of``.
    highlights : sequence of str
        What matters most, by ``highlights``.
    """
    task = outcome.task
    found = find_importances(outcome)
    by_kind = class_sections if task.kind == "class" else number_sections
    training, of_model = model_sections(outcome, source, model_name)
    sections = [
        markup.section("In short", _scores(outcome), markup.items(highlights)),
        training,
        *by_kind(outcome),
        row_section(outcome, [task.X.columns[importance.column] for importance in found]),
        importance_section(outcome, found),
        dependence_section(outcome, [task.X.columns[importance.column] for importance in found]),
        problem_section(task, findings),
        column_section(task.X),
        usage_section(task.kind, source, model_name, isinstance(outcome.trained, Network)),
        *of_model,
    ]
    sizes = f"{counted(len(task.y), 'row')}, {counted(task.X.shape[1], 'column')}; {plain(task.notes[0])}"
    title = f"{plain(task.target)} from {plain(source)}"
    page = page_of(title, sizes, "".join(sections)).encode(errors="replace")
    replace_file(path, lambda file: file.write(page))


def page_of(title: str, under: str, body: str) -> str:
    """Return a page: its title, what stands under it in pale letters, and its sections."""
    title = html.escape(title)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>{STYLE}</style></head><body><main>
<h1>{title}</h1>
<p class="quiet">{html.escape(under)}</p>
{body}</main></body></html>
"""


def _scores(outcome: Outcome) -> str:
    answer = "most common class" if outcome.task.kind == "class" else "mean"
    beside = {"linear model": outcome.linear, answer: outcome.baseline}
    cards = []
    for name, value in outcome.scores.items():
        others = [f"{what}: {show(known[name], name)}" for what, known in beside.items() if name in known]
        cards.append((name, show(value, name), "; ".join(others)))
    n_rows = counted(len(outcome.test_rows), "held-out row")
    said = f"Scores on {n_rows}, on which nothing was trained and nothing chosen; under them, what a linear model and "
    said += f"the {answer} get on the same rows."
    return markup.cards(cards) + markup.paragraph(said, quiet=True)
