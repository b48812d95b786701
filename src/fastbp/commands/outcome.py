"""What ``fastbp train`` was asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastbp.commands.task import Task
from fastbp.commands.words import figure

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Outcome", "Settings", "Trained", "show"]


class Settings(NamedTuple):
    """The options of the command line; None: what the recipe for tables says.

    With ``hidden``, the units of its hidden layers, a single network is trained instead of the recipe's.
    """

    hidden: Sequence[int] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0
    n_threads: int | None = None
    progress: bool = True
    precision: str | None = None
    preset: str | None = None
    time_limit: float | None = None
    metric: str = "auto"
    folds: int | None = None
    refit: bool = False
    dropout: float | None = None
    learning_rate: float | None = None
    loss: str = "auto"
    class_weight: str | None = None
    test: Path | None = None


class Trained(Protocol):
    """A model that was trained on a table: a single network, or the networks of the recipe for tables."""

    seconds: float
    interrupted: bool
    n_threads: int | None

    def size(self) -> str:
        """Return how long it took, and how large it is."""

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return the outputs for rows, (n_rows, n_outputs)."""

    def read(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return rows as an array with X's columns."""

    def predict_read(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs for rows that ``read`` returned."""

    def explained(self) -> Any:
        """Return what ``fb.partial_dependence`` takes; the answers are named by their numbers."""

    def save(self, path: Path, task: Task, metadata: Mapping[str, Any]) -> None:
        """Write the model, and what ``fastbp predict`` needs to know."""


class Outcome(NamedTuple):
    """A trained model and its scores.

    Attributes
    ----------
    task : Task
        Its rows are those to train on and those held out.
    trained : Trained
    train_rows, test_rows : ndarray of int
        Rows of task.X; the test rows were used neither in training nor to choose anything.
    outputs : ndarray of shape (test rows, n_outputs)
        The model's predictions for the test rows.
    scores, baseline, linear : dict of str to float
        Scores on the test rows: the model's, those of the best constant answer, those of a linear model. The last are
        none where Ctrl-C ended training.
    """

    task: Task
    trained: Trained
    train_rows: NDArray[np.int64]
    test_rows: NDArray[np.int64]
    outputs: NDArray[Any]
    scores: dict[str, float]
    baseline: dict[str, float]
    linear: dict[str, float]


def show(value: float, score: str = "") -> str:
    """Return a score as text: four digits; an r2 that is 0 but for chance, as that of the mean, is 0.

    Parameters
    ----------
    value : float
    score : str
        Its name.
    """
    return "0" if score == "r2" and abs(value) < 5e-3 else figure(value)
