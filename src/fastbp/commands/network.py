"""One network whose hidden layers the user chose, trained on a table: ``fastbp train --hidden 256,128``."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import fastbp as fb
from fastbp.commands.learned_columns import keep_writings
from fastbp.commands.outcome import Settings
from fastbp.commands.outputs import say
from fastbp.commands.roles import MOST_LEVELS, text_of
from fastbp.commands.task import Task
from fastbp.data.folds import split_fraction
from fastbp.support.checks import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NETWORK_EPOCHS", "Network", "metrics_of", "split_for_stopping", "train_network"]

_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 1e-4
_VALIDATION_FRACTION = 0.1
NETWORK_EPOCHS = 50


class Network:
    """A trained network, as ``Trained`` has it.

    Attributes
    ----------
    trainer : fb.Trainer
    seconds : float
    best_epoch : int
        The epoch whose weights were kept, from 1.
    interrupted : bool
        Whether Ctrl-C ended training.
    """

    def __init__(self, trainer: fb.Trainer, seconds: float, best_epoch: int, interrupted: bool) -> None:
        self.trainer, self.seconds, self.best_epoch, self.interrupted = trainer, seconds, best_epoch, interrupted
        self.n_threads: int | None = trainer.n_threads

    def size(self) -> str:
        """Return how long it took, and how large it is."""
        n_epochs, n_parameters = self.trainer.history.n_epochs, self.trainer.model.n_parameters
        return f"{counted(n_epochs, 'epoch')} in {self.seconds:.1f} s, {counted(n_parameters, 'parameter')}"

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return the outputs for rows, (n_rows, n_outputs)."""
        return self.trainer.model.predict(X, n_threads=self.trainer.n_threads, precision=self.trainer.precision)

    def read(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return rows as an array with X's columns."""
        array: NDArray[Any] = self.trainer.model.feed.read(X, "X")
        return array

    def predict_read(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs for rows that ``read`` returned."""
        return self.trainer.model.predict_read(array, self.trainer.n_threads)

    def explained(self) -> Any:
        """Return the network."""
        return self.trainer.model

    def save(self, path: Path, task: Task, metadata: Mapping[str, Any]) -> None:
        """Write the model with the names of its classes; training and scores go by their numbers."""
        model = self.trainer.model
        preparation = model.feed.preparation
        keep_writings(None if preparation is None else preparation.inputs, task.writings)
        model.metadata = dict(metadata)
        model.classes = task.classes or None
        model.save(path)
        model.classes = None


def train_network(task: Task, rows: NDArray[np.int64], settings: Settings) -> Network:
    """Train on most of some rows of a task, and use the others to decide when to stop."""
    fit_rows, validation_rows = split_for_stopping(task, rows, settings.seed)
    epochs = settings.epochs or NETWORK_EPOCHS
    trainer = _make_trainer(task, len(fit_rows), settings, epochs)
    monitor = "val_loss" if settings.metric == "auto" else f"val_{settings.metric}"
    stopping = fb.EarlyStopping(monitor, patience=max(5, epochs // 5))
    listeners: list[fb.Callback] = [stopping]
    if settings.time_limit is not None:
        listeners.append(fb.TimeLimit(settings.time_limit))
    start = time.perf_counter()
    interrupted = False
    try:
        trainer.fit(
            task.X.iloc[fit_rows],
            task.y[fit_rows],
            epochs=epochs,
            validation_data=(task.X.iloc[validation_rows], task.y[validation_rows]),
            callbacks=listeners,
            progress=settings.progress,
            sample_weight=None if task.weights is None else task.weights[fit_rows],
        )
    except KeyboardInterrupt:
        if stopping.best_weights is None:  # no epoch was completed
            raise
        trainer.model.set_weights(stopping.best_weights)
        interrupted = True
    return Network(trainer, time.perf_counter() - start, stopping.best_epoch, interrupted)


def split_for_stopping(task: Task, rows: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to train on, and those that decide when to stop, of each class alike."""
    classes = task.y[rows] if task.kind == "class" else None
    train, others = split_fraction(len(rows), _VALIDATION_FRACTION, classes=classes, seed=seed)
    return rows[train], rows[others]


def _make_trainer(task: Task, n_samples: int, settings: Settings, epochs: int) -> fb.Trainer:
    # Some hundred steps an epoch, whatever the size of the table, in batches that keep the vectors full.
    batch_size = settings.batch_size or int(2 ** np.clip(round(math.log2(n_samples / 100)), 4, 9))
    rate = settings.learning_rate or _LEARNING_RATE
    loss = settings.loss if settings.loss != "auto" else "cross_entropy" if task.kind == "class" else "mse"
    return fb.Trainer(
        _make_model(task, loss, settings),
        loss=loss,
        optimizer=fb.AdamW(fb.CosineDecay(rate, over=epochs), weight_decay=_WEIGHT_DECAY),
        batch_size=batch_size,
        n_threads=settings.n_threads,
        seed=settings.seed,
        metrics=metrics_of(task, settings.metric),
        precision=settings.precision,
    )


def _make_model(task: Task, loss: str, settings: Settings) -> fb.Model:
    layers: list[Any] = []
    for units in settings.hidden or ():
        layers.append(fb.Dense(units, "relu"))
        if settings.dropout:
            layers.append(fb.Dropout(settings.dropout))
    if task.kind == "class":
        last = fb.Dense(len(task.classes), "softmax")
    else:
        last = fb.Dense(1, "exp" if loss == "poisson" else "linear")
    categories = [name for name in task.X.columns if text_of(task.X[name]) is not None]
    _tell_of_many_levels(task, categories)
    return fb.Model(
        [*layers, last],
        prepare=fb.Columns(
            numeric=[fb.Impute("median", indicator=True), fb.RobustScale()],
            categorical=fb.OneHot(MOST_LEVELS),
            categories=categories,
        ),
        prepare_targets=None if task.kind == "class" or loss == "poisson" else fb.Standardize(),
        seed=settings.seed,
    )


def _tell_of_many_levels(task: Task, categories: list[str]) -> None:
    for name in categories:
        n_levels = task.X[name].nunique()
        if n_levels > MOST_LEVELS:
            say(
                f"Column {name!r} is text of {n_levels:,} levels: the {MOST_LEVELS} most common are told apart, all "
                "others are one."
            )


def metrics_of(task: Task, asked: str = "auto") -> list[str]:
    """Return the metrics that are watched for a task of this kind."""
    if task.kind == "regression":
        return ["r2", "rmse", "mae"]
    names = ["accuracy", "balanced_accuracy", "log_loss", *(["roc_auc"] if len(task.classes) == 2 else [])]
    return names if asked in ("auto", *names) else [*names, asked]
