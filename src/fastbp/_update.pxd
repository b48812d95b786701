# One update of a share of the weights.

from fastbp._kernels cimport fbp_kernels, fbp_optimizer, fbp_update

cdef struct Updater:
    fbp_optimizer optimizer
    fbp_update numbers         # but for the corrections, which depend on the step

cdef int set_numbers(Updater *updater, dict numbers) except -1
cdef fbp_update numbers_of_step(const Updater *updater, long long step) noexcept nogil
