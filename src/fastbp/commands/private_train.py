"""``fastbp train --epsilon``: trains a network that reveals little about any one row, and says how little.

Nothing that is printed, saved or reported depends on private rows, but for the private training itself and the number
of rows: no score, no figure of a column, no sentence about what is odd.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastbp as fb
from fastbp.commands.errors import CommandError
from fastbp.commands.extras import require_pandas
from fastbp.commands.files import PIPE
from fastbp.commands.outcome import Settings, show
from fastbp.commands.outputs import check_outputs, default_model_file, say, writing
from fastbp.commands.private_rows import TableRows, read_rows
from fastbp.commands.private_settings import PrivateSettings, check_private_options
from fastbp.commands.report.private_page import PrivateResult, write_private_report
from fastbp.commands.roles import Choice
from fastbp.commands.schema_file import load_schema
from fastbp.commands.scores import scores_of
from fastbp.commands.written_tables import Reading
from fastbp.privacy.schema import Schema
from fastbp.support.checks import counted
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.learning import Rows
from fastbp.tabular.private_fitting import (
    PRIVATE_EPOCHS,
    PrivateFit,
    PrivateTraining,
    PublicTable,
    expected_batch_for,
)
from fastbp.tabular.reading import learn_reader

__all__ = ["Files", "run", "train_privately"]

_FEWEST_ROWS = 20


class Files(NamedTuple):
    """Where the rows are, and where the model and the report go.

    Attributes
    ----------
    data : Path
    out, report : Path or None
    reading : Reading or None
        How the data are written, where the schema does not say it.
    """

    data: Path
    out: Path | None = None
    report: Path | None = None
    reading: Reading | None = None


def train_privately(
    options: Any, private: PrivateSettings, settings: Settings, choice: Choice, reading: Reading
) -> None:
    """Run ``fastbp train`` with the options of private training.

    Raises
    ------
    CommandError
        If an option does not go with it, or a file cannot be used.
    """
    check_private_options(options.task, settings, choice)
    run(Files(options.data, options.out, options.report, reading), options.target, private, settings)


def run(files: Files, target: str, private: PrivateSettings, settings: Settings) -> None:
    """Train on a file, write the model with what is promised, and, if asked for, the report.

    Raises
    ------
    CommandError
        If a file cannot be used. No message tells of a row.
    """
    require_pandas()
    destination = files.out or default_model_file(files.data)
    inputs = {"the data": files.data, "--schema": private.schema}
    inputs |= {} if private.public_test is None else {"--public-test": private.public_test}
    check_outputs({"--out": destination, "--report": files.report}, inputs)
    schema = load_schema(private.schema, target)
    public_rows = None
    if private.public_test is not None:  # before the training, which is spent once it has begun
        public_rows = _some(read_rows(private.public_test, schema, target, files.reading), "--public-test", 1)
    public, n_classes = _public_table(schema, target)
    rows = _some(read_rows(files.data, schema, target, files.reading), "the data", _FEWEST_ROWS)
    fit = _fit_of(private, settings, len(rows.y))
    say(
        f"{counted(len(rows.y), 'row')} with {target!r}, {counted(rows.X.shape[1], 'column')}; "
        f"{counted(settings.epochs or PRIVATE_EPOCHS, 'epoch')}, "
        f"{counted(fit.privacy.expected_batch_size, 'row')} expected in a step"
    )
    training = PrivateTraining(public, Rows(public.reader.read(rows.X), _targets(rows, n_classes)), fit)
    fitted = training.run()
    promise = training.promise()
    about = _about(schema, target, fit, promise)
    with writing(destination):
        fitted.save(destination, about)
    if fitted.record.interrupted:
        say(f"\ninterrupted: saved the model of {promise.short()} to {destination}")
        raise KeyboardInterrupt
    scores = {} if public_rows is None else _scores(fitted, public_rows, n_classes, settings.n_threads)
    _print(promise.statement, scores, public_rows)
    if files.report is not None:
        n_public = 0 if public_rows is None else len(public_rows.y)
        result = PrivateResult(schema, target, fitted, promise, fit, scores, n_public)
        source = "the standard input" if files.data == PIPE else files.data.name
        with writing(files.report):
            write_private_report(files.report, source, destination.name, result)
    for path in (destination, files.report):
        if path is not None:
            say(f"saved {path}")


def _fit_of(private: PrivateSettings, settings: Settings, n_rows: int) -> PrivateFit:
    """Return how to fit so many rows; refuse a delta that promises nothing to them."""
    if private.delta * n_rows >= 1:
        raise CommandError(
            f"--delta is {private.delta:g}, and there are {n_rows:,} rows; expected far less than {1 / n_rows:.2g}, "
            "one divided by their number: a delta like that allows to publish a whole row"
        )
    privacy = fb.DifferentialPrivacy(
        target_epsilon=private.epsilon,
        target_delta=private.delta,
        expected_batch_size=settings.batch_size or expected_batch_for(n_rows),
        max_grad_norm=private.max_grad_norm,
    )
    return PrivateFit(
        privacy,
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        hidden=None if settings.hidden is None else tuple(settings.hidden),
        n_threads=settings.n_threads,
        seed=settings.seed,
        progress=settings.progress,
        keeps_interrupted=True,
    )


def _public_table(schema: Schema, target: str) -> tuple[PublicTable, int]:
    """Return what is learned from the schema's made-up rows, and the number of classes; 0 for numbers."""
    made_up = schema.public(target, as_text=True)
    reader, table = learn_reader(made_up.X, "auto")
    column = schema.columns[target]
    n_classes = len(column.values) if column.kind == "category" else 0
    y = np.empty((len(table), 0)) if n_classes else np.asarray(made_up.y, np.float64)[:, np.newaxis]
    return PublicTable.learn(reader, table, y, n_classes), n_classes


def _some(rows: TableRows, what: str, least: int) -> TableRows:
    if len(rows.y) < least:
        raise CommandError(
            f"{what} has {counted(len(rows.y), 'row')} whose target is as the schema has it; expected {least} or more. "
            "Compare the schema with the file: separator, names, categories"
        )
    return rows


def _targets(rows: TableRows, n_classes: int) -> NDArray[Any]:
    return rows.y if n_classes else rows.y[:, np.newaxis]


def _scores(fitted: FittedTable, rows: TableRows, n_classes: int, n_threads: int | None) -> dict[str, float]:
    return scores_of(rows.y, fitted.predict(rows.X, n_threads), n_classes)


def _about(schema: Schema, target: str, fit: PrivateFit, promise: fb.privacy.Promise) -> dict[str, Any]:
    """Return what the estimators and ``fastbp predict`` need to know, and what is promised."""
    column = schema.columns[target]
    names = [name for name, each in schema.columns.items() if each.kind != "ignore" and name != target]
    is_class = column.kind == "category"
    classes = list(column.values) if is_class else []
    metadata = {
        "target": target,
        "task": "class" if is_class else "regression",
        "classes": classes,
        "ids": [],
        "half_widths": {},
        "privacy": promise.to_config(),
    }
    about: dict[str, Any] = {
        "estimator": "TabularClassifier" if is_class else "TabularRegressor",
        "parameters": {"epochs": fit.epochs or "auto", "random_state": fit.seed % 2**32},
        "n_features_in": len(names),
        "feature_names_in": names,
        "privacy": {"settings": asdict(fit.privacy), "promise": promise.to_config()},
        "metadata": metadata,
    }
    return about | ({"classes": [classes, np.array(classes).dtype.str]} if is_class else {"single": True})


def _print(statement: str, scores: dict[str, float], public_rows: TableRows | None) -> None:
    if public_rows is not None:
        say(f"on {counted(len(public_rows.y), 'public row')}:")
        for name, value in scores.items():
            say(f"  {name:18} {show(value, name)}")
    say(statement)
