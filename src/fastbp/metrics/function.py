"""A function of the user's as a metric."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastbp.data.samples import LossOfSamples
from fastbp.metrics.base import RESERVED_FIGURES, OutputMetric, Seen
from fastbp.support.checks import sentence

__all__ = ["FunctionMetric"]


@dataclass(frozen=True, init=False)
class FunctionMetric(OutputMetric):
    """A function of yours, function(y_true, y_pred) -> float, such as most of sklearn.metrics. It goes with every loss.

    It is called after the epoch, once for training and once for validation. y_pred are the model's outputs as
    ``predict`` returns them, (n, n_outputs): in training as each batch's were before its step. y_true are the rows of
    y: labels (n,) for classes, else of shape (n, n_targets). Where training is weighted and the function has a
    parameter of that name, it is also given ``sample_weight``, (n,). What it raises comes out of ``fit``. The epoch's
    outputs are kept for it, as for ROCAUC.

    Parameters
    ----------
    function : callable
    name : str or None, default None
        What the history calls it; None is the function's ``__name__``.
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
                raise ValueError(sentence("function", function, "one that has a name", remedy))
        if not isinstance(name, str):
            raise TypeError(sentence("name", name, "a string"))
        if not name or name in RESERVED_FIGURES or name.startswith("val_"):
            remedy = "The history has other figures of that name."
            raise ValueError(sentence("name", name, "another name, which does not begin with 'val_'", remedy))
        object.__setattr__(self, "function", function)
        object.__setattr__(self, "called", name)

    def __repr__(self) -> str:
        return f"FunctionMetric({getattr(self.function, '__qualname__', repr(self.function))}, name={self.called!r})"

    @property
    def figure(self) -> str:
        """The name that it was given, or has."""
        return self.called

    def of_outputs(self, seen: Seen, loss: LossOfSamples) -> float:
        """Return what the function says."""
        weights = {}
        if seen.sample_weights is not None and _takes_weights(self.function):
            weights = {"sample_weight": seen.sample_weights.copy()}
        value = self.function(seen.targets.copy(), seen.outputs.copy(), **weights)  # which it may spoil
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value[()]
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Real, np.floating)):
            raise TypeError(sentence(f"what the metric {self.figure!r} returned", value, "a number"))
        return float(value)


def _takes_weights(function: Callable[..., float]) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C, with nothing to read
        return False
