"""Explanations by the gradient at the row itself: saliency, input x gradient, and SmoothGrad."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.findings import Found
from fastbp.explanations.networks import Network
from fastbp.explanations.options import Options
from fastbp.explanations.questions import Question
from fastbp.explanations.straight import StraightWays

__all__ = ["input_x_gradient", "saliency", "smoothgrad"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


def saliency(network: Network, question: Question, rows: Array, original: bool, options: Options) -> Found:
    """Return the gradient of the answers (Simonyan, Vedaldi and Zisserman, 2014), with its sign.

    By the user's columns, through the preparation, or by the first layer's inputs.
    """
    slopes = _stacked(network.gradients(question, network.inputs(rows), np.arange(len(rows))))
    return Found(network.slopes_by_column(rows, slopes) if original else slopes)


def input_x_gradient(network: Network, question: Question, rows: Array, original: bool, options: Options) -> Found:
    """Return the gradient times the first layer's inputs (Shrikumar, Greenside, Shcherbina and Kundaje, 2016)."""
    inputs = network.inputs(rows)
    slopes = _stacked(network.gradients(question, inputs, np.arange(len(rows))))
    values = inputs.astype(np.float64)[:, :, np.newaxis] * slopes
    return Found(network.by_column(values) if original else values)


def smoothgrad(network: Network, question: Question, rows: Array, original: bool, options: Options) -> Found:
    """Return the mean gradient around the row (Smilkov, Thorat, Kim, Viégas and Wattenberg, 2017).

    Normal noise is added to the first layer's inputs, the same for each row.
    """
    inputs, ways = network.inputs(rows), StraightWays(network.model, options.n_threads)
    rng = np.random.default_rng(options.seed)
    numbers = np.arange(len(rows))
    here, of_nothing = ways.first(inputs), ways.first(np.zeros((1, inputs.shape[1]), inputs.dtype))
    total: Any = 0.0
    squares: Any = 0.0
    for _ in range(options.n_samples):
        noise = options.noise * np.asarray(rng.standard_normal(inputs.shape[1]))
        moved = here + (ways.first(noise.astype(inputs.dtype)[np.newaxis]) - of_nothing)
        at = ways.mean_gradients(question, numbers, moved, moved, np.zeros(1), np.ones(1))
        slopes = at.astype(np.float64).transpose(1, 2, 0)
        total, squares = total + slopes, squares + np.square(slopes)
    n = options.n_samples
    mean = total / n
    errors = np.sqrt(np.maximum(squares / n - np.square(mean), 0) / (n - 1))
    if not original:
        return Found(mean, errors=errors)
    return Found(network.slopes_by_column(rows, mean), errors=np.abs(network.slopes_by_column(rows, errors)))


def _stacked(gradients: list[Array]) -> Floats:
    """Return the gradients of all answers as one array, (n, n_inputs, n_answers)."""
    return np.stack(gradients, axis=2).astype(np.float64)
