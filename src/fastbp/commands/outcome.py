"""What ``fastbp train`` was asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastbp as fb
from fastbp.commands.task import Task

__all__ = ["Outcome", "Settings", "show"]


class Settings(NamedTuple):
    """The options of the command line."""

    hidden: Sequence[int] = (256, 128)
    epochs: int = 50
    batch_size: int | None = None
    seed: int = 0
    n_threads: int | None = None
    progress: bool = True


class Outcome(NamedTuple):
    """A trained model and its scores.

    Attributes
    ----------
    task : Task
    trainer : fb.Trainer
    seconds : float
    train_rows, test_rows : ndarray of int
        Rows of task.X; the test rows were used neither in training nor to choose the best epoch.
    outputs : ndarray of shape (test rows, n_outputs)
        The model's predictions for the test rows.
    scores, baseline : dict of str to float
        The model's scores on the test rows, and those of the best constant answer.
    best_epoch : int
        The epoch whose weights were kept, from 1.
    interrupted : bool
        Whether Ctrl-C ended training.
    """

    task: Task
    trainer: fb.Trainer
    seconds: float
    train_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    outputs: NDArray[Any]
    scores: dict[str, float]
    baseline: dict[str, float]
    best_epoch: int
    interrupted: bool


def show(value: float) -> str:
    """Return a score as text: four digits, 0 for what is nearly 0."""
    return "0" if abs(value) < 5e-5 else f"{value:.4g}"
