"""Teams of OpenMP threads: start one, wait for one another, and stay alive in a forked child."""

from cython.parallel cimport parallel, threadid

from fastbp.engine.kernels cimport prefetches_writes


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
    static double fbp_seconds(void)
    {
        LARGE_INTEGER ticks, frequency;
        QueryPerformanceCounter(&ticks);
        QueryPerformanceFrequency(&frequency);
        return (double)ticks.QuadPart / (double)frequency.QuadPart;
    }
    #else
    #include <sched.h>
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
    int omp_get_num_threads() noexcept nogil
    int omp_get_max_threads() noexcept nogil
    int fbp_process_id() noexcept nogil
    int fbp_fetch_add(int *x, int amount) noexcept nogil
    double fbp_seconds() noexcept nogil
    void fbp_wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil


# The process that first used a team of several threads; 0: none yet. A child made by fork inherits the OpenMP runtime's
# records of threads that it does not have, and GNU's runtime would wait for them for ever: so it works on one thread.
cdef int _team_process = 0


cdef void wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil:
    if n_threads > 1:
        fbp_wait_for_all(barrier, n_threads)


cdef void run_team(share_function share, void *job, int n_threads) noexcept nogil:
    global _team_process
    if n_threads > 1 and _team_process == 0:
        _team_process = fbp_process_id()
    if n_threads <= 1 or _team_process != fbp_process_id():
        share(job, 0, 1)
        return
    with parallel(num_threads=n_threads):
        share(job, threadid(), omp_get_num_threads())


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
_limits.apart = 7.5e8
_limits.piece = 2e8
_limits.epoch_thread = 1e6
_limits.call_thread = 1e7
_limits.tried_thread = 3e5
_limits.paced = 3e8
_limits.will_write = prefetches_writes()


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


cdef:
    double WARM_SECONDS = 0.0005       # after a change of the team, not measured
    double MEASURE_SECONDS = 0.004     # that a rate is measured over, in one call or in several
    double LEAST_PATIENCE = 0.06       # from a first failed trial to the next trial; it doubles with each failure
    double MOST_PATIENCE = 1.0         # up to this
    double CLEARLY_FASTER = 1.03       # the rate of another size over the present one that makes the team change


cdef int _other_size(Pace *pace) noexcept nogil:
    """Half or double the present size, in turn, where that is possible; else 0."""
    cdef int smaller = pace.size // 2, larger = min(2 * pace.size, pace.most)
    pace.smaller_next = not pace.smaller_next
    if larger == pace.size or (smaller > 0 and not pace.smaller_next):
        return smaller
    return larger


cdef void _change_team(Pace *pace, int trial) noexcept nogil:
    pace.trial = trial
    pace.cold = True
    pace.n_samples = 0
    pace.seconds = 0
    pace.spent = 0


cdef int pace_next(Pace *pace, int most, int start, double *seconds) noexcept nogil:
    """The size of the team for the next interval, and its longest duration. While nothing is known, it is `start`."""
    if pace.most != most:
        pace.most = most
        pace.size = start
        pace.rate = 0
        pace.try_again = 0
        pace.patience = LEAST_PATIENCE
        _change_team(pace, 0)
    if most > 1 and pace.trial == 0 and pace.rate > 0 and pace.try_again <= 0:
        _change_team(pace, _other_size(pace))
    seconds[0] = look_seconds()
    if most > 1 and pace.cold:
        seconds[0] = WARM_SECONDS
    elif most > 1 and (pace.trial or pace.rate == 0):
        seconds[0] = MEASURE_SECONDS - pace.seconds
    return pace.trial if pace.trial else pace.size


cdef void pace_done(Pace *pace, double n_samples, double seconds) noexcept nogil:
    """Takes in what the interval achieved. Intervals may be short, as calls may be: a rate is of several then."""
    cdef double rate
    pace.spent += seconds
    if pace.cold:
        pace.cold = False
        return
    pace.n_samples += n_samples
    pace.seconds += seconds
    if pace.trial == 0:
        pace.try_again -= seconds
    if pace.seconds < MEASURE_SECONDS:
        return
    rate = pace.n_samples / pace.seconds
    pace.n_samples = 0
    pace.seconds = 0
    if pace.trial == 0:
        pace.rate = rate
    elif rate > CLEARLY_FASTER * pace.rate:
        pace.size = pace.trial
        pace.rate = rate
        pace.trial = 0
        pace.try_again = 0
        pace.patience = LEAST_PATIENCE
    else:
        pace.try_again = pace.patience * max(1.0, pace.spent / (WARM_SECONDS + MEASURE_SECONDS))
        _change_team(pace, 0)
        pace.patience = min(2 * pace.patience, MOST_PATIENCE)


def sizes_taken(
    most: int, rates: dict[int, float], n: int, longest: float = 1.0, waking: float = 0.0, start: int = 0
) -> list[int]:
    """The sizes of the next n teams, if each size had the rate (samples a second) that `rates` gives.

    A call ends after `longest` seconds at most. The first interval of a changed team takes `waking` seconds longer. The
    first size is `start`, or with 0 the largest.
    """
    cdef Pace pace = Pace(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    cdef double seconds = 0
    cdef int size, former = 0, first = start if start > 0 else most
    sizes = []
    for _ in range(n):
        size = pace_next(&pace, most, first, &seconds)
        seconds = min(seconds, longest)
        pace_done(&pace, rates[size] * seconds, seconds + (waking if size != former else 0))
        sizes.append(size)
        former = size
    return sizes


def openmp_version() -> int:
    """Date of the OpenMP standard this build uses, as 201511; 0 where it was built without OpenMP."""
    return FBP_OPENMP
