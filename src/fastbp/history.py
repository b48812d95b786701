"""What training reported: a list for every figure, an entry for every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

__all__ = ["History"]


class History(Mapping[str, list[float]]):
    """A mapping from the name of a figure to its values, one an epoch: ``history["loss"][-1]`` is the latest loss.

    All lists are of the same length. NaN stands where an epoch has no such figure: ``val_loss``, say, where one call of
    ``fit`` had validation data and another had not. ``pandas.DataFrame(dict(history))`` makes a table of it.
    """

    def __init__(self) -> None:
        self._figures: dict[str, list[float]] = {}
        self._n_epochs = 0

    @property
    def n_epochs(self) -> int:
        """The number of completed epochs."""
        return self._n_epochs

    @property
    def latest(self) -> dict[str, float]:
        """The figures of the latest epoch; empty before the first."""
        return {name: values[-1] for name, values in self._figures.items()}

    def append(self, figures: Mapping[str, float]) -> None:
        """Add the figures of one epoch."""
        for name in figures:
            self._figures.setdefault(name, [math.nan] * self._n_epochs)
        for name, values in self._figures.items():
            values.append(figures.get(name, math.nan))
        self._n_epochs += 1

    def __getitem__(self, name: str) -> list[float]:
        return self._figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={value:.6g}" for name, value in self.latest.items())
        return f"History({self._n_epochs} epochs{f'; latest: {figures}' if figures else ''})"
