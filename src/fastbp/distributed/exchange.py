"""One step of all ranks: each adds a slice of the gradient in the order of the tree, and updates that slice for all."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from fastbp.distributed.gradients import GradientSum, sum_of_tree
from fastbp.distributed.mpi import MPI, NUMBERS, as_sent
from fastbp.engine.divided_session import DividedSession
from fastbp.engine.sharded_session import subtrees

__all__ = ["Exchange", "shards_of"]

Array = NDArray[Any]
Result = TypeVar("Result")

_HEADER = 3  # numbers before the sums of a step: whether the rank failed, whether it wants to stop, its samples


def shards_of(rank: int, n_ranks: int, n_shards: int) -> tuple[int, int]:
    """Return the first shard of a rank, and the one after its last.

    A rank sends the gradient of each whole subtree that its shards are made of. So ranks begin at multiples of the
    largest power of two with which none has over an eighth more shards than its share: that makes few subtrees.
    """
    most = max(-(-n_shards // n_ranks), 9 * n_shards // (8 * n_ranks))
    size = n_shards
    while True:
        bounds = [n_shards // size * i // n_ranks * size for i in range(n_ranks + 1)]
        if size == 1 or (min(_sizes(bounds)) > 0 and max(_sizes(bounds)) <= most):
            return bounds[rank], bounds[rank + 1]
        size //= 2


class Exchange:
    """What a session calls in each step, in the midst of it, and who gathers what is divided among the ranks.

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
    failing_rank : int
        The rank that had that error.
    deferred : Exception or None
        What a callback of this rank has raised after the latest step: all ranks raise it where they next meet.
    joined : bool
        Whether this rank has come to the exchange of the step under way.
    serving : bool
        Whether a call of ``fit`` is under way.
    """

    def __init__(self, mpi: MPI, n_shards: int, wants_stop: Callable[[], bool]) -> None:
        self._mpi, self._wants_stop = mpi, wants_stop
        self._depth = n_shards.bit_length() - 1
        self._nodes = [subtrees(*shards_of(rank, mpi.n_ranks, n_shards)) for rank in range(mpi.n_ranks)]
        self._most_nodes = max(len(nodes) for nodes in self._nodes)
        self.stopping = self.serving = self.joined = False
        self.failing_rank = -1
        self._gradients = GradientSum(mpi, self._nodes, self._depth)
        self._small: tuple[Array, list[Any]] | None = None  # the small sums of all, when they have arrived
        self.agreed: BaseException | None = None
        self.deferred: Exception | None = None

    def begin(self) -> None:
        """Before a call of ``fit``, or a single step: nothing has happened yet."""
        self.stopping = self.joined = False
        self.agreed, self.failing_rank, self._small, self.deferred = None, -1, None, None

    # ------------------------------------------------------------------------------------------------ in a step

    def sum_samples(self, session: DividedSession) -> None:
        """Put the sum of all shards into the session's root, or raise the same error on all ranks."""
        _, statistics, sums = session.root
        received = self._all_small_sums(session, len(statistics) + len(sums))
        if self.stopping:
            session.leave()
            return
        if session.has_samples(self._depth, 0):  # by the chance of privacy a step may have none
            self._add_small_sums(session, received, statistics, sums)
            self._gradients.finish(session)

    def share_squares(self, session: DividedSession) -> None:
        """Complete the squares of the gradient's rows."""
        start, end = session.row_bounds[self._mpi.rank : self._mpi.rank + 2]
        squares = session.row_squares
        self._mpi.gather_slices(squares[start:end].copy(), squares, _sizes(session.row_bounds), "the norms of a step")

    def share_parameters(self, session: DividedSession) -> None:
        """Put the new parameters of all ranks into the place of the gradients."""
        self._mpi.gather_slices(session.fresh, session.arriving, _sizes(session.bounds), "the weights of a step")

    def ahead(self, session: DividedSession, n_threads: int) -> list[tuple[int, int, int]]:
        """Return the units of all stages in the order in which other ranks want their gradients."""
        return self._gradients.ahead(session, n_threads)

    def advance(self, session: DividedSession, n_done: int) -> bool:
        """While gradients are computed, send those that are, once no rank gives the step up. False: it does."""
        if self._small is None:
            self._begin_small_sums(session)
            return True
        received, requests = self._small
        if not self._mpi.test(requests, NUMBERS):
            return True
        if received[:, :2].any() or (received[:, 2] != received[0, 2]).any():
            return False
        self._gradients.advance(session, n_done)
        return True

    def _begin_small_sums(self, session: DividedSession) -> None:
        """Send sums and statistics of this rank's nodes, and whether it fails or wants to stop, to all.

        With that the rank has come to the exchange, whatever ends its step from here on.
        """
        _, statistics, sums = session.root
        n_sums, n = len(sums), len(sums) + len(statistics)
        message = np.zeros(_HEADER + self._most_nodes * n)
        message[:_HEADER] = self._failure(session) is not None, self._wants_stop(), session.n_samples
        of_nodes = message[_HEADER:].reshape(self._most_nodes, n)
        for row, (_, _, _, of_node, sums_of_node) in zip(of_nodes, session.partials, strict=False):
            row[:n_sums], row[n_sums:] = sums_of_node, of_node
        self.joined = True
        self._small = self._mpi.begin_all_numbers(message)
        self._gradients.begin(session)

    def _all_small_sums(self, session: DividedSession, n: int) -> Array:
        """Return each rank's sums and statistics of its nodes: (n_ranks, nodes, n); errors and stops are agreed on."""
        if self._small is None:
            self._begin_small_sums(session)
        assert self._small is not None
        received, requests = self._small
        self._small = None
        self._mpi.wait(requests, NUMBERS)
        if received[:, 0].any():
            self._raise(self._failure(session))
        self._check_sizes(received[:, 2])
        if received[:, 1].any():
            self.stopping = True
        return received[:, _HEADER:].reshape(self._mpi.n_ranks, self._most_nodes, n)

    def _failure(self, session: DividedSession) -> BaseException | None:
        """Return why this rank gives the step up, if it does."""
        return session.failure if self.deferred is None else self.deferred

    def _check_sizes(self, sizes: Array) -> None:
        """Refuse a step that has other samples on one rank than on the others, on all ranks."""
        others = np.flatnonzero(sizes != sizes[0])
        if len(others):
            self.agreed = ValueError(
                f"the step has {int(sizes[0])} samples on rank 0 and {int(sizes[others[0]])} on rank {others[0]}; "
                "expected the same batch on all ranks. Each takes its own rows of it."
            )
            raise self.agreed

    def give_up(self, session: DividedSession, failure: BaseException) -> NoReturn:
        """Come to the exchange of a single step that this rank cannot make: all raise its error, none waits for it."""
        n_sums = 1  # its loss; a single step has no metrics
        message = np.zeros(_HEADER + self._most_nodes * (n_sums + session.n_statistics))
        message[0] = 1
        self.joined = True
        self._mpi.all_numbers(message)
        self._raise(failure)

    def explained(self, explain: Callable[[], NoReturn]) -> NoReturn:
        """Let the rank that failed in the latest step raise what it knows of the reason, and all ranks with it."""
        self.together(lambda: explain() if self.failing_rank in (-1, self.rank) else None)
        raise AssertionError("the rank that failed has not said why")

    def _raise(self, failure: BaseException | None) -> NoReturn:
        """Raise the error of the first rank that has one, which has the first samples."""
        errors = self._mpi.all_objects(failure and as_sent(failure), "the error of another rank")
        rank, error = next((rank, error) for rank, error in enumerate(errors) if error is not None)
        self.failing_rank, self.deferred = rank, None
        if not isinstance(error, Exception):  # such as Ctrl-C
            error = RuntimeError(f"rank {rank} was interrupted by {type(error).__name__}; all ranks end.")
        is_own = failure is not None and rank == self.rank
        agreed: BaseException = cast("BaseException", failure) if is_own else error
        agreed.add_note(f"This is of rank {rank} of {self.n_ranks}; all ranks raise it.")
        self.agreed = agreed
        if is_own:
            raise agreed
        raise agreed from None

    def _add_small_sums(self, session: DividedSession, received: Array, statistics: Array, sums: Array) -> None:
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

    # ------------------------------------------------------------------------------------------ outside of steps

    @property
    def rank(self) -> int:
        """The number of this rank."""
        return self._mpi.rank

    @property
    def n_ranks(self) -> int:
        """The number of ranks."""
        return self._mpi.n_ranks

    def together(self, compute: Callable[[], Result]) -> Result:
        """Return what ``compute`` returns; where it raises on a rank, raise the same error on all ranks."""
        failure, result = None, None
        try:
            result = compute()
        except BaseException as error:
            failure = error
        if self._mpi.all_numbers(np.array([failure is not None], np.float64)).any():
            self._raise(failure)
        return cast("Result", result)

    def of_first(self, compute: Callable[[], Result], what: str) -> Result:
        """Return what ``compute`` returns on rank 0, the only one that calls it; its error is raised on all ranks."""
        result, failure = None, None
        if self.rank == 0:
            try:
                result = compute()
            except BaseException as error:
                failure = error
        result, of_first = self._mpi.from_first((result, failure and as_sent(failure)), what)
        if of_first is not None:
            self.failing_rank = 0
            self.agreed = of_first if failure is None else failure
            raise self.agreed
        return cast("Result", result)

    def join_parts(self, n: int, compute: Callable[[int, int], Array]) -> Array:
        """Return the rows 0..n, of which each rank computes some: compute(first, end) returns those of its part."""
        bounds = [n * rank // self.n_ranks for rank in range(self.n_ranks + 1)]
        part = self.together(lambda: compute(bounds[self.rank], bounds[self.rank + 1]))
        whole = np.empty((n, *part.shape[1:]), part.dtype)
        width = whole.size // n
        self._mpi.gather_slices(
            part.reshape(-1), whole.reshape(-1), [width * rows for rows in _sizes(bounds)], "the figures of all ranks"
        )
        return whole

    def join_rows(self, rows: Array, size: int) -> None:
        """Complete an array of which each rank has the rows of its part, where a part counts in blocks of ``size``."""
        n_blocks = -(-len(rows) // size)
        bounds = [min(n_blocks * rank // self.n_ranks * size, len(rows)) for rank in range(self.n_ranks + 1)]
        own = rows[bounds[self.rank] : bounds[self.rank + 1]].copy()
        counts = [rows.shape[1] * n for n in _sizes(bounds)]
        self._mpi.gather_slices(own.reshape(-1), rows.reshape(-1), counts, "the outputs of all ranks")

    def all_objects(self, thing: object, what: str) -> list[Any]:
        """Return the object of each rank."""
        return self._mpi.all_objects(thing, what)

    # ------------------------------------------------------------------------------------------ what is divided

    def gathered_state(self, session: DividedSession) -> list[tuple[str, Array]]:
        """Return the optimizer's whole state: to rank 0 in a call of ``fit``, else to all ranks, which all call this.

        Raises
        ------
        RuntimeError
            If this is another rank than 0, in a call of ``fit``.
        """
        own = session.own_states()
        if self.serving and self._mpi.rank > 0:
            raise RuntimeError(
                f"the state of training is asked for on rank {self._mpi.rank} inside of fit; expected that on rank 0, "
                "where callbacks run, or on all ranks after it. Each rank has a part of the optimizer's state."
            )
        numbers = np.concatenate([np.empty(0, session.arriving.dtype), *(array for _, array in own)])
        counts = [n * len(own) for n in _sizes(session.bounds)]
        what = "the optimizer's state of all ranks"
        if self.serving:
            received = self._mpi.ask(numbers, counts, what)
        else:
            received = np.empty(sum(counts), numbers.dtype)
            self._mpi.gather_slices(numbers, received, counts, what)
        of_ranks = np.split(received, np.cumsum(counts)[:-1])
        whole: Any = np.concatenate([part.reshape(len(own), -1) for part in of_ranks], axis=1) if own else []
        return session.join_states(zip((name for name, _ in own), whole, strict=True))

    def serve(self, session: DividedSession | None) -> None:
        """From now on send this rank's state whenever rank 0 asks for it while this one waits; None: no longer."""
        self.serving = session is not None
        self._mpi.answer = None if session is None else lambda: [array for _, array in session.own_states()]


def _sizes(bounds: Sequence[int]) -> list[int]:
    return [end - start for start, end in itertools.pairwise(bounds)]


def _add(total: Array, x: Array) -> None:
    total += x
