"""The gradient check: a model's gradient compared with finite differences of the loss, in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.models.model import Model
from fastbp.support.arguments import explain_arguments
from fastbp.support.checks import check_int, check_number, check_seed, sentence
from fastbp.support.underflow import underflows_to_zero

if TYPE_CHECKING:
    from fastbp.losses.custom import LossLike

__all__ = ["GradientError", "check_gradients"]

Array = NDArray[Any]


class GradientError(AssertionError):
    """A gradient does not agree with finite differences of the loss.

    Examples
    --------
    >>> import fastbp as fb
    >>> def wrong(outputs, targets):
    ...     return ((outputs - targets) ** 2).sum(axis=1), outputs - targets  # the slope is twice that
    >>> model = fb.Model([fb.Dense(1)], inputs=2, seed=0)
    >>> try:
    ...     fb.check_gradients(model, [[1.0, 2.0]], [[3.0]], loss=wrong)
    ... except fb.GradientError:
    ...     print("the gradient is wrong")
    the gradient is wrong
    """


@underflows_to_zero
@explain_arguments
def check_gradients(
    model: Model,
    X: ArrayLike,
    y: ArrayLike,
    loss: LossLike,
    *,
    directions: int = 3,
    step: float = 1e-6,
    tolerance: float = 1e-5,
    seed: int = 0,
    training: bool = False,
) -> dict[str, float]:
    """Compare the gradient of the loss with central differences of the loss, layer by layer, in float64.

    Each layer's W, and each b, is moved along a few random directions d of norm 1, and the slope (L(w + h d) - L(w - h
    d)) / 2h is compared with the gradient's component along d. A float64 copy of the model is used, whatever its dtype;
    the model itself is not changed. If the input of a relu crosses 0 within the step, the two differ although the
    gradient is correct: try a smaller step or other samples.

    Parameters
    ----------
    model : Model
    X : array-like of shape (n_samples, n_inputs)
        A few samples are enough.
    y : array-like
        Targets, as for ``Trainer.fit``.
    loss : str, Loss or callable
    directions : int, default 3
        Number of directions for each array of parameters.
    step : float, default 1e-6
        Step length h.
    tolerance : float, default 1e-5
        Largest allowed difference, relative to the norm of the array's gradient (or to the step, if the norm is
        smaller).
    seed : int, default 0
        Seed of the directions.
    training : bool, default False
        Whether layers behave as in training, as for ``Model.loss_and_gradients``.

    Returns
    -------
    dict of str to float
        The largest relative difference for each trained array: "W of layer 0" and so on. Rounding of the loss alone
        makes some, which is not counted against ``tolerance``.

    Raises
    ------
    GradientError
        If a difference is larger than ``tolerance``; it names the first such array and its difference.
    TypeError, ValueError, FloatingPointError
        As from ``Model.loss_and_gradients``.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(3, "tanh"), fb.Dense(1)], inputs=2, seed=0)
    >>> errors = fb.check_gradients(model, [[1.0, 2.0], [0.5, -1.0]], [[3.0], [0.0]], loss="mse")
    >>> max(errors.values()) < 1e-5
    True
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

    # The difference that rounding of the loss alone can cause is allowed; it matters where the gradient is 0.
    noise = 10 * float(np.finfo(np.float64).eps) * abs(value) / h
    differences, wrong = {}, []
    kinds = model.architecture.arrays
    for i, (kind, weight, gradient) in enumerate(zip(kinds, weights, gradients, strict=True)):
        if not kind.trained:
            continue
        worst = 0.0
        for _ in range(n_directions):
            d = rng.standard_normal(weight.shape)
            d *= 1 / np.linalg.norm(d)
            slope = (loss_at(i, weight + h * d) - loss_at(i, weight - h * d)) / (2 * h)
            worst = max(worst, abs(slope - float(np.vdot(gradient, d))))
        size = max(float(np.linalg.norm(gradient)), h)
        differences[kind.name] = worst / size
        if worst > allowed * size + noise:
            wrong.append(kind.name)
    for name in wrong[:1]:
        raise GradientError(
            f"the gradient of {name} is off by {differences[name]:.2g} of its norm; expected {allowed:g} or less. "
            "Either it is wrong, or the loss or an activation is not differentiable within the step: try "
            f"step={h / 10:g}."
        )
    return differences
