"""Training by several processes, on one machine or many, with the bits that one process alone gets.

``MPI`` goes into ``fb.Trainer(distributed=...)``, and ``Part`` into ``fit``, for data that no process has whole;
everything else here is their machinery. MPI itself is mpi4py's (the extra ``mpi``), which is imported when an ``MPI``
is made.

It imports engine and support. Each rank's part of a step is ``exchange.Exchange``; what the ranks compare first is in
``agreement``.
"""

from fastbp.distributed.mpi import MPI
from fastbp.distributed.part import Part

__all__ = ["MPI", "Part"]
