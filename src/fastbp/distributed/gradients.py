"""The gradients of all ranks, of which each rank gets its slice of the sum: piece by piece, in the order of the tree.

A slice is cut into pieces of some rows of one array, at most ``_PIECE_BYTES``; biases come last. Round k has piece k of
every slice: so all ranks send and receive at the same time, and what has arrived takes little memory, whatever the size
of the network.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbp.distributed.mpi import MPI
from fastbp.engine.divided_session import DividedSession

__all__ = ["GradientSum", "pieces_of", "sum_of_tree"]

Array = NDArray[Any]
Node = tuple[int, int]  # level, index
Piece = tuple[int, int]  # the first of its numbers in the gradient, and the one after its last

_PIECE_BYTES = 128 * 1024
_ROOM_BYTES = 4 * 1024 * 1024  # for what has arrived and is not added yet
_WHAT = "the gradients of a step"


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


class GradientSum:
    """What a rank sends and receives of the gradients of one step.

    Parameters
    ----------
    mpi : MPI
    nodes : sequence of list of (int, int)
        The nodes of the tree of shards whose gradients each rank has.
    depth : int
        The level of the tree's root.
    """

    def __init__(self, mpi: MPI, nodes: Sequence[Sequence[Node]], depth: int) -> None:
        self._mpi, self._nodes, self._depth = mpi, nodes, depth
        self._pieces: list[list[Piece]] = []  # of each rank's slice
        self._room: Array | None = None  # [window][nodes of other ranks][most numbers of a piece]

    def add(self, session: DividedSession, whole: Array) -> None:
        """Put this rank's slice of the sum of all shards' gradients into ``whole``."""
        if not self._pieces:
            self._plan(session, whole.dtype)
        assert self._room is not None
        n_rounds, window = max(map(len, self._pieces)), len(self._room)
        nodes = [[node for node in of_rank if session.has_samples(*node)] for of_rank in self._nodes]
        own = {(level, index): gradients for level, index, gradients, *_ in session.partials}
        begun, requests = 0, []
        for k in range(n_rounds):
            while begun < min(k + window, n_rounds):
                requests.append(self._begin_round(begun, nodes, own))
                begun += 1
            self._mpi.wait(requests[k], _WHAT)
            requests[k] = []
            self._add_round(k, nodes, own, whole, session.add)

    def _plan(self, session: DividedSession, dtype: np.dtype[Any]) -> None:
        """Cut the slices into pieces, the same on all ranks."""
        n_nodes = sum(map(len, self._nodes))
        size = max(min(_PIECE_BYTES, _ROOM_BYTES // (2 * n_nodes)) // dtype.itemsize, 1)
        bounds = session.bounds
        self._pieces = [
            list(pieces_of(session.array_bounds, start, end, size)) for start, end in itertools.pairwise(bounds)
        ]
        largest = max((end - start for pieces in self._pieces for start, end in pieces), default=1)
        n_others = n_nodes - len(self._nodes[self._mpi.rank])
        window = max(_ROOM_BYTES // max(largest * n_others * dtype.itemsize, 1), 2)
        window = min(window, max(map(len, self._pieces)))
        self._room = np.empty((window, n_others, largest), dtype)

    def _begin_round(self, k: int, nodes: Sequence[Sequence[Node]], own: dict[Node, Array]) -> list[Any]:
        """Return the requests of round k: what arrives here, and what the other ranks get."""
        mpi, requests = self._mpi, []
        for (start, end), of_rank, rank in self._arriving(k):
            for node in nodes[rank]:
                requests += mpi.begin_receiving(of_rank[self._nodes[rank].index(node), : end - start], rank)
        for i in range(1, mpi.n_ranks):  # not all begin with the same one
            other = (mpi.rank + i) % mpi.n_ranks
            for start, end in self._pieces[other][k : k + 1]:
                for node in nodes[mpi.rank]:
                    requests += mpi.begin_sending(own[node][start:end], other)
        return requests

    def _arriving(self, k: int) -> list[tuple[Piece, Array, int]]:
        """Return piece k of this rank's slice with the room of each other rank's nodes; nothing after the last."""
        assert self._room is not None
        room, first, found = self._room[k % len(self._room)], 0, []
        for piece in self._pieces[self._mpi.rank][k : k + 1]:
            for rank, nodes in enumerate(self._nodes):
                if rank != self._mpi.rank:
                    found.append((piece, room[first : first + len(nodes)], rank))
                    first += len(nodes)
        return found

    def _add_round(
        self,
        k: int,
        nodes: Sequence[Sequence[Node]],
        own: dict[Node, Array],
        whole: Array,
        add: Callable[[Array, Array], None],
    ) -> None:
        """Add up piece k of this rank's slice, which has arrived from all."""
        for start, end in self._pieces[self._mpi.rank][k : k + 1]:
            parts = {node: own[node][start:end] for node in nodes[self._mpi.rank]}
            for _, of_rank, rank in self._arriving(k):
                for node in nodes[rank]:
                    parts[node] = of_rank[self._nodes[rank].index(node), : end - start]
            total = sum_of_tree(parts, self._depth, 0, add)
            assert total is not None
            whole[start:end] = total


def pieces_of(arrays: Sequence[tuple[int, int, int, bool]], start: int, end: int, size: int) -> list[Piece]:
    """Return the pieces of a slice: whole rows of one array, about ``size`` numbers; those of biases come last."""
    pieces: list[list[Piece]] = [[], []]
    for first, last, ld, is_bias in arrays:
        n = max(size // ld, 1) * ld
        a, b = max(first, start), min(last, end)
        pieces[is_bias] += [(place, min(place + n, b)) for place in range(a, b, n)]
    return pieces[0] + pieces[1]
