"""The gradients of all ranks, of which each rank gets its slice of the sum: piece by piece, in the order of the tree.

A slice is cut into pieces of some rows of one array, at most ``_PIECE_BYTES``; biases come last. Round k has piece k of
every slice: so all ranks send and receive at the same time, and what has arrived takes little memory, whatever the size
of the network. In long steps gradients are computed in this order too: a round begins while the next one is computed.
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
_ROWS_OF_THREAD = 48  # that are computed at once, at least, where gradients are sent on the way
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
    """What a rank sends and receives of the gradients of a step.

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
        self._rounds_after: list[int] = []  # rounds whose gradients are known after so many of `ahead`
        # Of the step under way:
        self._filled: list[list[Node]] = []  # the nodes of each rank that have samples
        self._own: dict[Node, Array] = {}
        self._requests: list[list[Any]] = []  # of the rounds that were begun
        self._n_added = 0  # rounds

    def ahead(self, session: DividedSession, n_threads: int) -> list[tuple[int, int, int]]:
        """Return the units of all stages in the order in which other ranks want their gradients: (stage, n0, n1).

        That is round by round, as many rounds together as make enough rows for the threads; of each the other ranks'
        pieces first, and then the own one.
        """
        self._plan(session)
        rank, n_ranks = self._mpi.rank, self._mpi.n_ranks
        arrays = [array for array in session.array_bounds if not array[4]]
        weights = [
            [(start, end) for start, end in pieces if any(first <= start < last for _, first, last, *_ in arrays)]
            for pieces in self._pieces
        ]
        together = -(-_ROWS_OF_THREAD * n_threads * max((ld for *_, ld, _ in arrays), default=1) // self._size)
        complete = min(map(len, weights))  # rounds without biases
        units: list[tuple[int, int, int]] = []
        self._rounds_after = [0]
        for k in range(0, max(map(len, weights)), together):
            for i in range(1, n_ranks + 1):
                units += _units_of(weights[(rank + i) % n_ranks][k : k + together], arrays)
            self._rounds_after += [self._rounds_after[-1]] * (len(units) - len(self._rounds_after))
            self._rounds_after.append(min(k + together, complete))
        return units

    def begin(self, session: DividedSession) -> None:
        """Before anything of a step is sent."""
        self._plan(session)
        self._filled = [[node for node in of_rank if session.has_samples(*node)] for of_rank in self._nodes]
        self._own = {(level, index): gradients for level, index, gradients, *_ in session.partials}
        self._requests, self._n_added = [], 0

    def advance(self, session: DividedSession, n_done: int) -> None:
        """Send what is known of the gradients while others are computed, and add up what has arrived."""
        self._begin_rounds(self._rounds_after[n_done])
        while self._n_added < len(self._requests) and self._mpi.test(self._requests[self._n_added], _WHAT):
            self._add_round(session)

    def finish(self, session: DividedSession) -> None:
        """Put this rank's slice of the sum of all shards' gradients into the session's root."""
        n_rounds = max(map(len, self._pieces))
        while self._n_added < n_rounds:
            self._begin_rounds(n_rounds)
            self._mpi.wait(self._requests[self._n_added], _WHAT)
            self._add_round(session)

    def _plan(self, session: DividedSession) -> None:
        """Cut the slices into pieces, the same on all ranks."""
        if self._pieces:
            return
        dtype = session.arriving.dtype
        n_nodes = sum(map(len, self._nodes))
        self._size = max(min(_PIECE_BYTES, _ROOM_BYTES // (2 * n_nodes)) // dtype.itemsize, 1)  # numbers of a piece
        arrays = [array[1:] for array in session.array_bounds]
        self._pieces = [pieces_of(arrays, start, end, self._size) for start, end in itertools.pairwise(session.bounds)]
        largest = max((end - start for pieces in self._pieces for start, end in pieces), default=1)
        n_others = n_nodes - len(self._nodes[self._mpi.rank])
        window = max(_ROOM_BYTES // max(largest * n_others * dtype.itemsize, 1), 2)
        self._room = np.empty((min(window, max(map(len, self._pieces))), n_others, largest), dtype)

    def _begin_rounds(self, n: int) -> None:
        """Begin the first n rounds, as far as there is room for what arrives."""
        assert self._room is not None
        while len(self._requests) < min(n, self._n_added + len(self._room)):
            self._requests.append(self._begin_round(len(self._requests)))

    def _begin_round(self, k: int) -> list[Any]:
        """Return the requests of round k: what arrives here, and what the other ranks get."""
        mpi, requests = self._mpi, []
        for (start, end), of_rank, rank in self._arriving(k):
            for node in self._filled[rank]:
                requests += mpi.begin_receiving(of_rank[self._nodes[rank].index(node), : end - start], rank)
        for i in range(1, mpi.n_ranks):  # not all begin with the same one
            other = (mpi.rank + i) % mpi.n_ranks
            for start, end in self._pieces[other][k : k + 1]:
                for node in self._filled[mpi.rank]:
                    requests += mpi.begin_sending(self._own[node][start:end], other)
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

    def _add_round(self, session: DividedSession) -> None:
        """Add up the next piece of this rank's slice, which has arrived from all."""
        k = self._n_added
        for start, end in self._pieces[self._mpi.rank][k : k + 1]:
            parts = {node: self._own[node][start:end] for node in self._filled[self._mpi.rank]}
            for _, of_rank, rank in self._arriving(k):
                for node in self._filled[rank]:
                    parts[node] = of_rank[self._nodes[rank].index(node), : end - start]
            total = sum_of_tree(parts, self._depth, 0, session.add)
            assert total is not None
            session.root[0][start:end] = total
        self._requests[k] = []
        self._n_added += 1


def pieces_of(arrays: Sequence[tuple[int, int, int, bool]], start: int, end: int, size: int) -> list[Piece]:
    """Return the pieces of a slice: whole rows of one array, about ``size`` numbers; those of biases come last."""
    pieces: list[list[Piece]] = [[], []]
    for first, last, ld, is_bias in arrays:
        n = max(size // ld, 1) * ld
        a, b = max(first, start), min(last, end)
        pieces[is_bias] += [(place, min(place + n, b)) for place in range(a, b, n)]
    return pieces[0] + pieces[1]


def _units_of(pieces: Sequence[Piece], arrays: Sequence[tuple[int, int, int, int, bool]]) -> list[tuple[int, int, int]]:
    """Return the units whose weights make up some pieces: (stage, n0, n1), those that follow each other as one."""
    found: list[tuple[int, int, int]] = []
    for start, end in pieces:
        stage, first, _, ld, _ = next(array for array in arrays if array[1] <= start < array[2])
        n0, n1 = (start - first) // ld, (end - first) // ld
        if found and found[-1][0] == stage and found[-1][2] == n0:
            n0 = found.pop()[1]
        found.append((stage, n0, n1))
    return found
