"""The installed versions, and the machine that they run on."""

from __future__ import annotations

import platform

import numpy as np

from fastbp.engine import kernels, team
from fastbp.support.precision import explain_bf16
from fastbp.support.threads import explain_threads

__all__ = ["describe_config"]


def _config(version: str) -> dict[str, str]:
    """Return versions and settings by name; ``version`` is fastbp's."""
    openmp = team.openmp_version()
    return {
        "fastbp": version,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "NumPy": np.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "instruction set": kernels.isa(),
        "available": ", ".join(kernels.available_isas()),
        "compiled in": ", ".join(kernels.compiled_isas()),
        "bfloat16": explain_bf16(),
        "OpenMP": str(openmp) if openmp else "none: built to run on one thread",
        "threads": explain_threads(),
    }


def describe_config(version: str) -> str:
    """Return versions and settings as text, for bug reports."""
    config = _config(version)
    width = max(map(len, config))
    return "\n".join(f"{name:{width}}  {value}" for name, value in config.items())
