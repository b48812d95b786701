"""L-BFGS: SciPy makes the steps, the engine computes loss and gradient over all samples; an epoch is one iteration."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.errors import NonFinite
from fastbp.models.model import Model
from fastbp.models.nonfinite import explain_nonfinite
from fastbp.optimizers.lbfgs import LBFGS
from fastbp.support.underflow import underflows_to_zero
from fastbp.training.array_epochs import ArrayEpochs
from fastbp.training.settings import StopReason

__all__ = ["LBFGSEpochs", "minimise"]

Vector = NDArray[np.float64]

_TICK_SECONDS = 0.05
_LARGE = ("x", "jac", "hess_inv")  # of SciPy's result: as large as the weights, or ten times


class LBFGSEpochs(ArrayEpochs):
    """Training by SciPy's L-BFGS-B; its result is stored in the state's ``search``."""

    _ticked = 0.0  # when callbacks were last told of time that passes
    _loss = math.nan  # after the last iteration
    _evaluated = math.nan  # the loss of the last evaluation

    def run(self, n_epochs: int) -> StopReason:
        """Make at most n_epochs iterations; return why they ended."""
        state, data, optimizer = self._state, self._data, self._settings.optimizer
        assert isinstance(optimizer, LBFGS)
        if n_epochs == 0:
            return "epochs"
        n_before = state.history.n_epochs
        goal = n_before + n_epochs
        start = self._ticked = time.perf_counter()

        def after_iteration(loss: float) -> bool:
            nonlocal start
            self._loss = loss
            seconds = time.perf_counter() - start
            state.session.n_steps += 1
            figures = self._evaluator.evaluate(data) if self._settings.metrics else {"loss": loss}
            self._record({**figures, "seconds": seconds, **self._validate()})
            with state.turns.given_up():
                self._listeners.epoch_end(state.latest)
            start = time.perf_counter()
            return not state.stopping

        def loss_and_gradients() -> tuple[float, list[tuple[NDArray[Any], ...]]]:
            on_look = self._tick if self._listeners.hear_ticks else None
            found = state.session.gradients(data.for_engine(), on_look=on_look)
            self._evaluated = found[0]
            self._tick()
            return found

        try:
            with state.turns:
                state.search = minimise(optimizer, state.model, loss_and_gradients, n_epochs, after_iteration)
            for name in _LARGE:
                state.search.pop(name, None)
        except _StoppedError:  # in the midst of a line search: the model is as after the last iteration
            state.search = _account(state.history.n_epochs - n_before, self._loss)
        except NonFinite as error:
            where = f"in the search of epoch {state.history.n_epochs + 1}"
            remedy = "Scale the columns of X to similar sizes."
            explain_nonfinite(error, state.model.architecture, state.model.feed, data, where, remedy)
        if state.stopping:
            return "stopped"
        return "epochs" if state.history.n_epochs >= goal else "converged"

    def _tick(self) -> None:
        """Tell the callbacks of time that passes within and between evaluations of the loss, about 20 times a second.

        Within one the engine comes here where it looks at signals. A callback that stops training there ends it with an
        exception, as Ctrl-C does: nothing is added up in another order, and the evaluation is thrown away.
        """
        state, now = self._state, time.perf_counter()
        if self._listeners.hear_ticks and now - self._ticked >= _TICK_SECONDS:
            self._ticked = now
            self._listeners.tick(state.figures_within(len(self._data)) | {"loss": self._evaluated})
            if state.stopping:
                raise _StoppedError


class _StoppedError(Exception):
    """Training is to stop, and a search is in the midst of an iteration."""


def _account(n_iterations: int, loss: float) -> Any:
    """Return what SciPy would of a search that was stopped."""
    from scipy.optimize import OptimizeResult

    return OptimizeResult(nit=n_iterations, fun=loss, success=False, status=99, message="stopped by a callback")


@underflows_to_zero
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
        The model; however the search ends, it has the weights of a completed iteration.
    loss_and_gradients : callable
        Function that returns the loss of the model, and its gradients with respect to the arrays of each layer.
    n_iterations : int
        Largest number of iterations; fewer if a tolerance is reached.
    after_iteration : callable
        Function called with the loss after each iteration; it returns whether to continue.

    Returns
    -------
    scipy.optimize.OptimizeResult
    """
    from scipy.optimize import minimize

    shapes = [weight.shape for weight in model.get_weights()]
    best = _flatten(model.get_weights())

    def value(x: Vector) -> tuple[float, Vector]:
        model.network.set_arrays(_split(x, shapes))
        loss, gradients = loss_and_gradients()
        return loss, _flatten([array for arrays in gradients for array in arrays])

    def callback(intermediate_result: Any) -> None:
        best[:] = intermediate_result.x
        model.network.set_arrays(_split(best, shapes))
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
        model.network.set_arrays(_split(best, shapes))


def _flatten(arrays: Sequence[NDArray[Any]]) -> Vector:
    return np.concatenate([np.ravel(array) for array in arrays], dtype=np.float64)


def _split(x: Vector, shapes: Sequence[tuple[int, ...]]) -> list[Vector]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True)]
