"""Initial weights that are set from data, layer by layer, by the engine's own forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastbp.data.arrays import as_rows
from fastbp.engine.derivatives import Derivatives
from fastbp.engine.errors import NonFinite
from fastbp.models.nonfinite import explain_divergence
from fastbp.support.underflow import underflows_to_zero

if TYPE_CHECKING:
    from fastbp.engine.network import Network
    from fastbp.layers.base import Stage
    from fastbp.models.architecture import Architecture
    from fastbp.models.feed import Feed

__all__ = ["initialize_from"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

MOST_ROWS = 10_000
_POINTS = 5  # rows whose weighted mean a unit's boundary passes through


@underflows_to_zero
def initialize_from(
    network: Network, architecture: Architecture, feed: Feed, X: Any, biases: bool, seed: int, n_threads: int
) -> None:
    """Set the weights of all trained dense layers from rows of data; nothing is set where these are refused."""
    places = [i for i, stage in enumerate(architecture.stages) if _is_set(stage)]
    if not places:
        raise ValueError(
            f"layers is {list(architecture.layers)}; there is no fb.Dense whose weights are trained outside of an "
            "fb.BatchEnsemble, and so nothing to set."
        )
    array = feed.read(X, "X")
    generator = np.random.default_rng(seed)
    numbers = None
    if len(array) > MOST_ROWS:
        numbers = np.sort(generator.choice(len(array), MOST_ROWS, replace=False))
        array = array[numbers]
    before = network.get_arrays()
    try:
        for i in places:
            _set_layer(network, i, as_rows(array), biases, generator, n_threads)
    except NonFinite as error:
        network.set_arrays(before)
        if error.where == "inputs":
            feed.refuse_inputs(array, "X", error.row, numbers)
        explain_divergence(error, architecture, feed, "in initialize_from", "Scale X, or use dtype='float64'.")


def _is_set(stage: Stage) -> bool:
    """Return whether a stage is a product that is trained, and not of an ensemble's members."""
    return stage["kind"] == "dense" and stage.get("trainable", True) and "members" not in stage


def _set_layer(
    network: Network, place: int, rows: Any, biases: bool, generator: np.random.Generator, n_threads: int
) -> None:
    """Set the weights and the bias of the product that stage ``place`` is; those before it are set already."""
    W, *bias = network.get_layer(place)
    network.set_layer(place, W, *map(np.zeros_like, bias))
    Z = np.empty((rows.n_rows, W.shape[1]), W.dtype)
    Derivatives(network, place + 1, ("linear", 0.0)).outputs(rows, Z, n_threads)
    if not np.isfinite(Z).all():
        raise NonFinite("outputs", layer=place)
    factors = _factors(Z)
    with np.errstate(over="ignore"):
        is_held = np.isfinite((W * factors).astype(W.dtype)).all(axis=0)
    factors = np.where(is_held, factors, 1.0)
    if bias and biases:
        bias = [-_points(Z, generator) * factors]
    network.set_layer(place, W * factors, *bias)


def _factors(Z: Array) -> Floats:
    """Return what brings the deviation of each column to 1; 1 for those that are constant, but for rounding."""
    _, exponents = np.frexp(np.abs(Z).max(axis=0))
    near_1 = np.ldexp(Z, -exponents)  # exactly Z times powers of 2, so that no square is too large or too small
    deviations = near_1.std(axis=0, dtype=np.float64)
    varies = deviations > 16 * np.finfo(Z.dtype).eps * np.abs(near_1).max(axis=0)
    with np.errstate(over="ignore"):
        return np.where(varies, np.ldexp(1 / np.where(varies, deviations, 1.0), -exponents), 1.0)


def _points(Z: Array, generator: np.random.Generator) -> Floats:
    """Return for each column a mean of a few of its numbers, which are drawn, weighted by exponential numbers."""
    shape = (_POINTS, Z.shape[1])
    chosen = np.take_along_axis(Z, generator.integers(0, len(Z), shape), axis=0)
    weights = generator.exponential(size=shape)
    return np.asarray((chosen * (weights / weights.sum(axis=0))).sum(axis=0, dtype=np.float64))
