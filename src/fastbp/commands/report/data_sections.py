"""The sections about the data: what was left out, what is odd, and figures of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastbp.commands.report import markup
from fastbp.commands.report.problems import describe_problems
from fastbp.commands.report.row_section import show_value
from fastbp.commands.task import Task
from fastbp.commands.words import percent, shortened
from fastbp.inspection.report import Finding
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["column_section", "problem_section"]

_MOST_COLUMNS = 40


def problem_section(task: Task, findings: Sequence[Finding]) -> str:
    """Return what was left out, and what is odd; the first note, on the target, is at the top of the page."""
    sentences = [*task.notes[1:], *describe_problems(task, findings)]
    return markup.section("Data", markup.items(sentences) if sentences else markup.paragraph("Nothing is odd."))


def column_section(X: pd.DataFrame) -> str:
    """Return figures of the columns that are used."""
    head = {"column": False, "kind": False, "gaps": True, "least": True, "median": True, "largest": True}
    head["most common"] = False
    rows = [[shortened(name, 40), *_figures(X[name])] for name in X.columns[:_MOST_COLUMNS]]
    n_more = X.shape[1] - len(rows)
    more = [markup.paragraph(f"and {counted(n_more, 'more column')}", quiet=True)] if n_more else []
    return markup.section("Columns", markup.table(head, rows), *more)


def _figures(column: pd.Series) -> list[str]:
    """Return the kind of a column, its gaps, the least, the middle and the largest of numbers, else what is common."""
    gaps = percent(float(column.isna().mean())) if column.isna().any() else ""
    present = column.dropna()
    if column.dtype.kind in "iuf":
        return ["number", gaps, *(show_value(v) for v in (present.min(), present.median(), present.max())), ""]
    if column.dtype.kind in "mM":
        moments = (str(v).removesuffix(" 00:00:00") for v in (present.min(), present.median(), present.max()))
        return ["time", gaps, *moments, ""]
    counts = present.astype(str).value_counts()
    common = [f"{shortened(level, 20)} ({percent(count / len(column))})" for level, count in counts.head(3).items()]
    return [counted(len(counts), "level"), gaps, "", "", "", ", ".join(common)]
