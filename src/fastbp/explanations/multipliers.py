"""DeepLIFT and DeepSHAP: differences from a baseline, passed back through the network by multipliers.

A product passes them back by its weights, an activation by the quotient of the differences of its output and of its
input (DeepLIFT's rescale rule: Shrikumar, Greenside and Kundaje, 2017). So the shares add up to the difference of the
answers, whatever the activation. DeepSHAP (Lundberg and Lee, 2017) is the mean over baselines.
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
from fastbp.explanations.questions import Question

__all__ = ["deepshap"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_SMALL = 1e-6  # differences of an activation's input, below which its slope is taken
_MOST_PAIRS = 2**10  # of rows and baselines that are looked at together, times answers: what caches hold


class _Traces:
    """What every operation reads, for rows and for baselines."""

    def __init__(self, operations: Sequence[Operation], A: Array) -> None:
        self.values = run(operations, A)
        self.inner = [
            _Traces(operation.operations, value) if isinstance(operation, Branch) else None
            for operation, value in zip(operations, self.values, strict=False)
        ]


def deepshap(
    network: Network, question: Question, rows: Array, background: Array, original: bool, options: Options, method: str
) -> Found:
    """Return the shares of rows, the mean over baselines.

    Raises
    ------
    ValueError
        If a layer cannot be passed through.
    """
    operations = operations_of(network.model, method, options.n_threads)
    ends, starts = network.inputs(rows), network.inputs(background)
    of_ends, of_starts = _Traces(operations, ends), _Traces(operations, starts)
    outputs, behind = (trace.values[-1].astype(np.float64) for trace in (of_ends, of_starts))
    answers = question.answers(outputs, np.arange(len(rows)))
    n, m, n_answers = len(rows), len(background), answers.shape[1]
    base = np.stack([question.answers(behind, i).mean(axis=0) for i in range(n)])
    total: Any = np.zeros((n, ends.shape[1] if not original else len(rows[0]), n_answers))
    squares = np.zeros_like(total)
    at_once = max(1, _MOST_PAIRS // (m * n_answers))
    for first in range(0, n, at_once):
        i = np.repeat(np.arange(first, min(first + at_once, n)), m)  # the row of each pair
        b = np.tile(np.arange(m), len(i) // m)  # and its baseline
        slopes = np.stack(question.slopes(outputs[i], i), axis=1).astype(ends.dtype)  # (n_pairs, n_answers, n_outputs)
        passed = _passed_back(operations, of_ends, of_starts, i, b, slopes)
        passed *= (ends[i] - starts[b])[:, np.newaxis]  # from here on these are the shares
        shares = network.last_by_column(passed) if original else passed
        of_rows = shares.reshape(-1, m, *shares.shape[1:])  # (n_rows, n_background, n_answers, n_columns)
        total[first : first + at_once] = (of_rows.sum(axis=1) / m).swapaxes(1, 2)
        if m > 1:
            squares[first : first + at_once] = np.einsum("nmac,nmac->nca", of_rows, of_rows) / m
    errors = np.sqrt(np.maximum(squares - np.square(total), 0) / (m - 1)) if m > 1 else None
    return Found(total, base, base + total.sum(axis=1) - answers, errors)


def _passed_back(
    operations: Sequence[Operation], ends: _Traces, starts: _Traces, i: Array, b: Array, M: Array
) -> Array:
    """Return the multipliers of the inputs for those of the outputs, (n_pairs, n_answers, n_units), which are lost."""
    for place in range(len(operations) - 1, -1, -1):
        operation = operations[place]
        if isinstance(operation, Linearly):
            back = operation.product.backward(M.reshape(-1, M.shape[2]), to_room=True)
            M = back.reshape(*M.shape[:2], -1)
        elif isinstance(operation, Scaling):
            M *= operation.factor.astype(M.dtype)
        elif isinstance(operation, Elementwise):
            quotients = _quotients(operation, place, ends, starts, i, b)
            M *= quotients.astype(M.dtype, copy=False)[:, np.newaxis]
        else:
            inner, of_starts = ends.inner[place], starts.inner[place]
            assert inner is not None and of_starts is not None
            M = M + _passed_back(operation.operations, inner, of_starts, i, b, M.copy())
    return M


def _quotients(operation: Elementwise, place: int, ends: _Traces, starts: _Traces, i: Array, b: Array) -> Array:
    """Return the difference of an activation's outputs over that of its inputs, (n_pairs, n_units)."""
    moved = ends.values[place][i] - starts.values[place][b]
    grown = ends.values[place + 1][i] - starts.values[place + 1][b]
    small = np.abs(moved) < _SMALL
    quotients = grown / np.where(small, 1, moved)
    if small.any():
        slopes = operation.slopes(ends.values[place])[i]
        quotients = np.where(small, slopes, quotients)
    return np.asarray(quotients)
