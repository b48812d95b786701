"""A vector that is trained beside a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbp.data.arrays import as_array, refuse_first
from fastbp.layers.dense import Dense
from fastbp.models.architecture import DType
from fastbp.models.model import Model
from fastbp.optimizers.all_optimizers import OptimizerLike
from fastbp.optimizers.base import Optimizer
from fastbp.support.checks import check_int, sentence
from fastbp.training.trainer import Trainer

__all__ = ["Parameter"]


class Parameter:
    """A vector of numbers that an optimizer changes by gradients that you compute.

    For what is learned beside a network and does not depend on its inputs: the temperature of soft actor-critic, or the
    logarithm of a policy's deviation.

    Parameters
    ----------
    n : int
        How many numbers.
    value : float or array-like of shape (n,), default 0.0
        What they are at first.
    optimizer : str or Optimizer, default "adam"
        As for ``Trainer``. Weight decay applies to them.
    dtype : {"float32", "float64"}, default "float32"
        Their type.

    Raises
    ------
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> log_temperature = fb.Parameter(1, optimizer=fb.SGD(0.1), dtype="float64")
    >>> log_temperature.step([2.0])
    >>> log_temperature.value.tolist()
    [-0.2]
    """

    def __init__(
        self, n: int, value: ArrayLike = 0.0, optimizer: OptimizerLike = "adam", dtype: DType = "float32"
    ) -> None:
        layer = Dense(check_int(n, "n"), use_bias=False)
        self._trainer = Trainer(Model([layer], inputs=1, dtype=dtype), loss="mse", optimizer=optimizer)
        self.value = value

    @property
    def value(self) -> NDArray[Any]:
        """A copy of the numbers, of shape (n,); they can be set to others, or all to one."""
        numbers: NDArray[Any] = self._trainer.model.get_weights()[0][0]
        return numbers

    @value.setter
    def value(self, value: ArrayLike) -> None:
        self._trainer.model.set_weights([self._row(value, "value")])

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer."""
        return self._trainer.optimizer

    @property
    def n_steps(self) -> int:
        """The number of updates so far."""
        return self._trainer.n_steps

    def step(self, gradient: ArrayLike) -> None:
        """Make one update.

        Parameters
        ----------
        gradient : float or array-like of shape (n,)
            The gradient of what is minimised by the numbers.

        Raises
        ------
        TypeError, ValueError
            If it has another shape, or is not finite.
        """
        self._trainer.apply_gradients([self._row(gradient, "gradient")])

    def _row(self, values: ArrayLike, argument: str) -> NDArray[Any]:
        """Return numbers as the weights of the layer that stores them, (1, n)."""
        n, array = self._trainer.model.n_outputs, as_array(values, argument)
        if array.shape not in ((), (n,)):
            raise ValueError(f"{argument} has shape {array.shape}; expected ({n},), or one number for all.")
        dtype = self._trainer.model.dtype
        with np.errstate(over="ignore", under="ignore"):
            finite = np.isfinite(array.astype(dtype))
        if not finite.all():
            expected = f"a number that is finite in {dtype}"
            if array.ndim == 0:
                raise ValueError(sentence(argument, array.item(), expected))
            refuse_first(~finite, array, argument, expected)
        return np.broadcast_to(array, (1, n))

    def __repr__(self) -> str:
        return f"Parameter({self.value.size}, {self.value.tolist()}, optimizer={self.optimizer!r})"
