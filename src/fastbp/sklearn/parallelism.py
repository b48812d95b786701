"""The number of threads of a fit, also inside joblib."""

from __future__ import annotations

import threading
from typing import Any

from joblib.parallel import get_active_backend

from fastbp.support.threads import choose_threads

__all__ = ["threads_for"]


def threads_for(n_threads: Any) -> int:
    """Return the number of threads for an estimator's ``n_threads``.

    None means the process's number; but one inside a thread of joblib, whose other threads use the other CPUs. In
    joblib's processes nothing special is needed: joblib sets OMP_NUM_THREADS to each process's share of the CPUs.
    """
    if n_threads is None and threading.current_thread() is not threading.main_thread() and _inside_joblib():
        return 1
    return choose_threads(n_threads)


def _inside_joblib() -> bool:
    backend, _ = get_active_backend()
    return bool(getattr(backend, "nesting_level", 0))
