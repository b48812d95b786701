"""The native engine: networks, training sessions and the data they read. It trusts its arguments; the library checks them."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp._rows import Rows

Array: TypeAlias = NDArray[Any]
Numbers: TypeAlias = dict[str, float]
OnTick: TypeAlias = Callable[[int, float], object]

def work_limits(**changes: float) -> dict[str, float]: ...

class NonFinite(Exception):
    where: Literal["inputs", "targets", "loss", "weights"]
    batch: int
    row: int
    layer: int

Targets: TypeAlias = Rows | NDArray[np.int32]

class Network:
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_layers(self) -> int: ...
    @property
    def n_parameters(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    def __init__(self, n_inputs: int, layers: list[tuple[int, str, float]], dtype: str) -> None: ...
    def set_layer(self, i: int, W: Array, b: Array) -> None: ...
    def get_layer(self, i: int) -> tuple[Array, Array]: ...
    def forward(self, rows: Rows, out: Array, n_threads: int) -> None: ...
    def evaluate(
        self, rows: Rows, targets: Targets, loss: str, metrics: tuple[str, ...], n_threads: int
    ) -> tuple[float, list[NDArray[np.float64]]]: ...
    def gradients(
        self, rows: Rows, targets: Targets, loss: str, n_threads: int
    ) -> tuple[float, list[tuple[Array, Array]]]: ...

class Session:
    n_steps: int
    def __init__(
        self, network: Network, loss: str, metrics: tuple[str, ...], optimizer: str, n_threads: int
    ) -> None: ...
    def epoch(
        self,
        rows: Rows,
        targets: Targets,
        batch_size: int,
        shuffle: bool,
        seed: int,
        epoch: int,
        numbers: Numbers,
        on_tick: OnTick | None,
    ) -> tuple[float, list[NDArray[np.float64]]]: ...
    def step(self, rows: Rows, targets: Targets, numbers: Numbers) -> float: ...
    def get_state(self) -> list[tuple[str, Array]]: ...
    def set_state(self, state: Sequence[tuple[str, Array]]) -> None: ...
