"""The layer that sets random numbers to zero in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.layers.base import Layer, Stage
from fastbp.schedules import SCHEDULES, Schedule, as_schedule
from fastbp.support.registry import from_config, to_config

__all__ = ["Dropout"]


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each number that passes becomes 0 with probability ``rate``, and the others grow by 1 / (1 - rate).

    Which ones is drawn anew for every step, from the trainer's seed, the step's number and the number's place. In
    ``predict``, ``evaluate`` and ``loss_and_gradients`` all numbers pass as they are (Srivastava et al., 2014).

    Parameters
    ----------
    rate : float or schedule
        0 <= rate < 1. A schedule gives one for every step or epoch, as for a learning rate; so does a function of the
        number of steps done.

    Raises
    ------
    TypeError, ValueError
        If it is not. A schedule that leaves these bounds is refused by ``fit`` and ``step``.
    """

    rate: float | Schedule
    name = "dropout"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_schedule(self.rate, "rate", at_least=0, below=1))

    def stages(self) -> list[Stage]:
        """Return one stage; where the rate is a schedule, whoever trains says what it is."""
        return [{"kind": "dropout", "rate": 0.0 if isinstance(self.rate, Schedule) else self.rate}]

    def check_rates(self, rates: NDArray[np.float64], where: str, n_steps: int) -> NDArray[np.float64]:
        """Return what the schedule gives for the steps behind the first n_steps, if each is between 0 and 1."""
        bad = ~((rates >= 0) & (rates < 1))
        if bad.any():
            step = int(np.argmax(bad))
            raise ValueError(
                f"{where} is {self!r}, whose rate after {n_steps + step} steps is {rates[step]:g}; expected 0 <= rate "
                "< 1."
            )
        return rates

    def __repr__(self) -> str:
        return f"Dropout({self.rate!r})" if isinstance(self.rate, Schedule) else f"Dropout({self.rate:g})"

    def to_config(self) -> dict[str, Any]:
        """Return the layer as plain data; but a function in it stays one."""
        return {"type": "dropout", "rate": to_config(self.rate) if isinstance(self.rate, Schedule) else self.rate}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Dropout:
        """Return the layer that ``to_config`` wrote down."""
        rate = config["rate"]
        return cls(from_config(rate, SCHEDULES, "rate") if isinstance(rate, Mapping) else rate)
