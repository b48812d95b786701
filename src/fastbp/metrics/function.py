"""A user's function as a metric."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastbp.data.samples import LossOfSamples
from fastbp.metrics.base import RESERVED_FIGURES, OutputMetric, Seen
from fastbp.support.checks import sentence, shown

__all__ = ["FunctionMetric"]


@dataclass(frozen=True, init=False)
class FunctionMetric(OutputMetric):
    """A function(y_true, y_pred) -> float as a metric, such as most of sklearn.metrics. It works with every loss.

    It is called after each epoch, once for training and once for validation. y_pred are the model's outputs as
    ``predict`` returns them, (n, n_outputs): in training, those of each batch before its step. y_true are the rows of
    y: for classes their numbers (n,), which count the columns of y_pred and whose labels ``model.classes`` holds, else
    of shape (n, n_targets). With sample weights, a function that has a parameter
    ``sample_weight`` also gets them, (n,). Its exceptions are raised by ``fit``. The epoch's outputs are stored for it,
    as for ROCAUC.

    Parameters
    ----------
    function : callable
    name : str or None, default None
        Its name in the history; None means the function's ``__name__``.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> def largest_error(y_true, y_pred):
    ...     return float(np.abs(y_true.ravel() - y_pred.ravel()).max())
    >>> model = fb.Model([fb.Dense(1)], inputs=1, dtype="float64")
    >>> model.set_weights([[[1.0]], [0.0]])
    >>> trainer = fb.Trainer(model, "mse", metrics=[largest_error])
    >>> trainer.evaluate([[1.0], [2.0], [4.0]], [1.0, 2.0, 3.0])["largest_error"]
    1.0
    """

    function: Callable[..., float]
    called: str
    name = "function"

    def __init__(self, function: Callable[..., float], name: str | None = None) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(sentence("function", function, "a function of (y_true, y_pred)"))
        if name is None:
            name = getattr(function, "__name__", None)
            if not isinstance(name, str) or name == "<lambda>":
                remedy = "Give it one: fb.FunctionMetric(function, name='cost')."
                raise ValueError(sentence("function", function, "a function with a name", remedy))
        if not isinstance(name, str):
            raise TypeError(sentence("name", name, "a string"))
        if not name or name in RESERVED_FIGURES or name.startswith("val_"):
            remedy = "The history has other figures under that name."
            raise ValueError(sentence("name", name, "another name, not starting with 'val_'", remedy))
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "called", name)

    def __repr__(self) -> str:
        function = getattr(self.function, "__qualname__", None) or shown(self.function)
        return f"FunctionMetric({function}, name={self.called!r})"

    @property
    def figure(self) -> str:
        """Its name in the history."""
        return self.called

    def of_outputs(self, seen: Seen, loss: LossOfSamples) -> float:
        """Return the function's value."""
        weights = {}
        if seen.sample_weights is not None and _takes_weights(self.function):
            weights = {"sample_weight": seen.sample_weights.copy()}
        value = self.function(seen.targets.copy(), seen.outputs.copy(), **weights)  # the function may change them
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Real, np.floating)):
            raise TypeError(sentence(f"the result of the metric {self.figure!r}", value, "a number"))
        return float(value)


def _takes_weights(function: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function in C without a signature
        return False
