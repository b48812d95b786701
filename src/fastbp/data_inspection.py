"""What to know about data before training on it: what stops training, what spoils it, what one may have overlooked."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.checks import sentence
from fastbp.columns import Column, Table, read_columns

__all__ = ["ColumnReport", "DataReport", "Finding", "inspect_data"]

Bits = NDArray[np.uint64]
Rows = NDArray[np.int64]
Severity = Literal["error", "warning", "note"]

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_SHOWN = 5  # findings of a kind that are printed
_WILD = 100.0  # ranges further apart, or so far from 0, slow training down
_FAR = 10.0  # interquartile ranges from the quartiles: of normal numbers not one in 10**40
_RARE = 0.2  # of the share that a class would have if all were alike
_MOST_CLASSES = 100  # integers of more values are taken for numbers
_ALIKE = 0.9999  # correlation from which on a column says what the target is
_LEAST_FOR_CORRELATION = 10  # samples: two always correlate


@dataclass(frozen=True)
class Finding:
    """One thing to know.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        An error stops training: fastbp refuses the data as it is. What is warned of trains, but badly, or to scores
        that mislead.
    kind : str
        What sort of finding, such as "missing" or "leak".
    column : str or None
        The column that it is about, None where it is about rows or the whole.
    sentence : str
        What it is, and what to do.
    """

    severity: Severity
    kind: str
    column: str | None
    sentence: str


@dataclass(frozen=True)
class ColumnReport:
    """The figures of a column: counts, and statistics of its finite numbers (NaN where there are none)."""

    name: str
    kind: str
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
        lines = [f"{self.n_samples:,} samples, {len(self.columns):,} columns{self._classes_text()}"]
        for severity in _SEVERITIES:
            of_severity = [finding for finding in self.findings if finding.severity == severity]
            for kind, count in Counter(finding.kind for finding in of_severity).items():
                shown = [finding for finding in of_severity if finding.kind == kind][:_SHOWN]
                lines += [f"{severity:>8}: {finding.sentence}" for finding in shown]
                if count > _SHOWN:
                    lines.append(f"{'':>8}  and {count - _SHOWN:,} more of this kind ({kind})")
        if not self.findings:
            lines.append("nothing to remark")
        return "\n".join(lines)

    def _classes_text(self) -> str:
        return "" if self.classes is None else f", {len(self.classes):,} classes"


def inspect_data(X: Any, y: Any = None, validation_data: tuple[Any, ...] | None = None) -> DataReport:
    """Look at data before training on it; nothing is changed, and nothing is trained.

    Columns of X: missing and infinite numbers, text, columns that are constant or twice there, ranges that are far
    apart. Rows: those that are there twice, those of the validation data that are in the training data too. The
    targets: missing and infinite numbers, labels that are no classes from 0 on, classes that are rare, numbers far from
    all others, columns of X that tell the target.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns)
        An array, a nested list, a data frame of pandas, polars or pyarrow, a dictionary of columns. It is looked at
        column by column, so it takes memory for a few columns only.
    y : array-like, optional
        Targets, a row for each sample. Integers of few values, text, booleans and one-hot rows are taken for classes.
    validation_data : (X, y), optional
        What the model will be evaluated on.

    Returns
    -------
    DataReport

    Raises
    ------
    TypeError, ValueError
        If an argument is no table, or they are of different sizes.

    Examples
    --------
    >>> import fastbp as fb
    >>> report = fb.inspect_data([[1.0, 7.0], [2.5, 7.0], [float("nan"), 7.0]], [0, 1, 1])
    >>> print(report)
    3 samples, 2 columns, 2 classes
       error: column 0 has 1 missing value, the first in row 2; fb.Trainer refuses them. Fill them in or leave the rows out.
     warning: column 1 is constant; it says nothing about a sample. Leave it out.
    """
    table = read_columns(X, "X")
    targets = None if y is None else _read_targets(y, "y", table)
    validation = _read_validation(validation_data, table)
    inspection = _Inspection(table, targets, validation)
    return inspection.report()


def _read_targets(y: Any, argument: str, table: Table) -> Table:
    targets = read_columns(y, argument)
    if targets.n_rows != table.n_rows:
        raise ValueError(f"X has {table.n_rows} rows, {argument} has {targets.n_rows}; expected a target for each.")
    if targets.n_columns == 1:
        return Table([argument], targets.n_rows, lambda j: targets.column(j))
    return Table([f"{name} of {argument}" for name in targets.names], targets.n_rows, lambda j: targets.column(j))
