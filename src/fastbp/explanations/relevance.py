"""Layer-wise relevance propagation: an output is shared among what it is made of, layer by layer.

A product z = sum of a w shares its relevance in proportion to the contributions c = a w (Bach, Binder, Montavon,
Klauschen, Müller and Samek, 2015), positive ones c+ and negative ones c- apart where a rule says so (Montavon, Binder,
Lapuschkin, Samek and Müller, 2019):

- epsilon: c / (z + epsilon sign(z));
- gamma: (c + gamma c+) / sum of (c + gamma c+);
- z+: c+ / sum of c+;
- alpha-beta: alpha c+ / sum of c+ - (alpha - 1) c- / sum of c-.

A bias is a contribution too, whose share goes nowhere. An activation hands its relevance on; a sum of two branches
shares it in proportion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.explanations.findings import Found
from fastbp.explanations.networks import Network
from fastbp.explanations.operations import Branch, Elementwise, Linearly, Operation, Scaling, operations_of, run
from fastbp.explanations.options import Options
from fastbp.explanations.products import Product
from fastbp.explanations.questions import Question

__all__ = ["relevance"]

Array = NDArray[Any]
Floats = NDArray[np.float64]


def relevance(network: Network, question: Question, rows: Array, original: bool, options: Options) -> Found:
    """Return the relevance of rows' inputs. What biases and epsilon take is the completeness error.

    Raises
    ------
    ValueError
        If a layer cannot be passed through.
    """
    operations = operations_of(network.model, "lrp", options.n_threads)
    inputs = network.inputs(rows)
    outputs = run(operations, inputs)[-1].astype(np.float64)
    numbers = np.arange(len(rows))
    answers, found = question.answers(outputs, numbers), []
    for slope in question.slopes(outputs, numbers):
        R = (outputs * slope).astype(inputs.dtype)  # the chosen output itself, and nothing of the others
        found.append(_shared(operations, inputs, R, options))
    values = np.stack(found, axis=2).astype(np.float64)
    if original:
        values = network.by_column(values)
    return Found(values, None, values.sum(axis=1) - answers, None)


def _shared(operations: Sequence[Operation], A: Array, R: Array, options: Options) -> Array:
    """Return the relevance of the inputs A, (n, n_inputs), for that of the outputs, (n, n_outputs)."""
    values = run(operations, A)
    for place in range(len(operations) - 1, -1, -1):
        operation, before = operations[place], values[place]
        if isinstance(operation, Linearly):
            R = _through_product(operation.product, before, values[place + 1], R, options)
        elif isinstance(operation, Scaling):
            R = before * operation.factor * _quotient(R, values[place + 1], options.epsilon)
        elif isinstance(operation, Branch):
            share = _quotient(R, values[place + 1], options.epsilon)
            inner = values[place + 1] - before
            R = before * share + _shared(operation.operations, before, inner * share, options)
        else:
            assert isinstance(operation, Elementwise)
    return R


def _through_product(product: Product, A: Array, Z: Array, R: Array, options: Options) -> Array:
    if options.rule == "epsilon":
        return np.asarray(A * product.backward(_quotient(R, Z, options.epsilon)))
    signed = _Signed(product, A)
    if options.rule == "z+":
        return signed.shared(_quotient(R, signed.positive(), 0), None)
    if options.rule == "gamma":
        positive = signed.positive()
        share = _quotient(R, Z + options.gamma * positive, options.epsilon)
        return np.asarray(A * product.backward(share) + signed.shared(options.gamma * share, None))
    share = _quotient(options.alpha * R, signed.positive(), 0)
    return signed.shared(share, _quotient((1 - options.alpha) * R, signed.negative(), 0))


class _Signed:
    """The positive and the negative contributions to a product, (n, n_units) each."""

    def __init__(self, product: Product, A: Array) -> None:
        W, b, n_threads = product.W, product.b, product.n_threads
        up, down = (None, None) if b is None else (np.maximum(b, 0), np.minimum(b, 0))
        self._up = Product(np.maximum(W, 0), up, n_threads)
        self._down = Product(np.minimum(W, 0), down, n_threads)
        self._high, self._low = np.maximum(A, 0), np.minimum(A, 0)

    def positive(self) -> Array:
        """Return the sums of the positive ones, biases included: positive times positive, negative times negative."""
        of_low = self._down.forward(self._low)
        return self._up.forward(self._high) + (of_low if self._down.b is None else of_low - self._down.b)

    def negative(self) -> Array:
        """Return the sums of the negative ones, biases included."""
        of_low = self._up.forward(self._low)
        return self._down.forward(self._high) + (of_low if self._up.b is None else of_low - self._up.b)

    def shared(self, of_positive: Array, of_negative: Array | None) -> Array:
        """Return the sums of the contributions times what is given for positive and for negative ones."""
        shares = self._high * self._up.backward(of_positive) + self._low * self._down.backward(of_positive)
        if of_negative is not None:
            shares = shares + self._high * self._down.backward(of_negative) + self._low * self._up.backward(of_negative)
        return np.asarray(shares)


def _quotient(R: Array, Z: Array, epsilon: float) -> Array:
    """Return R / (Z + epsilon sign(Z)), 0 where Z is 0."""
    whole = Z + epsilon * np.sign(Z)
    nothing = whole == 0
    return np.asarray((R / np.where(nothing, 1, whole) * ~nothing).astype(R.dtype))
