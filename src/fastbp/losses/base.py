"""The base of all losses: their checks of targets and outputs, and their parameters for the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import READABLE, as_array, refuse_nonfinite
from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import NonFinite
from fastbp.engine.records import SampleSet
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
    sums_outputs: ClassVar[bool] = False  # whether it is a mean over outputs that do not depend on each other
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

    def output_gradient(self, Y: ArrayLike, y: ArrayLike) -> Array:
        """Return the gradient of a batch's mean loss by the model's outputs, divided by the number of samples.

        It is what ``Trainer.step_gradient`` takes. Losses that go with a softmax or a sigmoid are computed from what
        that is applied to, the logits: ``cross_entropy``, ``binary_cross_entropy``, ``focal`` and ``policy_gradient``.

        Parameters
        ----------
        Y : array-like of shape (n_samples, n_outputs)
            The model's outputs; for those losses its logits, ``model.activations(X, layer=-1, output="logit")``.
        y : array-like
            Targets as the loss takes them: numbers, or classes as integers from 0.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            float32 if Y is, else float64. Of Y of the model's dtype it has the same bits as in training.

        Raises
        ------
        TypeError, ValueError
            If Y or y is not what the loss takes, or has a NaN or infinity.

        Examples
        --------
        >>> import fastbp as fb
        >>> fb.MeanSquaredError().output_gradient([[1.0], [3.0]], [0.0, 1.0]).tolist()  # 2 (Y - y) / 2
        [[1.0], [2.0]]
        """
        from fastbp.engine.given_gradients import output_gradient  # only now: `import fastbp` stays quick

        outputs = as_array(Y, "Y")
        if outputs.ndim != 2 or not outputs.size:
            raise ValueError(f"Y has shape {outputs.shape}; expected (n_samples, n_outputs), the outputs of a model.")
        targets = self.as_targets(y, outputs.shape[1])
        if len(targets) != len(outputs):
            raise ValueError(f"Y has {len(outputs)} rows, y has {len(targets)}; expected a target for each sample.")
        dtype = np.dtype(np.float32 if outputs.dtype == np.float32 else np.float64)
        gradient = np.empty(outputs.shape, dtype)
        numbers = ArrayReader(targets) if targets.ndim == 2 else targets
        try:
            output_gradient(self.objective, SampleSet(ArrayReader(outputs), numbers), gradient)
        except NonFinite as error:
            array, argument = (outputs, "Y") if error.where == "inputs" else (targets, "y")
            refuse_nonfinite(array, dtype, argument, error.row)
        return gradient


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
