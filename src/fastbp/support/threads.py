"""The number of threads: set by the caller, else by the environment, else by the machine."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from fastbp.support.checks import check_int

__all__ = ["choose_threads"]

MAX_THREADS = 1024  # more do not help, and OpenMP ends the process if the system cannot start them


def choose_threads(n_threads: Any = None) -> int:
    """Return the largest number of threads to use; the engine uses fewer where the work is small.

    Parameters
    ----------
    n_threads : int or None
        None means OMP_NUM_THREADS if that is set, else the number of CPUs that this process may run on, at most its
        container's CPU quota (cgroup v1 and v2, rounded up). It is looked up once in a process.

    Raises
    ------
    TypeError, ValueError
        If ``n_threads`` or OMP_NUM_THREADS is not a positive integer.
    """
    if n_threads is None:
        return default_threads()
    return check_int(n_threads, "n_threads", maximum=MAX_THREADS, remedy="None uses all CPUs.")


@functools.cache
def default_threads() -> int:
    """Return the number of threads for callers that give none."""
    variable = os.environ.get("OMP_NUM_THREADS", "").strip()
    if variable:
        return _parse_variable(variable)
    return min(_usable_cpus(), _quota_cpus(), MAX_THREADS)


def _parse_variable(variable: str) -> int:
    first = variable.split(",")[0].strip()  # "4,2" is 4 threads, and 2 for each region inside a region
    if not (first.isascii() and first.isdecimal() and 1 <= int(first) <= MAX_THREADS):
        raise ValueError(
            f"the environment variable OMP_NUM_THREADS is {variable!r}; expected an integer 1 to {MAX_THREADS}. "
            "Correct it or unset it."
        )
    return int(first)


def _usable_cpus() -> int:
    """Return how many CPUs the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota_cpus(membership: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the smallest CPU quota of this process's groups, rounded up; MAX_THREADS without a quota."""
    quotas = [quota for directory in _cgroup_directories(membership, mount) if (quota := _read_quota(directory))]
    return max(1, math.ceil(min(quotas))) if quotas else MAX_THREADS


def _cgroup_directories(membership: Path, mount: Path) -> Iterator[Path]:
    """Yield the directories of the quotas that apply to this process: its groups' and their ancestors'."""
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


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=default_threads.cache_clear)  # a worker is often pinned after the fork
