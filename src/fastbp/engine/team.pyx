"""Teams of OpenMP threads: start one, wait for one another, and stay alive in a forked child."""

from cython.parallel cimport parallel, threadid

from fastbp.engine.kernels cimport gains_by_half_panels, prefetches_writes


cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define FBP_OPENMP _OPENMP
    #else
    #define FBP_OPENMP 0
    static int omp_get_num_threads(void) { return 1; }
    static int omp_get_max_threads(void) { return 0; }
    #endif

    #if defined(_MSC_VER)
    #include <windows.h>
    #include <intrin.h>
    #include <process.h>
    #define fbp_process_id() _getpid()
    #define fbp_load(p) _InterlockedOr((volatile long *)(p), 0)
    #define fbp_store(p, x) _InterlockedExchange((volatile long *)(p), (x))
    #define fbp_fetch_add(p, x) _InterlockedExchangeAdd((volatile long *)(p), (x))
    #define fbp_relax() YieldProcessor()
    #define fbp_give_way() SwitchToThread()
    #define fbp_pause() Sleep(1)
    #define FBP_PROBES 0
    static int fbp_pool = 0;
    static int fbp_startable(int n) { return n; }
    static double fbp_seconds(void)
    {
        LARGE_INTEGER ticks, frequency;
        QueryPerformanceCounter(&ticks);
        QueryPerformanceFrequency(&frequency);
        return (double)ticks.QuadPart / (double)frequency.QuadPart;
    }
    #else
    #include <pthread.h>
    #include <sched.h>
    #include <signal.h>
    #include <stdlib.h>
    #include <time.h>
    #include <unistd.h>
    #define fbp_process_id() getpid()
    #define fbp_load(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
    #define fbp_store(p, x) __atomic_store_n((p), (x), __ATOMIC_RELEASE)
    #define fbp_fetch_add(p, x) __atomic_fetch_add((p), (x), __ATOMIC_ACQ_REL)
    #if defined(__x86_64__) || defined(__i386__)
    #define fbp_relax() __builtin_ia32_pause()
    #elif defined(__aarch64__)
    #define fbp_relax() __asm__ volatile("yield")
    #else
    #define fbp_relax() ((void)0)
    #endif
    #define fbp_give_way() sched_yield()
    static double fbp_seconds(void)
    {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    static void fbp_pause(void)
    {
        const struct timespec brief = {0, 50000};
        nanosleep(&brief, NULL);
    }

    /* OpenMP ends the process where a thread cannot be started: for want of address space for its stack, or of a number
     * among the user's threads. So as many threads, with stacks of that size, are started and ended before. */
    #define FBP_PROBES FBP_OPENMP
    static __thread int fbp_pool = 0; /* threads of the last team of this thread, itself included; they stay */

    /* Bytes of OMP_STACKSIZE, such as "512k" (without a letter: KB); 0 where it is not set or means nothing. */
    static size_t fbp_stack_size(void)
    {
        const char *text = getenv("OMP_STACKSIZE");
        char *end = NULL;
        if (text == NULL && (text = getenv("GOMP_STACKSIZE")) == NULL)
            return 0;
        const size_t number = strtoul(text, &end, 10);
        while (*end == ' ')
            end++;
        switch (*end) {
        case 'b': case 'B': return number;
        case 'm': case 'M': return number << 20;
        case 'g': case 'G': return number << 30;
        default: return number << 10;
        }
    }

    static void *fbp_stand_by(void *door)
    {
        pthread_mutex_lock((pthread_mutex_t *)door);
        pthread_mutex_unlock((pthread_mutex_t *)door);
        return NULL;
    }

    /* How many of n more threads the system starts, all alive at once. */
    static int fbp_startable(int n)
    {
        enum { MOST = 1024, SPARE_BYTES = 1 << 20 }; /* OpenMP's own records take memory too */
        static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
        pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
        pthread_t threads[MOST];
        pthread_attr_t attributes;
        sigset_t all, former;
        const size_t stack_size = fbp_stack_size();
        int started = 0;
        void *spare = malloc(SPARE_BYTES);
        if (spare == NULL || pthread_attr_init(&attributes) != 0) {
            free(spare);
            return 0;
        }
        if (stack_size > 0)
            pthread_attr_setstacksize(&attributes, stack_size); /* if it is refused, nothing changes, as in OpenMP */
        sigfillset(&all); /* signals are for the threads that are there to stay */
        pthread_sigmask(SIG_SETMASK, &all, &former);
        pthread_mutex_lock(&one_at_a_time);
        pthread_mutex_lock(&door);
        while (started < n && started < MOST
               && pthread_create(&threads[started], &attributes, fbp_stand_by, &door) == 0)
            started++;
        pthread_mutex_unlock(&door);
        for (int i = 0; i < started; i++)
            pthread_join(threads[i], NULL);
        pthread_mutex_unlock(&one_at_a_time);
        pthread_sigmask(SIG_SETMASK, &former, NULL);
        pthread_attr_destroy(&attributes);
        free(spare);
        return started;
    }
    #endif

    /* A thread spins for some microseconds, the time by which the shares of a step may differ. After that it yields its
     * core again and again, so that a thread that has lost its core gets one. */
    enum { FBP_SPINS = 4000 };

    static void fbp_wait_for_all(fbp_barrier *barrier, int n_threads)
    {
        const unsigned generation = fbp_load(&barrier->generation); /* wraps around */
        if (fbp_fetch_add(&barrier->arrived, 1) == n_threads - 1) {
            fbp_store(&barrier->arrived, 0);
            fbp_store(&barrier->generation, generation + 1);
            return;
        }
        for (int i = 0; i < FBP_SPINS; i++) {
            if (fbp_load(&barrier->generation) != generation)
                return;
            fbp_relax();
        }
        while (fbp_load(&barrier->generation) == generation)
            fbp_give_way();
    }
    """
    int FBP_OPENMP
    int FBP_PROBES
    int fbp_pool
    int omp_get_num_threads() noexcept nogil
    int omp_get_max_threads() noexcept nogil
    int fbp_process_id() noexcept nogil
    int fbp_fetch_add(int *x, int amount) noexcept nogil
    double fbp_seconds() noexcept nogil
    void fbp_pause() noexcept nogil
    int fbp_startable(int n) noexcept nogil
    void fbp_wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil


# The process that first used a team of several threads; 0: none yet. A child made by fork inherits the OpenMP runtime's
# records of threads that it does not have, and GNU's runtime would wait for them for ever: so it works on one thread.
# Several threads may start teams at once: hence load_flag and store_flag, here and below.
cdef int _team_process = 0


cdef void wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil:
    if n_threads > 1:
        fbp_wait_for_all(barrier, n_threads)


# Where threads could not be started: how many there are at most, and when that is tried again.
cdef int _startable = 0
cdef double _try_again_at = 0
cdef double RETRY_SECONDS = 1.0


cdef int _able(int n_threads) noexcept nogil:
    """As many threads as the system gives this one, n_threads at most: asked before OpenMP starts new ones."""
    cdef int pool = max(fbp_pool, 1)
    if not FBP_PROBES or n_threads <= pool:
        return n_threads
    if fbp_seconds() < load_seconds(&_try_again_at):
        return min(n_threads, max(pool, load_flag(&_startable)))
    cdef int able = pool + fbp_startable(n_threads - pool)
    if able < n_threads:
        store_flag(&_startable, able)
        store_seconds(&_try_again_at, fbp_seconds() + RETRY_SECONDS)
    return able


cdef int run_team(share_function share, void *job, int n_threads) noexcept nogil:
    global fbp_pool
    if n_threads > 1 and load_flag(&_team_process) == 0:
        store_flag(&_team_process, fbp_process_id())
    if n_threads > 1 and load_flag(&_team_process) == fbp_process_id():
        n_threads = _able(n_threads)
    else:
        n_threads = 1
    if n_threads <= 1:
        share(job, 0, 1)
        return 1
    fbp_pool = n_threads
    with parallel(num_threads=n_threads):
        share(job, threadid(), omp_get_num_threads())
    return n_threads


cdef void pause() noexcept nogil:
    fbp_pause()


cdef int fetch_and_add(int *x, int amount) noexcept nogil:
    return fbp_fetch_add(x, amount)


cdef double monotonic_seconds() noexcept nogil:
    return fbp_seconds()


# ---- The number of threads of a caller that gives none -------------------------------------------------------------


cdef int _usual = 0        # 0: not known
cdef int _most = 0         # the same where OpenMP's number has been set by a call since the process began
cdef int _began = 0        # OpenMP's number before any such call


def set_usual_threads(int usual, int most, int began) -> None:
    """Set the number of threads for callers that give none; 0: not known.

    `most` is its bound where OpenMP's own number is no longer `began`.
    """
    global _usual, _most, _began
    _usual, _most, _began = usual, most, began


def usual_threads() -> int:
    """The number of threads for callers that give none, 0 if it is not known.

    OpenMP's number, which omp_set_num_threads sets for the calling thread, counts from the moment that it is set.
    """
    cdef int openmp = omp_get_max_threads()
    return _usual if _usual == 0 or openmp == _began else min(openmp, _most)


def openmp_threads() -> int:
    """OpenMP's own number of threads, for the calling thread; 0 where this was built without OpenMP."""
    return omp_get_max_threads()


# ---- How many work together ----------------------------------------------------------------------------------------


cdef WorkLimits _limits
_limits.long_step = 1e8
_limits.apart = 2.5e8
_limits.piece = 7e7           # where others want the CPUs too, a piece takes several times as long
_limits.epoch_thread = 1e6
_limits.call_thread = 1e7
_limits.tried_thread = 3e5
_limits.paced = 3e8
_limits.will_write = prefetches_writes()
_limits.half_panels = gains_by_half_panels()
_limits.ahead_seconds = 3e-4


cdef WorkLimits *limits_in_use() noexcept nogil:
    return &_limits


def work_limits(**changes: float) -> dict[str, float]:
    """Change the limits that are named (see team.pxd), and return the former ones.

    For tests, which force every path on small networks, and for measurements.
    """
    global _limits
    former = dict(_limits)
    _limits = {**former, **changes}
    return former


cdef int team_size(int n_threads, double work, double work_a_thread, Py_ssize_t n_panels) noexcept nogil:
    cdef double most = work / work_a_thread
    if most < n_threads:
        n_threads = <int>most
    if n_panels < n_threads:
        n_threads = <int>n_panels
    return n_threads if n_threads > 1 else 1


def openmp_version() -> int:
    """Date of the OpenMP standard this build uses, as 201511; 0 where it was built without OpenMP."""
    return FBP_OPENMP
