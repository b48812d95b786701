"""Many threads read a network's parameters, or one writes them: a prediction is that of one completed step.

The GIL guards the gate's own numbers: it is given up only where a thread waits, or works without it after it has come
in. Training goes in for as long as its steps run without Python, and leaves the gate between them. Who wants to read
meanwhile has those steps halt after the one under way: it sets the time at which they are to enter Python to the past.
Readers that waited go in before the next writer, and a writer that waits before the next readers: none is kept out.
"""

import os
import threading
import weakref

from cpython.exc cimport PyErr_CheckSignals

from fastbp.engine.team cimport store_seconds

# Seconds between two looks at signals, of a thread that waits.
LOOK_SECONDS = 0.05

WITHIN = (
    "this thread is already in a call of the same model, which a signal handler has interrupted; expected a handler "
    "that raises an exception or sets a flag, so that the model is used after the call."
)


cdef int begin_nested(Gate gate) except -1:
    begin_reading(gate)
    gate.allow(1)
    return 0


cdef int end_nested(Gate gate) except -1:
    gate.allow(-1)
    return end_reading(gate)


cdef int handle_signals(Gate gate) except -1:
    """Handlers may read too, but not write."""
    gate.allow(1)
    try:
        PyErr_CheckSignals()
    finally:
        gate.allow(-1)
    return 0


cdef class Gate:
    """The gate of one network."""

    def __cinit__(self):
        self.open()
        _gates.add(self)

    cdef void open(self) noexcept:
        """Nobody is in."""
        self.n_readers = self.readers_waiting = self.writers_waiting = self.admitted = 0
        self.writing = False
        self.halt_at = NULL
        self.nested = {}
        self.changed = None

    cdef int allow(self, int n) except -1:
        """Counts readings of this thread that may have others within."""
        own = PyThread_get_thread_ident()
        count = self.nested.get(own, 0) + n
        if count > 0:
            self.nested[own] = count
        else:
            self.nested.pop(own, None)
        return 0

    cdef int wait_to_read(self) except -1:
        """Goes in to read, as soon as that is possible."""
        cdef unsigned long own = PyThread_get_thread_ident()
        cdef bint inside = False
        if self.writing and self.writer == own:
            raise RuntimeError(WITHIN)
        self.readers_waiting += 1
        try:
            with self.condition():
                while self.writing or (self.writers_waiting > 0 and self.admitted == 0 and own not in self.nested):
                    if self.halt_at != NULL:
                        store_seconds(self.halt_at, 0)
                    self.changed.wait(LOOK_SECONDS)
                self.n_readers += 1    # before the GIL can be given up
                inside = True
        except BaseException:
            self.n_readers -= inside
            raise
        finally:
            self.readers_waiting -= 1
            self.admitted = max(self.admitted - 1, 0)
        return 0

    cdef int wait_to_write(self) except -1:
        """Goes in to write, as soon as that is possible."""
        cdef unsigned long own = PyThread_get_thread_ident()
        cdef bint inside = False
        if own in self.nested or (self.writing and self.writer == own):
            raise RuntimeError(WITHIN)
        self.writers_waiting += 1
        try:
            with self.condition():
                while self.writing or self.n_readers > 0 or self.admitted > 0:
                    self.changed.wait(LOOK_SECONDS)
                self.writing = True    # before the GIL can be given up
                inside = True
        except BaseException:
            if inside:
                self.writing = False
            raise
        finally:
            self.writers_waiting -= 1
        return 0

    cdef object condition(self):
        if self.changed is None:
            condition = threading.Condition()
            if self.changed is None:   # no other thread has been here meanwhile
                self.changed = condition
        return self.changed

    cdef int tell(self) except -1:
        """Wakes up those that wait."""
        if self.readers_waiting > 0 or self.writers_waiting > 0:
            with self.changed:
                self.changed.notify_all()
        return 0


cdef class OneAtATime:
    """Calls of one session: one at a time, as its buffers are its own."""

    def __cinit__(self):
        _calls.add(self)

    cdef int enter(self) except -1:
        """Before a call; the caller's next line is a ``try`` whose ``finally`` leaves."""
        if self.busy:
            raise RuntimeError(
                "this trainer is already training, in another thread: give each thread a trainer of its own")
        self.busy = True
        self.owner = PyThread_get_thread_ident()
        return 0

    cdef void leave(self) noexcept:
        self.busy = False


# ---- Forks --------------------------------------------------------------------------------------------------------

# A child gets the parameters as they are at the fork, and none of the parent's other threads: so a fork waits until
# they are those of a completed step. The child's gates are open, and the calls of the other threads have ended.
_gates = weakref.WeakSet()
_calls = weakref.WeakSet()
cdef dict _held = {}                   # by thread that forks: the gates that it keeps writers out of


cdef list _members(registry):
    """All that are in a WeakSet, while other threads may add to it."""
    while True:
        try:
            return list(registry)
        except RuntimeError:           # its size changed during iteration
            continue


cdef int _keep_writers_out(Gate gate) except -1:
    """Waits for one who writes, and not for those who wait to write: they may wait for another fork."""
    gate.allow(1)
    try:
        begin_reading(gate)
    except BaseException:
        gate.allow(-1)
        raise
    return 0


def _before_fork():
    own = PyThread_get_thread_ident()
    held = _held.setdefault(own, [])
    for gate in _members(_gates):
        if not (<Gate>gate).writing or (<Gate>gate).writer != own:
            _keep_writers_out(gate)
            held.append(gate)


def _after_fork_in_parent():
    for gate in _held.pop(PyThread_get_thread_ident(), ()):
        end_nested(gate)


def _after_fork_in_child():
    own = PyThread_get_thread_ident()
    _held.clear()
    for gate in _members(_gates):
        (<Gate>gate).open()
    for call in _members(_calls):
        if (<OneAtATime>call).owner != own:
            (<OneAtATime>call).leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
