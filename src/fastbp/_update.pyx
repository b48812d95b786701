"""The numbers of a weight update, from Python's names to the kernels' struct."""

from libc.math cimport pow


cdef int set_numbers(Updater *updater, dict numbers) except -1:
    updater.numbers.learning_rate = numbers["learning_rate"]
    updater.numbers.momentum = numbers.get("momentum", 0.0)
    updater.numbers.nesterov = bool(numbers.get("nesterov", 0))
    updater.numbers.beta_1 = numbers.get("beta_1", 0.0)
    updater.numbers.beta_2 = numbers.get("beta_2", 0.0)
    updater.numbers.epsilon = numbers.get("epsilon", 0.0)
    updater.numbers.weight_decay = numbers.get("weight_decay", 0.0)
    updater.numbers.decoupled_decay = bool(numbers.get("decoupled", 0))
    return 0


cdef fbp_update numbers_of_step(const Updater *updater, long long step) noexcept nogil:
    """With Adam's bias corrections of that step, which counts from 1."""
    cdef fbp_update numbers = updater.numbers
    numbers.correction_1 = 1 / (1 - pow(numbers.beta_1, step))
    numbers.correction_2 = 1 / (1 - pow(numbers.beta_2, step))
    return numbers
