"""Training sessions. They trust their arguments; the library checks them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp._network import Network, Objective, Targets
from fastbp._rows import Rows

_Array: TypeAlias = NDArray[Any]
_Numbers: TypeAlias = Mapping[str, float | NDArray[np.float64]]
_OnTick: TypeAlias = Callable[[int, float], object]

LARGEST_BATCH: int

class Session:
    n_steps: int
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
    ) -> Session: ...
    def epoch(
        self,
        rows: Rows,
        targets: Targets,
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        numbers: _Numbers,
        on_tick: _OnTick | None = None,
    ) -> tuple[float, list[NDArray[np.float64]]]: ...
    def step(self, rows: Rows, targets: Targets, numbers: _Numbers) -> float: ...
    def gradients(
        self, rows: Rows, targets: Targets, training: bool = False
    ) -> tuple[float, list[tuple[_Array, ...]]]: ...
    def shares(self, batch_size: int) -> list[tuple[int, int]]: ...
    def get_state(self) -> list[tuple[str, _Array]]: ...
    def set_state(self, state: Sequence[tuple[str, _Array]]) -> None: ...

def gradients(
    network: Network, rows: Rows, targets: Targets, loss: Objective, n_threads: int, training: bool = False
) -> tuple[float, list[tuple[_Array, ...]]]: ...
