"""Training by several processes, on one machine or many, with the bits that one process alone gets.

``MPI`` goes into ``fb.Trainer(distributed=...)``; everything else here is its machinery. MPI itself is mpi4py's (the
extra ``mpi``), which is imported when an ``MPI`` is made.

It imports engine and support. Each rank's part of a step is ``exchange.Exchange``; what the ranks compare first is in
``agreement``.
"""

from fastbp.distributed.mpi import MPI

__all__ = ["MPI"]
