"""Sessions that train with differential privacy. They trust their arguments; the library checks them."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.divided_session import DividedSession
from fastbp.engine.records import SampleSet, StepNumbers

OnStep: TypeAlias = Callable[[int], object]  # steps of the call done; true: leave it

AUTOMATIC_STABILITY: float

class PrivateSteps:
    def __new__(
        cls,
        n_steps: int,
        step_numbers: StepNumbers,
        key: bytes,
        probability: float,
        divisor: float,
        max_grad_norm: float,
        noise_multiplier: float,
        clipping: str = "flat",
        max_physical_batch_size: int = 4096,
        on_tick: OnStep | None = None,
        every_step: bool = False,
    ) -> PrivateSteps: ...

class PrivateSession(DividedSession):
    def private_steps(self, samples: SampleSet, plan: PrivateSteps) -> bool: ...
    def sampled_rows(self) -> NDArray[np.int64]: ...
    def parameter_digest(self, hasher: Any) -> None: ...
