"""How many threads a fit may use where joblib runs several at once."""

from __future__ import annotations

import threading
from typing import Any

from joblib.parallel import get_active_backend

from fastbp.support.threads import choose_threads

__all__ = ["threads_for"]


def threads_for(n_threads: Any) -> int:
    """Return the number of threads for an estimator's ``n_threads``.

    None is all there are; but one in a thread of joblib's, whose siblings keep the other CPUs busy. joblib's processes
    need nothing of the kind: it tells each by OMP_NUM_THREADS how many CPUs are its share.
    """
    if n_threads is None and threading.current_thread() is not threading.main_thread() and _inside_joblib():
        return 1
    return choose_threads(n_threads)


def _inside_joblib() -> bool:
    backend, _ = get_active_backend()
    return bool(getattr(backend, "nesting_level", 0))
