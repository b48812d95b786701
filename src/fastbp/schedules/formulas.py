"""Schedules that are functions of the number of steps or epochs done, given by a formula."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fastbp.support.checks import check_flag, check_int, check_number, check_word

__all__ = [
    "CosLog",
    "CosineDecay",
    "ExponentialDecay",
    "FlatCosine",
    "InverseScaling",
    "OneCycle",
    "PolynomialDecay",
    "Schedule",
    "StepDecay",
    "Unit",
    "Values",
]

Values = NDArray[np.float64]
Unit = Literal["step", "epoch"]


@dataclass(frozen=True)
class Schedule:
    """The base of all schedules: a name, a unit of time, and a value at every time."""

    name: ClassVar[str]

    def at(self, t: Values) -> Values:
        """Return the values at times t, counted from 0 in this schedule's unit."""
        raise NotImplementedError

    def of_steps(self, first_step: int, n_steps: int, epoch: int, memory: Any = None) -> Values:
        """Return the values of n_steps steps after ``first_step`` steps and ``epoch`` epochs."""
        if getattr(self, "per", "epoch") == "epoch":
            return np.full(n_steps, self.at(np.array([float(epoch)]))[0])
        return self.at(np.arange(first_step, first_step + n_steps, dtype=np.float64))

    def observe(self, figures: Mapping[str, float], memory: Any = None) -> Any:
        """Return the memory after an epoch with these figures; None for a function of the time."""
        return memory

    def _check(self, *, positive: Sequence[str] = (), times: Sequence[str] = ()) -> None:
        """Check and store the named fields: numbers above 0, times of 1 or more, and the unit."""
        for argument in positive:
            object.__setattr__(self, argument, check_number(getattr(self, argument), argument, above=0))
        for argument in times:
            object.__setattr__(self, argument, check_int(getattr(self, argument), argument))
        check_word(getattr(self, "per", "epoch"), "per", ("step", "epoch"))

    def _check_not_negative(self, argument: str) -> None:
        object.__setattr__(self, argument, check_number(getattr(self, argument), argument, at_least=0))


@dataclass(frozen=True)
class StepDecay(Schedule):
    """start * factor ** (t // every): constant for ``every`` epochs or steps (PyTorch's StepLR).

    Parameters
    ----------
    start : float
    every : int
        Number of epochs or steps with the same value.
    factor : float, default 0.1
        Above 0.
    per : {"epoch", "step"}, default "epoch"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.StepDecay(0.1, every=10)
    >>> schedule.at(np.array([0, 9, 10, 20.0])).round(6).tolist()
    [0.1, 0.1, 0.01, 0.001]
    """

    start: float
    every: int
    factor: float = 0.1
    per: Unit = "epoch"
    name = "step_decay"

    def __post_init__(self) -> None:
        self._check(positive=("start", "factor"), times=("every",))

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        values: Values = self.start * self.factor ** (t // self.every)
        return values


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """start * factor ** t (PyTorch's ExponentialLR).

    Parameters
    ----------
    start : float
    factor : float
        Factor per unit of t, above 0; below 1 for decay.
    per : {"epoch", "step"}, default "epoch"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.ExponentialDecay(0.1, factor=0.5)
    >>> schedule.at(np.array([0, 1, 2.0])).round(6).tolist()
    [0.1, 0.05, 0.025]
    """

    start: float
    factor: float
    per: Unit = "epoch"
    name = "exponential_decay"

    def __post_init__(self) -> None:
        self._check(positive=("start", "factor"))

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        values: Values = self.start * self.factor**t
        return values


@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """end + (start - end) * (1 - t / over) ** power, and end from t = over on; linear for power 1 (PolynomialLR).

    Parameters
    ----------
    start : float
    over : int
        Value of t at which the end is reached.
    end : float, default 0.0
    power : float, default 1.0
    per : {"epoch", "step"}, default "epoch"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.PolynomialDecay(0.1, over=10)
    >>> schedule.at(np.array([0, 5, 10.0])).round(6).tolist()
    [0.1, 0.05, 0.0]
    """

    start: float
    over: int
    end: float = 0.0
    power: float = 1.0
    per: Unit = "epoch"
    name = "polynomial_decay"

    def __post_init__(self) -> None:
        self._check(positive=("start", "power"), times=("over",))
        self._check_not_negative("end")

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        values: Values = self.end + (self.start - self.end) * (1 - np.minimum(t, self.over) / self.over) ** self.power
        return values


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """start / (1 + t) ** power (Robbins and Monro, 1951, for powers above 1/2 and up to 1).

    Parameters
    ----------
    start : float
    power : float, default 0.5
    per : {"step", "epoch"}, default "step"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.InverseScaling(0.1)
    >>> schedule.at(np.array([0, 3, 99.0])).round(6).tolist()
    [0.1, 0.05, 0.01]
    """

    start: float
    power: float = 0.5
    per: Unit = "step"
    name = "inverse_scaling"

    def __post_init__(self) -> None:
        self._check(positive=("start", "power"))

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        values: Values = self.start / (1 + t) ** self.power
        return values


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """Half a cosine from start down to end, after a warm-up, optionally repeated (Loshchilov and Hutter, 2017).

    For t < warmup it is start * (t + 1) / warmup. Then, with s = t - warmup and a cycle of length ``over``, it is end +
    (start - end) * (1 + cos(pi s / over)) / 2. Afterwards it stays at ``end``; with ``restarts`` the next cycle begins,
    ``stretch`` times as long as the one before.

    Parameters
    ----------
    start : float
        Largest value.
    over : int
        Length of the (first) cycle.
    end : float, default 0.0
    warmup : int, default 0
    restarts : bool, default False
    stretch : int, default 1
    per : {"epoch", "step"}, default "epoch"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.CosineDecay(0.1, over=10, warmup=2)
    >>> schedule.at(np.array([0, 1, 2, 7, 12.0])).round(6).tolist()
    [0.05, 0.1, 0.1, 0.05, 0.0]
    """

    start: float
    over: int
    end: float = 0.0
    warmup: int = 0
    restarts: bool = False
    stretch: int = 1
    per: Unit = "epoch"
    name = "cosine_decay"

    def __post_init__(self) -> None:
        self._check(positive=("start",), times=("over", "stretch"))
        self._check_not_negative("end")
        object.__setattr__(self, "warmup", check_int(self.warmup, "warmup", minimum=0))
        object.__setattr__(self, "restarts", check_flag(self.restarts, "restarts"))
        if self.stretch > 1 and not self.restarts:
            raise ValueError(f"stretch is {self.stretch} and restarts is False; expected restarts=True with it.")

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        s = np.maximum(t - self.warmup, 0)
        share = self._share_of_cycle(s) if self.restarts else np.minimum(s / self.over, 1)
        falling = self.end + (self.start - self.end) * (1 + np.cos(np.pi * share)) / 2
        rising = self.start * (t + 1) / max(self.warmup, 1)
        values: Values = np.where(t < self.warmup, rising, falling)
        return values

    def _share_of_cycle(self, s: Values) -> Values:
        """Return how much of the cycle is done at times s after warm-up; cycle n begins at over (q^n - 1)/(q - 1)."""
        q = self.stretch
        if q == 1:
            shares: Values = s % self.over / self.over
            return shares
        n = np.floor(np.log1p(s * (q - 1) / self.over) / math.log(q) + 1e-12)
        begin, length = self.over * (q**n - 1) / (q - 1), self.over * q**n
        rest: Values = (s - begin) / length
        return rest


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to a peak and down again, each along half a cosine (Smith and Topin, 2019; PyTorch's OneCycleLR).

    From peak / divide up to peak in the first ``rise * over`` units of t, then down to peak / divide / final_divide.

    Parameters
    ----------
    peak : float
    over : int
        Length of the cycle; afterwards the value stays at its end.
    rise : float, default 0.3
        Fraction of the cycle before the peak, between 0 and 1.
    divide : float, default 25.0
    final_divide : float, default 1e4
    per : {"step", "epoch"}, default "step"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.OneCycle(0.1, over=100)
    >>> schedule.at(np.array([0, 30, 100.0])).round(6).tolist()
    [0.004, 0.09995, 0.0]
    """

    peak: float
    over: int
    rise: float = 0.3
    divide: float = 25.0
    final_divide: float = 1e4
    per: Unit = "step"
    name = "one_cycle"

    def __post_init__(self) -> None:
        self._check(positive=("peak", "divide", "final_divide"), times=("over",))
        object.__setattr__(self, "rise", check_number(self.rise, "rise", above=0, below=1))
        if self.over * self.rise <= 1:
            raise ValueError(
                f"over is {self.over} and rise is {self.rise:g}: the peak is before the second value; expected "
                "a longer cycle or a longer rise."
            )

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        first, top, last = self.peak / self.divide, self.rise * self.over - 1, self.over - 1
        final = first / self.final_divide
        up = first + (self.peak - first) * (1 - np.cos(np.pi * t / top)) / 2
        down = final + (self.peak - final) * (1 + np.cos(np.pi * np.minimum((t - top) / (last - top), 1))) / 2
        values: Values = np.where(t <= top, up, down)
        return values


@dataclass(frozen=True)
class CosLog(Schedule):
    """Up and down ``cycles`` times, each cycle about twice as long as the one before: RealMLP's "coslog4".

    peak * (1 - cos(2 pi log2(1 + (2 ** cycles - 1) x))) / 2 with x = t / over, and 0 from t = over on (Holzmueller,
    Grinsztajn and Steinwart, 2024). It begins with 0 and comes back to it after 1/15, 1/5 and 7/15 of the time with
    four cycles: after each of these the weights are as good as at the end of a shorter training.

    Parameters
    ----------
    peak : float
    over : int
        Length of all cycles together.
    cycles : int, default 4
    per : {"step", "epoch"}, default "step"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.CosLog(0.1, over=15)
    >>> schedule.at(np.array([0, 0.5, 1, 2, 15.0])).round(6).tolist()
    [0.0, 0.093043, 0.0, 0.093043, 0.0]
    """

    peak: float
    over: int
    cycles: int = 4
    per: Unit = "step"
    name = "cos_log"

    def __post_init__(self) -> None:
        self._check(positive=("peak",), times=("over", "cycles"))
        check_int(self.cycles, "cycles", maximum=32)

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        done = np.minimum(t / self.over, 1)
        values: Values = self.peak * (1 - np.cos(2 * np.pi * np.log2(1 + (2.0**self.cycles - 1) * done))) / 2
        return values


@dataclass(frozen=True)
class FlatCosine(Schedule):
    """start for a while, then half a cosine down to end.

    start while t < flat * over; then end + (start - end) * (1 + cos(pi s)) / 2, where s goes from 0 to 1 until t is
    over; end from there on.

    Parameters
    ----------
    start : float
    over : int
        Value of t at which the end is reached.
    flat : float, default 0.5
        Fraction of the time before the cosine, 0 <= flat < 1.
    end : float, default 0.0
    per : {"step", "epoch"}, default "step"
        Unit of t.

    Examples
    --------
    >>> import numpy as np, fastbp as fb
    >>> schedule = fb.FlatCosine(0.1, over=10)
    >>> schedule.at(np.array([0, 5, 7.5, 10.0])).round(6).tolist()
    [0.1, 0.1, 0.05, 0.0]
    """

    start: float
    over: int
    flat: float = 0.5
    end: float = 0.0
    per: Unit = "step"
    name = "flat_cosine"

    def __post_init__(self) -> None:
        self._check(positive=("start",), times=("over",))
        self._check_not_negative("end")
        object.__setattr__(self, "flat", check_number(self.flat, "flat", at_least=0, below=1))

    def at(self, t: Values) -> Values:
        """Return the values at times t."""
        falling = np.clip((t / self.over - self.flat) / (1 - self.flat), 0, 1)
        values: Values = self.end + (self.start - self.end) * (1 + np.cos(np.pi * falling)) / 2
        return values
