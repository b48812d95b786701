"""The section about what each column is worth."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.outcome import Outcome
from fastbp.commands.report import charts, markup
from fastbp.commands.report.rows import log_losses
from fastbp.commands.words import shortened
from fastbp.explanations.rankings import WIDTH
from fastbp.explanations.shuffles import Growth, growth_by_shuffling
from fastbp.support.checks import counted

__all__ = ["Importance", "find_importances", "importance_section"]

_MOST_COLUMNS = 60  # that are shuffled in turn
_MOST_BARS = 20
_REPEATS = 5
_MOST_ROWS, _FEWEST_ROWS = 5000, 500
_MOST_CELLS = 30_000_000  # of the tables that are predicted, all columns and repetitions together


class Importance(NamedTuple):
    """What one column is worth.

    Attributes
    ----------
    column : int
        Its place.
    growth : float
        How much larger the log loss or the RMSE is when the column is shuffled.
    low, high : float
        The ends of an interval of 95 % for it.
    """

    column: int
    growth: float
    low: float
    high: float


def find_importances(outcome: Outcome) -> list[Importance]:
    """Return how much the log loss or the RMSE of held-out rows grows when each column is shuffled, the most first."""
    task, trained = outcome.task, outcome.trained
    rows = outcome.test_rows[: _n_rows(outcome)]
    y, rng = task.y[rows], np.random.default_rng(0)

    def losses(table: NDArray[Any]) -> NDArray[np.float64]:
        outputs = trained.predict_read(table)
        if task.kind == "class":
            return log_losses(y, outputs)
        return np.asarray(np.square(outputs[:, 0].astype(np.float64) - y))

    table = trained.read(task.X.iloc[rows])  # once: an array with the table's columns
    orders = [rng.permutation(len(rows)) for _ in range(_REPEATS)]
    columns = range(min(task.X.shape[1], _MOST_COLUMNS))
    whole = 0.0 if task.kind == "class" else float(losses(table).mean())
    found = [
        Importance(column, *_ends(growth, whole, task.kind == "class"))
        for column, growth in zip(columns, growth_by_shuffling(losses, table, columns, orders), strict=True)
    ]
    return sorted(found, key=lambda importance: -importance.growth)


def _ends(growth: Growth, whole: float, is_linear: bool) -> tuple[float, float, float]:
    """Return a growth and the ends of its interval; of the root of a mean loss, where it is not linear."""
    away = 0.0 if math.isnan(growth.error) else WIDTH * growth.error
    points = (growth.mean, growth.mean - away, growth.mean + away)
    mean, low, high = points if is_linear else (math.sqrt(max(whole + each, 0)) - math.sqrt(whole) for each in points)
    return mean, low, high


def _n_rows(outcome: Outcome) -> int:
    """Return how many held-out rows are used, so that it takes seconds and not minutes."""
    n_columns = outcome.task.X.shape[1]
    most = _MOST_CELLS // (_REPEATS * n_columns * min(n_columns, _MOST_COLUMNS))
    return min(len(outcome.test_rows), _MOST_ROWS, max(_FEWEST_ROWS, int(most)))


def importance_section(outcome: Outcome, found: list[Importance]) -> str:
    """Return a bar for each of the columns that are worth most."""
    task = outcome.task
    loss = "log loss" if task.kind == "class" else f"rmse of {shortened(task.target, 24)}"
    n_columns = task.X.shape[1]
    said = f"How much the {loss} of {counted(_n_rows(outcome), 'held-out row')} grows when a column is shuffled: the "
    said += f"mean of {_REPEATS} times, with an interval of 95 % for other rows like these. Columns that tell the same "
    said += "share their importance."
    if n_columns > _MOST_COLUMNS:
        said += f" Only the first {_MOST_COLUMNS} of {n_columns:,} columns were tried."
    if len(found) > _MOST_BARS:
        said += f" The {_MOST_BARS} most important are shown."
    bars = found[:_MOST_BARS]
    names = [task.X.columns[each.column] for each in bars]
    growths, low, high = (np.array([each[i] for each in bars]) for i in (1, 2, 3))
    picture = charts.importances(growths, low, high, names, loss)
    return markup.section("Importance of the columns", markup.paragraph(said, quiet=True), picture)
