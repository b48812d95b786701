"""Explanations by gradients on the way from a baseline to the row: integrated and expected gradients.

The way is straight in the numbers that the first layer reads, so that the shares of a category's indicators, or of a
code's vector, add up to the category's.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.findings import Found
from fastbp.explanations.networks import Network
from fastbp.explanations.options import Options
from fastbp.explanations.questions import Question
from fastbp.explanations.straight import StraightWays

__all__ = ["expected_gradients", "integrated_gradients"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_FIRST_STEPS, _MOST_STEPS = 16, 4096
_MOST_POINTS = 2**13  # that are looked at together, of losses
_MOST_AT_ONCE = 64  # points of one rule
_ROUNDINGS = 32  # of the answers, which no number of steps undercuts


class _Ways(NamedTuple):
    """Straight ways from one start to rows.

    Attributes
    ----------
    start : ndarray of shape (n_inputs,)
    ends : ndarray of shape (n, n_inputs)
    near, far : ndarray of shape (1, n_units) and (n, n_units)
        What the first product makes of them.
    numbers : int64 ndarray of shape (n,)
        The rows that they belong to.
    """

    start: Array
    ends: Array
    near: Array
    far: Array
    numbers: NDArray[np.int64]

    def some(self, which: NDArray[Any] | slice) -> _Ways:
        return _Ways(self.start, self.ends[which], self.near, self.far[which], self.numbers[which])


class _Integrals:
    """Integrals of gradients along ways.

    Parameters
    ----------
    network : Network
    question : Question
    options : Options
    """

    def __init__(self, network: Network, question: Question, options: Options) -> None:
        self._question, self._options, self._network = question, options, StraightWays(network.model, options.n_threads)
        self.first, self.outputs, self._dtype = self._network.first, self._network.outputs, network.model.dtype

    def shares(self, ways: _Ways, of_start: Floats, of_ends: Floats) -> Floats:
        """Return the shares of ways, (n, n_inputs, n_answers), with as many points as each needs.

        Parameters
        ----------
        of_start, of_ends : float64 ndarray of shape (n, n_answers)
            The answers at both ends.
        """
        if self._options.n_steps is not None:
            return self._with_steps(ways, self._options.n_steps)
        n_steps = _FIRST_STEPS
        shares = self._with_steps(ways, n_steps)
        explained, size = of_ends - of_start, max(np.abs(each).max(initial=0) for each in (of_start, of_ends))
        rounding = _ROUNDINGS * float(np.finfo(self._dtype).eps) * size
        allowed = np.maximum(self._options.tolerance * np.abs(explained).max(axis=1), rounding)
        while n_steps < _MOST_STEPS:
            left = np.flatnonzero(np.abs(shares.sum(axis=1) - explained).max(axis=1) > allowed)
            if not len(left):
                break
            n_steps *= 2
            shares[left] = self._with_steps(ways.some(left), n_steps)
        return shares

    def _with_steps(self, ways: _Ways, n_steps: int) -> Floats:
        if self._question.is_linear:
            return self.at(ways, *_points(n_steps))
        at_once = max(1, _MOST_POINTS // n_steps)
        parts = [ways.some(slice(i, i + at_once)) for i in range(0, len(ways.numbers), at_once)]
        return np.concatenate([self.at(part, *_points(n_steps)) for part in parts])

    def at(self, ways: _Ways, places: Floats, weights: Floats) -> Floats:
        """Return shares of ways by the gradients at points with these places and weights."""
        means = self._network.mean_gradients(self._question, ways.numbers, ways.near, ways.far, places, weights)
        return (np.subtract(ways.ends, ways.start, dtype=np.float64) * means).transpose(1, 2, 0)


@functools.cache
def _points(n_steps: int) -> tuple[Floats, Floats]:
    """Return points between 0 and 1, and their weights, whose sum is 1.

    They are Gauss and Legendre's in equal parts of at most 64 points: these take long to find where they are many.
    """
    sizes = [len(part) for part in np.array_split(np.arange(n_steps), -(-n_steps // _MOST_AT_ONCE))]
    found = [np.polynomial.legendre.leggauss(size) for size in sizes]
    points = [(i + (places + 1) / 2) / len(sizes) for i, (places, _) in enumerate(found)]
    return np.concatenate(points), np.concatenate([weights for _, weights in found]) / 2 / len(sizes)


def integrated_gradients(
    network: Network, question: Question, rows: Array, background: Array, original: bool, options: Options
) -> Found:
    """Return integrated gradients (Sundararajan, Taly and Yan, 2017), the mean over the background's rows.

    By Gauss and Legendre's points; their number is doubled until the shares add up to what is explained. As all points
    of a way lie on a line, so does what the first layer makes of them: its product is computed once for a way.
    """
    integrals = _Integrals(network, question, options)
    ends, starts, numbers = network.inputs(rows), network.inputs(background), np.arange(len(rows))
    both = integrals.first(np.concatenate([ends, starts]))
    far, near = both[: len(ends)], both[len(ends) :]
    outputs = integrals.outputs(both)
    answers, of_starts = question.answers(outputs[: len(ends)], numbers), outputs[len(ends) :]
    mean = _Mean(len(starts))
    base: Any = 0.0
    for i, start in enumerate(starts):
        of_start = question.answers(of_starts[i : i + 1].repeat(len(rows), axis=0), numbers)
        ways = _Ways(start, ends, near[i : i + 1], far, numbers)
        shares = integrals.shares(ways, of_start, answers)
        if original:
            shares = network.by_column(shares)
        mean.add(shares)
        base = base + of_start / len(starts)
    return mean.found(base, answers)


def expected_gradients(
    network: Network, question: Question, rows: Array, background: Array, original: bool, options: Options
) -> Found:
    """Return expected gradients (Erion, Janizek, Sturmfels, Lundberg and Lee, 2021).

    The mean over points drawn between the row and rows of the background, each of which is taken about equally often;
    places on the way are drawn one from each of as many equal parts (stratified sampling).
    """
    n, rng = options.n_samples, np.random.default_rng(options.seed)
    of_samples = np.concatenate([rng.permutation(len(background)) for _ in range(-(-n // len(background)))])[:n]
    places = (rng.permutation(n) + rng.random(n)) / n
    integrals = _Integrals(network, question, options)
    ends, starts, numbers = network.inputs(rows), network.inputs(background)[of_samples], np.arange(len(rows))
    near, far = integrals.first(starts), integrals.first(ends)
    answers, of_starts = question.answers(integrals.outputs(far), numbers), integrals.outputs(near)
    base = np.stack([question.answers(of_starts, i).mean(axis=0) for i in range(len(rows))])
    mean = _Mean(n)
    for i, place in enumerate(places):
        shares = integrals.at(_Ways(starts[i], ends, near[i : i + 1], far, numbers), np.array([place]), np.ones(1))
        mean.add(network.by_column(shares) if original else shares)
    return mean.found(base, answers)


class _Mean:
    """The mean of n shares, with its standard errors where there are several."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._total: Any = 0.0
        self._squares: Any = 0.0

    def add(self, shares: Floats) -> None:
        if self._n == 1:  # quickly
            self._total = shares
        else:
            self._total, self._squares = self._total + shares, self._squares + np.square(shares)

    def found(self, base: Floats, answers: Floats) -> Found:
        """Return what was found for rows with these answers, counted from these."""
        mean, errors = self._total, None
        if self._n > 1:
            mean = self._total / self._n
            variance = np.maximum(self._squares / self._n - np.square(mean), 0)
            errors = np.sqrt(variance / (self._n - 1))
        return Found(mean, base, base + np.add.reduce(mean, axis=1) - answers, errors)
