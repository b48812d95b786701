"""L-BFGS: SciPy walks, the engine tells it the loss and its gradient over all samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastbp.models.model import Model
    from fastbp.optimizers.lbfgs import LBFGS

__all__ = ["minimise"]

Vector = NDArray[np.float64]


def minimise(
    optimizer: LBFGS,
    model: Model,
    loss_and_gradients: Callable[[], tuple[float, list[tuple[NDArray[Any], ...]]]],
    n_iterations: int,
    after_iteration: Callable[[float], bool],
) -> Any:
    """Minimise a loss over the weights of a model, in place.

    Parameters
    ----------
    optimizer : LBFGS
    model : Model
        Whatever ends the search, it has the weights of a completed iteration.
    loss_and_gradients : callable
        The loss of the model as it is, and its gradients with respect to the arrays of each layer.
    n_iterations : int
        At most so many; fewer where the tolerances are reached.
    after_iteration : callable
        Called with the loss after each iteration; returns whether to go on.

    Returns
    -------
    scipy.optimize.OptimizeResult
    """
    from scipy.optimize import minimize

    shapes = [weight.shape for weight in model.get_weights()]
    best = _flatten(model.get_weights())

    def value(x: Vector) -> tuple[float, Vector]:
        model._network.set_arrays(_split(x, shapes))
        loss, gradients = loss_and_gradients()
        return loss, _flatten([array for arrays in gradients for array in arrays])

    def callback(intermediate_result: Any) -> None:
        best[:] = intermediate_result.x
        model._network.set_arrays(_split(best, shapes))
        if not after_iteration(float(intermediate_result.fun)):
            raise StopIteration

    try:
        return minimize(
            value,
            best.copy(),
            jac=True,
            method="L-BFGS-B",
            callback=callback,
            options={
                "maxiter": n_iterations,
                "maxfun": optimizer.max_calls or n_iterations * (optimizer.line_search + 1),
                "maxcor": optimizer.memory,
                "gtol": optimizer.gradient_tolerance,
                "ftol": optimizer.loss_tolerance,
                "maxls": optimizer.line_search,
            },
        )
    finally:
        model._network.set_arrays(_split(best, shapes))


def _flatten(arrays: Sequence[NDArray[Any]]) -> Vector:
    return np.concatenate([np.ravel(array) for array in arrays], dtype=np.float64)


def _split(x: Vector, shapes: Sequence[tuple[int, ...]]) -> list[Vector]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True)]
