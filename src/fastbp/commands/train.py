"""``fastbp train``: reads a table from a file, trains a model, and writes the model and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.cells import refuse_infinite
from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_matplotlib
from fastbp.commands.files import PIPE
from fastbp.commands.held_out import test_rows_of
from fastbp.commands.intervals import half_widths
from fastbp.commands.network import NETWORK_EPOCHS, Network, split_for_stopping, train_network
from fastbp.commands.outcome import Outcome, Settings, Trained, show
from fastbp.commands.outputs import check_outputs, default_model_file, say, writing
from fastbp.commands.report import findings_of, highlights, write_report
from fastbp.commands.roles import Choice
from fastbp.commands.scores import constant_outputs, scores_of
from fastbp.commands.settings import check_settings, weighted
from fastbp.commands.table_networks import linear_outputs, train_networks
from fastbp.commands.tables import read_table
from fastbp.commands.task import Kind, Task, task_of
from fastbp.commands.written_tables import Reading
from fastbp.data.folds import split_fraction
from fastbp.support.checks import counted

__all__ = ["run", "train"]

_TEST_FRACTION = 0.2


def run(
    data: Path,
    target: str,
    kind: Kind | Literal["auto"],
    settings: Settings,
    *,
    out: Path | None = None,
    report: Path | None = None,
    choice: Choice | None = None,
    reading: Reading | None = None,
) -> None:
    """Train on a file, print the progress, write the model and, if asked for, the report.

    Raises
    ------
    CommandError
        If the file or the target cannot be used, options contradict each other, or a file cannot be written.
    """
    destination = out or default_model_file(data)
    inputs = {"the data": data} | ({} if settings.test is None else {"--test": settings.test})
    check_outputs({"--out": destination, "--report": report}, inputs)
    check_settings(settings)
    if report is not None:
        require_matplotlib("the report", "cli")
    table = read_table(data, reading)
    task = task_of(table, target, kind, choice)
    refuse_infinite(task.X, table.name)
    task = weighted(task._replace(notes=[task.notes[0], *table.notes, *task.notes[1:]]), settings)
    test_rows = None
    if settings.test is not None:
        task, test_rows = test_rows_of(task, settings.test, reading)
    _print_task(task, settings)
    outcome = train(task, settings, test_rows)
    trained = outcome.trained
    with writing(destination):  # before anything is printed: nobody may be reading
        trained.save(destination, outcome.task, _metadata(outcome))
    if trained.interrupted:
        say(f"\ninterrupted: saved the model of {_best_so_far(trained)} to {destination}")
        raise KeyboardInterrupt
    findings = findings_of(outcome.task)
    highlighted = highlights(outcome, findings)
    if report is not None:
        with writing(report):
            source = "the standard input" if data == PIPE else data.name
            write_report(report, source, outcome, destination.name, findings, highlighted)
    _print_scores(outcome)
    for sentence in highlighted:
        say(sentence)
    for path in (destination, report):
        if path is not None:
            say(f"saved {path}")


def train(task: Task, settings: Settings, test_rows: NDArray[np.int64] | None = None) -> Outcome:
    """Train on a task's rows but those to test on, a fifth where None are given, and score on these."""
    rows = np.arange(len(task.y))
    if test_rows is None:
        classes = task.y if task.kind == "class" else None
        train_rows, test_rows = split_fraction(len(rows), _TEST_FRACTION, classes=classes, seed=settings.seed)
    else:
        train_rows = np.setdiff1d(rows, test_rows)
    alone = settings.hidden is not None
    task = _without_empty(task, split_for_stopping(task, train_rows, settings.seed)[0] if alone else train_rows)
    learn = train_network if alone else train_networks
    trained: Trained = learn(task, train_rows, settings)
    X_test, y_test, n_classes = task.X.iloc[test_rows], task.y[test_rows], len(task.classes)
    outputs = trained.predict(X_test)
    linear: dict[str, float] = {}
    if not trained.interrupted:
        linear = scores_of(y_test, linear_outputs(task, train_rows, test_rows, settings), n_classes)
    constant = constant_outputs(task.y[train_rows], len(y_test), n_classes)
    scores, baseline = (scores_of(y_test, each, n_classes) for each in (outputs, constant))
    return Outcome(task, trained, train_rows, test_rows, outputs, scores, baseline, linear)


def _metadata(outcome: Outcome) -> dict[str, Any]:
    """Return what ``fastbp predict`` needs to know."""
    task = outcome.task
    errors = task.y[outcome.test_rows] - outcome.outputs[:, 0]
    return {
        "target": task.target,
        "task": task.kind,
        "classes": task.classes,
        "ids": list(task.ids),
        "half_widths": half_widths(errors) if task.kind == "regression" else {},
    }


def _without_empty(task: Task, rows: NDArray[np.int64]) -> Task:
    """Return a task without the columns that have no value in the rows that are trained on."""
    empty = list(task.X.columns[task.X.iloc[rows].isna().all()])
    if not empty:
        return task
    listed = ", ".join(map(repr, empty))
    note = f"No row that is trained on has a value in column {listed}: left out."
    say(note)
    if len(empty) == task.X.shape[1]:
        raise CommandError(f"no column is left to learn {task.target!r} from. {note}")
    return task._replace(X=task.X.drop(columns=empty), notes=[*task.notes, note])


def _best_so_far(trained: Trained) -> str:
    if isinstance(trained, Network):
        return f"the best epoch so far, epoch {trained.best_epoch} of {trained.trainer.history.n_epochs}"
    return "the best epochs so far"


def _print_task(task: Task, settings: Settings) -> None:
    for note in task.notes:
        say(note)
    say(f"{counted(len(task.y), 'row')}, {counted(task.X.shape[1], 'column')}")
    if settings.hidden is not None:
        hidden, epochs = ", ".join(map(str, settings.hidden)), settings.epochs or NETWORK_EPOCHS
        say(f"hidden layers of {hidden}; at most {counted(epochs, 'epoch')}")


def _print_scores(outcome: Outcome) -> None:
    say(outcome.trained.size())
    say(f"on {counted(len(outcome.test_rows), 'held-out row')}, beside a linear model and {_constant(outcome)}:")
    for name, value in outcome.scores.items():
        others = [show(each[name], name) if name in each else "" for each in (outcome.linear, outcome.baseline)]
        say(f"  {name:18} {show(value, name):10} {others[0]:10} {others[1]}".rstrip())


def _constant(outcome: Outcome) -> str:
    return "the most common class" if outcome.task.kind == "class" else "the mean"
