"""Steps by gradients that somebody else computed. They trust their arguments; the library checks them."""

from typing import Any

from numpy.typing import NDArray

from fastbp.engine.network import Objective
from fastbp.engine.records import SampleSet, StepNumbers
from fastbp.engine.session import Session

def step_gradient(session: Session, samples: SampleSet, step_numbers: StepNumbers, from_Z: bool) -> None: ...
def apply_gradients(session: Session, arrays: list[NDArray[Any]], step_numbers: StepNumbers) -> None: ...
def output_gradient(loss: Objective, samples: SampleSet, gradient: NDArray[Any]) -> None: ...
