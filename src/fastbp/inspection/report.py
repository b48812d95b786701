"""Reports on data: figures of each column, and findings as sentences."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fastbp.inspection.columns import Column, Kind
from fastbp.support.checks import counted
from fastbp.support.html_table import card, table

__all__ = [
    "ColumnReport",
    "DataReport",
    "Finding",
    "Severity",
    "is_constant",
    "report_column",
    "shortened",
    "sort_findings",
]

Severity = Literal["error", "warning", "note"]

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_SHOWN = 5  # findings of a kind that are printed


@dataclass(frozen=True)
class Finding:
    """One finding; ``str`` gives its sentence.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        With an error nothing can be trained. With a warning training goes badly, its scores mislead, or something (such
        as missing values) has to be put right first. A note is for information.
    kind : str
        What sort of finding: "missing", "infinite", "constant", "duplicate_column", "text", "identifier", "scale",
        "duplicate_rows", "contradiction", "tells_target", "labels", "rare_class", "outliers", "leak", "unseen",
        "differs".
    column : str, int or None
        The column concerned, an integer where columns have no names; None where it concerns rows or all data.
    sentence : str
        What was found, and what to do.

    Examples
    --------
    >>> import fastbp as fb
    >>> finding = fb.inspect_data([[1.0, 7.0], [2.5, 7.0]], [0, 1]).findings[0]
    >>> finding.severity, finding.kind, finding.column
    ('warning', 'constant', 1)
    """

    severity: Severity
    kind: str
    column: str | int | None
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class ColumnReport:
    """The figures of a column: counts, and statistics of its finite numbers, NaN where there are none.

    Attributes
    ----------
    name : str or int
        An integer counts columns without names, from 0.
    kind : {"numbers", "text", "times", "other"}
    n_missing, n_infinite : int
    n_levels : int or None
        How many different texts there are; None of numbers.
    mean, std, minimum, maximum : float
        The standard deviation is divided by their number, and not by one less.

    Examples
    --------
    >>> import fastbp as fb
    >>> column = fb.inspect_data([[1.0], [2.0], [float("nan")]]).columns[0]
    >>> column.kind, column.n_missing, column.mean
    ('numbers', 1, 1.5)
    """

    name: str | int
    kind: Kind
    n_missing: int
    n_infinite: int
    n_levels: int | None
    mean: float
    std: float
    minimum: float
    maximum: float


@dataclass(frozen=True, repr=False)
class DataReport:
    """What ``inspect_data`` found; ``print`` shows it, the worst first.

    Attributes
    ----------
    n_samples : int
    columns : list of ColumnReport
        Those of X.
    targets : list of ColumnReport
        Those of y.
    classes : dict of str to int, or None
        How many samples each class has, where y is labels.
    findings : list of Finding
        Errors first, then warnings, then notes.

    Examples
    --------
    >>> import fastbp as fb
    >>> report = fb.inspect_data([[1.0, 7.0], [2.5, 7.0]], [0, 1])
    >>> report.n_samples, len(report.columns), report.classes
    (2, 2, {'0': 1, '1': 1})
    """

    n_samples: int
    columns: list[ColumnReport]
    targets: list[ColumnReport]
    classes: dict[str, int] | None
    findings: list[Finding]

    def of_kind(self, kind: str) -> list[Finding]:
        """Return the findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, as JSON holds it: a figure that is not finite is None."""
        plain: dict[str, Any] = asdict(self)
        for column in plain["columns"] + plain["targets"]:
            for name, value in column.items():
                if isinstance(value, float) and not math.isfinite(value):
                    column[name] = None
        return plain

    def __repr__(self) -> str:
        classes = "" if self.classes is None else f", {counted(len(self.classes), 'class')}"
        lines = [f"{counted(self.n_samples, 'sample')}, {counted(len(self.columns), 'column')}{classes}"]
        for severity in _SEVERITIES:
            of_severity = [finding for finding in self.findings if finding.severity == severity]
            for kind, count in Counter(finding.kind for finding in of_severity).items():
                shown = [finding for finding in of_severity if finding.kind == kind][:_SHOWN]
                lines += [f"{severity:>7}: {finding}" for finding in shown]
                if count > _SHOWN:
                    lines.append(f"{'':>7}  and {count - _SHOWN:,} more of this kind ({kind})")
        if not self.findings:
            lines.append("no problems found")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return tables of the findings and of the columns, for notebooks."""
        findings, classes = self.findings, list((self.classes or {}).items())
        sizes = f"{counted(self.n_samples, 'sample')}, {counted(len(self.columns), 'column')}"
        return card(
            "Data report",
            sizes + ("" if findings else "; no problems found"),
            table(["", "finding"], len(findings), lambda i: [findings[i].severity, findings[i].sentence]),
            _columns_html("column", self.columns),
            _columns_html("target", self.targets),
            table(["class", "samples"], len(classes), lambda i: classes[i]),
        )


def _columns_html(what: str, columns: list[ColumnReport]) -> str:
    headings = [what, "kind", "missing", "infinite", "levels", "mean", "std", "minimum", "maximum"]

    def cells(i: int) -> list[str | float | None]:
        each = columns[i]
        counts = [each.n_missing, each.n_infinite, each.n_levels]
        return [str(each.name), each.kind, *counts, each.mean, each.std, each.minimum, each.maximum]

    return table(headings, len(columns), cells)


def report_column(column: Column) -> ColumnReport:
    """Return the figures of a column."""
    finite = column.values[np.isfinite(column.values)] if column.kind == "numbers" else np.empty(0)
    n_missing = int(np.count_nonzero(column.missing))
    n_infinite = int(np.count_nonzero(np.isinf(column.values)))
    n_levels = None if column.kind == "numbers" else len(column.levels)
    figures = [math.nan] * 4
    if len(finite):
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest the sum is infinite
            figures = [float(figure) for figure in (finite.mean(), finite.std(), finite.min(), finite.max())]
    return ColumnReport(column.name, column.kind, n_missing, n_infinite, n_levels, *figures)


def is_constant(report: ColumnReport) -> bool:
    """Return whether a column has one value, wherever it has any."""
    if report.n_levels is not None:
        return report.n_levels == 1
    return report.minimum == report.maximum and not report.n_infinite


def shortened(names: list[str]) -> str:
    """Return the first of these names."""
    return ", ".join(names[:_SHOWN]) + ("..." if len(names) > _SHOWN else "")


def sort_findings(findings: list[Finding]) -> list[Finding]:
    """Return the worst first, else as they were."""
    return sorted(findings, key=lambda finding: _SEVERITIES.index(finding.severity))
