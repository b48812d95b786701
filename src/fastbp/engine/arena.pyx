"""All the memory of a network or a training run, allocated once."""

import numpy as np

from fastbp.engine.kernels cimport FBP_ALIGN_BYTES


cdef Py_ssize_t aligned(Py_ssize_t n_bytes) noexcept nogil:
    """Rounded up to whole cache lines."""
    return (n_bytes + FBP_ALIGN_BYTES - 1) // FBP_ALIGN_BYTES * FBP_ALIGN_BYTES


cdef class Arena:
    """The same layout function uses it twice: first each `take` only counts; after `allocate` each `take` hands out."""

    def __cinit__(self):
        self.start = NULL
        self.n_bytes = 0

    cdef void *take(self, Py_ssize_t n_bytes) noexcept:
        """A zeroed, aligned buffer of n_bytes; NULL while counting."""
        cdef Py_ssize_t offset = self.n_bytes
        self.n_bytes += aligned(n_bytes)
        return NULL if self.start == NULL else self.start + offset

    cdef int allocate(self) except -1:
        """Allocates what has been counted. Raises MemoryError where there is not enough."""
        self.memory = np.zeros(self.n_bytes + FBP_ALIGN_BYTES, dtype=np.uint8)
        self.start = <char *>aligned(<Py_ssize_t>&self.memory[0])
        self.n_bytes = 0
        return 0

    cdef object vector(self, const void *start, Py_ssize_t n, str dtype):
        """The n numbers of this dtype from an address in the arena on, as an array that writes to it: shape (n,)."""
        cdef Py_ssize_t first = <char *>start - <char *>&self.memory[0]
        return np.asarray(self.memory)[first:first + n * np.dtype(dtype).itemsize].view(dtype)
