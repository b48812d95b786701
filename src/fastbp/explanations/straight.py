"""Mean gradients on straight ways between two rows of a network's inputs.

All points of such a way lie on a line, and so does what the first layer's product makes of them. It is computed at both
ends, and the product that passes a gradient back to the inputs once, for the mean gradient: not once for each point.
Where the outputs are a product, and what is explained one of them, the gradient behind it is the same at all points.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.derivatives import Derivatives, begins_with_product, ends_with_product
from fastbp.explanations.overflow import explaining_nonfinite, finite
from fastbp.explanations.questions import Question
from fastbp.models.model import Model
from fastbp.support.threads import choose_threads

__all__ = ["StraightWays"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


class StraightWays:
    """A network, split after the product that it begins with, and before the one that it ends with.

    Parameters
    ----------
    model : Model
        Without a preparation of its inputs and without tables.
    n_threads : int or None
        The results do not depend on it.
    """

    def __init__(self, model: Model, n_threads: int | None) -> None:
        network, preparation = model.network, model.feed.preparation
        self._dtype, self._n_outputs, self._n_threads = model.dtype, model.n_outputs, choose_threads(n_threads)
        self._preparation = preparation
        self._units = None if preparation is None else preparation.units_of_outputs(model.n_outputs)
        self._first: Derivatives | None = None
        self._last: Derivatives | None = None
        if begins_with_product(network):
            self._first = model.native_derivatives("first product")
            self._rest = self._between = model.native_derivatives("after first product")
            if ends_with_product(network):
                self._between = model.native_derivatives("between products")
                self._last = model.native_derivatives("last product")
        else:
            self._rest = self._between = model.native_derivatives("whole")

    def first(self, inputs: Array) -> Array:
        """Return what the first product makes of inputs, (n, n_units); the inputs themselves, if there is none."""
        return inputs if self._first is None else self._computed(self._first, inputs)

    def outputs(self, products: Array) -> Floats:
        """Return the outputs, (n, n_outputs), for what ``first`` returned.

        Raises
        ------
        DivergenceError
            If they, or the products, are not finite.
        """
        with explaining_nonfinite():
            outputs = self._computed(self._rest, products)
        if self._preparation is not None:
            self._preparation.restore(outputs)
        return finite(outputs, "the model's outputs").astype(np.float64)

    def mean_gradients(
        self,
        question: Question,
        numbers: NDArray[np.int64],
        near: Array,
        far: Array,
        places: Floats,
        weights: Floats,
    ) -> Array:
        """Return the mean gradient of each answer by the inputs on each way, (n_answers, n_ways, n_inputs).

        Parameters
        ----------
        question : Question
        numbers : int64 ndarray of shape (n_ways,)
            The row that each way belongs to.
        near : ndarray of shape (1, n_units) or (n_ways, n_units)
            What ``first`` returned for the starts; one row: all ways begin there.
        far : ndarray of shape (n_ways, n_units)
            The same for the ends.
        places, weights : float64 ndarray of shape (n_steps,)
            Of the points: 0 at the start, 1 at the end; the sum of the weights is 1.

        Raises
        ------
        DivergenceError
            If what the first product, or a gradient, is on a way is not finite.
        """
        with explaining_nonfinite():
            if question.is_linear:
                slopes = question.slopes(np.zeros((len(far), self._n_outputs)), numbers)
                means = self._along(near, far, places, weights, slopes)
            else:
                means = self._by_points(question, numbers, near, far, places, weights)
            return means if self._first is None else self._by_inputs(self._first, means)

    def _along(self, near: Array, far: Array, places: Floats, weights: Floats, slopes: list[Floats]) -> Array:
        """Return means for slopes that are the same at all points of a way."""
        means = np.zeros((len(slopes), *far.shape), self._dtype)
        rows: Array = self._in_units(np.concatenate(slopes) if len(slopes) > 1 else slopes[0])
        if self._last is not None:
            rows = self._passed_back(self._last, rows)
        self._between.along_ways(near, far, places, weights, ArrayReader(rows), means, self._n_threads)
        return means

    def _by_points(
        self, question: Question, numbers: NDArray[np.int64], near: Array, far: Array, places: Floats, weights: Floats
    ) -> Array:
        """Return means for slopes that depend on the outputs at each point."""
        n_steps = len(places)
        with np.errstate(over="ignore", invalid="ignore"):  # which the outputs find
            along = (far - near)[:, np.newaxis] * places[:, np.newaxis].astype(far.dtype)
            points = (near[:, np.newaxis] + along).reshape(-1, far.shape[1])
        means = []
        for slope in question.slopes(self.outputs(points), np.repeat(numbers, n_steps)):
            gradient = np.empty_like(points)
            self._rest.vjp(ArrayReader(points), ArrayReader(self._in_units(slope)), None, gradient, self._n_threads)
            each = gradient.reshape(len(far), n_steps, -1)
            means.append(np.einsum("nsu,s->nu", each, weights.astype(gradient.dtype)))
        return np.stack(means)

    def _in_units(self, slopes: Floats) -> Floats:
        return slopes if self._units is None else slopes * self._units

    def _by_inputs(self, first: Derivatives, gradients: Array) -> Array:
        """Return gradients by the first product's outputs, (n_answers, n, n_units), as gradients by the inputs."""
        return self._passed_back(first, gradients.reshape(-1, gradients.shape[2])).reshape(*gradients.shape[:2], -1)

    def _passed_back(self, product: Derivatives, gradients: Array) -> Array:
        """Return gradients by a product's outputs, (n, n_units), as gradients by what goes into it."""
        rows = ArrayReader(gradients)
        out = np.empty((rows.n_rows, product.n_features), self._dtype)
        product.vjp(rows, rows, None, out, self._n_threads)  # as it is linear, only the number of the inputs matters
        return out

    def _computed(self, part: Derivatives, rows: Array) -> Array:
        out = np.empty((len(rows), part.n_outputs), self._dtype)
        part.outputs(ArrayReader(rows), out, self._n_threads)
        return out
