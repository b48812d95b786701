"""Passes over many rows for derivatives: what several threads find at once, and what need not be looked at."""

import signal
import time

import numpy as np
import pytest

from engine_helpers import make_pair
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.derivatives import Derivatives
from fastbp.engine.errors import NonFinite

SPECS = [(64, "relu", 0.0), (64, "relu", 0.0), (4, "linear", 0.0)]


def make_derivatives(part="whole"):
    return Derivatives(make_pair(16, SPECS, "float32")[0], part=part)


def test_a_bad_way_is_refused_whatever_other_threads_find(limits):
    """The thread that has it is done at once; the other one finds its own points sound, later."""
    limits(call_thread=1.0)
    derivatives = make_derivatives()
    starts, ends = np.zeros((1, 16), np.float32), np.ones((2, 16), np.float32)
    ends[0] = np.inf
    places = np.linspace(0.1, 1, 2000)
    slopes = ArrayReader(np.ones((2, 4)))
    for _ in range(100):
        sums = np.zeros((1, 2, 16), np.float32)
        with pytest.raises(NonFinite, match="inputs"):
            derivatives.along_ways(starts, ends, places, places / places.sum(), slopes, sums, 2)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_bad_row_is_told_beside_bad_slopes(limits, n_threads):
    limits(call_thread=1.0)
    derivatives = make_derivatives()
    X, V = np.ones((1000, 16), np.float32), np.ones((1000, 4), np.float32)
    X[200, 3], V[700, 1] = np.nan, np.inf
    for _ in range(100):
        with pytest.raises(NonFinite) as error:
            derivatives.vjp(ArrayReader(X), ArrayReader(V), None, np.empty_like(X), n_threads)
        assert (error.value.where, error.value.row) in [("inputs", 200), ("targets", 700)]


def test_the_rows_of_a_product_alone_are_not_looked_at():
    """Its gradient is the same everywhere."""
    product = make_derivatives("first product")
    slopes, gradient = ArrayReader(np.eye(64, dtype=np.float32)), np.empty((64, 16), np.float32)
    product.vjp(ArrayReader(np.full((64, 16), np.nan, np.float32)), slopes, None, gradient, 1)
    np.testing.assert_array_equal(gradient, product.network.get_layer(0)[0].T)
    with pytest.raises(NonFinite, match="inputs"):
        outputs = np.empty((64, 64), np.float32)
        product.vjp(ArrayReader(np.full((64, 16), np.nan, np.float32)), slopes, outputs, gradient, 1)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timer")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("by_outputs", [True, False])
def test_signals_are_looked_at_within_a_long_jacobian(by_outputs, n_threads):
    """Its rows are one group for each thread, which is left at a pause and gone on with after it, to the same bits."""
    X = np.random.default_rng(0).normal(size=(48, 512)).astype(np.float32)
    for n in (128, 256, 512):  # until it takes longer than the 50 ms between two looks, on any CPU
        layers = [(1024, "relu", 0.0), (1024, "relu", 0.0), (n, "linear", 0.0)]
        derivatives = Derivatives(make_pair(n, layers, "float32")[0])
        rows, out = np.ascontiguousarray(X[:, :n]), np.empty((48, n, n), np.float32)
        start, end, heard = jacobian_with_signals(derivatives, rows, out, n_threads, by_outputs)
        if end - start > 0.2:
            break
    assert heard and min(heard) < start + 0.8 * (end - start)
    alone = np.empty((1, n, n), np.float32)
    for row in (0, 47):
        derivatives.jacobian(ArrayReader(rows[row : row + 1]), alone, 1, by_outputs=by_outputs)
        np.testing.assert_array_equal(out[row], alone[0])


def jacobian_with_signals(derivatives, rows, out, n_threads, by_outputs):
    """Return when it began and ended, and when Python heard of signals meanwhile."""
    heard = []
    former = signal.signal(signal.SIGALRM, lambda *_: heard.append(time.monotonic()))
    try:
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
        derivatives.jacobian(ArrayReader(rows), out, n_threads, by_outputs=by_outputs)
        return start, time.monotonic(), heard
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
