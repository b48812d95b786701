# What the threads of a training session share: the Run.
#
# The session fills it in before a call. Within a step each thread reads it all and writes its own share of the buffers;
# Progress says who writes that. VL: the kernels' lanes.

from libc.stdint cimport int32_t, int64_t, uint64_t

from fastbp.engine.kernels cimport (
    FBP_STATES, fbp_features, fbp_kernels, fbp_layer, fbp_narrow_kernels, fbp_panels, fbp_source,
)
from fastbp.engine.layout cimport MEAN, Stage, tile_rows
from fastbp.engine.loss cimport Scoring
from fastbp.engine.team cimport (
    fbp_barrier, limits_in_use, load_flag, look_seconds, monotonic_seconds, store_flag,
)
from fastbp.engine.update_rules cimport Updater

# The steps of an epoch over samples that lie in parts, one for each shard, not all of them in this process.
cdef struct PartSteps:
    const int64_t *ends            # [n_steps + 1] samples before each step, of all parts
    const double *weights          # [n_steps] the sum of the sample weights of each step
    Py_ssize_t step                # the next one

# The data of a call.
cdef struct CallData:
    fbp_source X                   # [rows][numeric columns] of the user's array
    fbp_source codes               # [rows][n_tables] of the user's array
    const fbp_features *features   # made of X, or NULL: its columns themselves
    const int64_t *index           # [n_rows] the rows of X in the order of the call, or NULL: as they stand
    Py_ssize_t n_rows
    Py_ssize_t n_here              # rows in the memory of this process: all, but with parts
    PartSteps *parts               # or NULL
    char *outputs                  # [n_rows][n_outputs] of each step's time, in the order of the call, or NULL
    double *losses                 # [n_rows] each sample's own loss, in the order of the call, or NULL
    Py_ssize_t batch_size          # samples
    Py_ssize_t step_size           # samples of a step: one batch, or several
    Py_ssize_t microbatch_size     # samples whose gradients are computed at once

# The buffers of a micro-batch that are not part of a stage.
cdef struct StepBuffers:
    fbp_panels pairs               # of a narrow stage's inputs or gradient [panel][widest / 2][VL][2]
    fbp_panels targets             # [panel][n_outputs][VL]
    int32_t *labels                # [panel][VL]
    double *sample_weights         # [panel][VL]
    double *slots                  # [panel][slot_size]: the sum of the losses, then the metrics' sums
    int *verdicts                  # [panel]: 0, BAD_INPUTS or BAD_TARGETS
    char *scratch                  # [thread][scratch_bytes]: packed weights, then the gradients of a piece
    Py_ssize_t scratch_bytes

# Everything that lies like the parameters: a gradient or a state is as many bytes from its start as its parameter is
# from `parameters`; and what is summed over units.
cdef struct OptimizerMemory:
    char *parameters               # [parameter_bytes]
    char *gradients                # [parameter_bytes]
    char *states[FBP_STATES]       # [parameter_bytes] each, or NULL: the optimizer has no such state
    char *averages                 # [parameter_bytes] of the parameters over the steps, or NULL
    Py_ssize_t n_units             # of all stages
    double *penalties              # [n_units], stage by stage, or NULL: there are no penalties
    double *squares                # [n_units] of dW, [n_units] of db, [n_tables][table shares]; NULL without clipping
    Py_ssize_t n_squares

# How the work of a step is cut.
cdef struct StepCut:
    bint long_step                 # Python's signals are looked at on the way
    bint fused                     # each gradient is used for the update at once
    bint updates                   # else only the gradients are wanted
    bint training                  # dropout drops, and batch_norm uses the batch's statistics

# How far the call has come. Thread 0 writes it between the two barriers of a step; all threads read it outside.
cdef struct Progress:
    Py_ssize_t next_row
    double next_weight             # the sum of the sample weights of the next step
    double weight_done             # the sum of the sample weights of the steps before
    long long n_steps              # updates since the session began
    int64_t attempt                # counts all steps that were begun, also those that were given up
    double *sums                   # [slot_size] of the epoch so far
    double *sums_before            # [slot_size] the same before the step under way, if that may be given up
    bint halted                    # the call has ended, or Python is to be entered
    int bad                        # what was wrong with a step: BAD_INPUTS, BAD_TARGETS, -1 for the loss; or 0
    Py_ssize_t bad_row             # the first row of that micro-batch, in the order of the call
    # Seconds of the clock: the first step to end later is the last one for now. A thread outside that wants to read the
    # parameters may set it to 0 at any time: it is loaded and stored as a whole.
    double enter_python_at
    # Ctrl-C during a long step: thread 0 sets these before a barrier, and all threads decide by them after it. On the
    # way there the others may see them early or late: they are loaded and stored as a whole.
    int stop_samples               # 1: the step ends before its weight gradients
    int stop_weights               # 1: the step ends before its update
    double next_look               # seconds of the clock: signals are to be looked at again

# How a step enters Python. The context is the session's PythonCalls, which nobody but its functions looks into.
ctypedef int (*look_function)(void *context) noexcept nogil
ctypedef int (*score_function)(void *context, Py_ssize_t first, Py_ssize_t n, double scale) noexcept nogil

cdef struct PythonEntry:
    void *context
    look_function look             # handles signals; 1: the step is to be given up
    score_function score           # calls the loss function for n rows from `first` on; 1: it raised
    unsigned long float_mode       # how Python treats denormal numbers

cdef struct Run:
    const fbp_kernels *k
    const fbp_narrow_kernels *narrow   # NULL: no stage is narrow
    Stage *stages                  # [n_stages]
    Py_ssize_t n_stages
    Py_ssize_t first_trained       # the first stage that learns; n_stages where none does
    fbp_layer last_layer           # with its own activation, also where the loss has that built in
    uint64_t seed                  # of the steps' random numbers
    bint by_lane                   # dropout's masks are those of version 0.1
    Scoring scoring
    Updater updater
    CallData data
    StepBuffers buffers
    OptimizerMemory memory
    StepCut cut
    Progress progress
    PythonEntry python
    fbp_barrier barrier

cdef inline bint scores_members(const Run *run) noexcept nogil:
    """Whether each member of a batch ensemble has a loss of its own, and not their mean, which is the last stage."""
    return run.stages[run.n_stages - 1].kind == MEAN and not run.scoring.given and not run.scoring.custom

cdef inline bint is_given_up(Run *run, int *stop, int t) noexcept nogil:
    """Between two pieces of a long step: whether the step is to be given up.

    Thread 0 looks at signals and sets `stop`. Another thread may stop when it sees that; all decide after the barrier.
    """
    cdef double now
    if not run.cut.long_step:
        return False
    if t == 0:
        now = monotonic_seconds()
        if now >= run.progress.next_look:
            run.progress.next_look = now + look_seconds() / 4  # the next piece of work takes time too
            store_flag(stop, run.python.look(run.python.context))
    return load_flag(stop)

cdef inline Py_ssize_t piece_units(const Run *run, const Stage *stage, double work, Py_ssize_t n) noexcept nogil:
    """How many of n units (or inputs) of a stage one kernel call takes: all, but in a long step only some whole tiles.

    `work` is the floating-point operations of all n.
    """
    cdef Py_ssize_t most, rows = tile_rows(run.k, stage)
    if not run.cut.long_step or work == 0:
        return n
    most = <Py_ssize_t>(limits_in_use().piece * run.k.lanes * n / work) // rows * rows
    return max(most, rows)

cdef inline Py_ssize_t first_unit(const Run *run, Py_ssize_t i) noexcept nogil:
    """The number of stage i's first unit among the units of all stages."""
    cdef Py_ssize_t below, first = 0
    for below in range(i):
        first += run.stages[below].layer.n_units
    return first
