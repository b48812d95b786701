"""Teams of OpenMP threads: start one, wait for one another, and stay alive in a forked child."""

from cython.parallel cimport parallel, threadid


cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define FBP_OPENMP _OPENMP
    #else
    #define FBP_OPENMP 0
    static int omp_get_num_threads(void) { return 1; }
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

    /* Spin for some microseconds, as long as a step's shares may differ, then give the core away each time: a thread that
     * was put off its core must get one back. */
    enum { FBP_SPINS = 4000 };

    static void fbp_wait_for_all(fbp_barrier *barrier, int n_threads)
    {
        const int generation = fbp_load(&barrier->generation);
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
    int fbp_process_id() noexcept nogil
    int fbp_fetch_add(int *x, int amount) noexcept nogil
    double fbp_seconds() noexcept nogil
    void fbp_wait_for_all(fbp_barrier *barrier, int n_threads) noexcept nogil


# The process that first used a team of several; 0: none yet. A child made by fork inherits the OpenMP runtime's records of
# threads that it does not have, and GNU's would wait for them for ever: such a child works on one thread.
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


def openmp_version() -> int:
    """Date of the OpenMP standard this build uses, as 201511; 0 where it was built without OpenMP."""
    return FBP_OPENMP
