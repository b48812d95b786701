"""The installed versions, and the machine that they run on."""

from __future__ import annotations

import os
import platform

import numpy as np

from fastbp.engine import kernels, team
from fastbp.support.threads import choose_threads

__all__ = ["describe_config"]


def _config(version: str) -> dict[str, str]:
    """Return versions and settings by name; ``version`` is fastbp's."""
    openmp = team.openmp_version()
    variable = os.environ.get("OMP_NUM_THREADS", "")
    reason = f" (OMP_NUM_THREADS is {variable})" if variable else ""
    return {
        "fastbp": version,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "NumPy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "instruction set": kernels.isa(),
        "available": ", ".join(kernels.available_isas()),
        "compiled in": ", ".join(kernels.compiled_isas()),
        "OpenMP": str(openmp) if openmp else "none: built to run on one thread",
        "threads": f"{choose_threads()}{reason} on {os.cpu_count()} CPUs",
    }


def describe_config(version: str) -> str:
    """Return versions and settings as text, for bug reports."""
    config = _config(version)
    width = max(map(len, config))
    return "\n".join(f"{name:{width}}  {value}" for name, value in config.items())
