"""All schedules: those by a formula, a function of your own, and one that looks at the figures of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastbp.schedules.formulas import (
    CosineDecay,
    CosLog,
    ExponentialDecay,
    FlatCosine,
    InverseScaling,
    OneCycle,
    PolynomialDecay,
    Schedule,
    StepDecay,
    Unit,
    Values,
)
from fastbp.support.checks import check_int, check_number, sentence
from fastbp.support.figures import missing_figure

__all__ = ["SCHEDULES", "FunctionSchedule", "Plateau", "PlateauMemory", "as_schedule"]


@dataclass(frozen=True)
class FunctionSchedule(Schedule):
    """The value of a function of the number of steps (or epochs) done.

    Parameters
    ----------
    function : callable
        function(t) -> float, for t = 0, 1, 2...
    per : {"step", "epoch"}, default "step"
        Unit of t.

    Examples
    --------
    >>> import fastbp as fb
    >>> schedule = fb.FunctionSchedule(lambda step: 0.1 if step < 100 else 0.01)
    >>> optimizer = fb.SGD(schedule)  # or fb.SGD(lambda step: ...)
    >>> schedule.at([0.0, 100.0]).tolist()
    [0.1, 0.01]
    """

    function: Callable[[int], float]
    per: Unit = "step"
    name = "function"

    def __post_init__(self) -> None:
        self._check()
        if not callable(self.function):
            raise TypeError(sentence("function", self.function, "a function of one number"))

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        return np.array([self._call(int(time)) for time in t])

    def _call(self, t: int) -> float:
        return check_number(self.function(t), f"the schedule's value for {self.per} {t}", at_least=0)


@dataclass(frozen=True)
class PlateauMemory:
    """A Plateau's memory of the epochs so far."""

    factor: float = 1.0
    best: float = math.inf
    n_bad: int = 0


@dataclass(frozen=True)
class Plateau(Schedule):
    """start, times ``factor`` each time a figure has not improved for over ``patience`` epochs (ReduceLROnPlateau).

    Parameters
    ----------
    start : float
    factor : float, default 0.1
        Above 0 and below 1.
    patience : int, default 10
        Number of epochs without progress that are allowed.
    min_delta : float, default 1e-4
        Progress means a figure below best * (1 - min_delta).
    lowest : float, default 0.0
        Lower bound of the value.
    monitor : str, default "loss"
        Name of a figure in the history that should decrease, such as "val_loss".

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dense(1, "sigmoid")], inputs=1, seed=0)
    >>> schedule = fb.Plateau(0.1, factor=0.5, patience=1, min_delta=1.0)
    >>> trainer = fb.Trainer(model, "mse", fb.SGD(schedule))
    >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=5)
    >>> round(trainer.learning_rate, 4)  # halved after two epochs that were not better by 1
    0.025
    """

    start: float
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    lowest: float = 0.0
    monitor: str = "loss"
    name = "plateau"

    def __post_init__(self) -> None:
        self._check(positive=("start",))
        object.__setattr__(self, "factor", check_number(self.factor, "factor", above=0, below=1))
        object.__setattr__(self, "patience", check_int(self.patience, "patience", minimum=0))
        self._check_not_negative("min_delta")
        self._check_not_negative("lowest")
        if not isinstance(self.monitor, str):
            raise TypeError(sentence("monitor", self.monitor, "the name of a figure, such as 'val_loss'"))

    def of_steps(self, first_step: int, n_steps: int, epoch: int, memory: Any = None) -> Values:
        """Return the current value for every step."""
        factor = 1.0 if memory is None else memory.factor
        return np.full(n_steps, max(self.start * factor, self.lowest))

    def observe(self, figures: Mapping[str, float], memory: Any = None) -> PlateauMemory:
        """Return the memory after an epoch with these figures."""
        if self.monitor not in figures:
            raise missing_figure(self.monitor, figures)
        before: PlateauMemory = memory or PlateauMemory()
        if figures[self.monitor] < before.best * (1 - self.min_delta):
            return PlateauMemory(before.factor, best=figures[self.monitor])
        if before.n_bad == self.patience:
            return PlateauMemory(before.factor * self.factor, before.best)
        return PlateauMemory(before.factor, before.best, before.n_bad + 1)


SCHEDULES: dict[str, type[Schedule]] = {
    cls.name: cls
    for cls in (
        StepDecay,
        ExponentialDecay,
        PolynomialDecay,
        InverseScaling,
        CosineDecay,
        OneCycle,
        CosLog,
        FlatCosine,
        Plateau,
        FunctionSchedule,
    )
}


def as_schedule(
    value: Any, argument: str, *, above: float = -math.inf, at_least: float = -math.inf, below: float = math.inf
) -> float | Schedule:
    """Return a number, checked, or a schedule; a function becomes a FunctionSchedule."""
    if isinstance(value, Schedule):
        return value
    if isinstance(value, type) and issubclass(value, Schedule):
        raise TypeError(
            sentence(argument, value, "a number or a schedule", f"Pass its arguments: {value.__name__}(...).")
        )
    if callable(value):
        return FunctionSchedule(value)
    return check_number(value, argument, above=above, at_least=at_least, below=below)
