"""The section about what each column is worth."""

from __future__ import annotations

from fastbp.commands.outcome import Outcome
from fastbp.commands.report import charts, markup
from fastbp.commands.report.importance import Importance, shuffled_importances
from fastbp.commands.report.rows import log_loss, rmse
from fastbp.commands.words import shortened
from fastbp.support.checks import counted

__all__ = ["find_importances", "importance_section"]

_MOST_COLUMNS = 60  # that are shuffled in turn
_MOST_BARS = 20
_REPEATS = 5
_MOST_ROWS, _FEWEST_ROWS = 5000, 500
_MOST_CELLS = 30_000_000  # of the tables that are predicted, all columns and repetitions together


def find_importances(outcome: Outcome) -> list[Importance]:
    """Return how much larger the log loss or the RMSE of held-out rows is when each column is shuffled."""
    task, trained = outcome.task, outcome.trained
    rows = outcome.test_rows[: _n_rows(outcome)]
    y = task.y[rows]
    return shuffled_importances(
        trained.predict_read,
        trained.read(task.X.iloc[rows]),  # once: an array with the table's columns
        lambda outputs: log_loss(y, outputs) if task.kind == "class" else rmse(y, outputs[:, 0]),
        range(min(task.X.shape[1], _MOST_COLUMNS)),
        _REPEATS,
    )


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
    said += f"mean of {_REPEATS} times, with its standard error. Columns that tell the same share their importance."
    if n_columns > _MOST_COLUMNS:
        said += f" Only the first {_MOST_COLUMNS} of {n_columns:,} columns were tried."
    if len(found) > _MOST_BARS:
        said += f" The {_MOST_BARS} most important are shown."
    bars = found[:_MOST_BARS]
    picture = charts.importances(bars, [task.X.columns[each.column] for each in bars], loss)
    return markup.section("Importance of the columns", markup.paragraph(said, quiet=True), picture)
