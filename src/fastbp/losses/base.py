"""The base of all losses: their checks of targets and outputs, and their parameters for the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import READABLE, as_array
from fastbp.layers.activations import Activation
from fastbp.support.checks import counted

if TYPE_CHECKING:
    from fastbp.engine.network import Objective

__all__ = ["Array", "Loss", "as_outputs"]


Array = NDArray[Any]


@dataclass(frozen=True)
class Loss:
    """The base of all losses: a name, default metrics, and requirements on outputs and targets."""

    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]  # a Trainer's default metrics for this loss
    in_python: ClassVar[bool] = False  # whether it is computed by a Python function
    takes_prepared: ClassVar[bool] = False  # whether targets and outputs may be shifted and scaled together
    by_margin: ClassVar[bool] = False  # whether the sign of an output tells two classes, -1 or 0 from 1

    @property
    def parameters(self) -> tuple[float, ...]:
        """The parameters that the kernel takes beside outputs and targets."""
        return ()

    @property
    def objective(self) -> Objective:
        """The engine's description of this loss."""
        return self.name, self.parameters

    def check_output(self, activation: Activation, n_outputs: int) -> None:
        """Refuse an output layer that does not fit this loss."""

    def n_targets(self, n_outputs: int) -> int:
        """Return the number of target columns for a model with n_outputs outputs."""
        return n_outputs

    def n_classes(self, n_outputs: int) -> int | None:
        """Return the number of classes of which a sample is one; None if targets are something else."""
        return None

    def classes(self, targets: Array, n_outputs: int, argument: str = "y") -> tuple[Array, int]:
        """Return the class of each sample, integers of shape (n,), and the number of classes."""
        raise ValueError(
            f"class_weight is given and loss is {self.name!r}; expected 'cross_entropy' or 'binary_cross_entropy', "
            "whose targets are classes. Use sample_weight, a weight for each sample."
        )

    def as_targets(self, y: ArrayLike, n_outputs: int, argument: str = "y") -> Array:
        """Return targets as the engine takes them.

        Returns
        -------
        ndarray
            int32 labels of shape (n,), C-contiguous, or numbers of shape (n, n_targets).
        """
        return as_outputs(y, n_outputs, argument, self.n_targets(n_outputs))


def wrong_activation(loss: Loss, activation: Activation, needed: str, remedy: str) -> str:
    was = f"loss is {loss.name!r} and the last layer's activation is {activation.name!r}; expected {needed}"
    return f"{was}. {remedy}."


def as_outputs(y: ArrayLike, n_outputs: int, argument: str, n_targets: int | None = None) -> Array:
    """Return targets of shape (n, n_targets), by default as many as outputs; (n,) is accepted for one."""
    n_targets = n_targets or n_outputs
    if type(y) is np.ndarray and y.dtype in READABLE and y.flags.aligned:
        array = y
    else:
        array = as_array(y, argument)
    if array.ndim == 1 and n_targets == 1 and len(array):
        return array[:, np.newaxis]
    if array.ndim == 2 and array.shape[1] == n_targets and len(array):
        return array
    expected = "(n_samples,) or (n_samples, 1)" if n_targets == 1 else f"(n_samples, {n_targets})"
    remedy = f"The model has {counted(n_outputs, 'output')}"
    remedy += "." if n_targets == n_outputs else f", {n_outputs // n_targets} for each target."
    if array.ndim == 1 and array.dtype.kind in "iub" and n_targets == n_outputs:
        remedy += f" For class labels use loss='cross_entropy', or pass np.eye({n_outputs})[{argument}]."
    raise ValueError(f"{argument} has shape {array.shape}; expected {expected}. {remedy}")
