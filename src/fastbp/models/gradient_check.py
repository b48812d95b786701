"""Is the gradient of a model right? Compared with differences of the loss, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.models.model import Model
from fastbp.support.checks import check_int, check_number, check_seed, sentence

if TYPE_CHECKING:
    from fastbp.losses.base import Loss
    from fastbp.losses.custom import LossFunction

__all__ = ["GradientError", "check_gradients"]

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
    kinds = model.architecture.arrays
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
