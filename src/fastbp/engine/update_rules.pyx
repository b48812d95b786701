"""The numbers of an update: from Python's names to the kernels' struct, and what changes from step to step."""

from libc.math cimport pow, sqrt

import numpy as np

from fastbp.engine.kernels cimport FBP_NADAM, FBP_RADAM

# States that an optimizer has only where this number is not 0.
_OPTIONAL_STATES = {"velocity": "momentum", "gradient_average": "centered", "largest_second_moment": "amsgrad"}


cdef bint state_wanted(str name, dict step_numbers):
    """Whether the optimizer needs that state with these numbers."""
    return name not in _OPTIONAL_STATES or bool(step_numbers.get(_OPTIONAL_STATES[name], 0))


cdef double _one_number(number):
    """A number, or the first of those that a schedule gives."""
    return number[0] if isinstance(number, np.ndarray) else number


cdef int set_numbers(Updater *updater, dict step_numbers) except -1:
    """Fills in what is the same in all steps; a schedule gives its first number."""
    cdef fbp_update *u = &updater.numbers
    cdef double beta_1 = step_numbers.get("beta_1", 0.0), momentum_decay = step_numbers.get("momentum_decay", 0.0)
    if beta_1 != u.beta_1 or momentum_decay != updater.momentum_decay:
        updater.momenta_steps = 0
    updater.clip_value = step_numbers.get("clip_value", 0.0)
    updater.clip_norm = step_numbers.get("clip_norm", 0.0)
    updater.clip_array_norm = step_numbers.get("clip_array_norm", 0.0)
    updater.decay_biases = bool(step_numbers.get("decay_biases", 0))
    updater.average_every = step_numbers.get("average_every", 0)
    updater.average_decay = step_numbers.get("average_decay", 0.0)
    updater.momentum_decay = momentum_decay
    updater.rate_decay = step_numbers.get("rate_decay", 0.0)
    u.learning_rate = _one_number(step_numbers["learning_rate"])
    u.momentum = step_numbers.get("momentum", 0.0)
    u.nesterov = bool(step_numbers.get("nesterov", 0))
    u.centered = bool(step_numbers.get("centered", 0))
    u.amsgrad = bool(step_numbers.get("amsgrad", 0))
    u.beta_1 = beta_1
    u.beta_2 = step_numbers.get("beta_2", 0.0)
    u.epsilon = step_numbers.get("epsilon", 0.0)
    updater.epsilon_hat = bool(step_numbers.get("epsilon_hat", 0))
    u.initial = step_numbers.get("initial", 0.0)
    u.eta_minus = step_numbers.get("eta_minus", 0.0)
    u.eta_plus = step_numbers.get("eta_plus", 0.0)
    u.min_step = step_numbers.get("min_step", 0.0)
    u.max_step = step_numbers.get("max_step", 0.0)
    u.weight_decay = _one_number(step_numbers.get("weight_decay", 0.0))
    u.decoupled_decay = bool(step_numbers.get("decoupled", 0))
    return 0


cdef int set_schedules(Updater *updater, double[::1] rates, double[::1] decays) except -1:
    """Arrays, or None, with a value for each step from first_step on; the caller keeps them."""
    updater.rates = NULL if rates is None else &rates[0]
    updater.decays = NULL if decays is None else &decays[0]
    return 0


cdef bint takes_norm(const Updater *updater) noexcept nogil:
    """Whether the gradient must be complete before any weight changes: its norm is to be clipped."""
    return updater.clip_norm > 0 or updater.clip_array_norm > 0


cdef double _momentum_of_step(const Updater *updater, long long step) noexcept nogil:
    """NAdam's schedule, as PyTorch defines it."""
    return updater.numbers.beta_1 * (1 - 0.5 * pow(0.96, step * updater.momentum_decay))


cdef void reach_step(Updater *updater, long long step) noexcept nogil:
    """Brings NAdam's product of momenta to that step. One thread calls it, before the team reads the step's numbers.

    Where needed, as after a resume, it starts again at the first step: so the product depends on the step's number
    alone. A product that is too small to change 1 - product is not multiplied any more.
    """
    if updater.optimizer != FBP_NADAM:
        return
    if updater.momenta_steps == 0 or updater.momenta_steps > step:
        updater.momenta_steps = 0
        updater.momenta = 1
    while updater.momenta_steps < step and updater.momenta > 1e-17:
        updater.momenta_steps += 1
        updater.momenta *= _momentum_of_step(updater, updater.momenta_steps)
    updater.momenta_steps = step


cdef double _rectification(const fbp_update *u, long long step) noexcept nogil:
    """RAdam's factor times sqrt(1 - beta_2^t); 0 as long as the variance of Adam's step is not tractable."""
    cdef double most = 2 / (1 - u.beta_2) - 1
    cdef double length = most - 2 * step * pow(u.beta_2, step) * u.correction_2
    if length <= 5:
        return 0
    return sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length) / u.correction_2)


cdef double _correction(double beta, long long step) noexcept nogil:
    """1 / (1 - beta^t), of an average that began at zero.

    As beta <= exp(beta - 1), beta^t is below exp(-40) where step * (1 - beta) is above 40, and 1 - beta^t is 1.
    """
    return 1 if step * (1 - beta) > 40 else 1 / (1 - pow(beta, step))


cdef fbp_update numbers_of_step(const Updater *updater, long long step) noexcept nogil:
    """The numbers of a step, with what depends on the step; the first step is 1."""
    cdef fbp_update numbers = updater.numbers
    cdef double momentum, next_momentum
    if updater.rates != NULL:
        numbers.learning_rate = updater.rates[step - updater.first_step]
    if updater.decays != NULL:
        numbers.weight_decay = updater.decays[step - updater.first_step]
    numbers.learning_rate /= 1 + (step - 1) * updater.rate_decay
    numbers.average_share = 0
    if updater.average_every > 0 and step % updater.average_every == 0:
        numbers.average_share = 1 - updater.average_decay if updater.n_averaged > 0 else 1
    numbers.correction_1 = _correction(numbers.beta_1, step)
    numbers.correction_2 = _correction(numbers.beta_2, step)
    if updater.epsilon_hat:
        numbers.epsilon *= sqrt(numbers.correction_2)
    if updater.optimizer == FBP_RADAM:
        numbers.rectification = _rectification(&numbers, step)
    if updater.optimizer == FBP_NADAM:
        momentum = _momentum_of_step(updater, step)
        next_momentum = _momentum_of_step(updater, step + 1)
        numbers.gradient_share = (1 - momentum) / (1 - updater.momenta)
        numbers.moment_share = next_momentum / (1 - updater.momenta * next_momentum)
    return numbers
