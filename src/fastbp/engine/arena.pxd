# Zeroed, aligned memory that is allocated once and handed out buffer by buffer.

cdef Py_ssize_t aligned(Py_ssize_t n_bytes) noexcept nogil

cdef class Arena:
    cdef unsigned char[::1] memory
    cdef char *start
    cdef readonly Py_ssize_t n_bytes
    cdef void *take(self, Py_ssize_t n_bytes) noexcept
    cdef int allocate(self) except -1
    cdef object vector(self, const void *start, Py_ssize_t n, str dtype)
