"""Looking into a model: is its gradient right, and what do its layers do with a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.layers.dropout import Dropout
from fastbp.layers.parameter_list import weights_of
from fastbp.layers.tabular import n_features
from fastbp.models.model import Model
from fastbp.support.checks import check_int, check_number, check_seed, sentence

if TYPE_CHECKING:
    from fastbp.losses.base import Loss
    from fastbp.losses.custom import LossFunction

__all__ = ["GradientError", "LayerStatistics", "ModelStatistics", "check_gradients", "inspect_model"]

Array = NDArray[Any]


class GradientError(AssertionError):
    """A gradient does not agree with the differences of the loss."""


def check_gradients(
    model: Model,
    X: ArrayLike,
    y: ArrayLike,
    loss: str | Loss | LossFunction,
    *,
    directions: int = 3,
    step: float = 1e-6,
    tolerance: float = 1e-5,
    seed: int = 0,
    training: bool = False,
) -> dict[str, float]:
    """Compare the gradient of the loss with central differences of the loss itself, layer by layer, in float64.

    Each layer's W, and each b, is moved along a few random directions d of length 1, and the slope
    (L(w + h d) - L(w - h d)) / 2h is compared with the gradient's component along d. A copy of the model is used, in
    float64 whatever the model's dtype; the model itself is left alone. A relu that a sample crosses within the step
    makes a difference of its own: smaller steps, or other samples, tell the two apart.

    Parameters
    ----------
    model : Model
    X : array-like of shape (n_samples, n_inputs)
        A few samples will do.
    y : array-like
        Targets, as for ``Trainer.fit``.
    loss : str, Loss or callable
    directions : int, default 3
        How many directions to try for each array of parameters.
    step : float, default 1e-6
        The length h.
    tolerance : float, default 1e-5
        The largest difference that is taken for rounding, relative to the length of the array's gradient (to the step,
        where the gradient is shorter still).
    seed : int, default 0
        Where the directions come from.
    training : bool, default False
        As for ``Model.loss_and_gradients``: whether layers do what they do in training.

    Returns
    -------
    dict of str to float
        The largest relative difference found for each array that is trained: "W of layer 1" and so on.

    Raises
    ------
    GradientError
        If one is larger than ``tolerance``: the first layer for which it is, and by how much.
    TypeError, ValueError, FloatingPointError
        As from ``Model.loss_and_gradients``.
    """
    if not isinstance(model, Model):
        raise TypeError(sentence("model", model, "an fb.Model"))
    n_directions = check_int(directions, "directions")
    h = check_number(step, "step", above=0)
    allowed = check_number(tolerance, "tolerance", above=0)
    rng = np.random.default_rng(check_seed(seed))
    weights = [np.asarray(weight, np.float64) for weight in model.get_weights()]
    twin = Model.from_config({**model.to_config(), "dtype": "float64"}, weights)
    value, gradients = twin.loss_and_gradients(X, y, loss, training=training)

    def loss_at(i: int, moved: Array) -> float:
        twin.set_weights([*weights[:i], moved, *weights[i + 1 :]])
        return twin.loss_and_gradients(X, y, loss, training=training)[0]

    # What the rounding of the loss alone can do to a difference: all there is where the gradient is nothing.
    noise = 10 * float(np.finfo(np.float64).eps) * abs(value) / h
    differences = {}
    kinds = weights_of(model.layers, model._feeding)
    for i, (kind, weight, gradient) in enumerate(zip(kinds, weights, gradients, strict=True)):
        if not kind.trained:
            continue
        worst = 0.0
        for _ in range(n_directions):
            d = rng.standard_normal(weight.shape)
            d *= 1 / np.linalg.norm(d)
            slope = (loss_at(i, weight + h * d) - loss_at(i, weight - h * d)) / (2 * h)
            worst = max(worst, abs(slope - float(np.vdot(gradient, d))) - noise)
        differences[kind.name] = worst / max(float(np.linalg.norm(gradient)), h)
    for name, difference in differences.items():
        if difference > allowed:
            raise GradientError(
                f"the gradient of {name} is off by {difference:.2g} of its length; expected {allowed:g} or less. It is "
                "not the slope of the loss there, or a kink of the loss or of an activation lies within the step: try "
                f"step={h / 10:g}."
            )
    return differences


@dataclass(frozen=True)
class LayerStatistics:
    """What one layer does with a batch.

    Attributes
    ----------
    layer : str
        What the layer is.
    mean, std : float
        Of its outputs, over samples and units.
    zeros : float
        The share of outputs that are exactly 0.
    dead_units : int
        Units whose output is the same for every sample (with two samples or more): nothing passes through them.
    gradient_norm : float or None
        Length of the gradient of the layer's arrays together; None without targets.
    weight_norm : float
        Length of the layer's arrays together.
    """

    layer: str
    mean: float
    std: float
    zeros: float
    dead_units: int
    gradient_norm: float | None
    weight_norm: float


@dataclass(frozen=True)
class ModelStatistics:
    """What all layers do with a batch: ``layers``, a LayerStatistics each, and ``loss`` (None without targets)."""

    layers: tuple[LayerStatistics, ...]
    loss: float | None

    def __str__(self) -> str:
        lines = [
            f"{'layer':>5}  {'mean':>10}  {'std':>10}  {'zeros':>6}  {'dead units':>10}  {'|gradient|':>10}  "
            f"{'|weights|':>10}"
        ]
        for i, layer in enumerate(self.layers):
            gradient = "-" if layer.gradient_norm is None else f"{layer.gradient_norm:.4g}"
            lines.append(
                f"{i + 1:>5}  {layer.mean:>10.4g}  {layer.std:>10.4g}  {layer.zeros:>6.1%}  {layer.dead_units:>10,}  "
                f"{gradient:>10}  {layer.weight_norm:>10.4g}  {layer.layer}"
            )
        if self.loss is not None:
            lines.append(f"loss {self.loss:.6g}")
        return "\n".join(lines)


def inspect_model(
    model: Model, X: ArrayLike, y: ArrayLike | None = None, loss: str | Loss | LossFunction | None = None
) -> ModelStatistics:
    """Return the statistics that ``Model.inspect`` describes."""
    if (y is None) != (loss is None):
        given, missing = ("y", "loss") if loss is None else ("loss", "y")
        raise TypeError(f"{given} is given and {missing} is not; expected both, for gradients, or neither.")
    value, gradients = (None, None) if y is None or loss is None else model.loss_and_gradients(X, y, loss)
    weights = model.get_weights()
    outputs: ArrayLike = model._features(X)
    layers = []
    inputs = model._feeding
    kinds = weights_of(model.layers, inputs)
    tables = [weight for weight, kind in zip(weights, kinds, strict=True) if kind.layer < 0]
    for i, layer in enumerate(model.layers):
        if isinstance(layer, Dropout):
            continue
        own = [j for j, kind in enumerate(kinds) if kind.layer == i]
        outputs = model._part(layer, inputs, [*tables, *(weights[j] for j in own)]).predict(outputs)
        layers.append(
            LayerStatistics(
                layer=repr(layer),
                mean=float(np.mean(outputs, dtype=np.float64)),
                std=float(np.std(outputs, dtype=np.float64)),
                zeros=float(np.mean(outputs == 0)),
                dead_units=int((outputs == outputs[0]).all(axis=0).sum()) if len(outputs) > 1 else 0,
                gradient_norm=None if gradients is None else _length([gradients[j] for j in own]),
                weight_norm=_length([weights[j] for j in own]),
            )
        )
        inputs, tables = layer.n_outputs(n_features(inputs)), []
    return ModelStatistics(tuple(layers), value)


def _length(arrays: list[Array]) -> float:
    return float(np.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in arrays)))
