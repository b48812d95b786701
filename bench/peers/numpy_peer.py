"""Pure NumPy, written as well as NumPy allows.

No array is made in the loop: every result goes to a buffer by `out=`. All parameters that are trained are views of one
flat array, so Adam is ten calls for the whole network and not ten a layer, over chunks that stay in the cache between
the calls.
"""

import math

import numpy as np

from ..workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, make_data

# Five arrays of so many elements fit in a level-2 cache.
_CHUNK = 16384


class FlatAdam:
    """Adam on flat arrays, in place.

    The moments are kept without their factors 1 - beta, which saves two passes:
    m = beta_1 m + g and v = beta_2 v + g^2; the factors are part of the step size and of epsilon.
    """

    def __init__(self, parameters: np.ndarray, gradients: np.ndarray):
        arrays = (parameters, gradients, np.zeros_like(parameters), np.zeros_like(parameters))
        starts = range(0, parameters.size, _CHUNK)
        self.chunks = [tuple(array[start : start + _CHUNK] for array in arrays) for start in starts]
        self.scratch = np.empty(min(_CHUNK, parameters.size), parameters.dtype)
        self.n_steps = 0

    def step(self) -> None:
        """One update from the gradients as they are now."""
        self.n_steps += 1
        scale_m = (1 - BETA_1) / (1 - BETA_1**self.n_steps)
        scale_v = math.sqrt((1 - BETA_2) / (1 - BETA_2**self.n_steps))
        step_size = LEARNING_RATE * scale_m / scale_v
        epsilon = EPSILON / scale_v
        for parameters, gradients, m, v in self.chunks:
            scratch = self.scratch[: parameters.size]
            np.multiply(m, BETA_1, out=m)
            np.add(m, gradients, out=m)
            np.multiply(v, BETA_2, out=v)
            np.square(gradients, out=scratch)
            np.add(v, scratch, out=v)
            np.sqrt(v, out=scratch)
            np.add(scratch, epsilon, out=scratch)
            np.divide(m, scratch, out=scratch)
            np.multiply(scratch, step_size, out=scratch)
            np.subtract(parameters, scratch, out=parameters)


def _forward(parameters: list[tuple[np.ndarray, np.ndarray]], A: list[np.ndarray]) -> None:
    """A[l + 1] = relu(A[l] W + b); the last layer keeps its Z."""
    last = len(parameters) - 1
    for i, (W, b) in enumerate(parameters):
        Z = A[i + 1]
        np.matmul(A[i], W, out=Z)
        np.add(Z, b, out=Z)
        if i < last:
            np.maximum(Z, 0, out=Z)


def _softmax(Z: np.ndarray, row_stat: np.ndarray, out: np.ndarray) -> None:
    """The probabilities in `out`, which may be Z; else Z is left less its rows' maxima. In `row_stat` the divisors."""
    np.max(Z, axis=1, keepdims=True, out=row_stat)
    np.subtract(Z, row_stat, out=Z)
    np.exp(Z, out=out)
    np.sum(out, axis=1, keepdims=True, out=row_stat)
    np.divide(out, row_stat, out=out)


class NumpyPeer:
    """Forward, loss, backward and Adam over preallocated buffers."""

    settings = "preallocated buffers with out=, in-place Adam over one flat parameter array in chunks"
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        self.workload = workload
        self.dtype = np.dtype(dtype)
        self.X, self.y = make_data(workload, dtype)
        self.rng = np.random.default_rng(0)
        self._make_buffers()

    def _make_buffers(self) -> None:
        """Everything a step writes to."""
        batch_size, sizes = self.workload.batch_size, self.workload.sizes
        self.A = [np.empty((batch_size, size), self.dtype) for size in sizes]  # A[0] is the batch
        self.dZ = [np.empty((batch_size, size), self.dtype) for size in sizes[1:]]
        self.active = [np.empty((batch_size, size), bool) for size in sizes[1:]]
        self.labels = np.empty(batch_size, np.int64)
        self.row = np.arange(batch_size)
        self.row_stat = np.empty((batch_size, 1), self.dtype)
        self.ones = np.ones(batch_size, self.dtype)

    def _views(self, flat: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """(W, b) of every layer in a flat array."""
        views, start = [], 0
        for n_inputs, n_units in self.workload.layers:
            middle, stop = start + n_inputs * n_units, start + n_inputs * n_units + n_units
            views.append((flat[start:middle].reshape(n_inputs, n_units), flat[middle:stop]))
            start = stop
        return views

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Peer`."""
        parameters = np.concatenate([array.ravel() for array in weights]).astype(self.dtype)
        gradients = np.zeros_like(parameters)
        self.parameters, self.gradients = self._views(parameters), self._views(gradients)
        self.optimizer = FlatAdam(parameters, gradients)

    def train(self, n_batches: int, epochs: int, shuffle: bool) -> list[float]:
        """See `Peer`."""
        return [self._epoch(n_batches, shuffle) for _ in range(epochs)]

    def _epoch(self, n_batches: int, shuffle: bool) -> float:
        n_samples = n_batches * self.workload.batch_size
        order = self.rng.permutation(n_samples) if shuffle else np.arange(n_samples)
        total = 0.0
        for rows in order.reshape(n_batches, -1):
            # mode="clip" lets take write to `out` directly; with the default it goes through a copy.
            np.take(self.X, rows, axis=0, out=self.A[0], mode="clip")
            np.take(self.y, rows, out=self.labels, mode="clip")
            _forward(self.parameters, self.A)
            total += self._loss()
            self._backward()
            self.optimizer.step()
        return total / n_batches

    def _loss(self) -> float:
        """Softmax cross-entropy: the mean over the batch, and its gradient in dZ[-1]."""
        Z, dZ, stat = self.A[-1], self.dZ[-1], self.row_stat
        _softmax(Z, stat, out=dZ)
        np.log(stat, out=stat)
        loss = (stat.sum() - Z[self.row, self.labels].sum()) / self.row.size
        dZ[self.row, self.labels] -= 1
        np.multiply(dZ, 1 / self.row.size, out=dZ)
        return float(loss)

    def _backward(self) -> None:
        """The gradients of every layer, the last first."""
        for i in reversed(range(len(self.parameters))):
            dW, db = self.gradients[i]
            np.matmul(self.A[i].T, self.dZ[i], out=dW)
            np.matmul(self.ones, self.dZ[i], out=db)
            if i > 0:
                np.matmul(self.dZ[i], self.parameters[i][0].T, out=self.dZ[i - 1])
                np.greater(self.A[i], 0, out=self.active[i - 1])
                np.multiply(self.dZ[i - 1], self.active[i - 1], out=self.dZ[i - 1])


class NumpyPredictor:
    """The forward half of `NumpyPeer`, over buffers of its own."""

    settings = "preallocated buffers with out="
    note = ""

    def __init__(self, workload: Workload, dtype: str, n_threads: int):
        self.buffers = [np.empty((workload.batch_size, size), dtype) for size in workload.sizes[1:]]
        self.row_stat = np.empty((workload.batch_size, 1), dtype)

    def reset(self, weights: list[np.ndarray]) -> None:
        """See `Predictor`."""
        self.parameters = list(zip(weights[::2], weights[1::2], strict=True))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """See `Predictor`."""
        probabilities = self.buffers[-1]
        _forward(self.parameters, [X, *self.buffers])
        _softmax(probabilities, self.row_stat, out=probabilities)
        return probabilities


def versions() -> dict[str, str]:
    """See `bench.peers`."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {"numpy": np.__version__, "numpy BLAS": f"{blas['name']} {blas['version']}"}
