"""What a step must enter Python for, with the GIL held: signals, and losses that are Python functions.

The threads of a step know only two function pointers and a context, in Run.python. Here the context becomes a
PythonCalls again. An exception cannot pass through the threads: it waits in `pending` until they have returned.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport NAN
from libc.string cimport memcpy, memset

import numpy as np

from fastbp.engine.gate cimport begin_writing, end_reading, end_writing
from fastbp.engine.kernels cimport FBP_FLOAT32, fbp_kernels, flush_denormals, restore_denormals
from fastbp.engine.layout cimport Stage, item_size
from fastbp.engine.array_reader cimport start_of
from fastbp.engine.run cimport Run, look_function, score_function

from fastbp.engine.errors import Interrupted, NonFinite


cdef int _look(void *context) noexcept with gil:
    """Handles signals in the midst of a step, and calls on_look. 1 where one raised, or another thread interrupts."""
    cdef PythonCalls calls = <PythonCalls>context
    restore_denormals(calls.memory.run.python.float_mode)
    try:
        calls.go_out()                 # a handler may predict
        calls.look()
        if calls.on_look is not None:
            calls.on_look()
    except BaseException as error:
        calls.pending = error
    finally:
        calls.go_in_again()
        flush_denormals()
    return calls.pending is not None


cdef int _score(void *context, Py_ssize_t first, Py_ssize_t n, double scale) noexcept with gil:
    """Calls the loss function for n rows from `first` on, in the order of the call. 1 where it raised."""
    cdef PythonCalls calls = <PythonCalls>context
    restore_denormals(calls.memory.run.python.float_mode)
    try:
        calls.go_out()                 # the function may predict
        calls.score(first, n, scale)
    except BaseException as error:
        calls.pending = error
    finally:
        calls.go_in_again()
        flush_denormals()
    return calls.pending is not None


cdef PythonCalls make_python_calls(SessionMemory memory, object loss):
    """The way into Python for the steps of a session, entered in its Run."""
    cdef PythonCalls calls = PythonCalls()
    calls.memory = memory
    calls.loss = loss
    memory.run.python.context = <void *>calls
    memory.run.python.look = <look_function>_look
    memory.run.python.score = <score_function>_score
    return calls


cdef class PythonCalls:
    """The Python side of a session's steps."""

    cdef int go_in(self) except -1:
        """Before steps: nobody else changes the parameters, and if these steps do, nobody reads them."""
        cdef Run *run = &self.memory.run
        if run.cut.updates:
            begin_writing(self.memory.network.prediction.gate, &run.progress.enter_python_at)
        else:
            self.memory.network.prediction.read()
        self.inside = True
        self.memory.round_weights()
        return 0

    cdef int go_out(self) except -1:
        """After steps, and wherever Python code runs between them or within one, before its update."""
        if not self.inside:
            return 0
        self.inside = False
        if self.memory.run.cut.updates:
            self.memory.network.prediction.stale = True
            end_writing(self.memory.network.prediction.gate)
        else:
            end_reading(self.memory.network.prediction.gate)
        return 0

    cdef int go_in_again(self) noexcept:
        """In the midst of a step, which goes on or is given up: whatever is raised while this waits comes later."""
        while not self.inside:
            try:
                self.go_in()
            except BaseException as error:
                self.pending = error
        return 0

    cdef int look(self) except -1:
        """Raises what a signal's handler raises, and Interrupted."""
        PyErr_CheckSignals()
        if self.memory.network.prediction.interrupted:
            raise Interrupted
        return 0

    cdef int raise_pending(self) except -1:
        """Raises what was raised during a step."""
        if self.pending is not None:
            raise self.pending
        return 0

    cdef int score(self, Py_ssize_t first, Py_ssize_t n, double scale) except -1:
        """The losses of n rows from `first` on, and their gradient, by the loss that is a Python function."""
        cdef Run *run = &self.memory.run
        cdef const fbp_kernels *k = run.k
        cdef Py_ssize_t p, n_panels = (n - 1) // k.lanes + 1
        memset(run.buffers.slots, 0, n_panels * sizeof(double))
        for p in range(n_panels):
            if run.buffers.verdicts[p]:
                return 0
        outputs = self.outputs_of(first, n)
        if not k.all_finite(start_of(outputs), n * self.memory.network.n_outputs):
            run.buffers.slots[0] = NAN
            return 0
        if run.data.index == NULL:     # a copy all the same: the function may write to it
            rows = slice(first, first + n)
            targets = self.samples.targets[rows].copy()
        else:
            rows = self.memory.order[first:first + n]
            targets = self.samples.targets[rows]
        losses, gradient = self.loss(outputs, targets)
        if run.data.losses != NULL:
            memcpy(run.data.losses + first, start_of(losses), n * sizeof(double))
        if self.samples.sample_weights is not None:
            sample_weights = self.samples.sample_weights[rows]
            losses = losses * sample_weights
            gradient = gradient * (scale * sample_weights[:, np.newaxis])
            scale = 1
        if not self.keep_scores(<const double *>start_of(losses), <const double *>start_of(gradient), n, scale):
            raise NonFinite("gradient", first // run.data.batch_size)
        return 0

    cdef bint keep_scores(self, const double *losses, const double *gradient, Py_ssize_t n, double scale) noexcept:
        """Losses [n] to the slots, and gradient [n][n_outputs] times scale to the last stage. 0: that overflows."""
        cdef Run *run = &self.memory.run
        cdef const fbp_kernels *k = run.k
        cdef Stage *last = &run.stages[run.n_stages - 1]
        cdef Py_ssize_t p, r, unit, n_units = last.layer.n_units
        cdef bint finite = True
        cdef char *panel
        for p in range((n - 1) // k.lanes + 1):
            panel = <char *>last.gradient.data + p * last.gradient.stride * item_size(k.dtype)
            memset(panel, 0, n_units * k.lanes * item_size(k.dtype))
            for r in range(min(n - p * k.lanes, <Py_ssize_t>k.lanes)):
                run.buffers.slots[p] += losses[p * k.lanes + r]
                for unit in range(n_units):
                    if k.dtype == FBP_FLOAT32:
                        (<float *>panel)[unit * k.lanes + r] = <float>(gradient[unit] * scale)
                    else:
                        (<double *>panel)[unit * k.lanes + r] = gradient[unit] * scale
                gradient += n_units
            finite = finite and k.all_finite(panel, n_units * k.lanes)
        return finite

    cdef object outputs_of(self, Py_ssize_t first, Py_ssize_t n):
        """The outputs of n rows from `first` on: (n, n_outputs). They are also left where the call wants them."""
        cdef Run *run = &self.memory.run
        cdef const fbp_kernels *k = run.k
        cdef Stage *last = &run.stages[run.n_stages - 1]
        cdef Py_ssize_t p, n_outputs = last.layer.n_units
        outputs = np.empty((n, n_outputs), self.memory.network.dtype)
        cdef char *out = start_of(outputs)
        for p in range((n - 1) // k.lanes + 1):
            k.scatter_panel(last.output, p, n_outputs, min(n - p * k.lanes, <Py_ssize_t>k.lanes),
                            out + p * k.lanes * n_outputs * item_size(k.dtype), n_outputs)
        if run.data.outputs != NULL and np.isfinite(outputs).all():
            memcpy(run.data.outputs + first * n_outputs * item_size(k.dtype), out,
                   n * n_outputs * item_size(k.dtype))
        return outputs
