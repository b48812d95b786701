"""The numbers that a step uses: the optimizer's, the schedules' values, and the arrays' factors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.models.architecture import Architecture
from fastbp.schedules import Schedule
from fastbp.support.underflow import underflows_to_zero
from fastbp.training.array_factors import factors_by_stage
from fastbp.training.settings import Figures, TrainerSettings

__all__ = ["StepNumbers"]


class StepNumbers:
    """The engine's numbers for each step.

    Parameters
    ----------
    settings : TrainerSettings
    architecture : Architecture
        Architecture of the trained model.

    Attributes
    ----------
    rate_scale : float
        Factor of the learning rate: below 1 after training was rolled back.
    schedule_memory : dict of str to object
        Schedules' memory of the epochs before.
    revision : int
        Number of changes so far that affect the epoch in progress.
    of_every_step : dict or None
        The numbers, where no schedule changes them from step to step.
    """

    def __init__(self, settings: TrainerSettings, architecture: Architecture) -> None:
        self._architecture = architecture
        self.rate_scale = 1.0
        self.schedule_memory: dict[str, Any] = {}
        self.revision = 0
        self.use(settings)

    def use(self, settings: TrainerSettings) -> None:
        """Use these settings from the next step on."""
        self._settings = settings
        numbers: dict[str, Any] = {
            **settings.optimizer.numbers(),
            **settings.clipping,
            **(settings.averaging.numbers() if settings.averaging else {}),
            "factors": factors_by_stage(self._architecture, settings),
            "decay_biases": settings.decay_biases,
        }
        rates = {_rate_name(where): layer.rate for where, layer, _ in self._architecture.dropouts}
        self._schedules = {name: value for name, value in (numbers | rates).items() if isinstance(value, Schedule)}
        self._constants = {name: value for name, value in numbers.items() if name not in self._schedules}
        if "learning_rate" in self._constants:
            self._constants["learning_rate"] *= self.rate_scale
        self.of_every_step = None if self._schedules else self._constants
        self.revision += 1

    def scale_rate(self, scale: float) -> None:
        """Multiply the optimizer's learning rate by this from now on."""
        self.rate_scale = scale
        self.use(self._settings)

    @underflows_to_zero
    def of_steps(self, n_done: int, n_steps: int, n_epochs: int) -> dict[str, Any]:
        """Return the numbers of the next n_steps, after n_done steps and n_epochs epochs; arrays for schedules."""
        if self.of_every_step is not None:
            return self.of_every_step
        values = {
            name: schedule.of_steps(n_done, n_steps, n_epochs, self.schedule_memory.get(name))
            for name, schedule in self._schedules.items()
        }
        if "learning_rate" in values:
            values["learning_rate"] = values["learning_rate"] * self.rate_scale
        return self._constants | values | {"dropout_rates": self._dropout_rates(values, n_done)}

    def learning_rate(self, n_done: int, n_epochs: int) -> float:
        """Return the learning rate of the step after n_done steps."""
        return float(np.max(self.of_steps(n_done, 1, n_epochs)["learning_rate"]))

    def observe(self, figures: Figures) -> None:
        """Pass an epoch's figures to the schedules that depend on them."""
        for name, schedule in self._schedules.items():
            self.schedule_memory[name] = schedule.observe(figures, self.schedule_memory.get(name))

    def _dropout_rates(self, values: dict[str, NDArray[np.float64]], n_done: int) -> dict[int, NDArray[np.float64]]:
        """Return the scheduled rates by stage index."""
        return {
            number: layer.check_rates(values[_rate_name(where)], where, n_done)
            for where, layer, number in self._architecture.dropouts
            if _rate_name(where) in values
        }


def _rate_name(where: str) -> str:
    return f"rate of {where}"
