"""The sum of all ranks' gradients in one step: each rank adds a slice in the order of the tree, and all get the sum."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.distributed.mpi import MPI, as_sent
from fastbp.engine.sharded_session import ShardedSession, subtrees

__all__ = ["Exchange", "shards_of", "sum_of_tree"]

Array = NDArray[Any]
Node = tuple[int, int]  # level, index

_LINE = 16  # slices begin at multiples of so many numbers


def shards_of(rank: int, n_ranks: int, n_shards: int) -> tuple[int, int]:
    """Return the first shard of a rank, and the one after its last."""
    return n_shards * rank // n_ranks, n_shards * (rank + 1) // n_ranks


def sum_of_tree(parts: dict[Node, Array], level: int, index: int, add: Callable[[Array, Array], None]) -> Array | None:
    """Return the sum of a node's samples, left child before right; None without samples. ``parts`` are added to."""
    if (level, index) in parts:
        return parts[level, index]
    if level == 0:
        return None
    left = sum_of_tree(parts, level - 1, 2 * index, add)
    right = sum_of_tree(parts, level - 1, 2 * index + 1, add)
    if left is None or right is None:
        return right if left is None else left
    add(left, right)
    return left


class Exchange:
    """What a session calls in each step, in the midst of it.

    Parameters
    ----------
    mpi : MPI
    n_shards : int
    wants_stop : callable
        Returns whether this rank wants training to stop.

    Attributes
    ----------
    stopping : bool
        Whether a rank wanted to stop before the latest step: then all leave without it.
    agreed : BaseException or None
        What all ranks raised in the latest step.
    """

    def __init__(self, mpi: MPI, n_shards: int, wants_stop: Callable[[], bool]) -> None:
        self._mpi, self._wants_stop = mpi, wants_stop
        self._depth = n_shards.bit_length() - 1
        self._nodes = [subtrees(*shards_of(rank, mpi.n_ranks, n_shards)) for rank in range(mpi.n_ranks)]
        self._most_nodes = max(len(nodes) for nodes in self._nodes)
        self.stopping = False
        self.agreed: BaseException | None = None

    def __call__(self, session: ShardedSession) -> None:
        """Put the sum of all shards into the session's root; or raise the same error on all ranks."""
        numbers, statistics, sums = session.root
        received = self._all_small_sums(session, len(statistics), len(sums))
        if self.stopping:
            session.leave()
            return
        self._add_small_sums(session, received, statistics, sums)
        self._add_gradients(session, numbers)

    def _all_small_sums(self, session: ShardedSession, n_statistics: int, n_sums: int) -> Array:
        """Return each rank's sums and statistics of its nodes: (n_ranks, nodes, n); errors and stops are agreed on."""
        n = n_sums + n_statistics
        message = np.zeros(2 + self._most_nodes * n)
        message[:2] = session.failure is not None, self._wants_stop()
        of_nodes = message[2:].reshape(self._most_nodes, n)
        for row, (_, _, _, statistics, sums) in zip(of_nodes, session.partials, strict=False):
            row[:n_sums], row[n_sums:] = sums, statistics
        received = self._mpi.all_numbers(message)
        if received[:, 0].any():
            self._raise(session.failure)
        if received[:, 1].any():
            self.stopping = True
        return received[:, 2:].reshape(self._mpi.n_ranks, self._most_nodes, n)

    def _raise(self, failure: BaseException | None) -> None:
        """Raise the error of the first rank that has one, which has the first samples."""
        errors = self._mpi.all_objects(failure and as_sent(failure), "the error of another rank")
        rank, error = next((rank, error) for rank, error in enumerate(errors) if error is not None)
        if not isinstance(error, Exception):  # such as Ctrl-C
            error = RuntimeError(f"rank {rank} was interrupted by {type(error).__name__}; all ranks end.")
        self.agreed = failure if rank == self._mpi.rank and failure is not None else error
        raise self.agreed

    def _add_small_sums(self, session: ShardedSession, received: Array, statistics: Array, sums: Array) -> None:
        n = len(sums)
        by_node = {
            node: row
            for nodes, rows in zip(self._nodes, received, strict=True)
            for node, row in zip(nodes, rows, strict=False)
            if session.has_samples(*node)
        }
        of_losses = sum_of_tree({node: row[:n] for node, row in by_node.items()}, self._depth, 0, _add)
        assert of_losses is not None  # no step is without samples
        sums[:] = of_losses
        if len(statistics):
            parts = {node: row[n:].astype(statistics.dtype) for node, row in by_node.items()}
            statistics[:] = sum_of_tree(parts, self._depth, 0, session.add)

    def _add_gradients(self, session: ShardedSession, whole: Array) -> None:
        mpi = self._mpi
        bounds = [len(whole) // _LINE * rank // mpi.n_ranks * _LINE for rank in range(mpi.n_ranks)] + [len(whole)]
        sizes = [end - start for start, end in itertools.pairwise(bounds)]
        own = [gradients for _, _, gradients, _, _ in session.partials]
        size = sizes[mpi.rank]
        sent = (
            own[0]
            if len(own) == 1
            else np.concatenate([part[start:end] for start, end in itertools.pairwise(bounds) for part in own])
        )
        received = mpi.scatter_slices(sent, [n * len(own) for n in sizes], [size * len(nodes) for nodes in self._nodes])
        nodes = [node for nodes in self._nodes for node in nodes]
        parts = {
            node: received[i * size : (i + 1) * size] for i, node in enumerate(nodes) if session.has_samples(*node)
        }
        total = sum_of_tree(parts, self._depth, 0, session.add)
        assert total is not None
        mpi.gather_slices(total, whole, sizes)


def _add(total: Array, x: Array) -> None:
    total += x
