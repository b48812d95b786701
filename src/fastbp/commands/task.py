"""What a model is trained for: which column is the target, of what kind the task is, which columns are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.errors import CommandError
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Kind", "Task", "find_task"]

Kind = Literal["class", "regression"]

_FEWEST_ROWS = 20  # that a model can be trained and scored on
_MOST_CLASSES_OF_INTEGERS = 20
_MOST_LEVELS = 200  # different texts; a column with more is taken for an identifier


class Task(NamedTuple):
    """A table that is ready for training.

    Attributes
    ----------
    kind : {"class", "regression"}
    target : str
    X : DataFrame
        The columns that are used, in the rows that have a target.
    y : ndarray of shape (n_samples,)
        Classes from 0, or numbers.
    classes : list of str, int, float or bool
        What the classes are in the table; empty for a regression.
    notes : list of str
        Sentences about what was left out.
    """

    kind: Kind
    target: str
    X: pd.DataFrame
    y: NDArray[Any]
    classes: list[Any]
    notes: list[str]


def find_task(frame: pd.DataFrame, target: str, kind: Kind | Literal["auto"]) -> Task:
    """Return what is to be learned from a table.

    Raises
    ------
    CommandError
        If the target does not exist, or no model can be trained for it.
    """
    if target not in frame.columns:
        known = ", ".join(map(repr, frame.columns))
        raise CommandError(f"--target is {target!r}; expected a column of the table: {known}")
    notes = []
    missing = frame[target].isna().to_numpy()
    if missing.any():
        n_missing = int(missing.sum())
        are = "and is" if n_missing == 1 else "and are"
        notes.append(f"{counted(n_missing, 'row')} {_has_or_have(n_missing)} no {target!r} {are} left out.")
        frame = frame[~missing]
    column = frame[target]
    if missing.any():
        column = _as_integers(column)
    notes += _twins_of(target, frame)
    if len(frame) < _FEWEST_ROWS:
        raise CommandError(
            f"only {counted(len(frame), 'row')} {_has_or_have(len(frame))} a {target!r}; at least {_FEWEST_ROWS} are "
            "needed"
        )
    found = _kind_of(column) if kind == "auto" else kind
    classes: list[Any] = []
    y: NDArray[Any]
    if found == "class":
        classes, y = _as_classes(column)
    else:
        y = _as_numbers(column)
    kept = [name for name in frame.columns if name != target and not _left_out(frame[name], name, notes)]
    if not kept:
        raise CommandError(
            f"no column is left to learn {target!r} from; expected one that is neither constant nor text"
        )
    return Task(found, target, frame[kept], y, classes, notes)


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
        "remove it from the table: it would tell the answer."
        for name in same
    ]


def _plain_name(name: str) -> str:
    return "".join(name.split()).casefold()


def _has_or_have(n: int) -> str:
    return "has" if n == 1 else "have"


def _kind_of(column: pd.Series) -> Kind:
    """Return "class" for text, booleans, categories, and a few integers."""
    if column.dtype.kind not in "iuf":
        return "class"
    whole = column.dtype.kind in "iu" or bool((column % 1 == 0).all())
    return "class" if whole and column.nunique() <= min(_MOST_CLASSES_OF_INTEGERS, len(column) // 10) else "regression"


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


def _as_numbers(column: pd.Series) -> NDArray[np.float64]:
    try:
        y: NDArray[np.float64] = column.to_numpy(np.float64)
    except (TypeError, ValueError):
        remedy = "Pass --task class if it holds classes."
        raise CommandError(f"{column.name!r} holds something other than numbers; expected numbers. {remedy}") from None
    if not np.isfinite(y).all():
        row = int(np.argmax(~np.isfinite(y)))
        raise CommandError(f"{column.name!r} is {y[row]} in a row; expected finite numbers. Leave out such rows.")
    if np.ptp(y) == 0:
        raise CommandError(f"{column.name!r} is {y[0]:g} in every row; expected numbers that differ")
    return y


def _left_out(column: pd.Series, name: str, notes: list[str]) -> bool:
    """Return whether a column is left out, and note why."""
    reason = _reason_against(column)
    if reason:
        notes.append(f"Column {name!r} {reason} and is left out.")
    return bool(reason)


def _reason_against(column: pd.Series) -> str:
    n_levels = column.nunique()
    if n_levels == 0:
        return "is empty"
    if n_levels == 1 and not column.isna().any():
        return "is the same in every row"
    if column.dtype.kind in "iuf":
        values = column.to_numpy()
        return "counts the rows" if _counts(values) else ""
    if column.dtype.kind != "b" and n_levels > min(_MOST_LEVELS, max(len(column) // 2, 2)):
        return f"is text with {n_levels:,} different values"
    return ""


def _counts(values: Sequence[Any] | NDArray[Any]) -> bool:
    return len(values) > 2 and bool((np.diff(values) == 1).all())
