"""The ranks of one MPI job, and how they talk: every wait has an end, and no sum is left to MPI."""

from __future__ import annotations

import pickle
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastbp.support.checks import check_number, sentence

__all__ = ["MPI", "as_sent"]

Array = NDArray[Any]

_SPIN_SECONDS = 0.0005  # a wait this long costs less than to sleep and be woken up
_SLEEP_SECONDS = 0.0001
_MEETING_SECONDS = 15.0  # how long a rank that fails waits for the others to fail too


class MPI:
    """The processes of an MPI job, for ``fb.Trainer(distributed=...)``: data-parallel training with one result.

    Every rank runs the same script with the same data, such as ``mpiexec -n 4 python train.py``. A step's batch is cut
    into ``shards``; each rank computes the gradients of consecutive shards; they are added in one fixed order, whoever
    adds them. So the trained weights have the same bits with any number of ranks, one included.

    Every rank reads the same files, checks the same validation data, and has the whole model. Callbacks and the
    progress bar run on rank 0, which also writes checkpoints; what callbacks change there, weights, optimizer, stop, is
    taken over by all after the epoch.

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
        self._comm, self._meeting = comm.Dup(), comm.Dup()
        self.rank: int = self._comm.Get_rank()
        self.n_ranks: int = self._comm.Get_size()

    def __repr__(self) -> str:
        return f"MPI(rank={self.rank}, n_ranks={self.n_ranks}, timeout={self.timeout:g})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an fb.distributed.MPI cannot be copied or pickled; expected one made on each rank.")

    # ------------------------------------------------------------------------------------------------- numbers

    def all_numbers(self, numbers: Array) -> Array:
        """Return the same number of float64 from each rank: (n_ranks, n)."""
        received = np.empty((self.n_ranks, len(numbers)))
        self._wait(self._comm.Iallgather(numbers, received), "the numbers of a step")
        return received

    def scatter_slices(self, numbers: Array, counts: Sequence[int], received_counts: Sequence[int]) -> Array:
        """Send counts[q] numbers to each rank q, one after the other; return what the ranks send, in their order."""
        received = np.empty(sum(received_counts), numbers.dtype)
        kind = self._kind(numbers)
        request = self._comm.Ialltoallv([numbers, list(counts), kind], [received, list(received_counts), kind])
        self._wait(request, "the gradients of a step")
        return received

    def gather_slices(self, part: Array, whole: Array, counts: Sequence[int]) -> None:
        """Put the part of each rank q, of counts[q] numbers, one after the other into ``whole``, on each rank."""
        kind = self._kind(whole)
        self._wait(self._comm.Iallgatherv([part, kind], [whole, list(counts), kind]), "the sum of the gradients")

    def _kind(self, numbers: Array) -> Any:
        return self._library.FLOAT if numbers.dtype == np.float32 else self._library.DOUBLE

    # ------------------------------------------------------------------------------------------------- objects

    def all_objects(self, thing: object, what: str) -> list[Any]:
        """Return the object of each rank."""
        data = np.frombuffer(pickle.dumps(thing), np.uint8)
        sizes = np.empty(self.n_ranks, np.int64)
        self._wait(self._comm.Iallgather(np.array([len(data)], np.int64), sizes), what)
        received = np.empty(sizes.sum(), np.uint8)
        byte = self._library.BYTE
        self._wait(self._comm.Iallgatherv([data, byte], [received, [int(n) for n in sizes], byte]), what)
        ends = np.cumsum(sizes)
        return [pickle.loads(received[end - size : end].tobytes()) for end, size in zip(ends, sizes, strict=True)]

    def from_first(self, thing: object, what: str) -> Any:
        """Return the object of rank 0."""
        size = np.zeros(1, np.int64)
        data = np.empty(0, np.uint8)
        if self.rank == 0:
            data = np.frombuffer(pickle.dumps(thing), np.uint8).copy()
            size[0] = len(data)
        self._wait(self._comm.Ibcast(size, 0), what)
        if self.rank > 0:
            data = np.empty(size[0], np.uint8)
        self._wait(self._comm.Ibcast([data, self._library.BYTE], 0), what)
        return thing if self.rank == 0 else pickle.loads(data.tobytes())

    # ------------------------------------------------------------------------------------------------- failures

    def fail(self, error: BaseException) -> None:
        """Return if all ranks come here within some seconds, each with an error; else end the job, with code 1."""
        import traceback  # takes its time, and `import fastbp` does not need it

        request = self._meeting.Ibarrier()
        deadline = time.monotonic() + min(self.timeout, _MEETING_SECONDS)
        while not request.Test():
            if time.monotonic() > deadline:
                print(f"fastbp: rank {self.rank} of {self.n_ranks} failed alone and ends the job:", file=sys.stderr)
                traceback.print_exception(error)
                sys.stderr.flush()
                self._comm.Abort(1)
            time.sleep(0.01)

    def _wait(self, request: Any, what: str) -> None:
        """Wait until a request is done; signals are handled meanwhile."""
        start = time.monotonic()
        while not request.Test():
            waited = time.monotonic() - start
            if waited > self.timeout:
                raise TimeoutError(
                    f"rank {self.rank} of {self.n_ranks} waited {waited:.0f} seconds for {what}; expected all ranks to "
                    f"come within timeout={self.timeout:g}. Another rank has ended, hangs, or does not call fit."
                )
            time.sleep(0 if waited < _SPIN_SECONDS else _SLEEP_SECONDS)


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
