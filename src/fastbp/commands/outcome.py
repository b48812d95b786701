"""What ``fastbp train`` was asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastbp as fb
from fastbp.commands.task import Task
from fastbp.commands.words import figure

__all__ = ["Outcome", "Settings", "show"]


class Settings(NamedTuple):
    """The options of the command line."""

    hidden: Sequence[int] = (256, 128)
    epochs: int = 50
    batch_size: int | None = None
    seed: int = 0
    n_threads: int | None = None
    progress: bool = True
    precision: str | None = None


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


def show(value: float, score: str = "") -> str:
    """Return a score as text: four digits; an r2 that is 0 but for chance, as that of the mean, is 0.

    Parameters
    ----------
    value : float
    score : str
        Its name.
    """
    return "0" if score == "r2" and abs(value) < 5e-3 else figure(value)
