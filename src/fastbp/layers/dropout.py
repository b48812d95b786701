"""The layer that sets random inputs to zero in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Layer, Stage
from fastbp.schedules import SCHEDULES, Schedule, as_schedule
from fastbp.support.registry import from_config, to_config

__all__ = ["Dropout"]


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, sets each input to 0 with probability ``rate`` and multiplies the others by 1 / (1 - rate).

    The zeros are drawn again at every step, from the trainer's seed, the step's number, the layer's place in the model,
    the sample's place in the step and the input's place in the sample. They are the same on every instruction set, in
    both dtypes and on any number of threads. (A trainer that version 0.1 saved goes on with the zeros of that version,
    which depend on the instruction set.) The probability is ``rate`` rounded down to a multiple of 2^-32. ``predict``,
    ``evaluate`` and ``loss_and_gradients`` leave all inputs unchanged (Srivastava et al., 2014).

    Parameters
    ----------
    rate : float or schedule
        Probability of zero, 0 <= rate < 1. A schedule, or a function of the number of steps done, gives the rate of
        every step or epoch, as for a learning rate.

    Raises
    ------
    TypeError, ValueError
        If it is not. ``fit`` and ``step`` refuse a schedule that leaves these bounds.

    Examples
    --------
    >>> import fastbp as fb
    >>> model = fb.Model([fb.Dropout(0.5), fb.Dense(1)], inputs=3)
    >>> model.set_weights([[[1], [1], [1]], [0]])
    >>> model.predict([[1, 2, 3]]).tolist()  # in prediction nothing is dropped
    [[6.0]]
    """

    rate: float | Schedule
    name = "dropout"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule(self.rate, "rate", at_least=0, below=1))

    def stages(self) -> list[Stage]:
        """Return one stage; if the rate is a schedule, the trainer sets it at each step."""
        return [{"kind": "dropout", "rate": 0.0 if isinstance(self.rate, Schedule) else self.rate}]

    def check_rates(self, rates: NDArray[np.float64], where: str, n_steps: int) -> NDArray[np.float64]:
        """Return the schedule's rates for the steps after the first n_steps, each checked to be in 0 <= rate < 1."""
        bad = ~((rates >= 0) & (rates < 1))
        if bad.any():
            step = int(np.argmax(bad))
            raise ValueError(
                f"{where} is {self!r}, whose rate after {n_steps + step} steps is {rates[step]:g}; expected "
                "0 <= rate < 1."
            )
        return rates

    def __repr__(self) -> str:
        return f"Dropout({self.rate!r})" if isinstance(self.rate, Schedule) else f"Dropout({self.rate:g})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data; a function in it stays a function."""
        return {"type": "dropout", "rate": to_config(self.rate) if isinstance(self.rate, Schedule) else self.rate}

    @classmethod
    def _described(cls, config: Mapping[str, Any]) -> Self:
        rate = config["rate"]
        return cls(from_config(rate, SCHEDULES, "rate") if isinstance(rate, Mapping) else rate)
