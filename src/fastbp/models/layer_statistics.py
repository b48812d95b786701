"""Statistics of each layer for a batch: mean and standard deviation of outputs, dead units, gradient norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_rows
from fastbp.engine.errors import NonFinite
from fastbp.layers.dropout import Dropout
from fastbp.layers.tabular import Tabular, n_features
from fastbp.models.architecture import Architecture
from fastbp.models.feed import Feed
from fastbp.models.nonfinite import explain_outputs
from fastbp.support.threads import choose_threads
from fastbp.support.underflow import underflows_to_zero

__all__ = ["LayerStatistics", "ModelStatistics", "layer_statistics"]

Array = NDArray[Any]


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of one layer for a batch.

    Attributes
    ----------
    index : int
        Its place in ``model.layers``, counted from 0.
    layer : str
        The layer's repr.
    mean, std : float
        Mean and standard deviation of its outputs, over samples and units.
    zeros : float
        The share of outputs that are exactly 0.
    dead_units : int
        Number of units whose output is the same for every sample (with two samples or more).
    gradient_norm : float or None
        Norm of the gradient of all the layer's arrays together; None without targets.
    weight_norm : float
        Norm of all the layer's arrays together.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "relu")], inputs=1)
    >>> model.set_weights([[[-1.0]], [0.0]])
    >>> layer = model.inspect([[1.0], [2.0]]).layers[0]
    >>> layer.zeros, layer.dead_units  # no sample comes through
    (1.0, 1)
    """

    index: int
    layer: str
    mean: float
    std: float
    zeros: float
    dead_units: int
    gradient_norm: float | None
    weight_norm: float


@dataclass(frozen=True)
class ModelStatistics:
    """Statistics of a model for a batch.

    Attributes
    ----------
    layers : tuple of LayerStatistics
        Those of each layer except dropouts, which do nothing in prediction.
    loss : float or None
        The mean loss; None without targets.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(3, "relu"), fb.Dense(1)], inputs=2, seed=0)
    >>> statistics = model.inspect([[1.0, 2.0], [0.5, -1.0]], [[3.0], [0.0]], loss="mse")
    >>> len(statistics.layers), statistics.loss > 0
    (2, True)
    """

    layers: tuple[LayerStatistics, ...]
    loss: float | None

    def __str__(self) -> str:
        lines = [
            f"{'layer':>5}  {'mean':>10}  {'std':>10}  {'zeros':>6}  {'dead units':>10}  {'|gradient|':>10}  "
            f"{'|weights|':>10}"
        ]
        for layer in self.layers:
            gradient = "-" if layer.gradient_norm is None else f"{layer.gradient_norm:.4g}"
            lines.append(
                f"{layer.index:>5}  {layer.mean:>10.4g}  {layer.std:>10.4g}  {layer.zeros:>6.1%}  "
                f"{layer.dead_units:>10,}  {gradient:>10}  {layer.weight_norm:>10.4g}  {layer.layer}"
            )
        if self.loss is not None:
            lines.append(f"loss {self.loss:.6g}")
        return "\n".join(lines)


@underflows_to_zero
def layer_statistics(
    architecture: Architecture,
    feed: Feed,
    weights: Sequence[Array],
    X: ArrayLike,
    gradients: Sequence[Array] | None,
    loss: float | None,
) -> ModelStatistics:
    """Return the statistics for ``Model.inspect``.

    Parameters
    ----------
    architecture, feed
        The model's.
    weights : sequence of ndarray
        The model's parameters, as ``get_weights`` returns them.
    X : array-like of shape (n_samples, n_inputs)
    gradients : sequence of ndarray or None
        Gradients of the loss with respect to the weights, if requested.
    loss : float or None
    """
    outputs = feed.features(X)
    fed = architecture.feeding
    arrays = architecture.arrays
    tables = [weight for weight, array in zip(weights, arrays, strict=True) if array.layer < 0]
    layers = []
    for i, layer in enumerate(architecture.layers):
        if isinstance(layer, Dropout):
            continue
        own = [j for j, array in enumerate(arrays) if array.layer == i]
        alone = Architecture((layer,), architecture.dtype, fed if isinstance(fed, Tabular) else None)
        network = alone.build(fed)
        network.set_arrays([*tables, *(weights[j] for j in own)])
        taken, outputs = outputs, np.empty((len(outputs), alone.n_outputs), architecture.dtype)
        try:
            network.forward(as_rows(taken), outputs, choose_threads(None))
        except NonFinite as error:  # of X: what one layer gives to the next was looked at
            feed.refuse_inputs(feed.read(X, "X"), "X", error.row)
        if not np.isfinite(outputs).all():
            explain_outputs(i, architecture, "in inspect")
        layers.append(
            LayerStatistics(
                index=i,
                layer=repr(layer),
                mean=float(np.mean(outputs, dtype=np.float64)),
                std=float(np.std(outputs, dtype=np.float64)),
                zeros=float(np.mean(outputs == 0)),
                dead_units=int((outputs == outputs[0]).all(axis=0).sum()) if len(outputs) > 1 else 0,
                gradient_norm=None if gradients is None else _length([gradients[j] for j in own]),
                weight_norm=_length([weights[j] for j in own]),
            )
        )
        fed, tables = layer.n_outputs(n_features(fed)), []
    return ModelStatistics(tuple(layers), loss)


def _length(arrays: list[Array]) -> float:
    return float(np.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in arrays)))
