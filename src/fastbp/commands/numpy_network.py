"""The demo's opponent: the same training in pure NumPy, written to be read.

A stack of dense layers, ReLU between them and softmax at the end, learns classes by cross-entropy and Adam. These are
the same formulas that fastbp computes, so from the same weights and over the same batches both must produce the same
losses, but for rounding. It is honest NumPy: matrix products by BLAS, whole-array operations, no loop over samples.

Shapes: X (n, inputs), W (inputs, units), b (units,), Z and A (n, units); ``d*`` is the gradient of the mean loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Adam", "backward", "cross_entropy", "forward", "train", "train_epoch"]

Floats = NDArray[Any]  # float32 or float64, whatever the weights are


def forward(weights: Sequence[Floats], X: Floats) -> list[Floats]:
    """Return [X, A of each layer]: ReLU for the hidden layers, softmax for the last."""
    activations = [X]
    n_layers = len(weights) // 2
    for i in range(n_layers):
        W, b = weights[2 * i], weights[2 * i + 1]
        Z = activations[-1] @ W + b
        if i < n_layers - 1:
            A = np.maximum(Z, 0)
        else:
            A = np.exp(Z - Z.max(axis=1, keepdims=True))
            A /= A.sum(axis=1, keepdims=True)
        activations.append(A)
    return activations


def cross_entropy(P: Floats, labels: NDArray[Any]) -> float:
    """Return the mean of -log P[label] over the samples; a probability that rounded to 0 counts as the tiniest one."""
    of_label = P[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_label, np.finfo(P.dtype).tiny)).mean())


def backward(weights: Sequence[Floats], activations: list[Floats], labels: NDArray[Any]) -> list[Floats]:
    """Return [dW0, db0, ...]: the gradient of the mean cross-entropy, from the last layer back to the first."""
    n = len(labels)
    dZ = activations[-1].copy()
    dZ[np.arange(n), labels] -= 1  # softmax and cross-entropy together: dZ = (P - one_hot) / n
    dZ /= n
    gradients: list[Floats] = []
    for i in reversed(range(len(weights) // 2)):
        A = activations[i]
        gradients = [A.T @ dZ, dZ.sum(axis=0), *gradients]
        if i > 0:
            dA = dZ @ weights[2 * i].T
            dZ = dA * (A > 0)
    return gradients


class Adam:
    """Adam, updating the weights in place; its constants are the usual ones."""

    def __init__(self, weights: Sequence[Floats]) -> None:
        self.beta_1, self.beta_2, self.epsilon = 0.9, 0.999, 1e-8
        self.n_steps = 0
        self.m = [np.zeros_like(w) for w in weights]
        self.v = [np.zeros_like(w) for w in weights]

    def step(self, weights: Sequence[Floats], gradients: Sequence[Floats], learning_rate: float) -> None:
        """Update every array of ``weights`` by its gradient."""
        self.n_steps += 1
        correction_1 = 1 - self.beta_1**self.n_steps
        correction_2 = 1 - self.beta_2**self.n_steps
        for w, g, m, v in zip(weights, gradients, self.m, self.v, strict=True):
            m += (1 - self.beta_1) * (g - m)
            v += (1 - self.beta_2) * (g * g - v)
            w -= learning_rate * (m / correction_1) / (np.sqrt(v / correction_2) + self.epsilon)


def train(
    weights: Sequence[Floats],
    X: Floats,
    labels: NDArray[Any],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: Callable[[int], float],
    order: Callable[[int, int], NDArray[Any]],
    after_epoch: Callable[[float, list[Floats]], None],
) -> list[Floats]:
    """Train a copy of ``weights`` on mini-batches and return it.

    Parameters
    ----------
    weights : sequence of arrays
        [W0, b0, W1, b1, ...], W of shape (inputs, units), all of one dtype, float32 or float64.
    X : array of shape (n_samples, n_inputs), of the same dtype
    labels : integer array of shape (n_samples,)
    epochs, batch_size : int
        As in ``fastbp.Trainer``; the last batch of an epoch may be shorter.
    learning_rate : callable (epoch) -> float
        The learning rate of an epoch; epochs count from 0.
    order : callable (epoch, n_samples) -> integer array of shape (n_samples,)
        The order in which an epoch visits the samples.
    after_epoch : callable (mean loss of the epoch, weights) -> None
        Called after each epoch.

    Returns
    -------
    list of arrays
        The trained weights, shaped like ``weights``.
    """
    weights = [w.copy() for w in weights]
    adam = Adam(weights)
    for epoch in range(epochs):
        indices, rate = order(epoch, len(X)), learning_rate(epoch)
        loss = train_epoch(weights, adam, X, labels, batch_size=batch_size, learning_rate=rate, order=indices)
        after_epoch(loss, weights)
    return weights


def train_epoch(
    weights: Sequence[Floats],
    adam: Adam,
    X: Floats,
    labels: NDArray[Any],
    *,
    batch_size: int,
    learning_rate: float,
    order: NDArray[Any],
) -> float:
    """Train on all samples once, in an order, in place; return the mean loss."""
    total = 0.0
    for start in range(0, len(X), batch_size):
        rows = order[start : start + batch_size]
        activations = forward(weights, X[rows])
        total += cross_entropy(activations[-1], labels[rows]) * len(rows)
        adam.step(weights, backward(weights, activations, labels[rows]), learning_rate)
    return total / len(X)
