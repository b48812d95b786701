"""The waves of numbers that a table's network begins with, as features of the table.

Like bins, they are functions of a single column. What is behind them is a network that every method can look into.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.twins import blank
from fastbp.layers.dense import Dense
from fastbp.layers.numeric_embeddings import Periodic
from fastbp.layers.tabular import Tabular
from fastbp.models.model import Model

__all__ = ["Waves", "without_waves"]

Array = NDArray[Any]


class Waves:
    """What waves make of the numbers of a network's inputs.

    Parameters
    ----------
    layer : Periodic
    weights : list of ndarray
        Its own.
    n_numeric : int
        The number of inputs before the codes.
    dtype
        As for a model.

    Attributes
    ----------
    places : list of int
        Of each feature that is added, the place of the number among the inputs.
    """

    def __init__(self, layer: Periodic, weights: list[Array], n_numeric: int, dtype: Any) -> None:
        columns = range(n_numeric) if layer.columns is None else layer.columns
        self.places = [place for place in columns for _ in range(layer.units)]
        n_features = layer.n_outputs(n_numeric)
        self._n_numeric = n_numeric
        self._model = Model(
            [layer, Dense(n_features, "linear", "zeros", use_bias=False)], inputs=n_numeric, dtype=dtype
        )
        self._model.set_weights([*weights, np.eye(n_features)])

    def of(self, inputs: Array) -> Array:
        """Return waves and numbers, followed by the codes: (n, n_features)."""
        numbers, codes = inputs[:, : self._n_numeric], inputs[:, self._n_numeric :]
        return np.concatenate([self._model.predict(numbers), codes], axis=1)

    def slopes(self, inputs: Array, first: Array) -> Array:
        """Return the slopes of waves and numbers by the columns, for those of the numbers: each is of one column."""
        numbers = np.ascontiguousarray(inputs[:, : self._n_numeric])
        return np.asarray(self._model.jvp(numbers, first.astype(self._model.dtype))[1])


def without_waves(model: Model) -> tuple[Waves | None, Model]:
    """Return the waves that a network begins with, if it does, and the network behind them."""
    layer, *behind = model.layers
    if not isinstance(layer, Periodic):
        return None, model
    inputs, weights = model.inputs, model.get_weights()
    n_tables = 0
    if isinstance(inputs, Tabular):
        n_tables, n_numeric = len(inputs.categories), inputs.numeric
    else:
        assert isinstance(inputs, int)
        n_numeric = inputs
    last = n_tables + len(layer.parameters(n_numeric))
    n_features = layer.n_outputs(n_numeric)
    known: Any = n_features
    if isinstance(inputs, Tabular):
        known = Tabular(n_features, list(inputs.categories), list(inputs.dims))
    network = Model([blank(each) for each in behind], inputs=known, dtype=model.dtype)
    network.set_weights([*weights[:n_tables], *weights[last:]])
    return Waves(layer, weights[n_tables:last], n_numeric, model.dtype), network
