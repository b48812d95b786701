# What a step must enter Python for, with the GIL held: signals, and losses that are Python functions.

from fastbp.engine.records cimport SampleSet
from fastbp.engine.session_memory cimport SessionMemory

cdef class PythonCalls:
    cdef SessionMemory memory
    cdef object loss               # a Python function, or what the kernels know
    cdef SampleSet samples         # of the call under way
    cdef object on_look            # called after the signals where a step is long, or None
    cdef object pending            # an exception that waits until the threads have returned

    cdef bint inside               # the call has gone in to read the parameters, or to write them

    cdef int go_in(self) except -1
    cdef int go_out(self) except -1
    cdef int go_in_again(self) noexcept
    cdef int look(self) except -1
    cdef int raise_pending(self) except -1
    cdef int score(self, Py_ssize_t first, Py_ssize_t n, double scale) except -1
    cdef bint keep_scores(self, const double *losses, const double *gradient, Py_ssize_t n, double scale) noexcept
    cdef object outputs_of(self, Py_ssize_t first, Py_ssize_t n)

cdef PythonCalls make_python_calls(SessionMemory memory, object loss)
