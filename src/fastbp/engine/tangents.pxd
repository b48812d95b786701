# Forward mode: directions on their way through the stages.

from fastbp.engine.kernels cimport fbp_kernels
from fastbp.engine.layout cimport Stage

# Vectors that the linear parts of stages read: [widest stage], padded.
cdef struct Constants:
    void *zeros
    void *ones

cdef void stage_tangent(const fbp_kernels *k, const Constants *constants, Stage *stages, Py_ssize_t i,
                        Py_ssize_t n_panels) noexcept nogil
