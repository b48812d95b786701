"""The report of a private training: what is promised, what was public, and nothing of the rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import fastbp as fb
from fastbp.commands.outcome import show
from fastbp.commands.report import markup
from fastbp.commands.report.page import page_of
from fastbp.commands.report.usage_section import usage_section
from fastbp.commands.words import plain, shortened
from fastbp.models.summary import summarise
from fastbp.privacy import Promise
from fastbp.privacy.schema import ColumnSchema, Schema
from fastbp.support.checks import counted
from fastbp.support.replacement import replace_file
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.private_fitting import PrivateFit

__all__ = ["PrivateResult", "write_private_report"]

_MOST_VALUES = 12


class PrivateResult(NamedTuple):
    """A private model, and all that may be said of it.

    Attributes
    ----------
    schema : Schema
    target : str
    fitted : FittedTable
    promise : Promise
    fit : PrivateFit
    scores : dict of str to float
        On public rows; none without them.
    n_public : int
        How many these are.
    """

    schema: Schema
    target: str
    fitted: FittedTable
    promise: Promise
    fit: PrivateFit
    scores: dict[str, float]
    n_public: int


def write_private_report(path: Path, source: str, model_name: str, result: PrivateResult) -> None:
    """Write the page; arguments as for ``write_report``."""
    is_class = result.schema.columns[result.target].kind == "category"
    sections = [
        markup.section("In short", _cards(result)),
        markup.section("What is promised", *map(markup.paragraph, result.promise.statement.split("\n"))),
        markup.section("What was public", _columns(result.schema)),
        usage_section("class" if is_class else "regression", source, model_name, False),
        markup.section("Network", markup.code(summarise(result.fitted.members[0].model.architecture))),
        markup.section("Settings", _settings(result, source, model_name)),
    ]
    title = f"{plain(result.target)} from {plain(source)}, in private"
    page = page_of(title, result.promise.short(), "".join(sections)).encode(errors="replace")
    replace_file(path, lambda file: file.write(page))


def _cards(result: PrivateResult) -> str:
    promise = result.promise
    figures = [
        ("epsilon", f"{promise.epsilon:.4g}", "what a row may lose"),
        ("delta", f"{promise.delta:g}", "the probability that it may lose more"),
        *((name, show(value, name), "on public rows") for name, value in result.scores.items()),
    ]
    said = (
        f"Scores on {counted(result.n_public, 'public row')}."
        if result.scores
        else "No scores: those of private rows would reveal them. Pass --public-test with rows that are public."
    )
    why = "Curves, figures of columns and importances are not in this report, as they would tell of private rows."
    return markup.cards(figures) + markup.paragraph(f"{said} {why}", quiet=True)


def _columns(schema: Schema) -> str:
    said = "Ranges and categories, from the schema that a person filled in. All else is learned in private."
    rows = [[shortened(name, 40), each.kind, _values(each)] for name, each in schema.columns.items()]
    head = {"column": False, "kind": False, "range or categories": False}
    return markup.table(head, rows) + markup.paragraph(said, quiet=True)


def _values(column: ColumnSchema) -> str:
    if column.kind == "number":
        return ", ".join(f"{value:g}" for value in column.values)
    shown = ", ".join(shortened(str(value), 20) for value in column.values[:_MOST_VALUES])
    n_more = len(column.values) - _MOST_VALUES
    return f"{shown} and {n_more:,} more" if n_more > 0 else shown


def _settings(result: PrivateResult, source: str, model_name: str) -> str:
    privacy, course = result.fit.privacy, result.fitted.courses[0]
    rows = [
        ["data", source],
        ["model", model_name],
        ["training", f"{counted(len(course.figures['epsilon']), 'epoch')}, {counted(result.promise.n_steps, 'step')}"],
        ["expected batch size", f"{privacy.expected_batch_size:,}"],
        ["bound of a row's gradient", f"{privacy.max_grad_norm:g}"],
        ["learning rate", f"{course.member.learning_rate:g}"],
        ["made by", f"fastbp {fb.__version__}, {datetime.now():%Y-%m-%d %H:%M}"],
    ]
    return markup.table(None, rows)
