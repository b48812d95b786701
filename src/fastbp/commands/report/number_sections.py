"""The section about predicted numbers: how far they are off, and where."""

from __future__ import annotations

from fastbp.commands.outcome import Outcome
from fastbp.commands.report import charts, markup
from fastbp.commands.report.rows import error_quantiles
from fastbp.commands.words import figure, percent

__all__ = ["number_sections"]


def number_sections(outcome: Outcome) -> list[str]:
    """Return the section of a task of numbers."""
    y, predicted = outcome.task.y[outcome.test_rows], outcome.outputs[:, 0]
    target = outcome.task.target
    pictures = markup.side_by_side(
        charts.true_and_predicted(y, predicted, target), charts.residuals(y, predicted, target)
    )
    rows = [[percent(share), figure(error)] for share, error in error_quantiles(y, predicted)]
    head = {"of the held-out rows": False, "are off by at most": True}
    bias = f"On average the predictions are {figure(abs(float((predicted - y).mean())))} too "
    bias += "large." if predicted.mean() > y.mean() else "small."
    return [
        markup.section("Predictions", pictures),
        markup.section(
            "Errors",
            markup.side_by_side(
                charts.errors(y, predicted), markup.table(head, rows) + markup.paragraph(bias, quiet=True)
            ),
        ),
    ]
