"""FASTBP_ISA: forces an instruction set, and fails loudly where that cannot be had."""

import os
import subprocess
import sys

import pytest

from fastbp.engine import kernels


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
