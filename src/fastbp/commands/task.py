"""What a model is trained for: which column is the target, and of what kind the task is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.cells import LARGEST
from fastbp.commands.errors import CommandError
from fastbp.commands.roles import Choice, as_written, choose_columns, find_column, text_of
from fastbp.commands.row_weights import take_weights
from fastbp.commands.tables import Table
from fastbp.data.writings import Writing, find_writing
from fastbp.data.written_moments import MomentWriting
from fastbp.inspection.columns import read_columns
from fastbp.inspection.label_order import are_classes
from fastbp.inspection.targets import evidence_of
from fastbp.support.checks import counted
from fastbp.support.suggestions import listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Kind", "Task", "find_kind", "find_task", "targets_like", "task_of"]

Kind = Literal["class", "regression"]

_FEWEST_ROWS = 20  # that a model can be trained and scored on
_MANY_VALUES = 100  # whole numbers that are hardly classes, so that nobody needs to be told


class Task(NamedTuple):
    """A table that is ready for training.

    Attributes
    ----------
    kind : {"class", "regression"}
    target : str
    X : DataFrame
        The columns that are used, in the rows that have a target; its index has the rows' numbers in the file, from 0.
    y : ndarray of shape (n_samples,)
        Classes from 0, or numbers.
    classes : list of str, int, float or bool
        What the classes are in the table; empty for a regression.
    notes : list of str
        What the target was taken for, first; then sentences about what was left out and how columns are read.
    ids : list of str
        Columns of the table that name the rows.
    writings : dict of str to Writing
        How columns that are numbers or moments in X are written in the table.
    weights : ndarray of shape (n_samples,) or None
        How much each row counts in training; above 0.
    """

    kind: Kind
    target: str
    X: pd.DataFrame
    y: NDArray[Any]
    classes: list[Any]
    notes: list[str]
    ids: Sequence[str] = ()
    writings: Mapping[str, Writing] = MappingProxyType({})
    weights: NDArray[np.float64] | None = None


def task_of(table: Table, target: str, kind: Kind | Literal["auto"], choice: Choice | None = None) -> Task:
    """Return what is to be learned from a file; where that fails, the error also says how the file was read."""
    try:
        if target in table.left_out:
            raise CommandError(f"--target is {target!r}, which no model can learn")
        return find_task(table.frame, target, kind, choice)
    except CommandError as error:
        how = "".join(f"\n{note}" for note in table.notes)
        raise CommandError(f"{error}{how}") from None


def find_task(frame: pd.DataFrame, target: str, kind: Kind | Literal["auto"], choice: Choice | None = None) -> Task:
    """Return what is to be learned from a table.

    Raises
    ------
    CommandError
        If the target does not exist, or no model can be trained for it.
    """
    find_column(target, frame, "--target")
    choice = choice or Choice()
    notes = []
    missing = frame[target].isna().to_numpy()
    if missing.any():
        n_missing = int(missing.sum())
        are = "and is" if n_missing == 1 else "and are"
        notes.append(f"{counted(n_missing, 'row')} {_has_or_have(n_missing)} no {target!r} {are} left out.")
        frame = frame[~missing]
    weights = None
    if choice.weight is not None:
        frame, weights, told = take_weights(frame, choice.weight, target)
        notes += told
    column = frame[target]
    if missing.any():
        column = _as_integers(column)
    notes += _twins_of(target, frame)
    if len(frame) < _FEWEST_ROWS:
        raise CommandError(
            f"only {counted(len(frame), 'row')} {_has_or_have(len(frame))} a {target!r}; at least {_FEWEST_ROWS} are "
            "needed"
        )
    column, how = _as_written(column, kind)
    rest = frame.drop(columns=[target])
    found = find_kind(column, rest) if kind == "auto" else kind
    classes: list[Any] = []
    y: NDArray[Any]
    if found == "class":
        classes, y = _as_classes(column)
    else:
        y = _as_numbers(column)
    roles = choose_columns(rest, y, found == "class", choice)
    if not roles.X.shape[1]:
        raise CommandError(
            f"no column is left to learn {target!r} from: {' '.join(roles.notes) or 'the table has no other.'}"
        )
    guess = _guess(column, found, classes, was_asked=kind != "auto") + how
    told = [guess, *notes, *roles.notes]
    return Task(found, target, roles.X, y, classes, told, roles.ids, roles.writings, weights)


def targets_like(task: Task, column: pd.Series, source: str) -> NDArray[Any]:
    """Return the targets of other rows, none of which is missing, as those of a task: class numbers, or numbers.

    Raises
    ------
    CommandError
        If one is a class that the task does not have, or no number.
    """
    if task.kind == "regression":
        try:
            return _as_numbers(_as_written(column, task.kind)[0], may_be_equal=True)
        except CommandError as error:
            raise CommandError(f"{source!r}: {error}") from None
    if not any(isinstance(each, str) for each in task.classes):
        column = _as_integers(column)
    codes = {value: code for code, value in enumerate(task.classes)}
    numbers = column.astype(object).map(codes)
    unknown = numbers.isna().to_numpy()
    if unknown.any():
        place = int(unknown.argmax())
        raise CommandError(
            f"{source!r}: row {int(column.index[place]) + 1}: {task.target!r} is {column.iloc[place]!r}; expected one "
            f"of the classes in the table that is trained on: {listed(task.classes)}"
        )
    found: NDArray[np.int64] = numbers.to_numpy(np.int64)
    return found


def _as_written(column: pd.Series, kind: Kind | Literal["auto"]) -> tuple[pd.Series, str]:
    """Return a target of text that writes numbers, such as $12.50, as numbers, and how it is written."""
    text = None if kind == "class" else text_of(column)
    writing = None if text is None else find_writing(text)
    if writing is None:
        return column, ""
    as_number = "" if isinstance(writing, MomentWriting) else f", read as {writing.read(writing.example):.10g}"
    return as_written(column, writing), f"; in the file such as {writing.example!r}{as_number}"


def find_kind(column: pd.Series, rest: pd.DataFrame) -> Kind:
    """Return "class" for text, booleans, categories, and whole numbers that are names; rest has the other columns."""
    if column.dtype.kind in "mM":
        return "regression"
    if column.dtype.kind not in "iuf":
        return "class"
    values = column.to_numpy(np.float64)
    if not rest.shape[1]:
        return "class" if are_classes(values, list) else "regression"
    return "class" if are_classes(values, lambda: evidence_of(read_columns(rest, "the table"))) else "regression"


def _guess(column: pd.Series, kind: Kind, classes: list[Any], *, was_asked: bool) -> str:
    """Return what the target is taken for, and the option that says otherwise where that may be wrong."""
    numbers = column.dtype.kind in "iuf"
    if kind == "class":
        shown = ", ".join(map(str, classes if len(classes) < 8 else [*classes[:5], "...", classes[-1]]))
        guess = f"target {column.name!r}: one of {counted(len(classes), 'class')} ({shown})"
        doubtful, otherwise = numbers and len(classes) > 2, "--task regression if they are amounts"
    else:
        guess = f"target {column.name!r}: a number, {float(column.min()):g} to {float(column.max()):g}"
        whole = column.dtype.kind in "iu" and column.nunique() <= min(_MANY_VALUES, len(column) // 2)
        doubtful, otherwise = whole, f"--task class if its {column.nunique()} values are names of classes"
    return f"{guess}; {otherwise}" if doubtful and not was_asked else guess


def _as_integers(column: pd.Series) -> pd.Series:
    """Return a column that gaps have made floats of as the integers that it holds, if it holds no others."""
    if column.dtype.kind != "f" or not ((column % 1 == 0) & (column.abs() < 2**53)).all():
        return column
    return column.astype(np.int64)


def _twins_of(target: str, frame: pd.DataFrame) -> list[str]:
    """Return a warning for each column whose name differs from the target's in case or spaces alone."""
    same = [name for name in frame.columns if name != target and _plain_name(name) == _plain_name(target)]
    return [
        f"Warning: column {name!r} differs from the target {target!r} only in case or spaces; if it is the same thing, "
        "leave it out with --drop: it would tell the answer."
        for name in same
    ]


def _plain_name(name: str) -> str:
    return "".join(name.split()).casefold()


def _has_or_have(n: int) -> str:
    return "has" if n == 1 else "have"


def _as_classes(column: pd.Series) -> tuple[list[Any], NDArray[np.int64]]:
    values = column.astype(object)
    found: list[Any] = sorted(values.unique().tolist())
    if len(found) < 2:
        raise CommandError(f"{column.name!r} is {found[0]!r} in every row; expected two classes or more")
    if len(found) > min(1000, len(column) // 2):
        raise CommandError(
            f"{column.name!r} has {len(found):,} different values in {len(column):,} rows; expected "
            "fewer classes. Pass --task regression if they are numbers."
        )
    codes = {value: code for code, value in enumerate(found)}
    return [_plain(value) for value in found], values.map(codes).to_numpy(np.int64)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _as_numbers(column: pd.Series, may_be_equal: bool = False) -> NDArray[np.float64]:
    if column.dtype.kind in "mM":
        raise CommandError(f"{column.name!r} holds dates or times; expected numbers or classes")
    try:
        y: NDArray[np.float64] = column.to_numpy(np.float64)
    except (TypeError, ValueError):
        remedy = "Pass --task class if it holds classes."
        raise CommandError(f"{column.name!r} holds something other than numbers; expected numbers. {remedy}") from None
    if not np.isfinite(y).all():
        row = int(np.argmax(~np.isfinite(y)))
        raise CommandError(
            f"row {int(column.index[row]) + 1}: {column.name!r} is {y[row]}; expected finite numbers. Leave out such "
            "rows."
        )
    if np.abs(y).max() > LARGEST:
        row = int(np.argmax(np.abs(y)))
        raise CommandError(
            f"row {int(column.index[row]) + 1}: {column.name!r} is {y[row]:g}; expected numbers of at most {LARGEST:g}"
        )
    if np.ptp(y) == 0 and not may_be_equal:
        raise CommandError(f"{column.name!r} is {y[0]:g} in every row; expected numbers that differ")
    return y
