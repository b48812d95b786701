"""Products with a layer's weights, forwards and backwards, by the engine: the same bits on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.twins import blank
from fastbp.layers.activation_layer import Activation
from fastbp.layers.activations import Linear
from fastbp.layers.base import Layer
from fastbp.layers.composition import innermost
from fastbp.layers.dense import Dense
from fastbp.models.feed import Feed
from fastbp.models.model import Model
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Product", "split_first"]

Array = NDArray[Any]


class Product:
    """X @ W + b, and M @ W.T.

    Parameters
    ----------
    W : ndarray of shape (n_inputs, n_units), float32 or float64
    b : ndarray of shape (n_units,) or None
    n_threads : int or None
    """

    def __init__(self, W: Array, b: Array | None, n_threads: int | None) -> None:
        self.W, self.b, self.n_threads = W, b, n_threads
        self._forth: Model | None = None
        self._back: Model | None = None

    @underflows_to_zero
    def forward(self, X: Array) -> Array:
        """Return X @ W + b, (n, n_units)."""
        if self._forth is None:
            self._forth = _product(self.W, self.b)
        return self._forth.predict_read(np.ascontiguousarray(X), self.n_threads)

    @underflows_to_zero
    def backward(self, M: Array) -> Array:
        """Return M @ W.T, (n, n_inputs)."""
        if self._back is None:
            self._back = _product(np.ascontiguousarray(self.W.T), None)
        return self._back.predict_read(np.ascontiguousarray(M), self.n_threads)


def _product(W: Array, b: Array | None) -> Model:
    model = Model([Dense(W.shape[1], "linear", "zeros", use_bias=b is not None)], inputs=W.shape[0], dtype=W.dtype)
    model.set_weights([W] if b is None else [W, b])
    return model


def split_first(model: Model, n_threads: int | None) -> tuple[Product | None, Model]:
    """Return the product of a network's first layer, and the network after it; None and the network where that is all.

    Parameters
    ----------
    model : Model
        Without a preparation of its inputs and without tables.
    """
    first, *others = model.layers
    has_more = any(isinstance(layer, Dense) for _, layer in innermost(others))
    if not isinstance(first, Dense) or not has_more:
        return None, model
    W, *weights = model.get_weights()
    b = weights.pop(0) if first.use_bias else None
    activation: list[Layer] = [] if isinstance(first.activation, Linear) else [Activation(first.activation)]
    rest = Model([*activation, *map(blank, others)], dtype=model.dtype)
    rest.adopt(Feed(first.units, model.feed.preparation, model.dtype))
    rest.set_weights(weights)
    return Product(W, b, n_threads), rest
