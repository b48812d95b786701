# The numbers of an update: what the optimizer's kernel is given in each step.

from fastbp.engine.kernels cimport fbp_optimizer, fbp_update

cdef struct Updater:
    fbp_optimizer optimizer
    double clip_value          # the largest magnitude of an element of the gradient, or 0: no limit
    double clip_norm           # the largest norm of the whole gradient, or 0
    double clip_array_norm     # the largest norm of each dW and each db, or 0
    bint decay_biases          # weight decay is for all parameters, else for the W of products alone
    fbp_update numbers         # the same in all steps; numbers_of_step adds what depends on the step
    const double *rates        # [steps of this call] the learning rate of each, or NULL: always the same
    const double *decays       # [steps of this call] the weight decay of each, or NULL
    long long first_step       # of this call, from 1
    bint epsilon_hat           # Adam: the epsilon is added before the second moment is corrected
    double rate_decay          # Adagrad: the learning rate is divided by 1 + (step - 1) * rate_decay
    double momentum_decay      # NAdam: of its schedule of momenta
    double momenta             # NAdam: the product of the momenta of steps 1..momenta_steps
    long long momenta_steps    # NAdam
    long long average_every    # the weights' average takes in every n-th step; 0: none
    double average_decay       # how much of the average remains when it takes in a step
    long long n_averaged       # how often weights were taken in

cdef int set_numbers(Updater *updater, dict step_numbers) except -1
cdef int set_schedules(Updater *updater, double[::1] rates, double[::1] decays) except -1
cdef bint state_wanted(str name, dict step_numbers)
cdef bint takes_norm(const Updater *updater) noexcept nogil
cdef void reach_step(Updater *updater, long long step) noexcept nogil
cdef fbp_update numbers_of_step(const Updater *updater, long long step) noexcept nogil
