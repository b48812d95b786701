"""All the memory of a network or a training run, allocated once."""

import numpy as np

from fastbp.engine.kernels cimport FBP_ALIGN_BYTES


cdef Py_ssize_t aligned(Py_ssize_t n_bytes) noexcept nogil:
    """Rounded up to whole cache lines."""
    return (n_bytes + FBP_ALIGN_BYTES - 1) // FBP_ALIGN_BYTES * FBP_ALIGN_BYTES


cdef class Arena:
    """Used twice by the same layout function: first every `take` only counts, then, after `allocate`, hands out."""

    def __cinit__(self):
        self.start = NULL
        self.n_bytes = 0

    cdef void *take(self, Py_ssize_t n_bytes) noexcept:
        """A zeroed, aligned piece; NULL while counting."""
        cdef Py_ssize_t offset = self.n_bytes
        self.n_bytes += aligned(n_bytes)
        return NULL if self.start == NULL else self.start + offset

    cdef int allocate(self) except -1:
        """Get what has been counted. MemoryError where there is not so much."""
        self.memory = np.zeros(self.n_bytes + FBP_ALIGN_BYTES, dtype=np.uint8)
        self.start = <char *>aligned(<Py_ssize_t>&self.memory[0])
        self.n_bytes = 0
        return 0
