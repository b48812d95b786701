"""Products with a layer's weights, forwards and backwards, by the engine: the same bits on any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.network import Network
from fastbp.explanations.overflow import explaining_nonfinite
from fastbp.layers.dense import Dense
from fastbp.support.threads import choose_threads
from fastbp.support.underflow import underflows_to_zero

__all__ = ["Product"]

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
        self._forth: Network | None = None
        self._back: Network | None = None
        self._room: Array | None = None

    def forward(self, X: Array) -> Array:
        """Return X @ W + b, (n, n_units)."""
        if self._forth is None:
            self._forth = _network(self.W, self.b)
        return self._times(self._forth, X, self.W.shape[1])

    def backward(self, M: Array, *, to_room: bool = False) -> Array:
        """Return M @ W.T, (n, n_inputs); with ``to_room`` in an array that the next such call overwrites."""
        if self._back is None:
            self._back = _network(np.ascontiguousarray(self.W.T), None)
        if not to_room:
            return self._times(self._back, M, self.W.shape[0])
        if self._room is None or len(self._room) < len(M):
            self._room = np.empty((len(M), self.W.shape[0]), self.W.dtype)
        return self._times(self._back, M, self.W.shape[0], self._room[: len(M)])

    @underflows_to_zero
    def _times(self, network: Network, X: Array, n_units: int, out: Array | None = None) -> Array:
        out = np.empty((len(X), n_units), self.W.dtype) if out is None else out
        with explaining_nonfinite():
            network.forward(ArrayReader(X), out, choose_threads(self.n_threads))
        return out


def _network(W: Array, b: Array | None) -> Network:
    """Return a network of one product; it is made without a model's checks, as it is needed in every call."""
    network = Network(W.shape[0], Dense(W.shape[1], "linear", "zeros", use_bias=b is not None).stages(), W.dtype.name)
    network.set_arrays([W] if b is None else [W, b])
    return network
