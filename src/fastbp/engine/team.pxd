# How many threads work together, and how they wait for each other.

# One share of a job: thread t of n_threads.
ctypedef void (*share_function)(void *job, int t, int n_threads) noexcept nogil

cdef extern from *:
    """
    /* Counts who has arrived; the last one opens the next generation. A cache line each, or waiting slows arriving. */
    typedef struct {
        volatile int arrived;
        char apart[60];
        volatile unsigned generation;
        char apart_too[60];
    } fbp_barrier;
    """
    ctypedef struct fbp_barrier:
        int arrived
        unsigned generation

# Runs share(job, t, n) for t = 0 .. n-1 at once, n <= n_threads. The calling thread is t = 0.
cdef void run_team(share_function share, void *job, int n_threads) noexcept nogil
# Returns when all n_threads have called it. All that was written before is seen by all after.
cdef void wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil

# x += amount; returns what x was. Safe among threads.
cdef int fetch_and_add(int *x, int amount) noexcept nogil
# Seconds of a clock that only goes forward.
cdef double monotonic_seconds() noexcept nogil

# Seconds between two looks at signals, well under the 100 ms that Ctrl-C may take.
cdef inline double look_seconds() noexcept nogil:
    return 0.05

# Floating-point operations from which on work is shared or cut up.
cdef struct WorkLimits:
    # A thread's part of a step, a lane, from which on it is long: cut up, may be given up; and from which on gradients
    # and updates are apart. At 5e9 a second and lane, a third of the latter, the weight gradients, takes 50 ms.
    double long_step
    double apart
    # One kernel call in a long step, a lane: some 20 ms, between two looks at signals.
    double piece
    # What a thread must have to do in a step (an epoch's team stays awake), or in a call (it may have to be woken); and
    # in an epoch's step for a larger team to be tried, which gains where the cores are close to each other.
    double epoch_thread
    double call_thread
    double tried_thread
    # A step, up to which the team's size is measured and not only reckoned.
    double paced
    # No limit, but of the same kind: not 0 where weight_gradient is told all that the update will write; else, in a
    # team, the weights alone.
    double soon

cdef WorkLimits *limits_in_use() noexcept nogil
# As many threads as have enough to do, n_threads at most.
cdef int team_size(int n_threads, double work, double work_a_thread, Py_ssize_t n_panels) noexcept nogil

# The size of a team that has proved fastest: measured again and again, as other processes come and go. The result never
# depends on it.
cdef struct Pace:
    int most               # the largest that may be tried
    int size               # the fastest so far
    double rate            # its samples a second, lately; 0: not known
    int trial              # another size that is being tried, or 0
    int smaller_next       # which side to try next
    double try_again       # seconds to work until the next trial
    double patience        # how long its failure will be believed, if it takes no longer than it should
    bint cold              # the team has just changed: its threads wake up, their caches are empty
    double n_samples       # since it is warm, and not yet in a rate
    double seconds
    double spent           # since the team has changed

cdef int pace_next(Pace *pace, int most, int start, double *seconds) noexcept nogil
cdef void pace_done(Pace *pace, double n_samples, double seconds) noexcept nogil
