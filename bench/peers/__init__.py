"""The libraries that are compared: one module each, one class each, all with the methods of `Peer`.

Nothing is imported here: a library may only be loaded in the worker process that is its own.
"""

import importlib
import importlib.util
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..workloads import Workload


class Peer(Protocol):
    """What a peer's class provides. Its constructor takes (workload, dtype, n_threads) and holds the data."""

    settings: str  # how the library was set up, for the report
    note: str  # how its computation differs from the others', or ""; if it does, its losses are not compared

    def reset(self, weights: list[np.ndarray]) -> None:
        """Start again from these weights, with a new optimizer."""

    def train(self, n_batches: int, epochs: int, shuffle: bool) -> list[float]:
        """Train on the first `n_batches` batches of the data; return the mean loss of each epoch."""

    def versions(self) -> dict[str, str]:
        """Version of the library and of what does the work below it."""


class Entry(NamedTuple):
    """Where a peer is found."""

    class_name: str
    import_name: str
    pip_name: str


PEERS = {
    "fastbp": Entry("FastbpPeer", "fastbp", "fastbp (from the repository root: pip install .)"),
    "numpy": Entry("NumpyPeer", "numpy", "numpy"),
    "sklearn": Entry("SklearnPeer", "sklearn", "scikit-learn"),
    "torch": Entry("TorchPeer", "torch", "torch"),
    "jax": Entry("JaxPeer", "jax", "jax"),
}


def is_installed(name: str) -> bool:
    """Whether the peer's library can be found, without importing it."""
    return importlib.util.find_spec(PEERS[name].import_name) is not None


def make_peer(name: str, workload: Workload, dtype: str, n_threads: int) -> Any:
    """Import the peer's library and set it up for a workload."""
    module = importlib.import_module(f".{name}_peer", __name__)
    return getattr(module, PEERS[name].class_name)(workload, dtype, n_threads)
