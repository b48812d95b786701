# A session that shares its steps with other processes.

from fastbp.engine.arena cimport Arena
from fastbp.engine.kernels cimport fbp_update
from fastbp.engine.sharded_session cimport ShardedSession

cdef class DividedSession(ShardedSession):
    cdef object partner                # what exchanges with the other processes
    cdef readonly object failure       # for it: the exception for which this process gives the step up, or None
    cdef Arena fresh_memory
    cdef Arena descriptions            # of the arrays of parameters
    cdef double[::1] squares_of_rows
    cdef Arena ahead_memory
    cdef int[::1] done_of_threads
    cdef Py_ssize_t n_ahead            # units in `ahead`
    cdef int ahead_team                # that `ahead` is for
    cdef readonly list bounds          # [n_processes + 1] where each one's part of the parameters begins, in numbers
    cdef readonly list row_bounds      # the same in rows of all arrays

    cdef int describe_arrays(self) except -1
    cdef int describe_array(self, Py_ssize_t stage, int table, bint is_bias, const void *start, Py_ssize_t ld,
                            Py_ssize_t n_rows) noexcept
    cdef int find_bounds(self, int n_processes) except -1
    cdef int place_ahead(self) except -1
    cdef object vector(self, const char *start, Py_ssize_t n_bytes)
    cdef object failure_of_step(self)
    cdef int call_partner(self, int what) except -1
    cdef int update_by_gradients(self, const fbp_update *numbers) except -1
