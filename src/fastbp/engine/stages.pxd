# What the kinds of stages do.

from libc.stdint cimport int64_t, uint64_t

from fastbp.engine.layout cimport Stage
from fastbp.engine.kernels cimport fbp_kernels, fbp_narrow_kernels

# A micro-batch on its way through the stages: at most MICROBATCH_SAMPLES of a step's samples (see step.pyx).
cdef struct Microbatch:
    const fbp_kernels *k
    const fbp_narrow_kernels *narrow   # NULL: no stage is narrow
    Py_ssize_t n_samples       # of the micro-batch
    Py_ssize_t half_end        # its last panel + 1 where half of that panel is enough, or 0
    Py_ssize_t first_sample    # its first sample, counted from the step's first one
    Py_ssize_t first_panel     # its first panel, counted likewise
    bint training              # else the stages work as in a prediction
    bint accumulate            # its gradients are added to those of the micro-batches before
    uint64_t seed              # of the step's random numbers
    bint by_lane               # dropout's masks are those of version 0.1
    uint64_t step              # steps done before this one
    Py_ssize_t step_of_call    # steps of this call done before this one
    int64_t attempt            # counts all steps that were begun, also those that were given up
    double step_l2             # the loss's penalty on all W in this step: see penalty.pxd
    void *scratch              # [scratch_bytes] of this thread

# Whether the stage uses the whole batch, so that all threads meet before it: Stage.meets.
cdef bint needs_meetings(const Stage *stage) noexcept nogil
cdef Py_ssize_t saved_features(const Stage *stage) noexcept nogil
cdef void stage_forward(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t n0,
                        Py_ssize_t n1) noexcept nogil
cdef void stage_backward(const Microbatch *mb, Stage *stage, Stage *below, Py_ssize_t p0, Py_ssize_t p1, Py_ssize_t k0,
                         Py_ssize_t k1) noexcept nogil
cdef void stage_round_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t p0, Py_ssize_t p1) noexcept nogil
cdef void stage_gradient(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                         const void *const *will_write) noexcept nogil
cdef void stage_gradient_of_samples(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1,
                                    const void *const *will_write) noexcept nogil
cdef void stage_move_statistics(const fbp_kernels *k, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
cdef void stage_meet_forward(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
cdef void stage_meet_backward(const Microbatch *mb, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
cdef void stage_updated(const fbp_kernels *k, Stage *stage, Py_ssize_t n0, Py_ssize_t n1) noexcept nogil
