# How many threads work together, and how they wait for each other.

# A thread's share of a job: thread t of n_threads.
ctypedef void (*share_function)(void *job, int t, int n_threads) noexcept nogil

cdef extern from *:
    """
    /* Counts the threads that have arrived; the last one opens the next generation. Each field has a cache line of its
     * own, so that threads that wait do not slow down threads that arrive. */
    typedef struct {
        volatile int arrived;
        char apart[60];
        volatile unsigned generation;
        char apart_too[60];
    } fbp_barrier;

    /* Numbers that one thread may change while others look at them, for no more than the number itself: whole, and as
     * fast as any other load and store. What depends on them is ordered by a barrier or the GIL. */
    #if defined(_MSC_VER)
    static __inline double fbp_load_seconds(const double *p) { return *(const volatile double *)p; }
    static __inline void fbp_store_seconds(double *p, double x) { *(volatile double *)p = x; }
    static __inline int fbp_load_flag(const int *p) { return *(const volatile int *)p; }
    static __inline void fbp_store_flag(int *p, int x) { *(volatile int *)p = x; }
    #else
    static inline double fbp_load_seconds(const double *p)
    {
        double x;
        __atomic_load(p, &x, __ATOMIC_RELAXED);
        return x;
    }
    static inline void fbp_store_seconds(double *p, double x) { __atomic_store(p, &x, __ATOMIC_RELAXED); }
    static inline int fbp_load_flag(const int *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }
    static inline void fbp_store_flag(int *p, int x) { __atomic_store_n(p, x, __ATOMIC_RELAXED); }
    #endif
    """
    ctypedef struct fbp_barrier:
        int arrived
        unsigned generation

    double load_seconds "fbp_load_seconds" (const double *p) noexcept nogil
    void store_seconds "fbp_store_seconds" (double *p, double x) noexcept nogil
    int load_flag "fbp_load_flag" (const int *p) noexcept nogil
    void store_flag "fbp_store_flag" (int *p, int x) noexcept nogil

# Runs share(job, t, n) for t = 0 .. n-1 at once, n <= n_threads. The calling thread is t = 0. Returns n, which is
# smaller where the system does not start so many threads.
cdef int run_team(share_function share, void *job, int n_threads) noexcept nogil
# Returns when all n_threads have called it. What any thread wrote before it, all threads read after it.
cdef void wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil

# x += amount; returns what x was. Safe among threads.
cdef int fetch_and_add(int *x, int amount) noexcept nogil
# Gives the CPU away for some microseconds.
cdef void pause() noexcept nogil
# Seconds of a clock that only goes forward.
cdef double monotonic_seconds() noexcept nogil

# Seconds between two looks at signals, well under the 100 ms that Ctrl-C may take.
cdef inline double look_seconds() noexcept nogil:
    return 0.05

# From how much work on (floating-point operations) it is split among threads, or cut into pieces.
# No limit changes a result.
cdef struct WorkLimits:
    # From this work on, for each thread and lane, a step is long: it is cut into pieces and can be given up. From
    # `apart` on, all gradients are computed before the first update: at 5e9 operations a second and lane the weight
    # gradients, a third of the step, then take 17 ms, and several times as long where others want the CPU.
    double long_step
    double apart
    # The most work of one kernel call in a long step, for each lane: about 10 ms, after which signals are looked at.
    double piece
    # The least work of a thread: in a step of an epoch, whose team stays awake; in a call, whose team may have to be
    # woken up; and in a step of an epoch, for a larger team to be tried, which gains where cores share a cache.
    double epoch_thread
    double call_thread
    double tried_thread
    # Up to this work of a step the fastest size of the team is measured; above it follows from the work alone.
    double paced
    # Not a limit but a switch. Not 0: weight_gradient is told all that the update will write (weights and states), and
    # prefetches it. 0: it is told the weights alone, and only in a team of several threads.
    double will_write
    # Another one. Not 0: the products of a last panel that has samples in half of its lanes are made for that half.
    double half_panels
    # Seconds between two looks at what other processes send, while gradients are computed that they want.
    double ahead_seconds

cdef WorkLimits *limits_in_use() noexcept nogil
# As many threads as have enough to do, n_threads at most.
cdef int team_size(int n_threads, double work, double work_a_thread, Py_ssize_t n_panels) noexcept nogil
