"""Derivatives of a network's outputs with respect to its inputs. It trusts its arguments; the library checks them."""

from typing import Any

from numpy.typing import NDArray

from fastbp.engine.array_reader import ArrayReader
from fastbp.engine.network import Network, Objective
from fastbp.engine.records import SampleSet

_Array = NDArray[Any]

class Derivatives:
    def __new__(
        cls,
        network: Network,
        n_stages: int = -1,
        activation: tuple[str, float] | None = None,
        curved: bool = False,
        part: str = "whole",
    ) -> Derivatives: ...
    @property
    def network(self) -> Network: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    def outputs(self, rows: ArrayReader, out: _Array, n_threads: int, logit: bool = False) -> None: ...
    def vjp(
        self,
        rows: ArrayReader,
        V: ArrayReader,
        outputs: _Array | None,
        derivatives: _Array,
        n_threads: int,
        logit: bool = False,
    ) -> None: ...
    def jvp(
        self,
        rows: ArrayReader,
        U: ArrayReader,
        outputs: _Array | None,
        derivatives: _Array,
        n_threads: int,
        logit: bool = False,
    ) -> None: ...
    def loss_gradients(self, samples: SampleSet, loss: Objective, derivatives: _Array, n_threads: int) -> None: ...
    def jacobian(
        self, rows: ArrayReader, derivatives: _Array, n_threads: int, logit: bool = False, by_outputs: bool = True
    ) -> None: ...
    def hessian_product(
        self,
        rows: ArrayReader,
        V: ArrayReader,
        U: ArrayReader,
        derivatives: _Array,
        gradients: _Array | None,
        n_threads: int,
        logit: bool = False,
    ) -> None: ...
    def laplacian(
        self,
        rows: ArrayReader,
        members: list[list[int]],
        slopes: ArrayReader | None,
        seconds: ArrayReader | None,
        derivatives: _Array,
        n_threads: int,
        logit: bool = False,
    ) -> None: ...
    def along_ways(
        self,
        starts: _Array,
        ends: _Array,
        places: _Array,
        weights: _Array,
        slopes: ArrayReader,
        sums: _Array,
        n_threads: int,
        logit: bool = False,
    ) -> None: ...

def begins_with_product(network: Network) -> bool: ...
def ends_with_product(network: Network) -> bool: ...
