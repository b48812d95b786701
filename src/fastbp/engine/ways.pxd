# Straight ways between two rows of numbers: points on them, and sums of gradients over their points.

from libc.stdint cimport int64_t

from fastbp.engine.kernels cimport fbp_kernels, fbp_panels, fbp_source

cdef struct Ways:
    Py_ssize_t n_ways
    Py_ssize_t n_numbers           # of each row
    const char *starts             # [n_ways][n_numbers], or one row for all
    bint one_start
    const char *ends               # [n_ways][n_numbers]
    Py_ssize_t n_steps
    const double *places           # [n_steps] of the points of every way, 0 at its start and 1 at its end
    const double *weights          # [n_steps] of their gradients in the sum
    Py_ssize_t n_answers
    fbp_source slopes              # [n_answers][n_ways][n_outputs]: of which gradients
    char *sums                     # [n_answers][n_ways][n_numbers]
    Py_ssize_t ways_of_group

# What one thread needs for them.
cdef struct WayBuffers:
    char *rows                     # [VL][n_numbers]
    int64_t *index                 # [VL]
    fbp_panels near                # [n_numbers][VL] the starts of a block of VL ways
    fbp_panels far                 # [n_numbers][VL] and their ends
    fbp_panels total               # [n_numbers][VL]

# Blocks: VL ways, one in each lane, and a panel for each of their points.
cdef int block_points_to_panel(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t way,
                               Py_ssize_t step, bint is_new, Py_ssize_t p, fbp_panels panels) noexcept nogil
cdef int block_slopes_to_panel(const fbp_kernels *k, const Ways *ways, Py_ssize_t answer, Py_ssize_t way,
                               bint is_new, Py_ssize_t p, fbp_panels panels) noexcept nogil
cdef void add_block_gradients(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t answer,
                              Py_ssize_t way, Py_ssize_t step, Py_ssize_t p, fbp_panels panels) noexcept nogil

# The points of fewer ways, one in each lane.

cdef int points_to_panel(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t point,
                         Py_ssize_t count, Py_ssize_t p, fbp_panels panels) noexcept nogil
cdef int slopes_to_panel(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t answer,
                         Py_ssize_t point, Py_ssize_t count, Py_ssize_t p, fbp_panels panels) noexcept nogil
cdef void add_gradients(const fbp_kernels *k, const Ways *ways, const WayBuffers *buffers, Py_ssize_t answer,
                        Py_ssize_t point, Py_ssize_t count, Py_ssize_t p, fbp_panels panels) noexcept nogil
