"""The base of all optimizers: the numbers that the engine's weight updates use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fastbp.schedules import Schedule, as_schedule
from fastbp.support.checks import check_flag, check_number

__all__ = ["Optimizer", "Scheduled"]


Scheduled = float | Schedule  # a number, or one that changes during training


@dataclass(frozen=True)
class Optimizer:
    """The base of all optimizers: a name, the engine's update rule, and the numbers that the rule uses."""

    name: ClassVar[str]
    rule: ClassVar[str]  # the engine's name; optimizers of one rule can continue from each other's state
    full_batch: ClassVar[bool] = False  # whether it needs the gradient over all samples
    native: ClassVar[bool] = True  # whether the engine computes its steps

    def numbers(self) -> dict[str, Scheduled]:
        """Return the update rule's numbers under the engine's names; absent ones are 0."""
        raise NotImplementedError

    def _store(self, field: str, value: Scheduled) -> None:
        object.__setattr__(self, field, value)

    def _check_schedule(self, field: str, **bounds: Any) -> None:
        self._store(field, as_schedule(getattr(self, field), field, **bounds))

    def _check_number(self, field: str, **bounds: Any) -> None:
        self._store(field, check_number(getattr(self, field), field, **bounds))

    def _check_flag(self, field: str) -> None:
        self._store(field, check_flag(getattr(self, field), field))
