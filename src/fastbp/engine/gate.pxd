# Who may read a network's parameters and who may write them, in several threads: gate.pyx says how.

cdef class Gate:
    cdef int n_readers             # threads that read now
    cdef bint writing              # one thread writes now, and nobody reads
    cdef unsigned long writer      # that thread
    cdef double *halt_at           # where it looks, at the end of each step, whether it is to stop; or NULL
    cdef int readers_waiting
    cdef int writers_waiting
    cdef int admitted              # readers that go before the next writer
    cdef dict nested               # by thread: how many readings it is in that may have others within
    cdef object changed            # a threading.Condition, once somebody has had to wait

    cdef int allow(self, int n) except -1
    cdef int wait_to_read(self) except -1
    cdef int wait_to_write(self) except -1
    cdef int tell(self) except -1
    cdef object condition(self)

# Pairs around reading, and around writing. They are called with the GIL held, and most often cost some comparisons.
cdef int begin_reading(Gate gate) except -1
cdef int end_reading(Gate gate) except -1
cdef int begin_writing(Gate gate, double *halt_at=*) except -1
cdef int end_writing(Gate gate) except -1
# The same, where the same thread may come to read again within: then it never waits for a writer who waits for it.
cdef int begin_nested(Gate gate) except -1
cdef int end_nested(Gate gate) except -1
# Runs signal handlers within a reading.
cdef int handle_signals(Gate gate) except -1
