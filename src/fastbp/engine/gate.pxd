# Who may read a network's parameters and who may write them, or use a session, in several threads: gate.pyx says how.

cdef extern from "pythread.h":
    unsigned long PyThread_get_thread_ident() noexcept

cdef class Gate:
    cdef int n_readers             # threads that read now
    cdef bint writing              # one thread writes now, and nobody reads
    cdef unsigned long writer      # that thread
    cdef long long n_writings      # begun so far: copies of the parameters are as old as the count at that time
    cdef double *halt_at           # where it looks, at the end of each step, whether it is to stop; or NULL
    cdef int readers_waiting
    cdef int writers_waiting
    cdef int admitted              # readers that go before the next writer
    cdef dict nested               # by thread: how many readings it is in that may have others within
    cdef object __weakref__
    cdef object changed            # a threading.Condition, once somebody has had to wait

    cdef void open(self) noexcept
    cdef int allow(self, int n) except -1
    cdef int wait_to_read(self) except -1
    cdef int wait_to_write(self) except -1
    cdef int tell(self) except -1
    cdef object condition(self)

cdef class OneAtATime:
    cdef bint busy
    cdef unsigned long owner       # the thread that is in, or was the last one
    cdef object __weakref__

    cdef int enter(self) except -1
    cdef void leave(self) noexcept

# Pairs around reading, and around writing. They are called with the GIL held, and most often cost some comparisons.

cdef inline bint may_read(Gate gate) noexcept:
    """Whether nobody writes or waits to write: then ``gate.n_readers += 1`` is all that it takes to go in."""
    return not gate.writing and gate.writers_waiting == 0

cdef inline int begin_reading(Gate gate) except -1:
    if not may_read(gate):
        return gate.wait_to_read()
    gate.n_readers += 1
    return 0

cdef inline int end_reading(Gate gate) except -1:
    gate.n_readers -= gate.n_readers > 0  # 0 where this thread has come in before a fork, and is now in the child
    if gate.changed is not None:
        gate.tell()
    return 0

cdef inline int begin_writing(Gate gate, double *halt_at) except -1:
    """Readers may then end the writing early, by setting halt_at[0] to 0, unless that is NULL."""
    if gate.writing or gate.n_readers > 0 or gate.admitted > 0:
        gate.wait_to_write()
    else:
        gate.writing = True
    gate.writer = PyThread_get_thread_ident()
    gate.n_writings += 1
    gate.halt_at = halt_at
    return 0

cdef inline int end_writing(Gate gate) except -1:
    gate.writing = False
    gate.halt_at = NULL
    gate.admitted = gate.readers_waiting
    if gate.changed is not None:
        gate.tell()
    return 0

# The same as reading, where the same thread may come to read again within: then it never waits for a writer who waits
# for it.
cdef int begin_nested(Gate gate) except -1
cdef int end_nested(Gate gate) except -1
# Runs signal handlers within a reading.
cdef int handle_signals(Gate gate) except -1
