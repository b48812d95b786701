# The memory of a training session: the Run that the threads share, and the arenas and arrays that it points into.

from libc.stdint cimport int64_t

from fastbp.engine.arena cimport Arena
from fastbp.engine.layout cimport Stage
from fastbp.engine.narrow cimport NarrowWeights
from fastbp.engine.network cimport Network
from fastbp.engine.run cimport Run
from fastbp.engine.tables cimport TableMemory

cdef class SessionMemory:
    cdef Run run
    cdef Network network
    cdef Arena buffers                 # of a micro-batch: activations, gradients, targets, scratch
    cdef Arena gradients               # of all parameters, laid out like them
    cdef Arena averages                # of all parameters, laid out like them, or None
    cdef list state_names              # of the optimizer
    cdef list states                   # an Arena for each name, laid out like the parameters, or None: not used yet
    cdef Py_ssize_t own_start, own_end     # bytes of the parameters that the states are of: all, or a part
    cdef TableMemory tables            # of the first stage, if it has tables
    cdef double[::1] penalties         # [units of all stages], where there are penalties
    cdef double[::1] squares           # [run.memory.n_squares], where a norm is clipped
    cdef object sums                   # float64 [n_sums] of this call: where run.progress.sums points
    cdef Py_ssize_t n_sums
    cdef object order                  # int64 [n_ordered]: the rows in the order of this call
    cdef int64_t *first_in_order
    cdef Py_ssize_t n_ordered
    cdef NarrowWeights narrow          # rounded copies of the weights, or None: all products are float32
    cdef long long rounded_at          # writings through the network's gate when the copies were made; -1: they are not
    cdef Py_ssize_t n_panels           # that the buffers hold
    cdef int team                      # threads that have scratch
    cdef Py_ssize_t slot_size          # doubles of a slot in the buffers

    cdef Arena like_parameters(self)
    cdef int want_penalties(self) except -1
    cdef int want_squares(self) except -1
    cdef int want_states(self, list names) except -1
    cdef int want_averages(self) except -1
    cdef int begin_progress(self) except -1
    cdef int64_t *order_of(self, Py_ssize_t n_rows) except NULL
    cdef int choose_narrow(self, Py_ssize_t n_samples) except -1
    cdef void round_weights(self) noexcept
    cdef int make_room(self, Py_ssize_t n_panels, int team) except -1
    cdef void choose_last_activation(self) noexcept
    cdef void place(self, Arena arena, Py_ssize_t n_panels, int team) noexcept
    cdef Py_ssize_t place_stage(self, Arena arena, Py_ssize_t i, Py_ssize_t n_panels) noexcept
    cdef void place_narrow(self, Arena arena, Py_ssize_t i, Py_ssize_t n_panels) noexcept
    cdef void place_statistics(self, Arena arena, Stage *stage) noexcept
    cdef int keep_states_of(self, Py_ssize_t start, Py_ssize_t end) except -1
    cdef Arena whole_state(self, Arena arena)
    cdef list state_views(self, str name, Arena arena)
    cdef list get_state(self)
    cdef int set_state(self, state) except -1
    cdef Py_ssize_t layer_of_infinity(self) noexcept
    cdef int average(self) except -1
    cdef list get_averages(self)
    cdef int set_averages(self, averages, n_averaged) except -1

cdef SessionMemory make_session_memory(Network network, str optimizer, bint narrow)
