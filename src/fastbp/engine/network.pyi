"""A network's parameters, and forward passes. It trusts its arguments; the library checks them."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.errors import Interrupted as Interrupted
from fastbp.engine.errors import NonFinite as NonFinite
from fastbp.engine.features import Features
from fastbp.engine.records import SampleSet
from fastbp.engine.records import Targets as Targets

_Array: TypeAlias = NDArray[Any]

# A loss: its name; or its name and its parameters, which a factor may follow and the l2 of a penalty (see Session); or
# a function that a training session asks.
Objective: TypeAlias = (
    str
    | tuple[str, tuple[float, ...]]
    | tuple[str, tuple[float, ...], float, float]
    | Callable[[_Array, _Array], tuple[NDArray[np.float64], NDArray[np.float64]]]
)

# A stage: its kind and its numbers, as Network's docstring says.
Spec: TypeAlias = dict[str, Any] | tuple[int, str, float] | tuple[str, float]

class Network:
    interrupted: bool
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
    def __new__(cls, n_inputs: int, layers: Sequence[Spec], dtype: str) -> Network: ...
    def set_features(self, features: Features | None, target_features: Features | None) -> None: ...
    def set_layer(self, i: int, *arrays: _Array) -> None: ...
    def get_layer(self, i: int) -> tuple[_Array, ...]: ...
    def set_arrays(self, arrays: Sequence[_Array]) -> None: ...
    def get_arrays(self) -> list[_Array]: ...
    @property
    def n_writings(self) -> int: ...
    def at_rest(self) -> contextlib.AbstractContextManager[None]: ...
    def parameter_views(self) -> list[_Array]: ...
    def blend(self, source: Network, tau: float) -> None: ...
    def penalty(self) -> float: ...
    def forward(self, rows: ArrayReader, out: _Array, n_threads: int, narrow: bool = False) -> None: ...
    def evaluate(
        self,
        samples: SampleSet,
        loss: Objective,
        metrics: tuple[str, ...],
        n_threads: int,
        outputs: _Array | None = None,
        narrow: bool = False,
    ) -> tuple[float, list[NDArray[np.float64]]]: ...
    @property
    def group_samples(self) -> int: ...
    def n_groups(self, n_samples: int) -> int: ...
    def score_groups(
        self,
        samples: SampleSet,
        loss: Objective,
        metrics: tuple[str, ...],
        n_threads: int,
        first: int,
        end: int,
        outputs: _Array | None = None,
        narrow: bool = False,
    ) -> NDArray[np.float64]: ...
    def sum_groups(
        self, samples: SampleSet, loss: Objective, metrics: tuple[str, ...], slots: NDArray[np.float64]
    ) -> tuple[float, list[NDArray[np.float64]]]: ...
