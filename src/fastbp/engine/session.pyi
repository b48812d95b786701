"""Training sessions. They trust their arguments; the library checks them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.network import Network, Objective
from fastbp.engine.records import EpochPlan, Progress, SampleSet, StepNumbers

_Array: TypeAlias = NDArray[Any]

LARGEST_BATCH: int

class Session:
    n_steps: int
    n_threads: int
    dropout_mask: int
    @property
    def network(self) -> Network: ...
    @property
    def loss(self) -> Objective: ...
    @property
    def last_team(self) -> int: ...
    def __new__(
        cls,
        network: Network,
        loss: Objective,
        metrics: tuple[str, ...],
        optimizer: str,
        n_threads: int,
        seed: int = 0,
        narrow: bool = False,
    ) -> Session: ...
    def epoch(self, samples: SampleSet, plan: EpochPlan) -> tuple[float, list[NDArray[np.float64]]] | None:
        """Train on all samples once.

        Returns
        -------
        (float, list of ndarray) or None
            The mean loss, each batch before its update, and the sums of each metric. None where on_tick left the epoch.
        """
    def rows_in_order(self) -> NDArray[np.int64] | None: ...
    def progress(self, epoch: int) -> Progress | None: ...
    def forget_progress(self) -> None: ...
    def n_sums(self, n_targets: int) -> int: ...
    def step(
        self, samples: SampleSet, step_numbers: StepNumbers, losses: NDArray[np.float64] | None = None
    ) -> float: ...
    def gradients(
        self, samples: SampleSet, training: bool = False, on_look: Callable[[], object] | None = None
    ) -> tuple[float, list[tuple[_Array, ...]]]: ...
    @property
    def terms_per_sample(self) -> float: ...
    @property
    def n_averaged(self) -> int: ...
    def average(self) -> None: ...
    def get_averages(self) -> list[_Array]: ...
    def set_averages(self, averages: Sequence[_Array], n_averaged: int) -> None: ...
    def shares(self, batch_size: int) -> list[tuple[int, int]]: ...
    def get_state(self) -> list[tuple[str, _Array]]: ...
    def set_state(self, state: Sequence[tuple[str, _Array]]) -> None: ...

def gradients(
    network: Network,
    samples: SampleSet,
    loss: Objective,
    n_threads: int,
    training: bool = False,
    dropout_rates: Mapping[int, NDArray[np.float64]] | None = None,
) -> tuple[float, list[tuple[_Array, ...]]]: ...
