"""The part of a trainer that callbacks may use; ``fb.Trainer`` has all of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import ArrayLike, NDArray

__all__ = ["HistoryView", "ModelView", "TrainerView"]


class HistoryView(Protocol):
    """The figures of all epochs so far: a list of numbers under the name of each figure.

    Attributes
    ----------
    kept_epoch : int or None
        The epoch whose weights a callback put back at the end of ``fit``.
    """

    kept_epoch: int | None

    @property
    def n_epochs(self) -> int:
        """The number of epochs."""

    def __iter__(self) -> Iterator[str]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> Sequence[float]: ...


class ModelView(Protocol):
    """The model that is trained."""

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all parameters."""

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Set all parameters."""


class TrainerView(Protocol):
    """The trainer, as callbacks see it."""

    learning_rate: float
    optimizer: Any

    @property
    def model(self) -> ModelView:
        """The trained model."""

    @property
    def history(self) -> HistoryView:
        """The figures of all epochs so far."""

    @property
    def n_steps(self) -> int:
        """The number of updates so far."""

    @property
    def stop_reason(self) -> str | None:
        """Why the latest call of ``fit`` ended: "epochs", "stopped", "converged" or "error"; None while it runs."""

    def stop(self) -> None:
        """End training after this epoch, or inside an epoch after this step."""

    def save(self, path: str | os.PathLike[str], /) -> None:
        """Write to a file everything that the rest of the training depends on, except the data."""
