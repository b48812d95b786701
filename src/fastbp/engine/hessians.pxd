# Second derivatives: what a pass keeps of each stage for them, and what it does.

from libc.stdint cimport int32_t

from fastbp.engine.kernels cimport fbp_kernels, fbp_panels
from fastbp.engine.layout cimport Stage
from fastbp.engine.stages cimport Microbatch
from fastbp.engine.tangents cimport Constants

# Of one stage; its tangent lies in stage.gradient. Of the input, `backward` and `second` may hold what is given.
cdef struct Curve:
    fbp_panels backward            # the gradient of its output                            [panel][n_units][VL]
    fbp_panels second              # its change along a direction, or a sum of second derivatives [panel][n_units][VL]
    fbp_panels curvature           # act''(Z) of an elementwise activation                 [panel][n_units][VL]

# The directions of a Laplacian: direction d has members[starts[d]..starts[d + 1]], features that change together.
cdef struct Directions:
    Py_ssize_t n
    const int32_t *starts          # [n + 1]
    const int32_t *members         # [starts[n]]
    bint have_slopes               # how much each changes is given, else it is 1

cdef void hessian_product(const Microbatch *mb, const Constants *constants, Stage *stages, const Curve *curves,
                          Py_ssize_t n_stages, Py_ssize_t n_panels) noexcept nogil
cdef void laplacian(const Microbatch *mb, const Constants *constants, const Directions *directions, Stage *stages,
                    const Curve *curves, Py_ssize_t n_stages, Py_ssize_t n_panels) noexcept nogil
