"""``fastbp train``: reads a table from a file, trains a model, and writes the model and a report."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import fastbp as fb
from fastbp.commands.cells import refuse_infinite
from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_matplotlib
from fastbp.commands.files import PIPE
from fastbp.commands.intervals import half_widths
from fastbp.commands.learned_columns import keep_writings
from fastbp.commands.outcome import Outcome, Settings, show
from fastbp.commands.outputs import check_outputs, default_model_file, say
from fastbp.commands.report import findings_of, highlights, write_report
from fastbp.commands.roles import MOST_LEVELS, Choice, text_of
from fastbp.commands.tables import read_table
from fastbp.commands.task import Kind, Task, task_of
from fastbp.commands.written_tables import Reading
from fastbp.data.folds import split_fraction
from fastbp.support.checks import counted

__all__ = ["run", "train"]

_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 1e-4
_TEST_FRACTION = 0.2
_VALIDATION_FRACTION = 0.1


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
        If the file or the target cannot be used, or a file cannot be written.
    """
    destination = out or default_model_file(data)
    check_outputs({"--out": destination, "--report": report}, {"the data": data})
    if report is not None:
        require_matplotlib("the report", "cli")
    table = read_table(data, reading)
    task = task_of(table, target, kind, choice)
    refuse_infinite(task.X, table.name)
    task = task._replace(notes=[task.notes[0], *table.notes, *task.notes[1:]])
    _print_task(task, settings)
    outcome = train(task, settings)
    with _writing():
        _save(outcome.trainer.model, destination, task)  # before anything is printed: nobody may be reading
    if outcome.interrupted:
        best = f"epoch {outcome.best_epoch} of {outcome.trainer.history.n_epochs}"
        say(f"\ninterrupted: saved the model of the best epoch so far, {best}, to {destination}")
        raise KeyboardInterrupt
    findings = findings_of(outcome.task)
    highlighted = highlights(outcome, findings)
    if report is not None:
        with _writing():
            source = "the standard input" if data == PIPE else data.name
            write_report(report, source, outcome, destination.name, findings, highlighted)
    _print_scores(outcome)
    for sentence in highlighted:
        say(sentence)
    for path in (destination, report):
        if path is not None:
            say(f"saved {path}")


def _save(model: fb.Model, destination: Path, task: Task) -> None:
    """Write the model with the names of its classes; training and scores go by their numbers."""
    model.classes = task.classes or None
    model.save(destination)
    model.classes = None


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"could not be written: {error}") from None


def train(task: Task, settings: Settings) -> Outcome:
    """Train on most of the rows, use some of these to decide when to stop, and score on the rest."""
    train_rows, test_rows = _split(task, np.arange(len(task.y)), _TEST_FRACTION, settings.seed)
    fit_rows, validation_rows = _split(task, train_rows, _VALIDATION_FRACTION, settings.seed)
    task = _without_empty(task, fit_rows)
    trainer = _make_trainer(task, len(fit_rows), settings)
    stopping = fb.EarlyStopping(patience=max(5, settings.epochs // 5))
    start = time.perf_counter()
    interrupted = False
    try:
        trainer.fit(
            task.X.iloc[fit_rows],
            task.y[fit_rows],
            epochs=settings.epochs,
            validation_data=(task.X.iloc[validation_rows], task.y[validation_rows]),
            callbacks=[stopping],
            progress=settings.progress,
        )
    except KeyboardInterrupt:
        if stopping.best_weights is None:  # no epoch was completed
            raise
        trainer.model.set_weights(stopping.best_weights)
        interrupted = True
    seconds = time.perf_counter() - start
    keep_writings(trainer.model, task.writings)
    X_test, y_test = task.X.iloc[test_rows], task.y[test_rows]
    outputs = trainer.model.predict(X_test, n_threads=settings.n_threads, precision=trainer.precision)
    trainer.model.metadata = _metadata(task, half_widths(y_test - outputs[:, 0]) if task.kind == "regression" else {})
    scores = trainer.evaluate(X_test, y_test)
    scores.pop("loss")
    baseline = _baseline(task, train_rows, test_rows)
    best = stopping.best_epoch
    return Outcome(task, trainer, seconds, train_rows, test_rows, outputs, scores, baseline, best, interrupted)


def _split(task: Task, rows: NDArray[np.int64], fraction: float, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Return some rows in two parts, of each class alike."""
    classes = task.y[rows] if task.kind == "class" else None
    return tuple(rows[part] for part in split_fraction(len(rows), fraction, classes=classes, seed=seed))


def _metadata(task: Task, half_widths: dict[str, float]) -> dict[str, Any]:
    """Return what ``fastbp predict`` needs to know."""
    return {
        "target": task.target,
        "task": task.kind,
        "classes": task.classes,
        "ids": list(task.ids),
        "half_widths": half_widths,
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


def _make_trainer(task: Task, n_samples: int, settings: Settings) -> fb.Trainer:
    n_outputs = len(task.classes) if task.kind == "class" else 1
    hidden = [fb.Dense(units, "relu") for units in settings.hidden]
    last = fb.Dense(n_outputs, "softmax" if task.kind == "class" else "linear")
    model = fb.Model(
        [*hidden, last],
        prepare=fb.Columns(
            numeric=[fb.Impute("median", indicator=True), fb.RobustScale()],
            categorical=fb.OneHot(MOST_LEVELS),
            categories=[name for name in task.X.columns if text_of(task.X[name]) is not None],
        ),
        prepare_targets=None if task.kind == "class" else fb.Standardize(),
        seed=settings.seed,
    )
    # Some hundred steps an epoch, whatever the size of the table, in batches that keep the vectors full.
    batch_size = settings.batch_size or int(2 ** np.clip(round(math.log2(n_samples / 100)), 4, 9))
    return fb.Trainer(
        model,
        loss="cross_entropy" if task.kind == "class" else "mse",
        optimizer=fb.AdamW(fb.CosineDecay(_LEARNING_RATE, over=settings.epochs), weight_decay=_WEIGHT_DECAY),
        batch_size=batch_size,
        n_threads=settings.n_threads,
        seed=settings.seed,
        metrics=metrics_of(task),
        precision=settings.precision,
    )


def metrics_of(task: Task) -> list[str]:
    """Return the metrics that are reported for a task of this kind."""
    if task.kind == "regression":
        return ["r2", "rmse", "mae"]
    return ["accuracy", "balanced_accuracy", "log_loss", *(["roc_auc"] if len(task.classes) == 2 else [])]


def _baseline(task: Task, train_rows: NDArray[np.int64], test_rows: NDArray[np.int64]) -> dict[str, float]:
    """Return the scores of the best constant answer: the most common class, or the mean."""
    known, y = task.y[train_rows], task.y[test_rows]
    if task.kind == "class":
        shares = np.bincount(known, minlength=len(task.classes)) / len(known)
        entropy = -np.log(np.maximum(shares, np.finfo(float).tiny))[y].mean()
        return {
            "accuracy": float(np.mean(y == shares.argmax())),
            "balanced_accuracy": 1 / len(np.unique(y)),
            "log_loss": float(entropy),
        }
    errors = y - known.mean()
    spread = float(np.square(y - y.mean()).sum())
    return {
        "r2": 1 - float(np.square(errors).sum()) / spread if spread else float("nan"),
        "rmse": float(np.sqrt(np.square(errors).mean())),
        "mae": float(np.abs(errors).mean()),
    }


def _print_task(task: Task, settings: Settings) -> None:
    for note in task.notes:
        say(note)
    say(f"{counted(len(task.y), 'row')}, {counted(task.X.shape[1], 'column')}")
    say(f"hidden layers of {', '.join(map(str, settings.hidden))}; at most {counted(settings.epochs, 'epoch')}")


def _print_scores(outcome: Outcome) -> None:
    trainer = outcome.trainer
    n_epochs = trainer.history.n_epochs
    n_parameters = counted(trainer.model.n_parameters, "parameter")
    say(f"{counted(n_epochs, 'epoch')} in {outcome.seconds:.1f} s, {n_parameters}")
    say(f"on {counted(len(outcome.test_rows), 'held-out row')}:")
    answer = "most common class" if outcome.task.kind == "class" else "mean"
    for name, value in outcome.scores.items():
        beside = f"   ({answer}: {show(outcome.baseline[name], name)})" if name in outcome.baseline else ""
        say(f"  {name:18} {show(value, name)}{beside}")
