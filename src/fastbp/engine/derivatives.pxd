# Derivatives of a network's outputs with respect to its inputs.

from fastbp.engine.arena cimport Arena
from fastbp.engine.array_reader cimport ArrayReader
from fastbp.engine.derivative_pass cimport DerivativePass, DerivativeThread
from fastbp.engine.hessians cimport Curve
from fastbp.engine.kernels cimport fbp_activation, fbp_kernels
from fastbp.engine.layout cimport Stage
from fastbp.engine.network cimport Network
from fastbp.engine.tangents cimport Constants

# The buffers of a pass, for each thread.
cdef class DerivativeMemory:
    cdef Arena arena
    cdef Stage *stages                 # [n_threads][n_stages]
    cdef Curve *curves                 # [n_threads][n_stages], or NULL
    cdef DerivativeThread *threads     # [n_threads]
    cdef Constants constants
    cdef bint for_ways
    cdef Py_ssize_t n_stages, n_panels
    cdef int n_threads

    cdef void place(self, Arena arena, Network network) noexcept
    cdef void place_thread(self, Arena arena, const fbp_kernels *k, int t) noexcept

cdef class Derivatives:
    cdef readonly Network network
    cdef readonly Py_ssize_t n_features
    cdef readonly Py_ssize_t n_outputs
    cdef Stage *stages                 # [n_stages] without buffers; the first one is the input
    cdef Py_ssize_t n_stages
    cdef bint curved                   # every activation is a stage of its own, for second derivatives
    cdef bint is_product               # nothing but a product, whose derivatives are the same everywhere
    cdef double sample_work            # floating-point operations of a forward pass, a sample
    cdef DerivativeMemory memory       # of the last call, unless it is in use

    cdef int plan(self, Py_ssize_t n_stages) except -1
    cdef int plan_folded(self) except -1
    cdef int keep(self, str part) except -1
    cdef void begin_after(self, Py_ssize_t stage) noexcept
    cdef int add_stage(self, const Stage *stage) except -1
    cdef DerivativeMemory make_room(self, Py_ssize_t n_panels, int n_threads, bint for_ways)
    cdef int set_groups(self, DerivativePass *job, int size) except -1
    cdef int run(self, DerivativePass *job, ArrayReader rows, int n_threads, double n_passes, bint logit,
                 given) except -1
    cdef object bad_row(self, const DerivativePass *job, ArrayReader rows, given)
