"""A fitted estimator as what ``fb.explain`` explains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.classes import Classes
from fastbp.explanations.subjects import ModelSubject
from fastbp.models.model import Model

__all__ = ["NetworkSubject"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


class NetworkSubject(ModelSubject):
    """The network of an estimator, whose missing values are filled in before it.

    Parameters
    ----------
    model : Model
    n_threads : int or None
    columns : tuple of str
    classes : Classes or None
    read : callable
        read(X) -> X validated as for ``predict``.
    fill : callable or None
        fill(rows) -> rows without missing values; None where there can be none.
    medians : ndarray of shape (n_columns,) or None
        What is filled in.
    """

    def __init__(
        self,
        model: Model,
        n_threads: int | None,
        columns: tuple[str, ...],
        classes: Classes | None,
        read: Callable[[Any], Array],
        fill: Callable[[Array], Array] | None,
        medians: Floats | None,
    ) -> None:
        super().__init__(model, n_threads)
        self.columns, self.classes = columns, classes
        if classes is not None and len(classes) == self.n_outputs:
            self.output_names = classes.to_config()
        self._read, self._fill, self._medians = read, fill, medians
        if fill is not None:
            self.row_dtype = np.dtype(np.float64)

    def read(self, X: Any, argument: str) -> Array:
        """Return rows as scikit-learn checks them; it calls them X in its messages."""
        return np.asarray(self._read(X), self.row_dtype)

    def own(self, rows: Array) -> Array:
        """Return rows without missing values."""
        return rows if self._fill is None else self._fill(rows)

    def usual(self) -> Floats:
        """Return the medians of the first fit."""
        return super().usual() if self._medians is None else self._medians
