# A session whose batches are cut into shards, for the one that shares the work with other processes.

from fastbp.engine.arena cimport Arena
from fastbp.engine.session cimport Session
from fastbp.engine.shards cimport Partial, ShardedRun

cdef class ShardedSession(Session):
    cdef ShardedRun sharded
    cdef list arenas                   # of the partial sums
    cdef Arena pieces
    cdef object parts                  # what `use_parts` got
    cdef object places                 # int64: where the starts and places of `sharded` lie
    cdef object statistics_at
    cdef Py_ssize_t most_samples       # of a micro-batch
    cdef object sums_of_partials       # float64 [partial][slot_size]

    cdef tuple arrays_of(self, const Partial *partial)
    cdef int choose_group(self) except -1
    cdef int place_partials(self) except -1
    cdef int place_partial(self, Partial *partial, Py_ssize_t place, bint own) except -1
    cdef int place_statistics(self) except -1
    cdef int place_pieces(self, Py_ssize_t n_bytes) except -1
