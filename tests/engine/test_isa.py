"""FASTBP_ISA: forces an instruction set, and fails loudly where that cannot be had."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastbp.engine import kernels

CPU = Path("/proc/cpuinfo")
NEEDED = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx2", "fma"}}


def import_with(isa):
    return subprocess.run(
        [sys.executable, "-c", "import fastbp.engine.kernels as k; print(k.isa())"],
        env={**os.environ, "FASTBP_ISA": isa},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("isa", kernels.available_isas())
def test_forces_each_one_that_is_available(isa):
    assert import_with(isa).stdout.strip() == isa


@pytest.mark.skipif(not CPU.exists() or platform.machine() != "x86_64", reason="this system does not tell")
def test_all_that_the_cpu_runs_are_available():
    flags = set(re.search(r"^flags\s*:(.*)$", CPU.read_text(), re.M)[1].split())
    wanted = {isa for isa, needed in NEEDED.items() if needed <= flags and isa in kernels.compiled_isas()}
    assert set(kernels.available_isas()) - {"baseline"} == wanted


def test_the_best_one_is_taken_unless_forced():
    assert import_with("").stdout.strip() == kernels.available_isas()[0]


@pytest.mark.parametrize(
    "isa", [name for name in ("neon", "avx512", "avx9000") if name not in kernels.available_isas()]
)
def test_fails_loudly(isa):
    result = import_with(isa)
    assert result.returncode != 0
    assert (
        f"ImportError: FASTBP_ISA forces an instruction set that cannot be used: instruction set '{isa}'"
        in result.stderr
    )
    assert "choose one of" in result.stderr
    assert "unset FASTBP_ISA" in result.stderr


def test_selecting_one_that_is_missing_changes_nothing():
    former = kernels.isa()
    with pytest.raises(ValueError, match="is not available on this machine"):
        kernels.select_isa("avx9000")
    assert kernels.isa() == former
