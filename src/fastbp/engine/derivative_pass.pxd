# One pass over many rows for derivatives with respect to the inputs, and the buffers of its threads.

from libc.stdint cimport int32_t

from fastbp.engine.hessians cimport Curve, Directions
from fastbp.engine.kernels cimport fbp_features, fbp_kernels, fbp_panels, fbp_source
from fastbp.engine.layout cimport Stage
from fastbp.engine.loss cimport Scoring
from fastbp.engine.tangents cimport Constants
from fastbp.engine.ways cimport WayBuffers, Ways

cdef enum:
    # Panels that one thread carries through all stages at a time, at most.
    DERIVATIVE_PANELS = 12

# What a pass computes of each row. n_features: the numbers that the first layer reads.
cdef enum Wanted:
    OUTPUTS                # the outputs alone
    VJP                    # J.T @ v for a row v of `given`            [n_features]
    LOSS_GRADIENT          # J.T @ the gradient of the row's own loss  [n_features]
    JVP                    # J @ u for a row u of `given`              [n_outputs]
    JACOBIAN_BY_OUTPUTS    # J, a backward pass for each output        [n_outputs][n_features]
    JACOBIAN_BY_INPUTS     # J.T, a forward pass for each input        [n_features][n_outputs]
    HESSIAN_PRODUCT        # the Hessian of v @ outputs times a row u of `given_too`; J.T @ v too    [n_features]
    LAPLACIAN              # the sum of second derivatives along directions    [n_outputs]
    ALONG_WAYS             # sums of J.T @ v over the points of each of `ways`, which are the rows

# What one thread has for itself. stages[0] is the input: its output the features, its gradient that of the features.
cdef struct DerivativeThread:
    Stage *stages                  # [n_stages] with buffers of group_panels panels
    Curve *curves                  # [n_stages] where second derivatives are wanted
    fbp_panels targets             # [panel][n_outputs][VL]
    int32_t *labels                # [panel][VL]
    void *scratch                  # what input_gradient needs
    WayBuffers ways                # of ALONG_WAYS
    int group                      # of a Jacobian: the group that it has left at a pause, and
    Py_ssize_t unit                # the next of its outputs, or inputs; 0: it has left none

cdef struct DerivativePass:
    const fbp_kernels *k
    Wanted wanted
    DerivativeThread *threads      # [n_threads]
    int n_threads
    const Constants *constants
    Py_ssize_t n_stages
    fbp_source X                   # [n_rows][numeric columns] of the user's array
    fbp_source codes               # [n_rows][n_tables] of the user's array
    const fbp_features *features   # made of X, or NULL: its columns themselves
    bint only_backward             # of VJP: its derivatives do not depend on X
    fbp_source given               # [n_rows][n_outputs or n_features]: V or U; or the slopes of the features
    fbp_source given_too           # [n_rows][n_features]: U, or the features' own second derivatives
    const Directions *directions   # of LAPLACIAN
    const Scoring *scoring         # of LOSS_GRADIENT
    Ways *ways               # of ALONG_WAYS
    Py_ssize_t n_rows
    Py_ssize_t group_panels        # panels of a group
    int n_groups
    int next_group                 # shared: the next thread that is free takes it
    char *outputs                  # [n_rows][n_outputs], or NULL
    char *derivatives              # [n_rows][what is wanted], or NULL
    char *gradients                # [n_rows][n_features] of HESSIAN_PRODUCT, or NULL
    int n_bad                      # shared: groups that are bad; the threads return
    int bad, bad_group             # what is wrong with the rows, or 0; and in which group: the first one found
    int paused                     # the threads return, so that Python can handle signals
    double pause_at                # seconds of the clock

cdef void derivative_share(void *job, int t, int n_threads) noexcept nogil
cdef bint has_more(const DerivativePass *run) noexcept nogil
