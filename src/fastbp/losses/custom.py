"""A loss that is a user's function of a whole batch; the engine calls it once per batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, as_rows, refuse_first
from fastbp.engine.array_reader import finite_doubles
from fastbp.engine.errors import NonFinite
from fastbp.losses.all_losses import LOSSES, LossName
from fastbp.losses.base import Loss
from fastbp.losses.penalised import PenalisedLoss
from fastbp.support.checks import describe, sentence, shown
from fastbp.support.registry import resolve
from fastbp.support.underflow import underflows_to_zero

if TYPE_CHECKING:
    from fastbp.data.samples import Samples
    from fastbp.engine.network import Network, Objective

__all__ = ["CustomLoss", "LossFunction", "LossLike", "as_loss", "mean_of_function", "sums_of_function"]

Array = NDArray[Any]
LossFunction = Callable[[Array, Array], tuple[ArrayLike, ArrayLike]]
LossLike: TypeAlias = LossName | str | Loss | LossFunction


@dataclass(frozen=True, repr=False)
class CustomLoss(Loss):
    """A function of a batch's (outputs, targets) that returns the loss of each sample and its gradient.

    The engine takes the mean of both over the samples, weighted by their sample weights, and backpropagates it.

    Parameters
    ----------
    function : callable
        function(outputs, targets) -> (losses, gradient). outputs (n, n_outputs), of the model's dtype, are the last
        layer's outputs after its activation; targets (n, ...) are their rows of y. It returns losses (n,) and gradient
        (n, n_outputs): row i is the derivative of losses[i] with respect to outputs[i], not divided by n.
    """

    function: LossFunction
    name = "custom"
    metrics = ()
    in_python = True

    def __repr__(self) -> str:
        return str(getattr(self.function, "__qualname__", None) or shown(self.function))

    @property
    def objective(self) -> Objective:
        """The engine's description of this loss."""
        return self.judge

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return numbers of any shape, a row for each sample."""
        array = as_array(y, argument)
        if array.ndim == 0 or len(array) == 0:
            raise ValueError(f"{argument} has shape {array.shape}; expected a row for each sample.")
        return array

    def output_gradient(self, Y: ArrayLike, y: ArrayLike) -> Array:
        """Return the gradient of a batch's mean loss by the model's outputs: the function's, divided by n."""
        outputs, targets = as_array(Y, "Y"), self.as_targets(y, 0)
        return self.judge(outputs, targets)[1] * (1 / len(outputs))

    def judge(self, outputs: Array, targets: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the losses (n,) and the gradient (n, n_outputs) of a batch, float64, checked to be finite."""
        result = self.function(outputs, targets)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            expected = "a pair: the loss of each sample and its gradient with respect to the outputs"
            raise TypeError(sentence(f"the result of the loss {self!r}", result, expected))
        losses = self._check(result[0], "losses", outputs.shape[:1])
        return losses, self._check(result[1], "gradient", outputs.shape)

    def _check(self, values: ArrayLike, what: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        quickly = finite_doubles(values, shape)  # in a loop
        if quickly is not None:
            return quickly
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


def as_loss(loss: LossLike) -> Loss:
    """Return the loss that an argument is, names, or wraps as a function."""
    if callable(loss) and not isinstance(loss, type):
        return CustomLoss(loss)
    if isinstance(loss, (CustomLoss, PenalisedLoss)):
        return loss
    return resolve(cast("str | Loss", loss), LOSSES, "loss")


@underflows_to_zero
def sums_of_function(
    loss: CustomLoss,
    network: Network,
    data: Samples,
    batch_size: int,
    n_threads: int,
    all_outputs: Array | None,
    narrow: bool,
    first: int,
    end: int,
) -> NDArray[np.float64]:
    """Return the weighted sum of the losses of each of the batches first..end, NaN where outputs are not finite.

    The outputs of these samples are stored in the given array, if there is one.
    """
    sums = np.full(end - first, np.nan)
    for i in range(first, end):
        start = i * batch_size
        batch = data.rows_from(start, min(start + batch_size, len(data)))
        X = data.X[batch]
        outputs = np.empty((len(X), network.n_outputs), network.dtype)
        try:
            network.forward(as_rows(X), outputs, n_threads, narrow)
        except NonFinite as error:  # its row is one of the batch
            row = start + error.row if isinstance(batch, slice) else int(batch[error.row])
            raise NonFinite(error.where, row=row) from None
        if not np.isfinite(outputs).all():
            break
        if all_outputs is not None:
            all_outputs[start : start + batch_size] = outputs
        losses, _ = loss.judge(outputs, data.y[batch].copy())
        sums[i - first] = losses.sum() if data.sample_weights is None else losses @ data.sample_weights[batch]
    return sums


@underflows_to_zero
def mean_of_function(sums: NDArray[np.float64], data: Samples, network: Network) -> float:
    """Return the mean loss over samples, with the penalty, from the sums of all batches."""
    total = 0.0
    for of_batch in sums:
        total += float(of_batch)
    return total / data.total_weight + network.penalty()
