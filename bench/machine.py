"""Facts about the machine, and how a process is held to a number of threads."""

import os
import platform
import sys
from pathlib import Path

# One variable a threading run time or BLAS; XLA has none and goes by the CPU affinity.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


# What makes a peer take other kernels, or other blocks, than it would choose for this CPU; some systems set them.
KERNEL_VARIABLES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
    "NVPL_BLAS_DEBUG_CPU_TYPE",
    "BLIS_ARCH_TYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ATEN_CPU_CAPABILITY",
    "XLA_FLAGS",
)


def worker_environment(n_threads: int) -> dict[str, str]:
    """The environment of a worker process that is to use `n_threads` threads, and the kernels that are best here."""
    kept = {name: value for name, value in os.environ.items() if name not in KERNEL_VARIABLES}
    return {**kept, **dict.fromkeys(THREAD_VARIABLES, str(n_threads))}


def usable_cpus() -> list[int]:
    """The CPUs this process may run on, one of every core before the second hardware thread of any."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1))
    return sorted(sorted(os.sched_getaffinity(0)), key=_rank_in_core)


def _rank_in_core(cpu: int) -> int:
    """0 for the first hardware thread of a core, 1 for the second, as far as Linux tells."""
    try:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return 0
    return parse_cpu_list(siblings).index(cpu)


def parse_cpu_list(text: str) -> list[int]:
    """The CPUs of a list as Linux writes it: "0-2,8" is [0, 1, 2, 8]."""
    cpus = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def pin(n_threads: int) -> bool:
    """Hold this process to `n_threads` CPUs; False where the system offers no such thing."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, usable_cpus()[:n_threads])
    return True


def cpu_name() -> str:
    """The CPU's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()


def describe() -> dict[str, str | int]:
    """What a reader of the results must know of the machine."""
    return {
        "cpu": cpu_name(),
        "cpus": len(usable_cpus()),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": sys.version.split()[0],
    }
