"""Checked samples: what the user gave and what the engine reads, side by side."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp._rows import Rows
from fastbp.data import as_matrix

if TYPE_CHECKING:
    from fastbp._network import Targets
    from fastbp.losses import Loss

__all__ = ["Samples"]

_BLOCK_ROWS = 4096


class Samples:
    """Inputs and targets of n_samples samples, of the right shapes, for one model and one loss.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_inputs)
    y : array-like
        Of a shape that the loss accepts.
    n_inputs, n_outputs : int
        The model's.
    loss : Loss
    names : pair of str
        What the user calls X and y.

    Raises
    ------
    TypeError, ValueError
        If X or y is not what the model and the loss need, or one is longer than the other.
    """

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        n_inputs: int,
        n_outputs: int,
        loss: Loss,
        names: tuple[str, str] = ("X", "y"),
    ) -> None:
        self.X = as_matrix(X, n_inputs, names[0])
        self.y = loss.as_targets(y, n_outputs, names[1])
        if len(self.X) != len(self.y):
            raise ValueError(
                f"{names[0]} has {len(self.X)} rows, {names[1]} has {len(self.y)}; expected a target for each sample."
            )
        self.n_targets = loss.n_targets(n_outputs)
        self.loss = loss
        self.names = names
        self.rows = Rows(self.X)
        self.targets: Targets = Rows(self.y) if self.y.ndim == 2 else self.y

    def __len__(self) -> int:
        return len(self.X)

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """Sum of squared deviations of the targets from their mean, for each output: what r2 compares with."""
        first = self.y[0].astype(np.float64)  # seen from here, equal targets are exactly 0
        blocks = [self.y[i : i + _BLOCK_ROWS] for i in range(0, len(self.y), _BLOCK_ROWS)]
        mean = sum((block - first).sum(axis=0) for block in blocks) / len(self.y)
        total: NDArray[np.float64] = sum((np.square(block - first - mean).sum(axis=0) for block in blocks), np.zeros(1))
        return total
