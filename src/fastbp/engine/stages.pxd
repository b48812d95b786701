# What the kinds of stages do.

from libc.stdint cimport int64_t, uint64_t

from fastbp.engine.layout cimport Stage
from fastbp.engine.kernels cimport fbp_dtype, fbp_kernels

# A chunk of a batch on its way through the stages.
cdef struct Pass:
    const fbp_kernels *k
    Py_ssize_t n_samples       # of the chunk
    Py_ssize_t first_panel     # of the chunk, counted from the step's first one
    bint training              # else the network is as predict sees it
    bint accumulate            # the chunk's gradients are added to what is there
    uint64_t seed              # of what the step leaves to chance
    uint64_t step              # steps done before this one
    Py_ssize_t step_of_call    # the same, in this call
    int64_t attempt            # the number of the step among all that were begun
    double l2                  # of this step's penalty on all weights, beside the layers' own
    void *scratch              # this thread's own

cdef int set_stage(Stage *stage, Py_ssize_t number, Py_ssize_t n_inputs, object spec, fbp_dtype dtype) except -1
cdef tuple array_names(const Stage *stage)
cdef bint stage_keeps(const Stage *stage) noexcept nogil
cdef void stage_forward(const Pass *p, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil
cdef void stage_backward(const Pass *p, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t k0,
                         Py_ssize_t k1) noexcept nogil
cdef void stage_gradient(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                         const void *const *soon) noexcept nogil
cdef bint stage_penalised(const Stage *stage, double l2) noexcept nogil
cdef void stage_meet_forward(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
cdef void stage_meet_backward(const Pass *p, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
cdef void stage_updated(const fbp_kernels *k, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
