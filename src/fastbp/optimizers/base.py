"""What an optimizer is: numbers by which the engine updates the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fastbp.schedules import Schedule, as_schedule
from fastbp.support.checks import check_flag, check_number

__all__ = ["Optimizer", "Scheduled"]


Scheduled = float | Schedule  # a number, or one that changes while training goes on


@dataclass(frozen=True)
class Optimizer:
    """What all optimizers have: a name, the engine's rule they follow, and the numbers it needs."""

    name: ClassVar[str]
    rule: ClassVar[str]  # what the engine calls it; optimizers of one rule can take over each other's state
    full_batch: ClassVar[bool] = False  # whether it makes sense on the gradient of all samples only
    native: ClassVar[bool] = True  # whether the engine makes its steps

    def numbers(self) -> dict[str, Scheduled]:
        """Return the numbers of the update rule by the engine's names; what is absent is 0."""
        raise NotImplementedError

    def _store(self, field: str, value: Scheduled) -> None:
        object.__setattr__(self, field, value)

    def _check_schedule(self, field: str, **bounds: Any) -> None:
        self._store(field, as_schedule(getattr(self, field), field, **bounds))

    def _check_number(self, field: str, **bounds: Any) -> None:
        self._store(field, check_number(getattr(self, field), field, **bounds))

    def _check_flag(self, field: str) -> None:
        self._store(field, check_flag(getattr(self, field), field))
