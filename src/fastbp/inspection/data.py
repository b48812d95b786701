"""Problems of data, found before training: what stops training, what makes it worse, what is easily overlooked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastbp.inspection.columns import Column, InspectedTable, read_columns
from fastbp.inspection.report import (
    ColumnReport,
    DataReport,
    Finding,
    is_constant,
    report_column,
    shortened,
    sort_findings,
)
from fastbp.inspection.row_hashes import RowHashes, rows_before
from fastbp.inspection.targets import Targets, classes_of, inspect_targets
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import counted, sentence
from fastbp.support.underflow import underflows_to_zero

__all__ = ["inspect_data"]

_FOR_TEXT = "make the model with prepare=fb.Columns(), or encode them."
_FOR_TIMES = "make the model with prepare=fb.Columns(numeric=fb.Standardize()), which takes times in seconds."
_WILD = 100.0  # numbers this many times larger or smaller than 1 slow training down
_LEAST_IDENTIFIERS = 10  # in fewer rows, texts that all differ or integers that count up mean little


@underflows_to_zero
@explain_arguments
def inspect_data(X: Any, y: Any = None, validation_data: tuple[Any, ...] | list[Any] | None = None) -> DataReport:
    """Look at data before training on it; nothing is changed, and nothing is trained.

    Columns of X: missing and infinite numbers, text, constant and duplicate columns, columns that differ widely in
    scale. Rows: duplicates, duplicates with different targets, rows of the validation data that are in the training
    data too. Targets: missing and infinite numbers, labels that are not numbered from 0, rare classes, numbers far from
    all others, columns of X from which the target can be read.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns)
        An array, a nested list, a data frame of pandas, polars or pyarrow, a dictionary of columns, a sparse matrix.
        Columns are converted to float64 a few at a time: there is no copy of all data.
    y : array-like, optional
        Targets, a row for each sample. Text, integers of few values, booleans and one-hot rows are taken for classes.
        Up to 16 columns of targets are compared with the columns of X.
    validation_data : (X, y) or (X, y, sample_weight), optional
        The data that the model will be evaluated on.

    Returns
    -------
    DataReport

    Raises
    ------
    TypeError, ValueError
        If an argument is not a table, or their sizes differ.

    Examples
    --------
    >>> import fastbp as fb
    >>> report = fb.inspect_data([[1.0, 7.0], [2.5, 7.0], [float("nan"), 7.0]], [0, 1, 1])
    >>> [(finding.kind, finding.column) for finding in report.findings]
    [('missing', 0), ('constant', 1)]
    """
    table = read_columns(X, "X")
    targets = None if y is None else inspect_targets(read_columns(y, "y"), table)
    validation = _read_validation(validation_data, table)
    hashes = RowHashes(table.n_rows)
    reports: list[ColumnReport] = []
    findings: list[Finding] = []
    validation_hashes = None if validation is None else RowHashes(validation[0].n_rows)
    first_of: dict[bytes, ColumnReport] = {}
    for j, column in enumerate(table):
        report = report_column(column)
        reports.append(report)
        findings += _of_column(column, report)
        findings += _copies(column, report, first_of)
        findings += [] if targets is None else targets.told_by(column)
        hashes.take(column)
        if validation is not None and validation_hashes is not None:
            other = validation[0].column(j)
            findings += _of_validation(column, other)
            validation_hashes.take(other)
    findings += _of_scales(reports)
    findings += _of_rows(hashes, targets)
    if targets is not None:
        findings += targets.findings
    if validation is not None and validation_hashes is not None:
        findings += _leaks(hashes, validation_hashes)
        findings += _unseen_classes(targets, validation[1])
    return DataReport(
        table.n_rows,
        reports,
        [] if targets is None else targets.reports,
        None if targets is None else targets.classes,
        sort_findings(findings),
    )


# ------------------------------------------------------------------------------------------------- columns


def _of_column(column: Column, report: ColumnReport) -> Iterator[Finding]:
    """Yield the findings about one column by itself."""
    where, n_rows = f"column {column.name!r}", len(column.values)
    yield from _of_gaps(column, report, where)
    n_present = n_rows - report.n_missing
    if is_constant(report) and n_rows > 1:
        what = "is constant" if n_present == n_rows else "is constant where it is not missing"
        yield Finding(
            "warning", "constant", column.name, f"{where} {what}. Leave it out: nothing can be learned from it."
        )
    elif report.n_levels == n_present >= _LEAST_IDENTIFIERS:
        remedy = "If it names the samples, leave it out: a network would learn them by heart."
        yield Finding("note", "identifier", column.name, f"{where} is {column.kind}, different in every row. {remedy}")
    elif n_rows >= _LEAST_IDENTIFIERS and _counts_rows(column):
        remedy = "If it is the row's number, leave it out: it does not help to predict other samples."
        yield Finding("note", "identifier", column.name, f"{where} grows by 1 from row to row. {remedy}")
    elif report.n_levels:
        if column.problem:
            then = f"Then {column.first}make the model with prepare=fb.Columns()."
            yield Finding("warning", "text", column.name, f"{where} {column.problem} {then}")
            return
        remedy = _FOR_TIMES if column.kind == "times" and not column.is_category else _FOR_TEXT
        was = f"{where} is {column.kind} of {counted(report.n_levels, 'level')}. A network takes numbers:"
        yield Finding("note", "text", column.name, f"{was} {column.first}{remedy}")


def _counts_rows(column: Column) -> bool:
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return column.kind == "numbers" and bool((np.diff(column.values) == 1).all())


def _of_gaps(column: Column, report: ColumnReport, where: str) -> Iterator[Finding]:
    """Yield missing and infinite values, which no network can take."""
    n_rows = len(column.values)
    if report.n_missing == n_rows:
        yield Finding("warning", "missing", column.name, f"{where} has no value in any row. Leave it out.")
    elif report.n_missing:
        values, first = counted(report.n_missing, "missing value"), int(np.argmax(column.missing))
        was = f"{where} has {values}, {report.n_missing / n_rows:.2g} of all; the first is in row {first}"
        remedy = "Fill them in, for example with fb.Impute, or leave these rows out."
        if column.is_category or column.kind == "text":
            remedy = "For fb.Columns they are a category of their own."
        yield Finding("warning", "missing", column.name, f"{was}. {remedy}")
    if report.n_infinite:
        values, first = counted(report.n_infinite, "infinite number"), int(np.argmax(np.isinf(column.values)))
        was = f"{where} has {values}; the first is in row {first}"
        yield Finding("error", "infinite", column.name, f"{was}. Correct them, or leave these rows out.")


def _copies(column: Column, report: ColumnReport, first_of: dict[bytes, ColumnReport]) -> Iterator[Finding]:
    """Yield that a column is equal to an earlier one; constant columns are reported elsewhere."""
    if is_constant(report) or report.n_missing == len(column.values):
        return
    import hashlib  # takes its time, and `import fastbp` does not need it

    digest = hashlib.blake2b(np.ascontiguousarray(column.bits).data, digest_size=32).digest()
    first = first_of.setdefault(digest, report)
    if first is not report:
        was = f"column {column.name!r} is equal to column {first.name!r}"
        yield Finding("warning", "duplicate_column", column.name, f"{was} in every row. Leave one of them out.")


def _of_scales(reports: list[ColumnReport]) -> Iterator[Finding]:
    """Yield that numbers are so large or so small that networks learn slowly from them."""
    sizes = [(max(abs(report.minimum), abs(report.maximum)), report) for report in reports if _varies(report)]
    if not sizes:
        return
    largest, smallest = max(sizes, key=lambda pair: pair[0]), min(sizes, key=lambda pair: pair[0])
    if largest[0] <= _WILD and smallest[0] >= 1 / _WILD:
        return
    texts = [f"column {report.name!r} has numbers up to {size:.3g}" for size, report in (largest, smallest)]
    if largest is smallest:
        was = texts[0]
    elif largest[0] > _WILD * smallest[0]:
        was = f"columns differ widely in scale: {', '.join(texts)}"
    else:
        was = f"numbers are far from 1: {', '.join(texts)}"
    remedy = "Networks learn best from numbers near 1: scale the columns, for example with fb.Standardize."
    yield Finding("warning", "scale", largest[1].name if largest[0] > _WILD else smallest[1].name, f"{was}. {remedy}")


def _varies(report: ColumnReport) -> bool:
    return report.minimum < report.maximum


# ---------------------------------------------------------------------------------------------------- rows


def _of_rows(hashes: RowHashes, targets: Targets | None) -> Iterator[Finding]:
    """Yield that rows occur several times, and whether with different targets."""
    first = rows_before(hashes.values)
    again = np.flatnonzero(first != np.arange(len(first)))
    if not len(again):
        return
    example = f"for example row {again[0]} to row {first[again[0]]}"
    was = f"{counted(len(again), 'row')} of X {_is_or_are(len(again))} equal to an earlier row: {example}"
    remedy = "Scores are too optimistic where copies of a row are in both parts: pass groups to fit and cross_validate."
    yield Finding("note", "duplicate_rows", None, f"{was}. {remedy}")
    if targets is None:
        return
    other = again[targets.hashes[again] != targets.hashes[first[again]]]
    if len(other):
        example = f"for example row {other[0]} and row {first[other[0]]}"
        was = f"{counted(len(other), 'row')} of X equal to an earlier row {_has_or_have(len(other))} another target"
        remedy = "Columns that would tell them apart are missing, or targets are wrong."
        yield Finding("warning", "contradiction", None, f"{was}: {example}. {remedy}")


def _leaks(hashes: RowHashes, validation_hashes: RowHashes) -> Iterator[Finding]:
    """Yield that rows are in the training data and in the validation data."""
    known = np.flatnonzero(np.isin(validation_hashes.values, hashes.values))
    if len(known):
        row = int(np.argmax(hashes.values == validation_hashes.values[known[0]]))
        rows = f"{counted(len(known), 'row')} of {len(validation_hashes.values):,} of validation_data"
        was = f"{rows} {_is_or_are(len(known))} in X too: for example its row {known[0]} is row {row} of X"
        remedy = "Scores on training data mislead: leave these rows out of one of the two."
        yield Finding("warning", "leak", None, f"{was}. {remedy}")


def _is_or_are(n: int) -> str:
    return "is" if n == 1 else "are"


def _has_or_have(n: int) -> str:
    return "has" if n == 1 else "have"


# ------------------------------------------------------------------------------------------ validation data


def _read_validation(validation_data: Any, table: InspectedTable) -> tuple[InspectedTable, InspectedTable] | None:
    if validation_data is None:
        return None
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        expected = "a pair (X_val, y_val), or (X_val, y_val, sample_weight)"
        raise TypeError(sentence("validation_data", validation_data, expected))
    others, targets = (read_columns(validation_data[i], f"validation_data[{i}]") for i in range(2))
    if others.n_columns != table.n_columns:
        raise ValueError(
            f"validation_data[0] has {counted(others.n_columns, 'column')} and X has {table.n_columns:,}; expected "
            "the same number."
        )
    if others.n_rows != targets.n_rows:
        raise ValueError(
            f"validation_data[0] has {counted(others.n_rows, 'row')}, validation_data[1] has {targets.n_rows:,}; "
            "expected a target for each sample."
        )
    return others, targets


def _of_validation(column: Column, other: Column) -> Iterator[Finding]:
    """Yield the findings about a column of the validation data, and how it differs from that of X."""
    yield from _of_gaps(other, report_column(other), f"column {column.name!r} of validation_data[0]")
    if other.missing.all() or column.missing.all():
        return
    if column.name != other.name or column.kind != other.kind:
        was = f"column {column.name!r} is {column.kind} in X, but in its place validation_data[0] has "
        was += f"column {other.name!r}, which is {other.kind}"
        yield Finding("error", "differs", column.name, f"{was}. Give both the same columns.")
    elif column.levels:
        new = sorted(set(other.levels) - set(column.levels))
        if new:
            was = (
                f"column {column.name!r} of validation_data[0] has {counted(len(new), 'level')} that X does not have: "
            )
            yield Finding(
                "warning", "unseen", column.name, f"{was}{shortened(new)}. The model learns nothing about them."
            )


def _unseen_classes(targets: Targets | None, validation: InspectedTable) -> Iterator[Finding]:
    """Yield that classes occur in the validation data only."""
    if targets is None or targets.classes is None:
        return
    new = sorted(set(classes_of(validation)) - set(targets.classes))
    if new:
        was = f"validation_data[1] has {counted(len(new), 'class')} that y does not have: {shortened(new)}"
        yield Finding("warning", "unseen", None, f"{was}. Split by class: fit(validation_fraction=...) does.")
