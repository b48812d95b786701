# The last part of a step: weight gradients, penalties, clipping, and the update.

from fastbp.engine.kernels cimport fbp_kernels, fbp_layer, fbp_update
from fastbp.engine.layout cimport Stage
from fastbp.engine.run cimport Run
from fastbp.engine.stages cimport Microbatch

cdef Py_ssize_t fused_units(const fbp_kernels *k, const Stage *stage, Py_ssize_t row_bytes) noexcept nogil
cdef void compute_penalties(Run *run, double step_l2, int t, int n_threads) noexcept nogil
cdef void compute_gradients(Run *run, const Microbatch *mb, const fbp_update *numbers, int t,
                            int n_threads) noexcept nogil
cdef void update_parameters(Run *run, const fbp_update *numbers, int t, int n_threads) noexcept nogil
# The squares of thread t's gradients, from which norms are made: where nobody has computed them with the gradients.
cdef void square_gradients(Run *run, int t, int n_threads) noexcept nogil
# For sharded_gradient.pyx, which computes gradients in another way, and divided_update.pyx.
# The optimizer's states of the parameter that is `offset` bytes from the first one; NULL: no such state.
cdef void states_at(const Run *run, Py_ssize_t offset, void **states) noexcept nogil
# The numbers for one of the stage's arrays: `numbers`, or a changed copy in `room`. `decays`: weight decay is for it
# too, unless its factor says so.
cdef const fbp_update *own_numbers(const Run *run, const fbp_update *numbers, const Stage *stage, Py_ssize_t array,
                                   bint decays, fbp_update *room) noexcept nogil
# The factor that brings a gradient with these n squares to a norm of at most `most`, as PyTorch computes it.
cdef double norm_factor(const double *squares, Py_ssize_t n, double most) noexcept nogil
cdef void update_units(Run *run, const fbp_update *numbers, Stage *stage, double factor, Py_ssize_t n0,
                       Py_ssize_t n1) noexcept nogil
cdef void clear_padding(const fbp_kernels *k, const fbp_layer *layer, char *rows, Py_ssize_t n_rows) noexcept nogil
