"""Problems of targets, found before training on them, and columns of X that give the target away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.inspection.columns import Column, InspectedTable
from fastbp.inspection.label_order import are_classes
from fastbp.inspection.report import ColumnReport, Finding, is_constant, report_column, shortened
from fastbp.inspection.row_hashes import RowHashes
from fastbp.support.checks import counted

__all__ = ["Targets", "classes_of", "evidence_of", "inspect_targets"]

_MOST_KEPT = 16  # columns of targets that are compared with the columns of X
_MOST_UNNUMBERED = 20  # fractional numbers of at most this many values may be meant as classes
_RARE = 0.2  # times the share that each class would have if all were equally common
_FAR = 10.0  # interquartile ranges from the quartiles: farther than one normal number in 10**40
_LARGE = 100.0  # larger targets make large gradients
_ALIKE = 0.9999  # a column with this correlation, or more, gives the target away
_LEAST_TO_COMPARE = 10  # samples: two always correlate


@dataclass(frozen=True)
class Targets:
    """Targets, and what was found in them.

    Attributes
    ----------
    columns : list of Column
        The first of them, to compare with; one-hot rows are one column, of the number of the class.
    reports : list of ColumnReport
    classes : dict of str to int, or None
        Samples of each class, where they are labels.
    hashes : uint64 ndarray of shape (n_samples,)
        Of each sample's targets.
    findings : list of Finding
    """

    columns: list[Column]
    reports: list[ColumnReport]
    classes: dict[str, int] | None
    hashes: NDArray[np.uint64]
    findings: list[Finding]

    def told_by(self, column: Column) -> Iterator[Finding]:
        """Yield that a target can be read from a column of X."""
        for target in self.columns:
            how = _how_alike(column, target)
            if how:
                what = "y" if len(self.columns) == 1 else f"column {target.name!r} of y"
                was = f"column {column.name!r} {how} {what}"
                remedy = "If it is not known before the target is known, leave it out."
                yield Finding("warning", "tells_target", column.name, f"{was}. {remedy}")
                return


def inspect_targets(table: InspectedTable, X: InspectedTable) -> Targets:
    """Return the findings about the targets of the samples in X.

    Raises
    ------
    ValueError
        If their number differs.
    """
    n_samples = X.n_rows
    if table.n_rows != n_samples:
        raise ValueError(f"X has {n_samples:,} rows, y has {table.n_rows:,}; expected a target for each sample.")
    hashes = RowHashes(n_samples)
    columns: list[Column] = []
    reports: list[ColumnReport] = []
    findings: list[Finding] = []
    one_hot = _one_hot(table)
    for column in table:
        report = report_column(column)
        hashes.take(column)
        reports.append(report)
        if len(columns) < _MOST_KEPT:
            columns.append(column)
        if one_hot is None:
            where = "y" if table.n_columns == 1 else f"column {column.name!r} of y"
            findings += _of_column(column, report, where, X)
    if one_hot is not None:
        columns = [one_hot]
    classes = _count_classes(columns[0], X) if table.n_columns == 1 or one_hot is not None else None
    if classes is not None:
        findings += _of_classes(classes, n_samples)
    return Targets(columns, reports, classes, hashes.values, findings)


def classes_of(table: InspectedTable) -> list[str]:
    """Return the classes that targets name."""
    column = _one_hot(table) or table.column(0)
    return list(_names_and_counts(column)[0])


def _one_hot(table: InspectedTable) -> Column | None:
    """Return the number of each row's class if each row has one 1 and is 0 elsewhere; else None."""
    if table.n_columns == 1:
        return None
    numbers, n_ones = np.zeros(table.n_rows), np.zeros(table.n_rows, np.int64)
    for j, column in enumerate(table):
        if column.kind != "numbers" or not ((column.values == 0) | (column.values == 1)).all():
            return None
        numbers += j * column.values
        n_ones += column.values == 1
    return Column("y", "numbers", numbers, []) if (n_ones == 1).all() else None


# ------------------------------------------------------------------------------------------------- classes


def _count_classes(column: Column, X: InspectedTable) -> dict[str, int] | None:
    """Return how many samples each class has; None where targets are not labels."""
    if column.kind == "numbers" and not _are_labels(column, X):
        return None
    names, counts = _names_and_counts(column)
    return dict(zip(names, counts.tolist(), strict=True))


def _names_and_counts(column: Column) -> tuple[list[str], NDArray[Any]]:
    present = column.values[~column.missing]
    if column.kind != "numbers":
        return column.levels, np.bincount(present.astype(np.int64), minlength=len(column.levels))
    values, counts = np.unique(present, return_counts=True)
    return [f"{value:g}" if abs(value) < 1e6 else repr(float(value)) for value in values], counts


def _are_labels(column: Column, X: InspectedTable) -> bool:
    """Return whether a column of numbers holds the names of classes."""
    there = ~column.missing
    return are_classes(column.values[there], lambda: (values[there] for values in evidence_of(X)))


def evidence_of(X: InspectedTable) -> Iterator[NDArray[np.float64]]:
    """Yield the columns of a table as numbers: of text whether it is the most common one."""
    for column in X:
        if column.kind == "numbers":
            yield column.values
        elif column.levels:
            codes = column.values[~column.missing].astype(np.int64)
            yield (column.values == np.bincount(codes).argmax()).astype(np.float64)


def _of_classes(classes: dict[str, int], n_samples: int) -> Iterator[Finding]:
    """Yield which classes are rare."""
    for name, count in classes.items():
        if count < _RARE * n_samples / len(classes):
            was = (
                f"class {name} has {counted(count, 'sample')} of {n_samples:,}, and there are {len(classes):,} classes"
            )
            remedy = (
                "A network may never predict it and still have a good accuracy: see class_weight and balanced_accuracy."
            )
            yield Finding("warning", "rare_class", None, f"{was}. {remedy}")


# ------------------------------------------------------------------------------------------------- numbers


def _of_column(column: Column, report: ColumnReport, where: str, X: InspectedTable) -> Iterator[Finding]:
    """Yield the findings about one column of targets by itself."""
    for kind, bad in (("missing", column.missing), ("infinite", np.isinf(column.values))):
        if bad.any():
            what = counted(int(np.count_nonzero(bad)), f"{kind} value")
            was = f"{where} has {what}; the first is in row {int(np.argmax(bad))}"
            yield Finding("error", kind, column.name, f"{was}. Nothing can be learned from these rows: leave them out.")
    if is_constant(report) and len(column.values) > 1:
        yield Finding("warning", "constant", column.name, f"{where} is constant: there is nothing to learn.")
    elif column.kind != "numbers":
        levels = counted(len(column.levels), "level")
        remedy = "Trainers take it as the labels of classes, which model.classes then holds."
        if not column.is_category and (column.kind != "text" or column.problem):  # times; several kinds, or no order
            remedy = "Trainers take labels that are text: list(map(str, y))."
        yield Finding("note", "labels", column.name, f"{where} is {column.kind} of {levels}. {remedy}")
    else:
        yield from _of_numbers(column, column.values[np.isfinite(column.values)], where, X)


def _of_numbers(column: Column, finite: NDArray[np.float64], where: str, X: InspectedTable) -> Iterator[Finding]:
    if not len(finite):
        return
    if _are_labels(column, X):
        values = np.unique(finite)
        if (values != np.arange(len(values))).any():
            was = f"{where} has the integers {shortened([f'{value:g}' for value in values])}"
            remedy = "If they are classes for cross_entropy, number them from 0: np.unique(y, return_inverse=True)[1]."
            yield Finding("note", "labels", column.name, f"{was}. {remedy}")
        return
    values = np.unique(finite)
    if len(values) <= min(_MOST_UNNUMBERED, len(finite) // 10):
        was = f"{where} has {len(values)} different numbers, not all integers"
        remedy = "If they are classes, number them from 0: np.unique(y, return_inverse=True)[1]."
        yield Finding("note", "labels", column.name, f"{was}. {remedy}")
    yield from _outliers(column, finite, where)
    largest = float(np.abs(finite).max())
    if largest > _LARGE:
        was = f"{where} has numbers up to {largest:.3g}"
        remedy = "Training on squared errors is slow with such targets: see the model's prepare_targets."
        yield Finding("note", "scale", column.name, f"{was}. {remedy}")


def _outliers(column: Column, finite: NDArray[np.float64], where: str) -> Iterator[Finding]:
    """Yield that a few targets are far from all others."""
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = np.quantile(finite, [0.25, 0.75])
        reach = _FAR * (high - low)
        far = np.isfinite(column.values) & ((column.values < low - reach) | (column.values > high + reach))
    if reach > 0 and far.any():
        row = int(np.argmax(far))
        was = f"{where} has {counted(int(np.count_nonzero(far)), 'number')} far from the others"
        was += f"; the first is {column.values[row]:.3g} in row {row}. Half of all lie between {low:.3g} and {high:.3g}"
        remedy = "If they are right, take their logarithm, or use a loss such as huber."
        yield Finding("warning", "outliers", column.name, f"{was}. {remedy}")


# ------------------------------------------------------------------------------------------- saying too much


def _how_alike(column: Column, target: Column) -> str:
    """Return in words how the target can be read from a column of X; empty text where it cannot."""
    both = np.isfinite(column.values) & np.isfinite(target.values)
    if np.count_nonzero(both) < max(_LEAST_TO_COMPARE, len(both) / 2):
        return ""
    x, t = column.values[both], target.values[both]
    if column.kind == target.kind == "numbers":
        if (x == t).all():
            return "" if t.min() == t.max() else "is equal to"
        correlation = _correlation(x, t)
        return f"has a correlation of {correlation:.5f} with" if abs(correlation) >= _ALIKE else ""
    if column.kind != "numbers" and target.kind != "numbers" and np.array_equal(column.bits, target.bits):
        return "is equal to" if len(target.levels) > 1 else ""
    return "has a level of its own for each class of" if _one_to_one(x, t) else ""


def _correlation(x: NDArray[np.float64], t: NDArray[np.float64]) -> float:
    """Return Pearson's coefficient; 0 where one of them is constant."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        x, t = x - x.mean(), t - t.mean()
        x, t = x / np.abs(x).max(), t / np.abs(t).max()  # their squares could be too large, or too small
        coefficient = float(np.sum(x * t) / np.sqrt(np.sum(x * x) * np.sum(t * t)))
    return coefficient if np.isfinite(coefficient) else 0.0


def _one_to_one(x: NDArray[np.float64], t: NDArray[np.float64]) -> bool:
    """Return whether each value of one always occurs with one value of the other, on average in two rows or more."""
    n_values = len(np.unique(x))
    if not 1 < n_values == len(np.unique(t)) <= len(x) // 2:
        return False
    return len(np.unique(np.column_stack([x, t]), axis=0)) == n_values
