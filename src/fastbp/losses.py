"""What training makes small: a number for the model's outputs A and the targets Y, averaged over the samples.

The model says what it outputs (its last activation), the loss says what is minimised; a pair that makes no sense is
refused with the fix. A new loss is a class here, an entry in LOSSES, a row in csrc/fastbp.h and its formula in
csrc/kernels/loss.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.activations import Activation
from fastbp.data import READABLE, as_array, refuse_first

if TYPE_CHECKING:
    from fastbp._network import Objective

__all__ = ["LOSSES", "BinaryCrossEntropy", "CrossEntropy", "Loss", "MeanAbsoluteError", "MeanSquaredError"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """What all losses have: a name, the metric that goes with them, and their demands on outputs and targets."""

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]  # what a Trainer reports beside the loss unless told otherwise

    @property
    def parameters(self) -> tuple[float, ...]:
        """The numbers that the kernel wants beside outputs and targets."""
        return ()

    @property
    def objective(self) -> Objective:
        """What the engine calls this loss."""
        return self.name, self.parameters

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse a last layer that this loss cannot go with."""

    def n_targets(self, n_outputs: int) -> int:
        """Return how many columns the targets of a model with so many outputs have."""
        return n_outputs

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return targets as the engine wants them.

        Returns
        -------
        ndarray
            int32 labels of shape (n,), C-contiguous, or numbers of shape (n, n_targets).
        """
        return as_outputs(y, self.n_targets(n_outputs), argument)


class MeanSquaredError(Loss):
    """The mean over samples and outputs of (A - Y)²."""

    name = "mse"
    metrics = ("r2",)


class MeanAbsoluteError(Loss):
    """The mean over samples and outputs of |A - Y|; its slope at 0 is 0."""

    name = "mae"
    metrics = ("r2",)


class CrossEntropy(Loss):
    """The mean over samples of -log A[label]: one class of several, by a softmax.

    Targets are integer labels from 0, of shape (n,), or a probability for each class (one-hot), of shape (n, classes).
    """

    name = "cross_entropy"
    metrics = ("accuracy",)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a softmax over two classes or more."""
        if n_outputs == 1:
            raise ValueError(
                "loss is 'cross_entropy' and the last layer has 1 unit; expected a unit for each class. For yes or "
                "no end the model with Dense(1, 'sigmoid') and use loss='binary_cross_entropy', or end it with "
                "Dense(2, 'softmax')."
            )
        if activation.name != "softmax":
            remedy = f"End the model with Dense({n_outputs}, 'softmax')"
            if activation.name == "sigmoid":
                remedy += ", or use loss='binary_cross_entropy' if a sample can be of several classes at once"
            raise ValueError(_wrong_activation(self, activation, "softmax", remedy))

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return labels (n,) as int32, or probabilities (n, n_outputs) as they are."""
        if (
            type(y) is np.ndarray  # the one case that must be quick: a loop calls step()
            and y.ndim == 1
            and y.dtype in _UNSIGNED
            and y.flags.aligned
            and len(y)
            # Seen as unsigned, a negative label is a huge one: one comparison does for both ends.
            and np.maximum.reduce(y.view(_UNSIGNED[y.dtype])) < n_outputs
        ):
            return y.astype(np.int32, order="C", copy=False)
        array = as_array(y, argument)
        if array.ndim == 2 and array.shape[1] == n_outputs:
            return _check_probabilities(array, argument)
        return _as_labels(array, n_outputs, argument)


_UNSIGNED: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.int64): np.dtype(np.uint64),
    np.dtype(np.int32): np.dtype(np.uint32),
}


class BinaryCrossEntropy(Loss):
    """The mean over samples and outputs of -(Y log A + (1 - Y) log(1 - A)): yes or no for each output, by a sigmoid.

    Targets are 0 and 1, or probabilities between, of shape (n,) for one output or (n, outputs).
    """

    name = "binary_cross_entropy"
    metrics = ("accuracy",)

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse everything but a sigmoid."""
        if activation.name != "sigmoid":
            remedy = f"End the model with Dense({n_outputs}, 'sigmoid')"
            if activation.name == "softmax":
                remedy += ", or use loss='cross_entropy' if every sample is of exactly one class"
            raise ValueError(_wrong_activation(self, activation, "sigmoid", remedy))

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return probabilities (n, n_outputs)."""
        array = as_outputs(y, n_outputs, argument)
        if not (np.minimum.reduce(array, axis=None) >= 0 and np.maximum.reduce(array, axis=None) <= 1):  # NaN: refused
            refuse_first(
                ~((array >= 0) & (array <= 1)),
                array,
                argument,
                "0 (no), 1 (yes) or a probability between",
                "For classes numbered 0, 1, 2... end the model with a softmax and use loss='cross_entropy'.",
            )
        return array


def _wrong_activation(loss: Loss, activation: Activation, needed: str, remedy: str) -> str:
    was = f"loss is {loss.name!r} and the last layer's activation is {activation.name!r}; expected {needed!r}"
    return f"{was}. {remedy}."


def as_outputs(y: ArrayLike, n_outputs: int, argument: str) -> Array:
    """Return targets of shape (n, n_outputs); shape (n,) will do for one output."""
    if type(y) is np.ndarray and y.dtype in READABLE and y.flags.aligned:
        array = y
    else:
        array = as_array(y, argument)
    if array.ndim == 1 and n_outputs == 1 and len(array):
        return array[:, np.newaxis]
    if array.ndim == 2 and array.shape[1] == n_outputs and len(array):
        return array
    expected = "(n_samples,) or (n_samples, 1)" if n_outputs == 1 else f"(n_samples, {n_outputs})"
    remedy = f"The model has {n_outputs} output{'s' if n_outputs > 1 else ''}."
    if array.ndim == 1 and array.dtype.kind in "iub":
        remedy += f" For class labels use loss='cross_entropy', or give np.eye({n_outputs})[{argument}]."
    raise ValueError(f"{argument} has shape {array.shape}; expected {expected}. {remedy}")


def _as_labels(array: Array, n_classes: int, argument: str) -> NDArray[np.int32]:
    """Return labels as int32 (n,), C-contiguous, each checked to be one of the classes."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or len(array) == 0:
        expected = f"labels of shape (n_samples,) or probabilities of shape (n_samples, {n_classes})"
        raise ValueError(f"{argument} has shape {array.shape}; expected {expected}: the model has {n_classes} outputs.")
    expected = f"an integer 0 to {n_classes - 1}, as the model has {n_classes} outputs"
    remedy = "np.unique(labels, return_inverse=True)[1] numbers any labels from 0."
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):  # NaN is not equal to itself
        refuse_first(array != np.floor(array), array, argument, expected, remedy)
    if np.minimum.reduce(array) < 0 or np.maximum.reduce(array) >= n_classes:
        refuse_first((array < 0) | (array >= n_classes), array, argument, expected, remedy)
    return array.astype(np.int32, order="C")


def _check_probabilities(array: Array, argument: str) -> Array:
    """Return the probabilities of the classes as they are, each row checked to sum to 1."""
    if len(array) == 0:
        raise ValueError(f"{argument} has shape {array.shape}: no samples; expected one row or more.")
    if not np.minimum.reduce(array, axis=None) >= 0:
        refuse_first(~(array >= 0), array, argument, "the probability of a class, 0 to 1")
    sums = np.add.reduce(array, axis=1, dtype=np.float64)
    bad = ~(np.abs(sums - 1) <= 1e-3)  # float16 probabilities are no better
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"the probabilities in {argument}[{row}] sum to {sums[row]:g}; expected 1. If a sample can be of several "
            "classes at once, end the model with a sigmoid and use loss='binary_cross_entropy'."
        )
    return array


LOSSES: dict[str, type[Loss]] = {
    cls.name: cls for cls in (MeanSquaredError, MeanAbsoluteError, CrossEntropy, BinaryCrossEntropy)
}
