# The last part of a step: weight gradients, penalties, clipping, and the update.

from fastbp.engine.kernels cimport fbp_update
from fastbp.engine.run cimport Run
from fastbp.engine.stages cimport Microbatch

cdef Py_ssize_t fused_units(int tile_rows, Py_ssize_t row_bytes) noexcept nogil
cdef void compute_penalties(Run *run, double step_l2, int t, int n_threads) noexcept nogil
cdef void compute_gradients(Run *run, const Microbatch *mb, const fbp_update *numbers, int t,
                            int n_threads) noexcept nogil
cdef void update_parameters(Run *run, const fbp_update *numbers, int t, int n_threads) noexcept nogil
# The squares of all gradients, from which norms are made: where nobody has computed them with the gradients.
cdef void square_gradients(Run *run) noexcept nogil
