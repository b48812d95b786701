"""The libraries that are compared: one module each, with a class for each command that it takes part in.

A module also has a function `versions`: the version of the library and of what does the work below it, by name.

Nothing is imported here: a library may only be loaded in the worker process that is its own.
"""

import importlib
import importlib.util
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..workloads import Workload


class Peer(Protocol):
    """What a peer's class provides that trains. Its constructor takes (workload, dtype, n_threads), holds the data."""

    settings: str  # how the library was set up, for the report
    note: str  # how its computation differs from the others', or ""; if it does, its losses are not compared

    def reset(self, weights: list[np.ndarray]) -> None:
        """Start again from these weights, with a new optimizer."""

    def train(self, n_batches: int, epochs: int, shuffle: bool) -> list[float]:
        """Train on the first `n_batches` batches of the data; return the mean loss of each epoch."""


class Predictor(Protocol):
    """What a peer's class provides that predicts. Its constructor takes (workload, dtype, n_threads)."""

    settings: str
    note: str

    def reset(self, weights: list[np.ndarray]) -> None:
        """Take these weights."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The probabilities of a batch: from a NumPy array to a NumPy array. The next call may overwrite them."""


class Entry(NamedTuple):
    """Where a peer is found."""

    class_names: dict[str, str]  # by command
    import_names: tuple[str, ...]
    pip_name: str
    module: str = ""  # of this package; as the peer is called, if empty
    asked: bool = False  # takes part only where it is named


def _both(prefix: str) -> dict[str, str]:
    return {"training": f"{prefix}Peer", "predict": f"{prefix}Predictor"}


def _all(prefix: str) -> dict[str, str]:
    return {**_both(prefix), "costs": f"{prefix}CostPeer"}


PEERS = {
    "fastbp": Entry(_all("Fastbp"), ("fastbp",), "fastbp (from the repository root: pip install .)"),
    "numpy": Entry(_both("Numpy"), ("numpy",), "numpy"),
    "sklearn": Entry(_both("Sklearn"), ("sklearn",), "scikit-learn"),
    "torch": Entry(_all("Torch"), ("torch",), "torch"),
    "jax": Entry(_both("Jax"), ("jax",), "jax"),
    "onnxruntime": Entry({"predict": "OnnxruntimePredictor"}, ("onnxruntime", "onnx"), "onnxruntime onnx"),
    "fastbp-bf16": Entry(_both("FastbpNarrow"), ("fastbp",), "fastbp", "fastbp_peer", asked=True),
    "torch-bf16": Entry(_both("TorchAutocast"), ("torch",), "torch", "torch_peer", asked=True),
}


def peers_of(command: str) -> list[str]:
    """The peers that can take part in a command."""
    return [name for name, entry in PEERS.items() if command in entry.class_names]


def usual_peers_of(command: str) -> list[str]:
    """The peers that take part where none is named."""
    return [name for name in peers_of(command) if not PEERS[name].asked]


def is_installed(name: str) -> bool:
    """Whether all that the peer needs can be found, without importing it."""
    return all(importlib.util.find_spec(module) is not None for module in PEERS[name].import_names)


def make_peer(command: str, name: str, workload: Workload, dtype: str, n_threads: int) -> Any:
    """Import the peer's library and set it up for a workload: a `Peer`, or for the command predict a `Predictor`."""
    return getattr(_module(name), PEERS[name].class_names[command])(workload, dtype, n_threads)


def versions(name: str) -> dict[str, str]:
    """What the peer's module says of the library."""
    return _module(name).versions()


def _module(name: str) -> Any:
    return importlib.import_module(f".{PEERS[name].module or name + '_peer'}", __name__)
