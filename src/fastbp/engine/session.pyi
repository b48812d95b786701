"""Training sessions. They trust their arguments; the library checks them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.network import Network, Objective, Targets
from fastbp.engine.rows import Rows

_Array: TypeAlias = NDArray[Any]
_Numbers: TypeAlias = Mapping[str, Any]  # a number, an array of one for each step, or a dictionary by layer
_OnTick: TypeAlias = Callable[[int, float], object]
_Progress: TypeAlias = tuple[int, float, NDArray[np.float64]]  # samples done, their weight, the sums over them
_Weights: TypeAlias = NDArray[np.float64] | None  # one a row

LARGEST_BATCH: int

class Session:
    n_steps: int
    n_threads: int
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
        weights: _Weights = None,
        n_batches: int = 1,
        subset: NDArray[np.int64] | None = None,
        so_far: _Progress | None = None,
        every_step: bool = False,
        outputs: _Array | None = None,
    ) -> tuple[float, list[NDArray[np.float64]]] | None: ...
    def rows_in_order(self) -> NDArray[np.int64] | None: ...
    def progress(self) -> _Progress | None: ...
    def step(self, rows: Rows, targets: Targets, numbers: _Numbers, weights: _Weights = None) -> float: ...
    def gradients(
        self,
        rows: Rows,
        targets: Targets,
        weights: _Weights = None,
        training: bool = False,
        subset: NDArray[np.int64] | None = None,
    ) -> tuple[float, list[tuple[_Array, ...]]]: ...
    @property
    def terms(self) -> float: ...
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
    rows: Rows,
    targets: Targets,
    loss: Objective,
    n_threads: int,
    weights: _Weights = None,
    training: bool = False,
    dropout_rates: Mapping[int, NDArray[np.float64]] | None = None,
) -> tuple[float, list[tuple[_Array, ...]]]: ...
