"""The ranks of one MPI job, and how they talk: every wait has an end, and no sum is left to MPI."""

from __future__ import annotations

import atexit
import itertools
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastbp.support.checks import check_number, sentence

__all__ = ["MPI", "as_sent"]

Array = NDArray[Any]

_SPIN_SECONDS = 0.0005  # a wait this long costs less than to sleep and be woken up
_SLEEP_SECONDS = 0.0001
_PIECE_BYTES = 128 * 1024  # of an array on its way: MPI sends so few at once, without asking the receiver first
_MOST_PIECES = 256
NUMBERS = "the numbers of a step"  # what all_numbers and begin_all_numbers bring
_GRACE_SECONDS = 2.0  # before a job ends, for ranks that are about to find out too
_MEETING_SECONDS = 15.0  # how long a rank that fails waits for the others to fail too


class LostRankError(TimeoutError):
    """Another rank did not come."""


class MPI:
    """The processes of an MPI job, for ``fb.Trainer(distributed=...)``: data-parallel training with one result.

    Every rank runs the same script with the same data, such as ``mpiexec -n 4 python train.py``. A step's batch is cut
    into ``shards``; each rank computes the gradients of consecutive shards; they are added in one fixed order, whoever
    adds them. So the trained weights have the same bits with any number of ranks, one included.

    Every rank reads the same files, or its own parts of the data (``Part``), and has the whole model. It updates a part
    of that, and has the optimizer's state of it; validation is divided too. Callbacks and the progress bar run on
    rank 0, which also writes checkpoints; what callbacks change there, weights, optimizer, stop, is taken over by all
    after the epoch.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm or None, default None
        The processes; None means all of the job, ``COMM_WORLD``. A copy of it is used.
    timeout : float, default 300.0
        Seconds after which a rank that waits for another one ends the job. More than any rank's validation takes.

    Raises
    ------
    ImportError
        If mpi4py, or the MPI that it needs, is not installed.
    TypeError, ValueError
        If an argument is not one of the above.

    Examples
    --------
    >>> import fastbp as fb
    >>> mpi = fb.distributed.MPI()  # doctest: +SKIP
    >>> trainer = fb.Trainer(model, loss="mse", batch_size=4096, shards=64, distributed=mpi)  # doctest: +SKIP
    """

    def __init__(self, comm: Any = None, timeout: float = 300.0) -> None:
        library = _import_mpi()
        self.timeout = check_number(timeout, "timeout", above=0)
        if comm is not None and not isinstance(comm, library.Intracomm):
            raise TypeError(sentence("comm", comm, "an mpi4py.MPI.Intracomm, such as COMM_WORLD, or None"))
        self._library = library
        comm = library.COMM_WORLD if comm is None else comm
        self._comm, self._meeting, self._asking = comm.Dup(), comm.Dup(), comm.Dup()
        self._lost: LostRankError | None = None  # once a rank is lost nobody waits again
        self.answer: Callable[[], Sequence[Array]] | None = None  # what rank 0 gets when it asks
        self.rank: int = self._comm.Get_rank()
        self.n_ranks: int = self._comm.Get_size()

    def __repr__(self) -> str:
        return f"MPI(rank={self.rank}, n_ranks={self.n_ranks}, timeout={self.timeout:g})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an fb.distributed.MPI cannot be copied or pickled; expected one made on each rank.")

    # ------------------------------------------------------------------------------------------------- numbers

    def all_numbers(self, numbers: Array) -> Array:
        """Return the same number of float64 from each rank: (n_ranks, n)."""
        received, requests = self.begin_all_numbers(numbers)
        self.wait(requests, NUMBERS)
        return received

    def begin_all_numbers(self, numbers: Array) -> tuple[Array, list[Any]]:
        """Return the array that the numbers of all ranks go into, and the requests after which they are there."""
        received = np.empty((self.n_ranks, len(numbers)))
        return received, [self._comm.Iallgather(numbers, received)]

    def test(self, requests: list[Any], what: str) -> bool:
        """Return whether requests are done; MPI goes on with all that there are meanwhile.

        Where MPI tells that a rank has ended, that is a lost rank too.
        """
        try:
            return bool(self._library.Request.Testall(requests))
        except self._library.Exception as error:
            raise LostRankError(
                f"rank {self.rank} of {self.n_ranks} waited for {what}, and MPI says: {error}; expected all ranks to "
                "come. Another rank has ended."
            ) from error

    def begin_sending(self, array: Array, other: int) -> list[Any]:
        """Return the requests of sending an array to another rank, which stays as it is until they are done."""
        return [self._comm.Isend([piece, self._library.BYTE], other) for piece in _pieces(array)]

    def begin_receiving(self, array: Array, other: int) -> list[Any]:
        """Return the requests of receiving an array from another rank."""
        return [self._comm.Irecv([piece, self._library.BYTE], other) for piece in _pieces(array)]

    def gather_slices(self, part: Array, whole: Array, counts: Sequence[int], what: str) -> None:
        """Put the part of each rank q, of counts[q] numbers, one after the other into ``whole``, on each rank."""
        to_here = _parts(whole, counts)
        to_here[self.rank][:] = part
        self._pass([part] * self.n_ranks, to_here, what)

    def _pass(self, from_here: Sequence[Array], to_here: Sequence[Array], what: str) -> None:
        """Send an array to each other rank and receive one from each, in pieces.

        MPI's own Ialltoallv took twice as long over TCP, and at times a hundred times as long.
        """
        requests = []
        others = [(self.rank + i) % self.n_ranks for i in range(1, self.n_ranks)]  # not all begin with the same one
        for other in reversed(others):
            requests += self.begin_receiving(to_here[other], other)
        for other in others:
            requests += self.begin_sending(from_here[other], other)
        self.wait(requests, what)

    def ask(self, part: Array, counts: Sequence[int], what: str) -> Array:
        """On rank 0 alone: return the parts of all ranks, one after the other, from what ``answer`` is there.

        The others send theirs as soon as they wait for anything. Who has nothing is not asked: nobody would wait for
        that, and where it has something by the time that it notices, the next answer would be an old one.
        """
        received = np.empty(sum(counts), part.dtype)
        to_here = _parts(received, counts)
        to_here[0][:] = part
        requests = []
        for other in np.flatnonzero(counts[1:]) + 1:
            requests += [self._asking.Irecv([piece, self._library.BYTE], other) for piece in _pieces(to_here[other])]
            requests.append(self._asking.Isend(np.zeros(1), other))
        self.wait(requests, what)
        return received

    def _answer_if_asked(self, answer: Callable[[], Sequence[Array]]) -> None:
        if not self._asking.Iprobe(0):
            return
        self._asking.Recv(np.empty(1), 0)
        arrays = answer()
        numbers = np.concatenate(arrays) if arrays else np.empty(0)
        self.answer = None  # this waits, and is asked once
        try:
            requests = [self._asking.Isend([piece, self._library.BYTE], 0) for piece in _pieces(numbers)]
            self.wait(requests, "rank 0 to take the optimizer's state")
        finally:
            self.answer = answer

    # ------------------------------------------------------------------------------------------------- objects

    def all_objects(self, thing: object, what: str) -> list[Any]:
        """Return the object of each rank."""
        data = np.frombuffer(pickle.dumps(thing), np.uint8)
        sizes = np.empty(self.n_ranks, np.int64)
        self.wait([self._comm.Iallgather(np.array([len(data)], np.int64), sizes)], what)
        received = np.empty(sizes.sum(), np.uint8)
        parts = _parts(received, [int(n) for n in sizes])
        parts[self.rank][:] = data
        self._pass([data] * self.n_ranks, parts, what)
        return [pickle.loads(part.tobytes()) for part in parts]

    def from_first(self, thing: object, what: str) -> Any:
        """Return the object of rank 0."""
        size = np.zeros(1, np.int64)
        data = np.empty(0, np.uint8)
        if self.rank == 0:
            data = np.frombuffer(pickle.dumps(thing), np.uint8).copy()
            size[0] = len(data)
        self.wait([self._comm.Ibcast(size, 0)], what)
        if self.rank > 0:
            data = np.empty(size[0], np.uint8)
        self.wait([self._comm.Ibcast([data, self._library.BYTE], 0)], what)
        return thing if self.rank == 0 else pickle.loads(data.tobytes())

    def meet(self, what: str) -> None:
        """Return when all ranks have come here; where one does not, raise, and end the job with this process."""
        try:
            self.wait([self._comm.Ibarrier()], what)
        except LostRankError as error:
            self.fail(error)
            raise

    # ------------------------------------------------------------------------------------------------- failures

    def fail(self, error: BaseException) -> None:
        """Return when all ranks have come here, each with an error; or else let the job end with this process.

        That is when this process ends, with code 1 and without MPI_Finalize, which would wait for the others: so what
        the caller raises can be caught, and the program can still write what it has.
        """
        alone = isinstance(error, LostRankError)
        if not alone:
            request = self._meeting.Ibarrier()
            deadline = time.monotonic() + min(self.timeout / 2, _MEETING_SECONDS)  # before the others stop waiting
            while not (request.Test() or alone):
                alone = time.monotonic() > deadline
                time.sleep(0.01)
        if alone and self._lost is None:
            self._lost = error if isinstance(error, LostRankError) else LostRankError("This rank has failed alone.")
            print(f"fastbp: rank {self.rank} of {self.n_ranks} failed alone and ends the job.", file=sys.stderr)
            sys.stderr.flush()
            atexit.register(self._end_job)

    @property
    def lost(self) -> bool:
        """Whether another rank is lost, or this one has failed alone: then the job ends with this process."""
        return self._lost is not None

    def _end_job(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(_GRACE_SECONDS if self.timeout > _GRACE_SECONDS else 0)
        self._comm.Abort(1)

    def wait(self, requests: list[Any], what: str) -> None:
        """Wait until requests are done; signals are handled meanwhile."""
        if self._lost is not None:
            raise self._lost
        start = time.monotonic()
        while not self.test(requests, what):
            waited = time.monotonic() - start
            if waited > self.timeout:
                raise LostRankError(
                    f"rank {self.rank} of {self.n_ranks} waited {waited:.0f} seconds for {what}; expected all ranks to "
                    f"come within timeout={self.timeout:g}. Another rank has ended, hangs, or does not call fit."
                )
            if self.answer is not None and self.rank > 0:
                self._answer_if_asked(self.answer)
            time.sleep(0 if waited < _SPIN_SECONDS else _SLEEP_SECONDS)


def _parts(array: Array, counts: Sequence[int]) -> list[Array]:
    """Return views of an array's parts of so many numbers, one after the other."""
    ends = list(itertools.accumulate(counts))
    return [array[end - count : end] for end, count in zip(ends, counts, strict=True)]


def _pieces(array: Array) -> list[Array]:
    """Return an array's bytes in pieces that are sent one by one."""
    data = array.view(np.uint8)
    size = max(_PIECE_BYTES, -(-len(data) // _MOST_PIECES))
    return [data[start : start + size] for start in range(0, len(data), size)]


def as_sent(error: BaseException) -> BaseException:
    """Return an error that another rank can receive: itself, or one with its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _import_mpi() -> Any:
    """Return mpi4py's module."""
    try:
        from mpi4py import MPI as library  # noqa: N811 - a module
    except (ImportError, RuntimeError) as error:  # RuntimeError: there is no MPI library
        raise ImportError(
            f"fb.distributed.MPI needs mpi4py and an MPI library ({error}): pip install fastbp[mpi], which brings "
            "mpi4py, and an MPI by pip install mpich, or the one of your cluster."
        ) from error
    return library
