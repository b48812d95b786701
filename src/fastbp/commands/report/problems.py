"""What is odd about the data, in sentences for users of the command line; findings of one kind are one sentence."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

import fastbp as fb
from fastbp.commands.outcome import Outcome
from fastbp.commands.report.twins import count_twins
from fastbp.commands.task import Task
from fastbp.commands.words import figure, listed, percent, plain, shares
from fastbp.inspection.report import Finding
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["describe_copies", "describe_leaks", "describe_problems", "describe_twins", "findings_of", "leave_out"]

# Findings that `fastbp train` deals with or has noted itself, or that are told of among the highlights.
_HANDLED = {"scale", "text", "identifier", "labels", "missing", "tells_target", "rare_class"}
_HANDLED |= {"duplicate_rows", "contradiction"}
_MOST_NAMES = 5  # in the words of an option


def findings_of(task: Task) -> list[Finding]:
    """Return what ``inspect_data`` finds in the columns and rows that are used; without a target, in the columns."""
    if not task.X.shape[1]:
        return []
    return fb.inspect_data(task.X, task.y if task.target else None).findings


def leave_out(columns: Sequence[str]) -> str:
    """Return how to do without some columns, in the words of the command line."""
    option = f"--drop {shlex.quote(','.join(columns))}" if len(columns) <= _MOST_NAMES else "--drop"
    return f"{option} leaves {_it(columns)} out"


def describe_leaks(task: Task, findings: Sequence[Finding]) -> list[str]:
    """Return a sentence about columns from which the target can be read, if there are any."""
    names = _columns_of(findings, "tells_target")
    if not names:
        return []
    tell, they = ("tells the target", "it is") if len(names) == 1 else ("tell the target, each", "they are")
    known = f"If {they} known only after {plain(task.target)!r} is, the scores mislead: {leave_out(names)}."
    return [f"{_subject(names)} {tell} by itself. {known}"]


def describe_twins(outcome: Outcome, findings: Sequence[Finding]) -> list[str]:
    """Return sentences about rows that are equal in every column, if there are more of them than are to be expected."""
    if not any(finding.kind == "duplicate_rows" for finding in findings):
        return []
    task = outcome.task
    twins = count_twins(task.X, task.y, outcome.train_rows, outcome.test_rows)
    if twins.by_chance > twins.again / 2:
        return []
    was = f"{_rows_are(twins.again)} equal to an earlier one in every column"
    sentences = [f"{was}."]
    if twins.held_out:
        share = percent(twins.held_out / len(outcome.test_rows))
        remedy = "The scores are too good, unless new rows will have twins too: remove duplicates from the table."
        sentences = [f"{was}; {share} of the held-out rows have a twin in training. {remedy}"]
    if twins.example is not None:
        later, earlier = (task.X.index[row] + 1 for row in twins.example)
        which = f"for example row {later} and row {earlier}"
        sentences.append(
            f"{_rows_are(twins.contradictions)} equal to an earlier one and {_have(twins.contradictions)} another "
            f"target ({which}): no model can tell them apart."
        )
    return sentences


def describe_copies(findings: Sequence[Finding]) -> list[str]:
    """Return how many rows are equal to an earlier one, before anything is trained."""
    told = [finding for finding in findings if finding.kind in ("duplicate_rows", "contradiction")]
    return [f"{str(finding).split(' of X ')[0]}: {_COPIES[finding.kind]}" for finding in told]


def describe_problems(task: Task, findings: Sequence[Finding]) -> list[str]:
    """Return what else is odd about the data: a sentence for each kind, none for what training deals with silently."""
    sentences = _describe_gaps(task.X)
    kinds = dict.fromkeys(finding.kind for finding in findings if finding.kind not in _HANDLED)
    for kind in kinds:
        names = _columns_of(findings, kind)
        if kind == "outliers":
            sentences.append(_describe_outliers(task))
        elif kind in _SENTENCES and names:
            sentences.append(_SENTENCES[kind](names))
        else:
            sentences += [str(finding) for finding in findings if finding.kind == kind and "fb." not in str(finding)]
    return sentences


def _describe_gaps(X: pd.DataFrame) -> list[str]:
    """Return which columns have gaps, and what is done about them."""
    gaps = {str(name): float(share) for name, share in X.isna().mean().items() if share}
    numbers = [name for name in gaps if X[name].dtype.kind in "iufM"]
    others = [name for name in gaps if name not in numbers]
    sentences = []
    for names, remedy in (
        (numbers, "filled with the median, and the network is told where"),
        (others, "a category of their own"),
    ):
        if names:
            has = "has" if len(names) == 1 else "have"
            rows = f"in {shares([gaps[name] for name in names])} of the rows"
            sentences.append(f"{_subject(names)} {has} gaps {rows}; they are {remedy}.")
    return sentences


def _describe_outliers(task: Task) -> str:
    low, high = np.quantile(task.y, [0.25, 0.75])
    far = int(np.argmax(np.abs(task.y - (low + high) / 2)))
    was = f"Some values of {plain(task.target)!r} are far from all others: {figure(task.y[far])}"
    was += f" in row {task.X.index[far] + 1}, where half of all lie between {figure(low)} and {figure(high)}"
    return f"{was}. If they are wrong, correct them; if they are right, their logarithm may be learnt better."


def _constant(names: list[str]) -> str:
    are = "is" if len(names) == 1 else "are"
    return f"{_subject(names)} {are} the same wherever there is a value: little can be learned from {_it(names)}."


def _duplicate_column(names: list[str]) -> str:
    are, shares_it = ("is", "shares its") if len(names) == 1 else ("are", "share their")
    earlier = "an earlier column" if len(names) == 1 else "earlier columns"
    return f"{_subject(names)} {are} equal to {earlier} and {shares_it} importance: {leave_out(names)}."


def _infinite(names: list[str]) -> str:
    has = "has" if len(names) == 1 else "have"
    return f"{_subject(names)} {has} infinite numbers: correct them, or leave these rows out."


_COPIES = {
    "duplicate_rows": "equal to an earlier one in every column; scores are too good where one is held out.",
    "contradiction": "equal to an earlier one, with another target; no model can tell them apart.",
}
_SENTENCES: dict[str, Callable[[list[str]], str]] = {
    "constant": _constant,
    "duplicate_column": _duplicate_column,
    "infinite": _infinite,
}


def _columns_of(findings: Sequence[Finding], kind: str) -> list[str]:
    names = [str(finding.column) for finding in findings if finding.kind == kind and finding.column is not None]
    return list(dict.fromkeys(names))


def _subject(names: Sequence[str]) -> str:
    """Return "Column 'a'", or "13 columns (a, b, c, ...)"."""
    return f"Column {plain(names[0])!r}" if len(names) == 1 else f"{len(names):,} columns ({listed(names)})"


def _it(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"


def _rows_are(n: int) -> str:
    return f"{counted(n, 'row')} {'is' if n == 1 else 'are'}"


def _have(n: int) -> str:
    return "has" if n == 1 else "have"
