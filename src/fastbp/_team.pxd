# How many threads work together, and how they wait for each other.

# One share of a job: thread t of n_threads.
ctypedef void (*share_function)(void *job, int t, int n_threads) noexcept nogil

cdef extern from *:
    """
    /* Counts who has arrived; the last one opens the next generation. A cache line each, or waiting slows arriving. */
    typedef struct {
        volatile int arrived;
        char apart[60];
        volatile int generation;
        char apart_too[60];
    } fbp_barrier;
    """
    ctypedef struct fbp_barrier:
        int arrived
        int generation

# Runs share(job, t, n) for t = 0 .. n-1 at once, n <= n_threads. The calling thread is t = 0.
cdef void run_team(share_function share, void *job, int n_threads) noexcept nogil
# Returns when all n_threads have called it. All that was written before is seen by all after.
cdef void wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil

# x += amount; returns what x was. Safe among threads.
cdef int fetch_and_add(int *x, int amount) noexcept nogil
# Seconds of a clock that only goes forward.
cdef double monotonic_seconds() noexcept nogil
