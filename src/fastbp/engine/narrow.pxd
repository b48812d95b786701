# Which dense stages multiply rounded operands (csrc/fastbp_bf16.h), and the rounded copies of their weights.

from fastbp.engine.arena cimport Arena
from fastbp.engine.kernels cimport fbp_narrow_kernels
from fastbp.engine.layout cimport Stage

# From these sizes on a dense layer's products are narrow: with less, rounding the operands and writing a second copy of
# the weights takes longer than the products become shorter. Measured: docs/precision.md.
cdef struct LeastSizes:
    Py_ssize_t inputs
    Py_ssize_t units
    Py_ssize_t samples             # of a batch
    double products                # inputs times units times samples

cdef class NarrowWeights:
    cdef const fbp_narrow_kernels *k
    cdef Arena arena               # of each narrow stage: rows and pairs

    cdef bint choose(self, Stage *stages, Py_ssize_t n_stages, Py_ssize_t first_backward,
                     Py_ssize_t n_samples) except -1
    cdef void place(self, Arena arena, Stage *stages, Py_ssize_t n_stages, Py_ssize_t first_backward) noexcept
    cdef int round_checked(self, Stage *stages, Py_ssize_t n_stages) except -1
    cdef void round_all(self, Stage *stages, Py_ssize_t n_stages) noexcept

cdef NarrowWeights make_narrow_weights()
