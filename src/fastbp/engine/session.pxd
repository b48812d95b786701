# A training session, for those that extend it.

from libc.stdint cimport uint64_t

from fastbp.engine.gate cimport OneAtATime
from fastbp.engine.network cimport Network
from fastbp.engine.pace cimport Pace
from fastbp.engine.python_calls cimport PythonCalls
from fastbp.engine.records cimport SampleSet
from fastbp.engine.session_memory cimport SessionMemory

# What the samples of a call have in place of targets.
cdef enum Given:
    TARGETS                # nothing: they have targets
    GRADIENT_OF_OUTPUTS    # the loss's gradient by the outputs
    GRADIENT_OF_Z          # the loss's gradient by the last stage's Z

cdef class Session:
    cdef readonly Network network
    cdef readonly object loss
    cdef tuple metrics
    cdef public int n_threads          # at most, between calls
    cdef readonly int last_team        # threads that did the last steps
    cdef SessionMemory memory
    cdef PythonCalls python
    cdef tuple held                    # what the call points into, whatever the network gets meanwhile
    cdef dict step_numbers             # of the latest call, or None
    cdef tuple schedules               # arrays or None: the learning rate and the weight decay of each step
    cdef dict factors                  # by stage: an array [array][FACTORS] that the stage points into
    cdef dict dropout_rates            # by stage: an array with the rate of each step
    cdef bint stages_alike             # no stage has factors or rates of its own
    cdef OneAtATime call
    cdef long long epoch_begun         # the number of the epoch that the latest call was for; -1: none
    cdef double sample_work            # floating-point operations of a training step, a sample
    cdef Pace pace
    cdef bint paced                    # the size of the team is measured
    cdef int largest_team              # that the pace may try
    cdef bint leaving                  # the step under way is given up, and the call ends early

    cdef int begin(self, SampleSet samples, Py_ssize_t batch_size, bint in_epoch, Py_ssize_t batches_per_step=*,
                   Given given=*) except -1
    cdef int choose_team(self, bint in_epoch) except -1
    cdef int set_order(self, SampleSet samples, bint shuffle, uint64_t seed, uint64_t epoch) except -1
    cdef int take_step_numbers(self, dict step_numbers) except -1
    cdef int take_new_numbers(self, dict step_numbers) except -1
    cdef int take_stage_numbers(self, dict step_numbers) except -1
    cdef int run_steps(self, int size) except -1
    cdef bint go(self, SampleSet samples, int team, on_tick, bint every_step=*) except -1
    cdef double mean_loss(self) noexcept
    cdef object explain(self, SampleSet samples)
    cdef int check_weights(self) except -1
