"""A loss that is the user's own function of a whole batch; the engine comes up to Python once a batch to ask it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, as_rows, refuse_first
from fastbp.losses.all_losses import LOSSES
from fastbp.losses.base import Loss
from fastbp.losses.penalised import PenalisedLoss
from fastbp.support.checks import describe, sentence
from fastbp.support.registry import resolve

if TYPE_CHECKING:
    from fastbp.data.samples import Samples
    from fastbp.engine.network import Network, Objective

__all__ = ["CustomLoss", "LossFunction", "as_loss", "mean_of_function"]

Array = NDArray[Any]
LossFunction = Callable[[Array, Array], tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True, repr=False)
class CustomLoss(Loss):
    """A function of (outputs, targets) of a batch that returns each sample's loss and the gradient of that loss.

    The engine takes the mean of both over the samples, weighted by their weights, and goes on backwards from there.

    Parameters
    ----------
    function : callable
        function(outputs, targets) -> (losses, gradient). outputs (n, n_outputs), of the model's dtype, are what the
        last layer puts out, its activation applied; targets (n, ...) are the rows of y that belong to them. Back come
        losses (n,) and gradient (n, n_outputs): row i is the derivative of losses[i] with respect to outputs[i]. Not
        divided by n: that is done here.
    """

    function: LossFunction
    name = "custom"
    metrics = ()
    in_python = True

    def __repr__(self) -> str:
        return str(getattr(self.function, "__qualname__", repr(self.function)))

    @property
    def objective(self) -> Objective:
        """What the engine asks."""
        return self.judge

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return numbers of any shape, a row for each sample."""
        array = as_array(y, argument)
        if array.ndim == 0 or len(array) == 0:
            raise ValueError(f"{argument} has shape {array.shape}; expected a row for each sample.")
        return array

    def judge(self, outputs: Array, targets: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return losses and gradient of a batch, each of its shape, float64, all finite."""
        result = self.function(outputs, targets)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            expected = "a pair: the loss of each sample, and its gradient with respect to the outputs"
            raise TypeError(sentence(f"what the loss {self!r} returned", result, expected))
        losses = self._check(result[0], "losses", outputs.shape[:1])
        return losses, self._check(result[1], "gradient", outputs.shape)

    def _check(self, values: ArrayLike, what: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        argument = f"the {what} that the loss {self!r} returned"
        array = as_array(values, argument)
        if array.shape != shape:
            remedy = "Return each sample's own loss, not their mean." if what == "losses" and array.ndim == 0 else ""
            expected = f"shape {shape}, as the batch has {shape[0]} samples"
            was = f"{argument} is {describe(array)}; expected {expected}."
            raise ValueError(f"{was} {remedy}".rstrip())
        numbers = np.ascontiguousarray(array, np.float64)
        finite = np.isfinite(numbers)
        if not finite.all():
            refuse_first(~finite, array, argument, "a finite number")
        return numbers


def as_loss(loss: str | Loss | LossFunction) -> Loss:
    """Return the loss that an argument is or names, or the loss that the function is which it gives."""
    if callable(loss) and not isinstance(loss, type):
        return CustomLoss(loss)
    if isinstance(loss, (CustomLoss, PenalisedLoss)):
        return loss
    return resolve(cast("str | Loss", loss), LOSSES, "loss")


def mean_of_function(
    loss: CustomLoss, network: Network, data: Samples, batch_size: int, n_threads: int, all_outputs: Array | None
) -> float:
    """Return the mean loss over samples, batch by batch, and the penalty; NaN where outputs are not finite.

    All outputs, if wanted, are left where they are to be.
    """
    total = 0.0
    for start in range(0, len(data), batch_size):
        batch = data.rows_from(start, min(start + batch_size, len(data)))
        X = data.X[batch]
        outputs = np.empty((len(X), network.n_outputs), network.dtype)
        network.forward(as_rows(X), outputs, n_threads)
        if not np.isfinite(outputs).all():
            return float("nan")
        if all_outputs is not None:
            all_outputs[start : start + batch_size] = outputs
        losses, _ = loss.judge(outputs, data.y[batch].copy())
        total += float(losses.sum() if data.sample_weights is None else losses @ data.sample_weights[batch])
    return total / data.total_weight + network.penalty()
