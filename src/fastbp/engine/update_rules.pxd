# One update of a share of the weights.

from fastbp.engine.kernels cimport fbp_optimizer, fbp_update

cdef struct Updater:
    fbp_optimizer optimizer
    double clip_value          # what no element of the gradient exceeds, or 0
    double clip_norm           # what the norm of the whole gradient does not exceed, or 0
    double clip_array_norm     # what the norm of each W's and each b's does not exceed, or 0
    bint decay_biases          # else the weight decay is the weights' alone
    fbp_update numbers         # but for those that depend on the step
    const double *rates        # the learning rate of each step from first_step on, or NULL: always the same
    const double *decays       # the weight decay likewise
    long long first_step
    bint epsilon_hat           # Adam: the epsilon is added before the second moment is corrected
    double rate_decay          # Adagrad
    double momentum_decay      # NAdam
    double momenta             # NAdam: the product of the momenta of steps 1..momenta_steps
    long long momenta_steps
    long long average_every    # steps from one to the next that the weights' average takes in, or 0: none by itself
    double average_decay       # how much of the average such a step leaves
    long long n_averaged       # how often weights were taken in

cdef int set_numbers(Updater *updater, dict numbers) except -1
cdef int set_schedules(Updater *updater, double[::1] rates, double[::1] decays,
                       long long first_step) except -1
cdef bint state_wanted(str name, dict numbers)
cdef bint takes_norm(const Updater *updater) noexcept nogil
cdef void reach_step(Updater *updater, long long step) noexcept nogil
cdef fbp_update numbers_of_step(const Updater *updater, long long step) noexcept nogil
