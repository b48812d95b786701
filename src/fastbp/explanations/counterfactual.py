"""``fb.counterfactual``: the smallest change that leads to another answer, found by search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.asked import Asked
from fastbp.explanations.columns import columns_of
from fastbp.explanations.counterfactuals import Counterfactuals
from fastbp.explanations.subjects import Subject
from fastbp.explanations.twins import has_logits
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_int, check_number, sentence
from fastbp.support.underflow import underflows_to_zero

__all__ = ["counterfactual"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_N_VALUES = 17  # that are tried in a column of numbers
_WIDTH = 12  # of the search: partial changes that are followed at once
_SECTIONS, _N_SECTIONS = 10, 16  # of a change, each into so many parts, until it is as small as it can be
_FINALISTS = 4  # changes after each step of the search that are made as small as possible
_ROUNDS = 3  # in which all changes are made smaller in turn
_SECONDS_OF_DAY = 86_400.0
_OFFSET_SECONDS = 900.0  # the offsets of time zones are multiples of it
_CLOCK_CHANGE = 7200.0  # the most by which clocks are put forward
_DAYS_OF_CHANGES = 30  # no zone's clocks change twice in fewer: then two times of a day are no days of a zone
_DEVIATION_OF_MEDIAN = 1.4826  # the normal distribution's deviation, in units of its median deviation


@underflows_to_zero
@explain_arguments
def counterfactual(
    model: Any,
    X: Any,
    target: Any,
    data: Any,
    *,
    columns: Sequence[str | int] | None = None,
    output: int | str = 0,
    most_changes: int = 4,
    n_threads: int | None = None,
) -> Counterfactuals:
    """Return the smallest change of each row for which the model's answer is another.

    As Wachter, Mittelstadt and Russell (2018) propose, changes are counted in units of the columns' spread: the size of
    a change is the sum over the columns of the number's change, divided by the column's spread in ``data`` (the median
    deviation from the median, times 1.4826, or where that is 0 the standard deviation), and 1 for a changed category.
    So columns that change little are left alone. Changes stay within the range that the columns have in ``data``,
    categories are those that the model knows, columns of whole numbers stay whole, those of whole days too, and missing
    values missing.

    The change is found by search, one column after the other, and then made as small as possible column by column; a
    smaller one may exist. What the model says after a change is not what the world would do.

    Parameters
    ----------
    model : Model, Ensemble, or an estimator of fastbp.sklearn
    X : array-like of shape (n, n_columns)
        The rows to change.
    target : label, int, or (low, high)
        The class that is to be predicted: its label, or without labels its number, 0 or 1 for a single sigmoid. For a
        model of numbers the range in which its output is to be, ends included; None is no end.
    data : array-like of shape (n_data, n_columns)
        Rows that are possible, such as the training data.
    columns : sequence of str or int, or None, default None
        Those that may change; None is all.
    output : int or str, default 0
        Which of several numbers the range is for: its number or its name.
    most_changes : int, default 4
        How many columns of a row may change.
    n_threads : int or None, default None
        As for ``predict``.

    Returns
    -------
    Counterfactuals

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "sigmoid")], inputs=2, dtype="float64")
    >>> model.set_weights([[[2.0], [1.0]], [0.0]])
    >>> found = fb.counterfactual(model, [[-1.0, 0.0]], 1, data=[[-2, -2], [-1, -1], [0, 0], [1, 1], [2, 2]])
    >>> found.changed.tolist()
    [[1.0, 0.0]]
    """
    asked = Asked(model, X, n_threads=n_threads)
    subject = asked.subject
    goal = _goal_of(subject, target, output)
    possible = subject.read(data, "data")
    space = _Space(subject, possible, columns_of(columns, subject.columns))
    most = check_int(most_changes, "most_changes")
    found = [_Search(subject, goal, space, row, most).run() for row in asked.rows]
    changed = np.stack([each.row for each in found])
    return Counterfactuals(
        data=subject.shown(asked.rows),
        changed=subject.shown(changed),
        reached=np.array([each.margin >= 0 for each in found]),
        distances=np.array([each.cost if each.margin >= 0 else np.inf for each in found]),
        columns=subject.columns,
    )


class _Goal(NamedTuple):
    """What the answer is to be: a class, or a range of an output."""

    kind: str  # "softmax", "single" or "range"
    number: int
    low: float
    high: float

    def margins(self, subject: Subject, rows: Array) -> Floats:
        """Return how far the answers are beyond what is asked for, 0 or more where they are as asked for, (n,)."""
        if self.kind == "range":
            values = subject.outputs(rows, "prediction")[:, self.number]
            return np.asarray(np.minimum(values - self.low, self.high - values))
        outputs = subject.outputs(rows, "logit")
        if self.kind == "single":
            margins = outputs[:, 0] if self.number == 1 else -outputs[:, 0]
        else:
            margins = outputs[:, self.number] - np.delete(outputs, self.number, axis=1).max(axis=1)
        # What is predicted decides: close to 0 the rounding of a probability differs from that of a logit.
        is_predicted = subject.predicted(rows) == self.number
        return np.where(is_predicted, np.maximum(margins, 0), np.minimum(margins, -np.finfo(float).tiny))


def _goal_of(subject: Subject, target: Any, output: Any) -> _Goal:
    """Return what is asked for."""
    single = subject.n_outputs == 1
    tells_classes = subject.activation == "softmax" or (single and (has_logits(subject.activation) or subject.classes))
    if tells_classes:
        if isinstance(output, str) or check_int(output, "output", minimum=0) != 0:
            raise ValueError(sentence("output", output, "none for a model of classes, whose target is one of them"))
        number = _class_of(subject, target)
        return _Goal("single" if single else "softmax", number, 0.0, 0.0)
    expected = "a range (low, high) for the output of a model of numbers, None for no end"
    if not isinstance(target, (tuple, list)) or len(target) != 2:
        raise TypeError(sentence("target", target, expected))
    low = -np.inf if target[0] is None else check_number(target[0], "target[0]")
    high = np.inf if target[1] is None else check_number(target[1], "target[1]")
    if low > high or (np.isinf(low) and np.isinf(high)):
        raise ValueError(sentence("target", target, expected, "One end at least, and the lower one first."))
    if isinstance(output, str) and output in subject.output_names:
        number = subject.output_names.index(output)
    else:
        number = check_int(output, "output", minimum=0, maximum=subject.n_outputs - 1)
    return _Goal("range", number, low, high)


def _class_of(subject: Subject, target: Any) -> int:
    if subject.classes is not None:
        return subject.classes.place_of(target, "target")
    return check_int(target, "target", minimum=0, maximum=max(subject.n_outputs - 1, 1))


class _Space:
    """Which columns may change, to what, and what a change costs.

    Attributes
    ----------
    columns : list of int
    values : dict of int to float64 ndarray
        The values that are tried in each.
    spreads : float64 ndarray of shape (n_columns,)
        What a change of a number is divided by; 0 for categories, of which any change costs 1.
    steps : dict of int to _Steps
        Of the columns whose numbers are whole, or whole days, and stay so.
    """

    def __init__(self, subject: Subject, possible: Array, columns: Sequence[int]) -> None:
        self.columns: list[int] = []
        self.values: dict[int, Floats] = {}
        self.spreads = np.zeros(possible.shape[1])
        self.steps: dict[int, _Steps] = {}
        for j in columns:
            known = subject.values_of(j)
            if known is not None:
                self.columns.append(j)
                self.values[j] = known
                continue
            column = possible[:, j][np.isfinite(possible[:, j])].astype(np.float64)
            if len(column) and column.min() < column.max():
                self.columns.append(j)
                self.values[j] = np.unique(np.quantile(column, np.linspace(0, 1, _N_VALUES)))
                self.spreads[j] = _spread(column)
                steps = _steps_of(column, j in subject.moments)
                if steps is not None:
                    self.steps[j] = steps
                    self.values[j] = np.unique(steps.rounded(self.values[j]))

    def costs(self, rows: Array, origin: Array) -> Floats:
        """Return the sizes of changes, (n,)."""
        moved = np.abs(rows.astype(np.float64) - origin)
        moved[:, np.isnan(origin)] = 0  # what is missing stays so
        is_number = self.spreads > 0
        of_numbers = (moved[:, is_number] / self.spreads[is_number]).sum(axis=1)
        return np.asarray(of_numbers + (moved[:, ~is_number] > 0).sum(axis=1))


class _Steps(NamedTuple):
    """Where the numbers of a column lie: ``unit`` apart, from 0 on or, with ``starts``, from the nearest of these.

    Where these begin at two times of a day, as clocks change, a day lies between two close ones of the same time, or is
    one of them: what the clocks say anywhere else is not known.
    """

    unit: float
    starts: Floats | None = None

    def rounded(self, numbers: Floats) -> Floats:
        """Return the nearest numbers that lie there."""
        if self.starts is None:
            return np.asarray(np.rint(numbers / self.unit) * self.unit)
        after = np.searchsorted(self.starts, numbers).clip(1, len(self.starts) - 1)
        low, high = self.starts[after - 1], self.starts[after]
        start = np.where(numbers - low < high - numbers, low, high)
        days = np.rint((numbers - start) / self.unit)
        if (np.diff(self.starts) % self.unit).any():
            close = (high - low <= _DAYS_OF_CHANGES * self.unit) & (low <= numbers) & (numbers <= high)
            days[((high - low) % self.unit > 0) | ~close] = 0
        return np.asarray(start + days * self.unit)


def _steps_of(column: Floats, is_moments: bool) -> _Steps | None:
    """Return where all numbers of a column lie: at the beginnings of days, for moments, or where they are whole."""
    if is_moments and _are_days(column):
        return _Steps(_SECONDS_OF_DAY, np.unique(column))
    return _Steps(1.0) if (column == np.rint(column)).all() else None


def _are_days(column: Floats) -> bool:
    """Return whether moments are beginnings of days: of UTC, or of a time zone, whose clocks may change in months."""
    at = np.unique(column % _SECONDS_OF_DAY)
    if len(at) > 2 or (at % _OFFSET_SECONDS).any():
        return False
    apart = float(at[-1] - at[0])
    change, days = min(apart, _SECONDS_OF_DAY - apart), float(np.ptp(column)) / _SECONDS_OF_DAY
    return not change or (change <= _CLOCK_CHANGE and days > _DAYS_OF_CHANGES)


def _spread(column: Floats) -> float:
    median = float(np.median(np.abs(column - np.median(column)))) * _DEVIATION_OF_MEDIAN
    return median if median > 0 else float(column.std())


class _Candidate(NamedTuple):
    row: Array
    cost: float
    margin: float


class _Search:
    """The search for one row."""

    def __init__(self, subject: Subject, goal: _Goal, space: _Space, origin: Array, most_changes: int) -> None:
        self._subject, self._goal, self._space, self._origin, self._most = subject, goal, space, origin, most_changes

    def run(self) -> _Candidate:
        """Return the changed row with the least cost; the row itself where none is as asked for."""
        start = self._judged(self._origin[np.newaxis])[0]
        if start.margin >= 0:
            return start
        states, best = [start], None
        for _ in range(self._most):
            tried = self._one_more_change(states)
            if not tried:
                break
            reached = [each for each in tried if each.margin >= 0]
            for each in sorted(reached, key=lambda candidate: candidate.cost)[:_FINALISTS]:
                small = self._made_smaller(each)
                best = small if best is None or small.cost < best.cost else best
            bound = np.inf if best is None else best.cost
            states = self._most_promising([each for each in tried if each.margin < 0 and each.cost < bound], start)
            if not states:
                break
        return start if best is None else best

    def _judged(self, rows: Array) -> list[_Candidate]:
        margins, costs = self._goal.margins(self._subject, rows), self._space.costs(rows, self._origin)
        return [_Candidate(*each) for each in zip(rows, costs.tolist(), margins.tolist(), strict=True)]

    def _one_more_change(self, states: Sequence[_Candidate]) -> list[_Candidate]:
        """Return the states with one more column changed, to each of its values."""
        made = []
        for state in states:
            for j in self._space.columns:
                if state.row[j] != self._origin[j] or np.isnan(self._origin[j]):
                    continue
                values = self._space.values[j]
                rows = np.repeat(state.row[np.newaxis], len(values), axis=0)
                rows[:, j] = values
                made.append(rows[rows[:, j] != self._origin[j]])
        return self._judged(np.concatenate(made)) if made and sum(map(len, made)) else []

    @staticmethod
    def _most_promising(tried: list[_Candidate], start: _Candidate) -> list[_Candidate]:
        """Return those that gain most, and those that gain most for what they cost."""
        gaining = [each for each in tried if each.margin > start.margin]
        by_gain = sorted(gaining, key=lambda each: -each.margin)[:_WIDTH]
        by_rate = sorted(gaining, key=lambda each: -(each.margin - start.margin) / each.cost)[:_WIDTH]
        return list({each.row.tobytes(): each for each in [*by_gain, *by_rate]}.values())

    def _made_smaller(self, reached: _Candidate) -> _Candidate:
        """Return a change with each column as close to where it was as the answer allows, one after the other."""
        row = reached.row.copy()
        is_changed = [j for j in self._space.columns if row[j] != self._origin[j]]
        for _ in range(_ROUNDS):
            before = row.copy()
            for j in is_changed:
                row = self._closer(row, j)
            if np.array_equal(before, row, equal_nan=True):
                break
        return self._judged(row[np.newaxis])[0]

    def _closer(self, row: Array, j: int) -> Array:
        """Return a row whose answer stays as asked for, with column j as close to where it was as can be."""
        back = row.copy()
        back[j] = self._origin[j]
        if self._judged(back[np.newaxis])[0].margin >= 0:
            return back
        if not self._space.spreads[j]:
            return row
        far, near = float(row[j]), float(self._origin[j])
        for _ in range(_SECTIONS):
            places = near + (far - near) * np.arange(1, _N_SECTIONS) / _N_SECTIONS
            rows = np.repeat(row[np.newaxis], len(places), axis=0)
            steps = self._space.steps.get(j)
            rows[:, j] = places if steps is None else steps.rounded(places)
            reached = self._goal.margins(self._subject, rows) >= 0
            first = int(reached.argmax()) if reached.any() else len(places)  # the closest to where it was
            ends = [near, *rows[:, j].tolist(), far]
            if (near, far) == (ends[first], ends[first + 1]):
                break
            near, far = ends[first], ends[first + 1]
        close = row.copy()
        close[j] = far
        return close
