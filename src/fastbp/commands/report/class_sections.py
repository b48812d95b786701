"""The sections about predicted classes: which are taken for which, figures by class, curves, probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.outcome import Outcome
from fastbp.commands.report import charts, markup
from fastbp.commands.report.confusion import (
    ClassFigures,
    confusion_counts,
    figures_by_class,
    most_confused,
    order_by_confusion,
)
from fastbp.commands.report.curves import (
    ClassCurve,
    Family,
    calibration_error,
    labels_with_curves,
    precision_recall_family,
    reliability,
    roc_family,
)
from fastbp.commands.report.matrix import MOST_WITH_NAMES, confusion_matrix
from fastbp.commands.words import figure, percent, plain, shortened
from fastbp.support.checks import counted

__all__ = ["class_sections"]

_MOST_LISTED = 40  # classes, in the table by class
_MOST_CURVE_CELLS = 20_000_000  # rows times classes that curves are made of


def class_sections(outcome: Outcome) -> list[str]:
    """Return the sections of a task of classes."""
    y = outcome.task.y[outcome.test_rows]
    counts = confusion_counts(y, outcome.outputs.argmax(axis=1), len(outcome.task.classes))
    return [
        markup.section("Predicted classes", *_matrix(counts, outcome), *_pairs(counts, outcome)),
        markup.section("By class", *_by_class(figures_by_class(counts), outcome)),
        markup.section("Probabilities", *_curves(y, outcome), *_calibration(y, outcome)),
    ]


def _matrix(counts: NDArray[np.int64], outcome: Outcome) -> list[str]:
    classes = outcome.task.classes
    said = "A row is a true class, a column what was predicted: blue is right, orange wrong, stronger where commoner."
    if len(classes) <= MOST_WITH_NAMES:
        return [markup.paragraph(said, quiet=True), confusion_matrix(counts, classes)]
    order = order_by_confusion(counts)
    said += " Classes that are taken for each other are neighbours; some of the names are shown."
    return [
        markup.paragraph(said, quiet=True),
        confusion_matrix(counts[np.ix_(order, order)], [classes[label] for label in order]),
    ]


def _pairs(counts: NDArray[np.int64], outcome: Outcome) -> list[str]:
    classes = outcome.task.classes
    pairs = most_confused(counts)
    if not pairs:
        return [markup.paragraph("No held-out row was predicted wrongly.")]
    head = {"true": False, "predicted": False, "rows": True, "of the true class": True}
    rows = [[classes[p.true], classes[p.predicted], f"{p.rows:,}", percent(p.share)] for p in pairs]
    return [markup.heading("Most often confused"), markup.table(head, rows)]


def _by_class(figures: ClassFigures, outcome: Outcome) -> list[str]:
    """Return precision and recall of each class: in their order, or those that are found worst, if they are many."""
    task = outcome.task
    n_classes = len(task.classes)
    training = np.bincount(task.y[outcome.train_rows], minlength=n_classes)
    labels = np.arange(n_classes)
    said = "Precision: of the rows predicted as the class, the share that are right. Recall: of its rows, those found."
    if n_classes > _MOST_LISTED:
        labels = np.argsort(np.where(figures.support > 0, figures.f1, 2.0), kind="stable")[:_MOST_LISTED]
        said += f" The {_MOST_LISTED} of {n_classes:,} classes with the smallest f1."
    head = {"class": False, "precision": True, "recall": True, "f1": True, "held-out rows": True, "training rows": True}
    rows = [
        [
            task.classes[label],
            *(figure(float(values[label])) for values in (figures.precision, figures.recall, figures.f1)),
            f"{figures.support[label]:,}",
            f"{training[label]:,}",
        ]
        for label in labels
    ]
    return [markup.paragraph(said, quiet=True), markup.table(head, rows)]


def _curves(y: NDArray[np.int64], outcome: Outcome) -> list[str]:
    """Return ROC and precision-recall curves, those of two classes directly, of more as a mean and the worst ones."""
    classes, outputs = outcome.task.classes, outcome.outputs
    n_rows = max(1000, _MOST_CURVE_CELLS // len(classes))
    y, outputs = y[:n_rows], outputs[:n_rows]
    labels = labels_with_curves(y, len(classes))
    if not labels:
        return [markup.paragraph("All held-out rows are of one class: there are no curves.")]
    two = len(classes) == 2
    families = [family(y, outputs, [1] if two else labels) for family in (roc_family, precision_recall_family)]
    against = f"class {plain(classes[1])!r}" if two else "each class against all others"
    said = f"Curves over all thresholds, of {against}; the number is the area under a curve."
    if not two:
        said += f" Blue is the mean of {counted(len(labels), 'class')}, orange those with the smallest areas."
    pictures = []
    titles = (("ROC", "false positive rate", "true positive rate"), ("precision and recall", "recall", "precision"))
    for family, (title, xlabel, ylabel) in zip(families, titles, strict=True):
        curves, names = _named(family, two, outcome)
        pictures.append(charts.class_curves(curves, names, xlabel, ylabel, title, chance=title == "ROC"))
    return [markup.paragraph(said, quiet=True), markup.side_by_side(*pictures)]


def _named(family: Family, two: bool, outcome: Outcome) -> tuple[list[ClassCurve], list[str]]:
    curves = family.worst if two else [family.mean, *family.worst]
    names = ["mean" if curve.label < 0 else shortened(outcome.task.classes[curve.label], 20) for curve in curves]
    return curves, names


def _calibration(y: NDArray[np.int64], outcome: Outcome) -> list[str]:
    """Return how far the probabilities can be trusted."""
    classes, outputs = outcome.task.classes, outcome.outputs
    if len(classes) == 2:
        what, bins = shortened(classes[1], 24), reliability(outputs[:, 1], y == 1)
    else:
        what, bins = "the predicted class", reliability(outputs.max(axis=1), outputs.argmax(axis=1) == y)
    said = f"How often it was {what}, for each probability that was predicted for it. On average the probability is "
    said += f"{calibration_error(bins):.3f} off."
    rows = [[percent(p), percent(share), f"{n:,}"] for p, share, n in zip(*bins, strict=True)]
    table = markup.table({"predicted": True, "happened": True, "held-out rows": True}, rows)
    return [
        markup.heading("Calibration"),
        markup.paragraph(said, quiet=True),
        markup.side_by_side(charts.calibration(bins, what), table),
    ]
