"""What matters most about a training, in a few sentences: for the terminal, and for the top of the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastbp.commands.outcome import Outcome, show
from fastbp.commands.report.confusion import confusion_counts, figures_by_class
from fastbp.commands.report.curves import interval_of_share
from fastbp.commands.report.model_sections import describe_training
from fastbp.commands.report.problems import describe_leaks, describe_twins
from fastbp.commands.report.rows import share_of_worst, worst_rows
from fastbp.commands.task import Task
from fastbp.commands.words import listed, percent, plain
from fastbp.inspection.report import Finding
from fastbp.support.checks import counted

__all__ = ["describe_classes", "highlights", "rare_classes"]

_RARE = 0.2  # times the share that each class would have if all were equally common
_UNEVEN = 0.02  # that the accuracy is above the mean of the classes' recalls
_FEW_ROWS = 200  # held-out rows, below which a share is known to some hundredths only
_ENOUGH_ROWS = 100  # held-out rows, from which more is said of them than how few they are
_LARGE_SHARE = 0.5  # of the squared error, in ten rows
_FEWEST_OF_CLASS = 3  # held-out rows, below which a class is not judged
_TOO_CONFIDENT = 0.03  # beyond what chance explains


def highlights(outcome: Outcome, findings: Sequence[Finding]) -> list[str]:
    """Return what the user should know first, a sentence or two each, the most important first.

    Columns and rows that make the scores too good, a model that has learnt nothing, rare classes, how the training went
    and what to try next, scores of few rows.

    Parameters
    ----------
    outcome : Outcome
    findings : sequence of Finding
        About the task's data, by ``findings_of``.
    """
    of_kind = _of_classes if outcome.task.kind == "class" else _of_numbers
    return [
        *describe_leaks(outcome.task, findings),
        *_of_perfection(outcome, findings),
        *_of_baseline(outcome),
        *describe_twins(outcome, findings),
        *of_kind(outcome),
        *_of_linear(outcome),
        describe_training(outcome),
    ]


def _of_perfection(outcome: Outcome, findings: Sequence[Finding]) -> list[str]:
    """Return a warning of scores that are too good to be true, where no column was found that explains them."""
    told = any(finding.kind == "tells_target" for finding in findings)
    score, least = ("accuracy", 0.9995) if outcome.task.kind == "class" else ("r2", 0.9995)
    if told or len(outcome.test_rows) < _ENOUGH_ROWS or outcome.scores[score] < least:
        return []
    after = f"a column that is known only after {plain(outcome.task.target)!r} is"
    return [f"The scores are almost perfect. If that is a surprise, look for {after}."]


def _of_baseline(outcome: Outcome) -> list[str]:
    """Return that nothing was learnt, if so."""
    scores, baseline = outcome.scores, outcome.baseline
    if outcome.task.kind == "class":
        learnt = scores["log_loss"] < 0.99 * baseline["log_loss"] or scores["accuracy"] > baseline["accuracy"]
        answer = "the most common class"
    else:
        learnt, answer = scores["rmse"] < 0.99 * baseline["rmse"], "the mean"
    if learnt:
        return []
    missing = f"the columns may not tell {plain(outcome.task.target)!r}, or the rows are too few"
    return [f"The predictions are no better than {answer}: {missing}."]


def _of_linear(outcome: Outcome) -> list[str]:
    """Return that a linear model is as good, if so."""
    score, least = ("log_loss", 0.97) if outcome.task.kind == "class" else ("rmse", 0.99)
    if score not in outcome.linear or outcome.scores[score] < least * outcome.linear[score]:
        return []
    own, linear = show(outcome.scores[score]), show(outcome.linear[score])
    return [f"A linear model is as good on these rows: its {score} is {linear}, this model's {own}."]


# ------------------------------------------------------------------------------------------------- classes


def rare_classes(y: np.ndarray, n_classes: int) -> list[int]:
    """Return the classes with less than a fifth of the rows that each would have if all were equally common."""
    counts = np.bincount(y, minlength=n_classes)
    rare = np.flatnonzero(counts < _RARE * len(y) / n_classes)
    return [int(label) for label in rare[np.argsort(counts[rare], kind="stable")]]


def describe_classes(task: Task) -> list[str]:
    """Return that classes are rare, before anything is trained."""
    rare = rare_classes(task.y, len(task.classes)) if task.kind == "class" else []
    if not rare:
        return []
    counts = np.bincount(task.y, minlength=len(task.classes))
    fewest = f"{counted(int(counts[rare[0]]), 'row')} of {len(task.y):,}"
    are = "class is" if len(rare) == 1 else "classes are"
    return [f"{len(rare)} {are} rare: {listed([task.classes[label] for label in rare])}; the rarest has {fewest}."]


def _of_classes(outcome: Outcome) -> list[str]:
    return [
        *_of_missing_classes(outcome),
        *_of_rare_classes(outcome),
        *_of_few_rows(outcome),
        *_of_confidence(outcome),
    ]


def _of_missing_classes(outcome: Outcome) -> list[str]:
    """Return which classes have no held-out row, or hardly any, so that the scores say nothing of them."""
    task = outcome.task
    counts = np.bincount(task.y[outcome.test_rows], minlength=len(task.classes))
    few = np.flatnonzero(counts < _FEWEST_OF_CLASS)
    if not len(few):
        return []
    names = listed([task.classes[label] for label in few])
    are = f"class {names!r} has" if len(few) == 1 else f"{len(few)} classes ({names}) have"
    return [f"The scores say little of some rows: {are} fewer than {_FEWEST_OF_CLASS} held-out rows."]


def _of_rare_classes(outcome: Outcome) -> list[str]:
    """Return that classes are rare and which scores to look at, where they are found less often than others."""
    task, n_classes = outcome.task, len(outcome.task.classes)
    rare, never = rare_classes(task.y, n_classes), _never_found(outcome)
    accuracy, balanced = outcome.scores["accuracy"], outcome.scores["balanced_accuracy"]
    if not rare or (accuracy - balanced < _UNEVEN and not never):
        return []
    counts = np.bincount(task.y, minlength=n_classes)
    most, least = int(counts.argmax()), rare[0]
    names = listed([task.classes[label] for label in rare])
    rarest = f"{counted(int(counts[least]), 'row')} of {len(task.y):,}"
    was = f"Class {names!r} is rare: it has {rarest}, "
    if len(rare) > 1:
        was = f"{len(rare)} classes are rare ({names}): the first of them has {rarest}, "
    was += f"where {plain(task.classes[most])!r} has {percent(counts[most] / len(task.y))}"
    return [f"{was}. Look at balanced_accuracy ({show(balanced)}), not at accuracy ({show(accuracy)}){never}."]


def _never_found(outcome: Outcome) -> str:
    """Return which classes have held-out rows and are never predicted."""
    y = outcome.task.y[outcome.test_rows]
    figures = figures_by_class(confusion_counts(y, outcome.outputs.argmax(axis=1), len(outcome.task.classes)))
    never = np.flatnonzero((figures.support > 0) & (figures.predicted == 0))
    names = listed([outcome.task.classes[label] for label in never])
    return f"; never predicted: {names}" if len(never) else ""


def _of_few_rows(outcome: Outcome) -> list[str]:
    n = len(outcome.test_rows)
    if n >= _FEW_ROWS:
        return []
    low, high = interval_of_share(outcome.scores["accuracy"], n)
    return [f"With {counted(n, 'held-out row')} the accuracy may be anything from {low:.2f} to {high:.2f}."]


def _of_confidence(outcome: Outcome) -> list[str]:
    """Return that the probabilities are larger or smaller than what happens, by more than chance, if so."""
    right = outcome.outputs.argmax(axis=1) == outcome.task.y[outcome.test_rows]
    confidence, share = float(outcome.outputs.max(axis=1).mean()), float(right.mean())
    low, high = interval_of_share(share, len(right))
    if low - _TOO_CONFIDENT < confidence < high + _TOO_CONFIDENT:
        return []
    was = f"The probability of the predicted class is {percent(confidence)} on average"
    return [f"{was}, but {percent(share)} of the predictions are right: do not take it at its word."]


# ------------------------------------------------------------------------------------------------- numbers


def _of_numbers(outcome: Outcome) -> list[str]:
    n = len(outcome.test_rows)
    if n < _ENOUGH_ROWS:
        return [f"With {counted(n, 'held-out row')} the scores are rough."]
    losses = np.square(outcome.outputs[:, 0] - outcome.task.y[outcome.test_rows])
    share = share_of_worst(losses)
    if share < _LARGE_SHARE:
        return []
    rows = outcome.task.X.index[outcome.test_rows[worst_rows(losses)]] + 1
    return [f"Ten rows make {percent(share)} of the squared error, look at them: rows {listed(list(rows), 10)}."]
