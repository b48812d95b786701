"""The report of ``fastbp train``: one HTML page that needs no other file, and no script."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import fastbp as fb
from fastbp.commands.outcome import Outcome, show
from fastbp.commands.report import charts, markup
from fastbp.commands.report.class_sections import class_sections
from fastbp.commands.report.data_sections import column_section, problem_section
from fastbp.commands.report.dependence_section import dependence_section
from fastbp.commands.report.importance_section import find_importances, importance_section
from fastbp.commands.report.number_sections import number_sections
from fastbp.commands.report.row_section import row_section
from fastbp.commands.report.style import STYLE
from fastbp.commands.report.usage_section import usage_section
from fastbp.commands.words import plain
from fastbp.inspection.report import Finding
from fastbp.models.summary import summarise
from fastbp.support.checks import counted
from fastbp.support.replacement import replace_file

__all__ = ["write_report"]


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
    sections = [
        markup.section("In short", _scores(outcome), markup.items(highlights)),
        _training(outcome),
        *by_kind(outcome),
        row_section(outcome, [task.X.columns[importance.column] for importance in found]),
        importance_section(outcome, found),
        dependence_section(outcome, [task.X.columns[importance.column] for importance in found]),
        problem_section(task, findings),
        column_section(task.X),
        usage_section(task, source, model_name),
        markup.section("Network", markup.code(summarise(outcome.trainer.model.architecture))),
        markup.section("Settings", _settings(outcome, source, model_name)),
    ]
    page = _page(outcome, source, "".join(sections)).encode(errors="replace")
    replace_file(path, lambda file: file.write(page))


def _page(outcome: Outcome, source: str, body: str) -> str:
    task = outcome.task
    title = html.escape(f"{plain(task.target)} from {plain(source)}")
    sizes = f"{counted(len(task.y), 'row')}, {counted(task.X.shape[1], 'column')}; {plain(task.notes[0])}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>{STYLE}</style></head><body><main>
<h1>{title}</h1>
<p class="quiet">{html.escape(sizes)}</p>
{body}</main></body></html>
"""


def _scores(outcome: Outcome) -> str:
    answer = "most common class" if outcome.task.kind == "class" else "mean"
    baseline = {name: f"{answer}: {show(value, name)}" for name, value in outcome.baseline.items()}
    scores = outcome.scores.items()
    n_rows = counted(len(outcome.test_rows), "held-out row")
    said = f"Scores on {n_rows}, which took no part in the training; under them, those of the {answer}."
    return markup.cards((name, show(value, name), baseline.get(name, "")) for name, value in scores) + markup.paragraph(
        said, quiet=True
    )


def _training(outcome: Outcome) -> str:
    history = outcome.trainer.history
    names = ["loss", outcome.trainer.metrics[0].name]
    return markup.section(
        "Training", markup.side_by_side(*(charts.learning_curve(history, name, outcome.best_epoch) for name in names))
    )


def _settings(outcome: Outcome, source: str, model_name: str) -> str:
    trainer = outcome.trainer
    n_train = len(outcome.train_rows)
    n_epochs = counted(trainer.history.n_epochs, "epoch")
    speed = n_train * trainer.history.n_epochs / max(outcome.seconds, 1e-9)
    rows = [
        ["data", source],
        ["model", model_name],
        [
            "rows",
            f"{n_train:,} for training, a tenth of them to decide when to stop; {len(outcome.test_rows):,} held out",
        ],
        ["training", f"{n_epochs}, {outcome.seconds:.1f} s, {speed:,.0f} rows per second"],
        ["optimizer", repr(trainer.optimizer)],
        ["loss, batch size, seed", f"{trainer.loss.name}, {trainer.batch_size}, {trainer.seed}"],
        ["made by", f"fastbp {fb.__version__}, {datetime.now():%Y-%m-%d %H:%M}"],
    ]
    return markup.table(None, rows)
