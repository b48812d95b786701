"""On which CPU a thread begins: on another one than its starter's, which works on meanwhile.

Linux puts a thread that begins, or wakes up, on a CPU that is idle. But a virtual machine may not know that of its own
CPUs after a rest: half of the time the thread waits beside the one that started it, for some milliseconds, while
another CPU does nothing. It is moved at once when that CPU is taken from those that it may use, and stays where it is
when it gets them all back. Which CPUs it may use remains the user's choice.
"""

import _thread

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

cdef extern from *:
    """
    #if defined(__linux__) && !defined(__ANDROID__)
    #include <pthread.h>
    #include <sched.h>

    typedef cpu_set_t fbp_cpus;

    static int fbp_get_cpus(fbp_cpus *cpus) { return sched_getaffinity(0, sizeof *cpus, cpus) == 0; }
    static int fbp_set_cpus(const fbp_cpus *cpus) { return sched_setaffinity(0, sizeof *cpus, cpus) == 0; }

    static void fbp_begin_elsewhere(unsigned long thread)
    {
    #ifdef Py_GIL_DISABLED
        (void)thread; /* it may have ended by now */
    #else
        const int cpu = sched_getcpu();
        fbp_cpus others;
        if (cpu < 0 || cpu >= CPU_SETSIZE || !fbp_get_cpus(&others))
            return;
        CPU_CLR(cpu, &others);
        if (CPU_COUNT(&others) > 0)
            pthread_setaffinity_np((pthread_t)thread, sizeof others, &others);
    #endif
    }
    #else
    typedef int fbp_cpus;
    static int fbp_get_cpus(fbp_cpus *cpus) { (void)cpus; return 0; }
    static int fbp_set_cpus(const fbp_cpus *cpus) { (void)cpus; return 0; }
    static void fbp_begin_elsewhere(unsigned long thread) { (void)thread; }
    #endif
    """
    ctypedef struct fbp_cpus:
        pass
    int fbp_get_cpus(fbp_cpus *cpus) noexcept nogil
    int fbp_set_cpus(const fbp_cpus *cpus) noexcept nogil
    void fbp_begin_elsewhere(unsigned long thread) noexcept nogil


def usable_cpus() -> bytes:
    """The CPUs that the calling thread may use, for ``use_cpus``; nothing where the system does not tell."""
    cdef fbp_cpus cpus
    return PyBytes_FromStringAndSize(<char *>&cpus, sizeof(cpus)) if fbp_get_cpus(&cpus) else b""


def use_cpus(bytes cpus) -> None:
    """Let the calling thread use these CPUs, which ``usable_cpus`` returned; where it may not, all is as it was."""
    if cpus:
        fbp_set_cpus(<const fbp_cpus *>PyBytes_AS_STRING(cpus))


def start_elsewhere(run, tuple arguments) -> None:
    """Start a thread that begins on another CPU than the calling one's, if it may use others.

    It is to call ``use_cpus`` first. It is still there when it is moved: it needs the GIL to do anything, even to end,
    and no other thread gets that between these two lines, as they are compiled.

    Raises
    ------
    RuntimeError
        If the system starts no more threads.
    """
    cdef unsigned long thread = _thread.start_new_thread(run, arguments)
    fbp_begin_elsewhere(thread)
