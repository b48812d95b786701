"""The number of threads of a call: its own ``n_threads``; without one, that of the process.

``set_num_threads`` says what the process's number is. What the environment and the machine say is looked up once; the
engine compares OpenMP's number at each call.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastbp.engine.team import openmp_threads, set_usual_threads, usual_threads
from fastbp.support.checks import check_int

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "check_threads",
    "choose_threads",
    "explain_threads",
    "forget_threads",
    "get_num_threads",
    "set_num_threads",
]

MAX_THREADS = 1024

_OWN, _OPENMP = "FASTBP_NUM_THREADS", "OMP_NUM_THREADS"
_given: int | None = None  # by set_num_threads
_n_cpus: int | None = None  # that this process may use, once that is known


def check_threads(n_threads: Any) -> int:
    """Return a number of threads that a caller gives, if it is one.

    Raises
    ------
    TypeError, ValueError
        If it is not a positive integer.
    """
    return check_int(n_threads, "n_threads", maximum=MAX_THREADS, remedy="None uses fb.get_num_threads().")


def choose_threads(n_threads: Any = None) -> int:
    """Return the largest number of threads to use; the engine uses fewer where the work is small.

    Parameters
    ----------
    n_threads : int or None
        None means the process's number: see ``set_num_threads``. No more than the CPUs of the process are used.

    Raises
    ------
    TypeError, ValueError
        If ``n_threads`` or an environment variable is not a positive integer.
    """
    if n_threads is None:
        return usual_threads() or _look_up()
    return min(check_threads(n_threads), _n_cpus or _count_cpus())


def set_num_threads(n_threads: int | None) -> None:
    """Set the largest number of threads of every call in this process whose ``n_threads`` is None.

    That number is the first of these that is given:

    1. this one,
    2. the environment variable FASTBP_NUM_THREADS,
    3. what a call has set for OpenMP in the calling thread: ``threadpoolctl.threadpool_limits``, omp_set_num_threads,
    4. the environment variable OMP_NUM_THREADS,
    5. the CPUs that this process may use: those it may run on, at most its container's CPU quota (cgroup v1 and v2,
       rounded up).

    The third bounds the first two, as a limit is there to be kept; one that equals the number with which OpenMP began
    cannot be told from none. An ``n_threads`` of a call or a trainer comes before the first four. The fifth bounds all,
    a call's own ``n_threads`` too: more threads than CPUs wait for one another. The number changes no result, and where
    the work is small fewer threads are used. The environment and the machine are looked up once in a process.

    Parameters
    ----------
    n_threads : int or None
        None goes back to the environment and the machine.

    Raises
    ------
    TypeError, ValueError
        If it is neither a positive integer nor None.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.set_num_threads(1)
    >>> fb.get_num_threads()
    1
    >>> fb.set_num_threads(None)
    """
    global _given
    remedy = "None goes back to the environment and the machine."
    _given = None if n_threads is None else check_int(n_threads, "n_threads", maximum=MAX_THREADS, remedy=remedy)
    forget_threads()


def get_num_threads() -> int:
    """Return the largest number of threads of calls whose ``n_threads`` is None; ``set_num_threads`` says what it is.

    Raises
    ------
    ValueError
        If FASTBP_NUM_THREADS or OMP_NUM_THREADS is not a positive integer.

    Examples
    --------
    >>> import fastbp as fb
    >>> fb.get_num_threads() >= 1
    True
    """
    return choose_threads()


def explain_threads() -> str:
    """Return the number of threads and where it comes from, or what is wrong with it, for bug reports."""
    try:
        n_threads = choose_threads()
    except ValueError as error:
        return f"not known: {error}"
    reasons = [f"{name} is {value}" for name in (_OWN, _OPENMP) if (value := os.environ.get(name, "").strip())]
    reasons += [f"fb.set_num_threads({_given})"] if _given is not None else []
    if openmp_threads() != _began:
        reasons.append(f"OpenMP has been set to {openmp_threads()}")
    because = f" ({', '.join(reasons)})" if reasons else ""
    return f"{n_threads}{because} on {os.cpu_count()} CPUs"


def forget_threads() -> None:
    """Look the environment and the machine up again at the next call."""
    global _n_cpus
    _n_cpus = None
    set_usual_threads(0, 0, 0)


def _look_up() -> int:
    """Tell the engine the process's number of threads; return that of now."""
    n_cpus = _count_cpus()
    own = _given or _read_variable(_OWN)
    if own:
        set_usual_threads(min(own, n_cpus), min(own, n_cpus), _began)
    else:
        set_usual_threads(min(_read_variable(_OPENMP) or n_cpus, n_cpus), n_cpus, _began)
    return usual_threads()


def _read_variable(name: str) -> int | None:
    """Return a number of threads from the environment, None if it is not set there."""
    variable = os.environ.get(name, "").strip()
    if not variable:
        return None
    first = variable.split(",")[0].strip()  # "4,2" is 4 threads, and 2 for each region inside a region
    if not (first.isascii() and first.isdecimal() and 1 <= int(first) <= MAX_THREADS):
        raise ValueError(
            f"the environment variable {name} is {variable!r}; expected an integer 1 to {MAX_THREADS}. "
            "Correct it or unset it."
        )
    return int(first)


def _openmp_began() -> int:
    """Return OpenMP's number of threads before any call set it; one may have done so before this import."""
    now = openmp_threads()
    try:
        first = _read_variable(_OPENMP) or _usable_cpus()
    except ValueError:  # reported when the number is needed
        first = _usable_cpus()
    return max(now, first) if now else 0


def _count_cpus() -> int:
    """Return the CPUs that this process may use."""
    global _n_cpus
    _n_cpus = min(_usable_cpus(), _quota_cpus(), MAX_THREADS)
    return _n_cpus


def _usable_cpus() -> int:
    """Return how many CPUs the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota_cpus(membership: str | Path = "/proc/self/cgroup", mount: str | Path = "/sys/fs/cgroup") -> int:
    """Return the smallest CPU quota of this process's groups, rounded up; MAX_THREADS without a quota."""
    from pathlib import Path  # only now: `import fastbp` stays quick

    directories = _cgroup_directories(Path(membership), Path(mount))
    quotas = [quota for directory in directories if (quota := _read_quota(directory))]
    return max(1, math.ceil(min(quotas))) if quotas else MAX_THREADS


def _cgroup_directories(membership: Path, mount: Path) -> Iterator[Path]:
    """Yield the directories of the quotas that apply to this process: its groups' and their ancestors'."""
    from pathlib import PurePosixPath

    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            roots = [mount, mount / "unified"]  # version 2, alone or beside version 1
        elif "cpu" in controllers.split(","):
            roots = [mount / controllers, mount / "cpu"]  # version 1
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for root in roots:
            for ancestor in (group, *group.parents):
                yield root / ancestor


def _read_quota(directory: Path) -> float | None:
    """Return the quota of one group in CPUs, None if it has none."""
    try:
        if (directory / "cpu.max").exists():  # version 2: "max 100000" or "150000 100000"
            quota, period = (directory / "cpu.max").read_text().split()
        else:  # version 1: -1 is no quota
            quota = (directory / "cpu.cfs_quota_us").read_text().strip()
            period = (directory / "cpu.cfs_period_us").read_text().strip()
        return None if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None  # the kernel does not say: CPU affinity alone decides


_began = _openmp_began()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_threads)  # a worker is often pinned after the fork
