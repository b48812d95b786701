"""The networks of the recipe for tables, trained on a task: what ``fastbp train`` does unless layers are asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.explained_model import as_explained
from fastbp.commands.learned_columns import keep_writings
from fastbp.commands.outcome import Settings
from fastbp.commands.roles import text_of
from fastbp.commands.task import Task
from fastbp.support.checks import counted
from fastbp.tabular.fitted import FittedTable
from fastbp.tabular.fitting import Fit
from fastbp.tabular.learning import Rows, choose_metric, fit_linear, fit_rows, splits_of
from fastbp.tabular.reading import learn_reader
from fastbp.tabular.recipe import PRESETS
from fastbp.tabular.time_budget import TimeBudget

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableNetworks", "count_members", "linear_outputs", "train_networks"]

_PART_OF_LINEAR = 0.1  # of the time limit, for the linear model that the scores are compared with


def count_members(kinds: Sequence[str]) -> str:
    """Return how many networks and linear models there are: "8 networks and 8 linear models"."""
    counts = {"network": kinds.count("nets"), "linear model": len(kinds) - kinds.count("nets")}
    return " and ".join(counted(n, what) for what, n in counts.items() if n)


class TableNetworks:
    """The trained networks, as ``Trained`` has them.

    Attributes
    ----------
    fitted : FittedTable
    settings : Settings
    why_metric : str
        Why the best epochs were decided by that metric.
    seconds : float
    """

    def __init__(self, fitted: FittedTable, settings: Settings, why_metric: str, seconds: float) -> None:
        self.fitted, self.settings, self.why_metric, self.seconds = fitted, settings, why_metric, seconds
        self.interrupted, self.n_threads = fitted.record.interrupted, settings.n_threads

    def size(self) -> str:
        """Return how long it took, and how large it is."""
        kinds = [member.kind for member in self.fitted.members]
        n_parameters = sum(member.model.n_parameters for member in self.fitted.members)
        return f"{count_members(kinds)} in {self.seconds:.1f} s, {counted(n_parameters, 'parameter')}"

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return the outputs for rows, (n_rows, n_outputs)."""
        return self.fitted.predict(X, self.settings.n_threads, self.settings.precision)

    def read(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return rows as an array with X's columns."""
        array: NDArray[Any] = self.fitted.reader.learned.read(X, "X")
        return array

    def predict_read(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs for rows that ``read`` returned."""
        return self.fitted.predict_table(self.fitted.reader.features_of(array), self.settings.n_threads)

    def explained(self) -> Any:
        """Return the networks as one function of the table's columns."""
        return as_explained(self.fitted, None, self.settings.n_threads)

    def save(self, path: Path, task: Task, metadata: Mapping[str, Any]) -> None:
        """Write a file that ``fastbp predict`` reads, and TabularClassifier.load or TabularRegressor.load."""
        keep_writings(self.fitted.reader.learned, task.writings)
        classes = np.array(task.classes)
        about = {
            "estimator": "TabularClassifier" if task.kind == "class" else "TabularRegressor",
            "parameters": self._parameters(),
            "n_features_in": task.X.shape[1],
            "feature_names_in": list(map(str, task.X.columns)),
            "metadata": dict(metadata),
        }
        about |= {"classes": [task.classes, classes.dtype.str]} if task.kind == "class" else {"single": True}
        self.fitted.save(path, about)

    def _parameters(self) -> dict[str, Any]:
        """Return the estimator's arguments."""
        asked = self.settings
        return {
            "preset": asked.preset or "default",
            "metric": asked.metric,
            "n_bags": asked.folds,
            "refit": asked.refit,
            "epochs": asked.epochs or "auto",
            "time_limit": asked.time_limit,
            "random_state": asked.seed % 2**32,
        }


def train_networks(task: Task, rows: NDArray[np.int64], settings: Settings) -> TableNetworks:
    """Train on some rows of a task, a part of which decide the best epochs, or each is held out once."""
    n_classes = len(task.classes)
    metric, why = choose_metric(task.y[rows], n_classes)
    if settings.metric != "auto":
        metric, why = settings.metric, "--metric says so"
    start, budget = time.perf_counter(), _budget(settings, 1 - _PART_OF_LINEAR)
    reader, known = _rows_of(task, rows)
    fit = _fit_of(settings, metric, budget, keeps_interrupted=True)
    splits = splits_of(known, fit, settings.folds, n_classes)
    fitted = fit_rows(reader, known, settings.loss, fit, splits, n_classes)
    return TableNetworks(fitted, settings, why, time.perf_counter() - start)


def linear_outputs(
    task: Task, rows: NDArray[np.int64], others: NDArray[np.int64], settings: Settings
) -> NDArray[np.float64]:
    """Return what a linear model that was trained on some rows predicts for others."""
    budget = _budget(settings, _PART_OF_LINEAR)
    reader, known = _rows_of(task, rows)
    n_classes = len(task.classes)
    plain = settings._replace(epochs=None, batch_size=None)
    fit = _fit_of(plain, "log_loss" if n_classes else "rmse", budget)
    return fit_linear(reader, known, fit, n_classes).predict(task.X.iloc[others], settings.n_threads)


def _rows_of(task: Task, rows: NDArray[np.int64]) -> tuple[Any, Rows]:
    """Return what reads the columns, and rows as it reads them."""
    X = task.X.iloc[rows]
    categories = [name for name in X.columns if text_of(X[name]) is not None]
    reader, table = learn_reader(X, categories)
    y = task.y[rows] if task.kind == "class" else task.y[rows][:, np.newaxis]
    return reader, Rows(table, y, None if task.weights is None else task.weights[rows])


def _budget(settings: Settings, part: float) -> TimeBudget | None:
    """Return a part of the time limit, from now on; None without one."""
    return None if settings.time_limit is None else TimeBudget(part * settings.time_limit)


def _fit_of(settings: Settings, metric: str, budget: TimeBudget | None, keeps_interrupted: bool = False) -> Fit:
    preset = PRESETS[settings.preset or "default"]
    return Fit(
        preset=preset.changed(learning_rate=settings.learning_rate, dropout=settings.dropout),
        metric=metric,
        epochs=settings.epochs,
        refit=settings.refit,
        budget=budget,
        n_threads=settings.n_threads,
        seed=settings.seed % 2**31,
        progress=settings.progress,
        batch_size=settings.batch_size,
        precision=settings.precision,
        keeps_interrupted=keeps_interrupted,
        may_be_constant=settings.epochs is None,
    )
